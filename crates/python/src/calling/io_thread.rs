//! The thread that makes the calls of this process.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use landbridge_client::{Channel, LONGEST_TURN, Spec, StreamKind, UnderWay, Wheel, carry};
use landbridge_net::OpenSockets;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::outbound::Outbound;
use super::sleepers::Sleepers;
use crate::handoff::Woken;

/// The one of this process, if there is one.
static RUNNING: Mutex<Weak<IoThread>> = Mutex::new(Weak::new());

/// Threads that nobody holds any more: they end, if they have not yet.
static ENDING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// The connections of all of them.
static OPEN_SOCKETS: LazyLock<OpenSockets> = LazyLock::new(OpenSockets::default);

pub(super) fn open_sockets() -> OpenSockets {
    OPEN_SOCKETS.clone()
}

/// Grows with every fork, in the child: threads, and so everything that they serve, stay with the parent.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Which of the processes that came of each other by fork this is.
pub(super) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// A thread with a runtime. It ends when nobody holds it any more.
#[derive(Debug)]
pub(super) struct IoThread {
    orders: UnboundedSender<Order>,
    handle: Handle,
    /// The thread holds it for as long as somebody holds this.
    runtime: Weak<Runtime>,
    wheel: Arc<Wheel>,
    woken: Arc<Woken>,
    sleepers: Arc<Sleepers>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Set while the process forks.
    resume: Mutex<Option<(SyncSender<()>, UnderWay)>>,
}

/// What the thread is told.
enum Order {
    Call(Start, UnderWay),
    /// Stands still until there is something to receive, so that nothing is half done in memory that a fork copies.
    Pause {
        paused: SyncSender<()>,
        resume: Receiver<()>,
    },
}

/// A call to be made.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) channel: Channel,
    pub(super) spec: Spec,
    pub(super) outbound: Arc<Outbound>,
}

impl IoThread {
    /// The one that runs, or a new one.
    ///
    /// # Errors
    /// The system has no descriptors or threads left.
    pub(super) fn get() -> io::Result<Arc<Self>> {
        let mut running = lock(&RUNNING);
        if let Some(thread) = running.upgrade() {
            return Ok(thread);
        }
        let thread = Arc::new(Self::start()?);
        *running = Arc::downgrade(&thread);
        Ok(thread)
    }

    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().thread_name("landbridge-dns").build()?;
        let runtime = Arc::new(runtime);
        let (orders, given) = unbounded_channel();
        let thread = Self {
            orders,
            handle: runtime.handle().clone(),
            runtime: Arc::downgrade(&runtime),
            wheel: Arc::default(),
            woken: Arc::default(),
            sleepers: Arc::default(),
            thread: Mutex::default(),
            resume: Mutex::default(),
        };
        let (wheel, woken, sleepers) =
            (Arc::clone(&thread.wheel), Arc::clone(&thread.woken), Arc::clone(&thread.sleepers));
        let running = std::thread::Builder::new()
            .name("landbridge-calls".to_owned())
            .spawn(move || run(runtime, wheel, woken, sleepers, given))?;
        *lock(&thread.thread) = Some(running);
        Ok(thread)
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn woken(&self) -> &Arc<Woken> {
        &self.woken
    }

    pub(super) fn sleepers(&self) -> &Arc<Sleepers> {
        &self.sleepers
    }

    /// Makes a call.
    pub(super) fn make(&self, start: Start) {
        self.order(Order::Call(start, self.wheel.begin()));
    }

    /// Makes a call for a thread that waits for it, which may do some of the work. To be called without the GIL.
    pub(super) fn make_blocking(&self, start: Start) {
        let (under_way, turn) = self.wheel.begin_blocking();
        let runtime = turn.as_ref().and_then(|_turn| self.runtime.upgrade());
        let Some(runtime) = runtime else { return self.order(Order::Call(start, under_way)) };
        let mut call = Box::pin(make(start, under_way));
        let over = runtime.block_on(async { timeout(LONGEST_TURN, &mut call).await.is_ok() });
        // It may be that nobody runs the runtime now.
        self.sleepers.wake_all();
        if !over {
            self.handle.spawn(call);
        }
    }

    fn order(&self, order: Order) {
        // It runs for as long as there is a sender.
        let _runs = self.orders.send(order);
    }

    fn pause(&self) {
        let (paused, has_paused) = sync_channel(1);
        let (go, resume) = sync_channel(1);
        *lock(&self.resume) = Some((go, self.wheel.begin()));
        self.order(Order::Pause { paused, resume });
        let _paused = has_paused.recv();
    }

    fn go_on(&self) {
        if let Some((go, _under_way)) = lock(&self.resume).take() {
            let _goes_on = go.send(());
        }
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        // The thread may end before it comes to that.
        self.sleepers.wake_all();
        // Should it stand aside, it comes back, and sees that there is nobody.
        drop(self.wheel.begin());
        let mut ending = lock(&ENDING);
        ending.retain(|thread| !thread.is_finished());
        ending.extend(lock(&self.thread).take());
    }
}

/// The thread.
fn run(
    runtime: Arc<Runtime>,
    wheel: Arc<Wheel>,
    woken: Arc<Woken>,
    sleepers: Arc<Sleepers>,
    given: UnboundedReceiver<Order>,
) {
    runtime.spawn(async move { sleepers.stay_awake().await });
    runtime.spawn(async move { woken.hand_out().await });
    runtime.spawn({
        let wheel = Arc::clone(&wheel);
        async move { wheel.stay_awake().await }
    });
    let mut serving = runtime.spawn(serve(given));
    while runtime.block_on(async {
        tokio::select! {
            _over = &mut serving => false,
            () = wheel.aside() => true,
        }
    }) {
        wheel.rest();
    }
    // Callers have let go of it, all of which hold the thread.
    if let Some(runtime) = Arc::into_inner(runtime) {
        // Look-ups of names cannot be broken off; nobody waits for them.
        runtime.shutdown_background();
    }
}

/// Follows orders until nobody can give any.
async fn serve(mut given: UnboundedReceiver<Order>) {
    const AT_ONCE: usize = 256;
    let mut orders = Vec::with_capacity(AT_ONCE);
    while given.recv_many(&mut orders, AT_ONCE).await > 0 {
        for order in orders.drain(..) {
            match order {
                Order::Call(start, under_way) => drop(tokio::spawn(make(start, under_way))),
                Order::Pause { paused, resume } => {
                    let _told = paused.send(());
                    let _resumed = resume.recv();
                }
            }
        }
    }
}

async fn make(start: Start, under_way: UnderWay) {
    let Start { channel, spec, outbound } = start;
    if outbound.is_over() {
        // Given up before it was made.
        return;
    }
    under_way.wheel().catch_up().await;
    let awaited = (spec.method.kind == StreamKind::Unary).then(|| under_way.await_answer()).flatten();
    let end = tokio::select! {
        biased;
        end = carry(&channel, &spec, &*outbound) => Some(end),
        () = outbound.cancelled() => None,
    };
    // Before whoever waits can begin another.
    drop((awaited, under_way));
    if let Some(end) = end {
        outbound.end(end);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// To be called before the process forks.
#[pyfunction]
pub(crate) fn before_fork() {
    // Nobody starts a thread meanwhile: that takes the GIL, which is held here until after the fork.
    if let Some(thread) = lock(&RUNNING).upgrade() {
        thread.pause();
    }
    for thread in std::mem::take(&mut *lock(&ENDING)) {
        let _ended = thread.join();
    }
}

/// To be called in the parent after that.
#[pyfunction]
pub(crate) fn after_fork_in_parent() {
    if let Some(thread) = lock(&RUNNING).upgrade() {
        thread.go_on();
    }
}

/// To be called in the child after that: it starts anew. Gives the descriptors of the parent's connections.
#[pyfunction]
pub(crate) fn after_fork_in_child() -> Vec<RawFd> {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    let parents = std::mem::take(&mut *lock(&RUNNING));
    if let Some(thread) = parents.upgrade() {
        // Its memory is not this process's to put in order.
        std::mem::forget(thread);
    }
    OPEN_SOCKETS.take()
}
