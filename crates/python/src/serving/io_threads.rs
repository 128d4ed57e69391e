//! The threads that do the network's work.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use landbridge_net::{Address, Drain, ListenError, ListenSettings, Listener, Server, serve};
use tokio::runtime::Runtime;

use super::front::Front;
use super::log::Log;

/// Threads, each with its runtime and its listeners on the shared addresses, before they run.
#[derive(Debug)]
pub(crate) struct IoThreads {
    threads: Vec<(Runtime, Vec<Listener>)>,
}

impl IoThreads {
    /// # Errors
    /// The system has no descriptors left.
    pub(crate) fn new(number: usize) -> io::Result<Self> {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        let threads = (0..number.max(1)).map(|_| Ok((runtime()?, Vec::new()))).collect::<io::Result<_>>()?;
        Ok(Self { threads })
    }

    /// Listens on an address; port 0 lets the system choose. Says where it listens.
    ///
    /// # Errors
    /// An address that is taken or not this machine's.
    pub(crate) fn bind(
        &mut self,
        address: &Address,
        settings: &ListenSettings,
    ) -> Result<Address, ListenError> {
        self.listen(|| Listener::bind(address, settings)).map_err(|error| match error {
            Failure::First(error) => error,
            Failure::Share(source) => ListenError::new(address.clone(), source),
        })
    }

    /// Listens on a socket that was bound before, by this process or the one that started it.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn adopt(
        &mut self,
        socket: std::net::TcpListener,
        settings: &ListenSettings,
    ) -> io::Result<Address> {
        let settings = ListenSettings { queue_per_worker: false, ..settings.clone() };
        self.listen(|| Listener::adopt(socket, &settings)).map_err(|error| match error {
            Failure::First(error) | Failure::Share(error) => error,
        })
    }

    fn listen<E>(&mut self, first: impl FnOnce() -> Result<Listener, E>) -> Result<Address, Failure<E>> {
        let Some((original, copies)) = self.threads.split_first_mut() else {
            return Err(Failure::Share(io::ErrorKind::NotFound.into()));
        };
        let listener = {
            let _entered = original.0.enter();
            first().map_err(Failure::First)?
        };
        for (runtime, listeners) in copies {
            let _entered = runtime.enter();
            listeners.push(listener.share().map_err(Failure::Share)?);
        }
        let address = listener.local_address().clone();
        original.1.push(listener);
        Ok(address)
    }

    /// Starts them. What they log is `detailed` or not. `left` is called by the last one to leave, once `drain` has begun and all is done.
    ///
    /// # Errors
    /// The system starts no more threads.
    pub(crate) fn start(
        self,
        front: &Front,
        server: &Arc<Server>,
        drain: &Drain,
        detailed: bool,
        left: impl FnOnce() + Send + Sync + 'static,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let left = Arc::new(Left(Some(Box::new(left))));
        let mut handles = Vec::new();
        for (index, (runtime, listeners)) in self.threads.into_iter().enumerate() {
            let (front, server, drain) = (front.for_another_thread(), Arc::clone(server), drain.clone());
            let left = Arc::clone(&left);
            let log = Log::new(Arc::clone(front.events()), detailed);
            let run = async move {
                let woken = Arc::clone(front.woken());
                tokio::spawn(async move { woken.hand_out().await });
                let (parting, drained) = (Arc::clone(front.parting()), drain.clone());
                tokio::spawn(async move { parting.follow(drained).await });
                for listener in listeners {
                    tokio::spawn(serve(listener, Arc::clone(&server), front.clone(), drain.clone()));
                }
                drain.finished().await;
            };
            let thread = std::thread::Builder::new().name(format!("landbridge-io-{index}"));
            handles.push(thread.spawn(move || {
                tracing::subscriber::with_default(log, || runtime.block_on(run));
                drop(runtime);
                drop(left);
            })?);
        }
        Ok(handles)
    }
}

enum Failure<E> {
    First(E),
    Share(io::Error),
}

/// Calls back when the last of those who share it drops it.
struct Left(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for Left {
    fn drop(&mut self) {
        if let Some(left) = self.0.take() {
            left();
        }
    }
}
