//! A worker: one thread, one runtime, its own listeners on the shared ports and its own connections upstream.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use landbridge_net::{Address, Drain, DrainPhase, ListenError, ListenSettings, Listener, serve};
use tokio::runtime::Runtime;

use super::Shared;
use crate::access_log::AccessLog;
use crate::call::Ticks;
use crate::cluster::Cluster;
use crate::proxy::Proxy;

/// A worker that is not running yet, so that everything which can fail has failed before anything is served.
#[derive(Debug)]
pub(super) struct Prepared {
    runtime: Runtime,
    /// By the place of their listeners in the file.
    listeners: Vec<Listener>,
}

impl Prepared {
    /// A worker that binds its listeners itself.
    ///
    /// # Errors
    /// An address that is taken or not this machine's.
    pub(super) fn binding(
        wanted: impl IntoIterator<Item = (Address, ListenSettings)>,
    ) -> io::Result<Result<Self, ListenError>> {
        let runtime = runtime()?;
        let entered = runtime.enter();
        let bound = wanted.into_iter().map(|(address, settings)| Listener::bind(&address, &settings));
        let listeners = bound.collect::<Result<_, _>>();
        drop(entered);
        Ok(listeners.map(|listeners| Self { runtime, listeners }))
    }

    /// Another worker, with listeners on the same ports.
    pub(super) fn sharing(&self) -> io::Result<Self> {
        let runtime = runtime()?;
        let entered = runtime.enter();
        let listeners = self.listeners.iter().map(Listener::share).collect::<io::Result<_>>()?;
        drop(entered);
        Ok(Self { runtime, listeners })
    }

    /// Where it listens.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(Listener::local_address)
    }

    /// Runs it on a thread of its own. `serving` is told once it serves.
    pub(super) fn start(
        self,
        index: usize,
        shared: Arc<Shared>,
        logs: Vec<Option<Arc<AccessLog>>>,
        serving: mpsc::Sender<()>,
    ) -> io::Result<Worker> {
        let Self { runtime, listeners } = self;
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(run(index, shared, listeners, logs, serving)))?;
        Ok(Worker { thread })
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Worker {
    thread: JoinHandle<()>,
}

impl Worker {
    /// Waits until it has left.
    pub(super) fn join(self) {
        // A panic was already reported, and there is nothing left to save.
        let _panicked = self.thread.join();
    }
}

async fn run(
    index: usize,
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
    logs: Vec<Option<Arc<AccessLog>>>,
    serving: mpsc::Sender<()>,
) {
    let clusters: Arc<[Cluster]> =
        shared.clusters.iter().map(|cluster| Cluster::start(Arc::clone(cluster), index)).collect();
    for cluster in clusters.iter() {
        cluster.resolved().await;
    }
    let ticks = Arc::<Ticks>::default();
    for (place, ((listener, log), running)) in
        listeners.into_iter().zip(logs).zip(&shared.listeners).enumerate()
    {
        let server = Arc::new(running.server());
        shared.stats.attach_server(place, Arc::clone(&server.stats));
        let proxy = Proxy {
            listener: Arc::clone(running.config()),
            clusters: Arc::clone(&clusters),
            schemas: Arc::clone(&shared.schemas),
            stats: shared.stats.worker(index),
            ticks: Arc::clone(&ticks),
            log,
            named: running.named(),
            place,
        };
        tokio::spawn(serve(listener, server, proxy, running.drain().clone()));
    }
    let drains: Vec<Drain> = shared.listeners.iter().map(|listener| listener.drain().clone()).collect();
    tokio::spawn(async move {
        for drain in drains {
            drain.reached(DrainPhase::Ending).await;
        }
        ticks.part();
    });
    // Nobody listens where the start was given up.
    let _started = serving.send(());
    for listener in &shared.listeners {
        listener.drain().finished().await;
    }
}
