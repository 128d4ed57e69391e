//! A configuration brought to life: worker threads with their listeners, the admin server, and the way out.

mod listener;
mod worker;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use landbridge_net::{Address, Drain, ListenError};

use crate::cluster::SharedCluster;
use crate::config::Bootstrap;
use crate::schemas::{SchemaSetupError, Schemas};
use crate::tls::TlsSetupError;
use listener::RunningListener;
use worker::{Prepared, Worker};

/// How a bridge runs, beside what its file says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads. Default: one for each processor this process may use.
    pub concurrency: NonZeroUsize,
    /// How long calls in flight still get when the bridge leaves. Default 30 s.
    pub drain_time: Duration,
    /// A file to write the admin server's address to, once it is known (Envoy's `--admin-address-path`).
    pub admin_address_path: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            drain_time: Duration::from_secs(30),
            admin_address_path: None,
        }
    }
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
    pub(crate) bootstrap: Bootstrap,
    pub(crate) clusters: Vec<Arc<SharedCluster>>,
    pub(crate) listeners: Vec<RunningListener>,
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) drain: Drain,
}

/// A running bridge. It runs until [`drain`](Self::drain) ends it.
#[derive(Debug)]
pub struct Bridge {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

impl Bridge {
    /// Loads certificates and schemas, binds every address, and starts to serve. Has to be called outside of any
    /// runtime, since it waits.
    ///
    /// # Errors
    /// The first thing that is wrong; then nothing is left running.
    pub fn start(bootstrap: Bootstrap, options: &Options) -> Result<Self, StartError> {
        let system = |what: &'static str| move |source| StartError::System { what, source };
        let shared = Shared::load(bootstrap)?;
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

        let (serving, served) = mpsc::channel();
        let mut bridge = Self { shared: Arc::new(shared), workers: Vec::new() };
        for (index, prepared) in prepared.into_iter().enumerate() {
            match prepared.start(index, Arc::clone(&bridge.shared), serving.clone()) {
                Ok(worker) => bridge.workers.push(worker),
                Err(source) => {
                    bridge.shared.drain.abort();
                    bridge.join();
                    return Err(StartError::System { what: "a worker thread cannot be started", source });
                }
            }
        }
        drop(serving);
        // Ends early only if a worker panicked, which has been reported by then.
        served.iter().take(bridge.workers.len()).for_each(drop);
        Ok(bridge)
    }

    /// Says whether the bridge could start: loads certificates and schemas, and binds nothing.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(bootstrap: Bootstrap) -> Result<(), StartError> {
        Shared::load(bootstrap).map(drop)
    }

    /// The name and the bound address of each listener.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, &Address)> {
        self.shared.listeners.iter().filter_map(|listener| Some((listener.name(), listener.address()?)))
    }

    /// The switch by which it leaves.
    pub fn drain(&self) -> &Drain {
        &self.shared.drain
    }

    /// Waits until all workers have left.
    pub fn join(self) {
        self.workers.into_iter().for_each(Worker::join);
    }
}

impl Shared {
    fn load(bootstrap: Bootstrap) -> Result<Self, StartError> {
        let tls = |of: String| move |source| StartError::Tls { of, source };
        let schemas = Arc::new(Schemas::load(&bootstrap)?);
        let clusters = bootstrap.clusters_with_ids().map(|(id, cluster)| {
            let loaded = SharedCluster::load(cluster.clone(), schemas.of_cluster(id));
            loaded.map(Arc::new).map_err(tls(format!("cluster {}", cluster.name)))
        });
        let clusters = clusters.collect::<Result<_, _>>()?;
        let listeners = bootstrap.listeners.iter().map(|listener| {
            RunningListener::load(listener.clone()).map_err(tls(format!("listener {}", listener.name)))
        });
        let listeners = listeners.collect::<Result<_, _>>()?;
        Ok(Self { bootstrap, clusters, listeners, schemas, drain: Drain::new() })
    }
}
