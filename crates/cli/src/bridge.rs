//! `landbridge bridge`: the flags of a container's Envoy command line, carried over.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use landbridge_bridge::admin::Launch;
use landbridge_bridge::config::{Bootstrap, ConfigErrors, EndpointAddress, ListenAddress};
use landbridge_bridge::{Bridge, Options, StartError};
use tokio::signal::unix::{SignalKind, signal};

use crate::log;

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("configuration").required(true).multiple(false).args(["config_path", "config_yaml", "listen"])))]
pub(crate) struct Arguments {
    /// The Envoy file, YAML or JSON.
    #[arg(short = 'c', long, value_name = "FILE")]
    config_path: Option<PathBuf>,

    /// The configuration itself instead of a file.
    #[arg(long, value_name = "YAML")]
    config_yaml: Option<String>,

    /// Without a file: the address to serve all three protocols on.
    #[arg(long, value_name = "IP:PORT", requires = "upstream")]
    listen: Option<ListenAddress>,

    /// Without a file: the gRPC server to call, over HTTP/2 without TLS. A name stands for all addresses that it has.
    #[arg(long, value_name = "HOST:PORT", requires = "listen")]
    upstream: Option<EndpointAddress>,

    /// Worker threads; 0 counts as 1 [default: one for each processor].
    #[arg(long, value_name = "COUNT")]
    concurrency: Option<usize>,

    /// How much to log.
    #[arg(short = 'l', long, value_enum, default_value = "info", value_name = "LEVEL")]
    log_level: log::Level,

    /// How log lines look.
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    log_format: log::Format,

    /// Serve, or only check the configuration.
    #[arg(long, value_enum, default_value = "serve", value_name = "MODE")]
    mode: Mode,

    /// How long calls in flight still get after SIGTERM, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    drain_time_s: u64,

    /// A file to write the admin server's address to.
    #[arg(long, value_name = "FILE")]
    admin_address_path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum Mode {
    /// Run until a signal comes.
    Serve,
    /// Say whether the configuration could be served, and exit.
    Validate,
}

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{of}: {errors}")]
    Configuration { of: String, errors: ConfigErrors },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("signals cannot be waited for: {0}")]
    Signals(std::io::Error),
}

/// The exit status where it cannot serve.
const FAILED: u8 = 1;

/// Runs the command.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let levels = log::start(arguments.log_level, arguments.log_format);
    match serve(arguments, levels) {
        Ok(()) => 0,
        Err(failure) => {
            // Standard error may be closed; there is nobody else to tell.
            let _written = writeln!(std::io::stderr(), "landbridge bridge: {failure}");
            FAILED
        }
    }
}

fn serve(arguments: Arguments, levels: log::Levels) -> Result<(), Failure> {
    let bootstrap = configuration(&arguments)?;
    if arguments.mode == Mode::Validate {
        Bridge::validate(bootstrap)?;
        let _written = writeln!(std::io::stdout(), "configuration OK");
        return Ok(());
    }
    let drain_time = Duration::from_secs(arguments.drain_time_s);
    // Envoy takes 0 for 1, so command lines that say it are in use.
    let workers = arguments.concurrency.map(|count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN));
    let available = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let launch = Launch {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_path: arguments
            .config_path
            .as_ref()
            .map_or_else(String::new, |path| path.display().to_string()),
        config_yaml: arguments.config_yaml.is_some(),
        drain_time,
        log_level: format!("{:?}", arguments.log_level).to_lowercase(),
    };
    let bridge = Bridge::start(
        bootstrap,
        Options {
            concurrency: workers.unwrap_or_else(available),
            drain_time,
            admin_address_path: arguments.admin_address_path,
            launch,
            log_levels: Box::new(levels),
        },
    )?;
    for (name, address) in bridge.listeners() {
        tracing::info!(listener = name, %address, "listening");
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Signals)?;
    let clean = runtime.block_on(until_told(&bridge))?;
    bridge.join();
    tracing::info!(clean, "left");
    Ok(())
}

fn configuration(arguments: &Arguments) -> Result<Bootstrap, Failure> {
    if let (Some(listen), Some(upstream)) = (&arguments.listen, &arguments.upstream) {
        return Ok(Bootstrap::simple(listen.clone(), upstream.clone()));
    }
    let (of, text) = match (&arguments.config_path, &arguments.config_yaml) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| Failure::Read { path: path.clone(), source })?;
            (path.display().to_string(), text)
        }
        (None, yaml) => ("--config-yaml".to_owned(), yaml.clone().unwrap_or_default()),
    };
    Bootstrap::from_yaml(&text).map_err(|errors| Failure::Configuration { of, errors })
}

/// Waits for SIGTERM, SIGINT or the admin server, then for the calls in flight; a second signal ends them at once.
async fn until_told(bridge: &Bridge) -> Result<bool, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Signals)?;
    // Asks for log files to be opened anew. Where there are none it must not end the process, as it does by default.
    let _reopen = signal(SignalKind::user_defined1()).map_err(Failure::Signals)?;
    let mut signalled = async || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    let cause = tokio::select! {
        name = signalled() => name,
        () = bridge.asked_to_quit() => "/quitquitquit",
    };
    tracing::info!(cause, "draining: calls in flight may finish");
    tokio::select! {
        clean = bridge.leave() => Ok(clean),
        name = signalled() => {
            tracing::warn!(signal = name, "leaving at once");
            bridge.abort();
            Ok(false)
        }
    }
}
