//! A configuration brought to life: worker threads with their listeners, the admin server, and the way out.

mod admin;
mod listener;
mod worker;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use landbridge_net::{Address, ListenError};

use crate::access_log::{AccessLogs, OpenLogError};
use crate::admin::{Admin, Command, Launch, LogLevels, Phase, ServerState};
use crate::cluster::SharedCluster;
use crate::config::Bootstrap;
use crate::schemas::{SchemaSetupError, Schemas};
use crate::stats::Stats;
use crate::tls::TlsSetupError;
use admin::AdminServer;
use listener::RunningListener;
use worker::{Prepared, Worker};

/// How a bridge runs, beside what its file says.
pub struct Options {
    /// Worker threads.
    pub concurrency: NonZeroUsize,
    /// How long calls in flight still get when the bridge leaves.
    pub drain_time: Duration,
    /// A file to write the admin server's address to, once it is known (Envoy's `--admin-address-path`).
    pub admin_address_path: Option<PathBuf>,
    /// How it was started, for the admin server to show.
    pub launch: Launch,
    /// What the admin server's `/logging` shows and changes.
    pub log_levels: Box<dyn LogLevels>,
}

/// Why a bridge did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, or not this machine's.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A certificate or key cannot be used.
    #[error("{of}: {source}")]
    Tls {
        /// `listener NAME` or `cluster NAME`.
        of: String,
        /// What is wrong.
        source: TlsSetupError,
    },
    /// A descriptor set cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaSetupError),
    /// An access log cannot be written.
    #[error(transparent)]
    AccessLog(#[from] OpenLogError),
    /// The system gives no thread, descriptor or file.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What all threads of a bridge share.
#[derive(Debug)]
pub(crate) struct Shared {
    bootstrap: Arc<Bootstrap>,
    clusters: Vec<Arc<SharedCluster>>,
    listeners: Vec<RunningListener>,
    schemas: Arc<Schemas>,
    stats: Arc<Stats>,
}

/// A running bridge. It runs until [`leave`](Self::leave) ends it.
#[derive(Debug)]
pub struct Bridge {
    shared: Arc<Shared>,
    state: Arc<ServerState>,
    workers: Vec<Worker>,
    admin: Option<AdminServer>,
    logs: AccessLogs,
    drain_time: Duration,
}

impl Bridge {
    /// Loads certificates and schemas, binds every address, and starts to serve. Has to be called outside of any
    /// runtime, since it waits.
    ///
    /// # Errors
    /// The first thing that is wrong; then nothing is left running.
    pub fn start(bootstrap: Bootstrap, options: Options) -> Result<Self, StartError> {
        let system = |what: &'static str| move |source| StartError::System { what, source };
        let shared = Arc::new(Shared::load(bootstrap, options.concurrency)?);
        let state = Arc::new(ServerState::new(options.launch));
        state.set_phase(Phase::Initializing);

        let wanted = shared.listeners.iter().map(RunningListener::wanted);
        let first = Prepared::binding(wanted).map_err(system("a runtime cannot be made"))??;
        let mut prepared = vec![];
        for _ in 1..options.concurrency.get() {
            prepared.push(first.sharing().map_err(system("a worker cannot share the listeners"))?);
        }
        for (listener, address) in shared.listeners.iter().zip(first.addresses()) {
            listener.set_address(address.clone());
        }
        prepared.insert(0, first);
        let logs = AccessLogs::open(&shared.bootstrap.listeners, shared.stats.access_log())?;
        state.set_listeners(shared.listeners.iter().filter_map(RunningListener::bound).collect());

        let admin = match &shared.bootstrap.admin {
            None => None,
            Some(admin) => {
                let answers = Admin::new(
                    Arc::clone(&shared.bootstrap),
                    Arc::clone(&shared.stats),
                    Arc::clone(&state),
                    options.log_levels,
                );
                Some(AdminServer::start(admin, answers, options.admin_address_path.as_deref())?)
            }
        };

        let (serving, served) = mpsc::channel();
        let drain_time = options.drain_time;
        let mut bridge = Self { shared, state, workers: Vec::new(), admin, logs, drain_time };
        for (index, prepared) in prepared.into_iter().enumerate() {
            let logs = bridge.logs.of_listeners().to_vec();
            match prepared.start(index, Arc::clone(&bridge.shared), logs, serving.clone()) {
                Ok(worker) => bridge.workers.push(worker),
                Err(source) => {
                    bridge.abort();
                    bridge.workers.into_iter().for_each(Worker::join);
                    return Err(StartError::System { what: "a worker thread cannot be started", source });
                }
            }
        }
        drop(serving);
        // Ends early only if a worker panicked, which has been reported by then.
        served.iter().take(bridge.workers.len()).for_each(drop);
        bridge.state.set_phase(Phase::Live);
        Ok(bridge)
    }

    /// Says whether the bridge could start: loads certificates and schemas, and binds nothing.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(bootstrap: Bootstrap) -> Result<(), StartError> {
        Shared::load(bootstrap, NonZeroUsize::MIN).map(drop)
    }

    /// The name and the bound address of each listener.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, &Address)> {
        self.shared.listeners.iter().filter_map(|listener| Some((listener.name(), listener.address()?)))
    }

    /// Where the admin server listens, if there is one.
    pub fn admin_address(&self) -> Option<&Address> {
        self.admin.as_ref().map(AdminServer::address)
    }

    /// Resolves when an operator asks the bridge to end, by the admin server's `/quitquitquit`. Meanwhile carries out
    /// what else the admin server is asked for.
    pub async fn asked_to_quit(&self) {
        let Some(admin) = &self.admin else { return std::future::pending().await };
        loop {
            match admin.command().await {
                Command::Quit => return,
                Command::DrainListeners { inbound_only } => {
                    tracing::info!(inbound_only, "draining listeners, as the admin server was asked to");
                    for listener in &self.shared.listeners {
                        if listener.config().inbound || !inbound_only {
                            listener.drain().begin();
                        }
                    }
                }
            }
        }
    }

    /// Leaves: readiness fails, nothing new is accepted, calls in flight get the drain time, what is left then ends with an
    /// error. Says whether nothing had to.
    pub async fn leave(&self) -> bool {
        self.state.set_phase(Phase::Draining);
        let all = self.shared.listeners.iter().map(|listener| listener.drain().run(self.drain_time));
        futures_util::future::join_all(all).await.into_iter().all(|clean| clean)
    }

    /// Cuts whatever is still open, at once.
    pub fn abort(&self) {
        for listener in &self.shared.listeners {
            listener.drain().abort();
        }
    }

    /// Waits until all workers have left and the access logs are written, after [`leave`](Self::leave) or
    /// [`abort`](Self::abort).
    pub fn join(self) {
        self.workers.into_iter().for_each(Worker::join);
        // Nobody adds to them any more.
        self.logs.finish();
    }
}

impl Shared {
    fn load(bootstrap: Bootstrap, workers: NonZeroUsize) -> Result<Self, StartError> {
        let tls = |of: String| move |source| StartError::Tls { of, source };
        let schemas = Arc::new(Schemas::load(&bootstrap)?);
        let stats = Arc::new(Stats::new(&bootstrap, workers.get()));
        let clusters = bootstrap.clusters_with_ids().map(|(id, cluster)| {
            let loaded = SharedCluster::load(id, cluster.clone(), schemas.of_cluster(id), Arc::clone(&stats));
            loaded.map(Arc::new).map_err(tls(format!("cluster {}", cluster.name)))
        });
        let clusters = clusters.collect::<Result<_, _>>()?;
        let listeners = bootstrap.listeners.iter().map(|listener| {
            RunningListener::load(listener.clone()).map_err(tls(format!("listener {}", listener.name)))
        });
        let listeners = listeners.collect::<Result<_, _>>()?;
        Ok(Self { bootstrap: Arc::new(bootstrap), clusters, listeners, schemas, stats })
    }
}
