//! The admin server's socket, on a thread of its own, so that it answers whatever the workers do.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderValue, Request, Response, header};
use landbridge_net::{Address, Drain, Handler, Listener, RecvBody, Responder, Server, ServerSettings, serve};
use tokio::sync::{Mutex, mpsc};

use super::StartError;
use super::listener::listening;
use crate::admin::{Admin, Command};
use crate::config;

/// A running admin server. It answers for as long as the process lives.
#[derive(Debug)]
pub(super) struct AdminServer {
    address: Address,
    commands: Mutex<mpsc::Receiver<Command>>,
}

impl AdminServer {
    /// Binds the address and serves it; writes it to a file, if one is wanted.
    ///
    /// # Errors
    /// The address is taken, or the system gives no thread or file.
    pub(super) fn start(
        config: &config::Admin,
        admin: Admin,
        path: Option<&Path>,
    ) -> Result<Self, StartError> {
        let system = |what: &'static str| move |source| StartError::System { what, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("the admin server cannot be started"))?;
        let entered = runtime.enter();
        let (address, settings) = listening(&config.address);
        let listener = Listener::bind(&address, &settings)?;
        drop(entered);
        let address = listener.local_address().clone();
        if let Some(path) = path {
            std::fs::write(path, address.to_string())
                .map_err(system("the admin address cannot be written"))?;
        }
        let (sender, commands) = mpsc::channel(16);
        let answers = Answers { admin: Arc::new(admin), commands: sender };
        let server = Server { settings: ServerSettings::default(), tls: None, stats: Arc::default() };
        std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || runtime.block_on(serve(listener, Arc::new(server), answers, Drain::new())))
            .map_err(system("the admin server cannot be started"))?;
        Ok(Self { address, commands: Mutex::new(commands) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// The next thing that an operator asks of the bridge.
    pub(super) async fn command(&self) -> Command {
        match self.commands.lock().await.recv().await {
            Some(command) => command,
            // The server's thread is gone; nobody can ask any more.
            None => std::future::pending().await,
        }
    }
}

#[derive(Clone, Debug)]
struct Answers {
    admin: Arc<Admin>,
    commands: mpsc::Sender<Command>,
}

impl Handler for Answers {
    async fn handle(&self, request: Request<RecvBody>, respond: Responder) {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let answer = self.admin.answer(request.method(), target);
        let mut head = Response::new(());
        *head.status_mut() = answer.status;
        let headers = head.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        respond.respond_full(head, answer.body, None);
        if let Some(command) = answer.command {
            // More commands than anybody carries out are not kept.
            let _kept = self.commands.try_send(command);
        }
    }
}
