//! The native server, as `landbridge.serving` drives it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use landbridge_net::{Address, Drain, ListenSettings, ServerSettings};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use tracing::Level;

use crate::call::{Call, cancel, wake};
use crate::handoff::{Event, LoopQueue, ThreadQueue};
use crate::kinds;
use crate::offered::Offered;
use crate::serving::{self, Cors, Front, IoThreads, Method, Routes};
use crate::settings::{GivenCors, Settings, Tls};

/// One method: where it is, and how its handler runs.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct GivenMethod {
    path: String,
    service: usize,
    /// 0 unary, 1 client stream, 2 server stream, 3 bidi.
    kind: u8,
    idempotent: bool,
    blocking: bool,
    head_first: bool,
}

/// A server on threads of its own. Calls come out of `poll` (for an event loop that watches `descriptor`) and of
/// `take_blocking` (for threads).
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct Server {
    front: Front,
    events: Arc<LoopQueue<Event>>,
    threads: Arc<ThreadQueue>,
    server: Arc<landbridge_net::Server>,
    listening: ListenSettings,
    drain: Drain,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Stage {
    Preparing(IoThreads),
    Running(Vec<JoinHandle<()>>),
    Stopped,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (*, services, methods, has_fallback, max_concurrent_calls, max_waiting_calls, io_threads, settings, tls, cors))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        services: Vec<Bound<'_, Offered>>,
        methods: Vec<GivenMethod>,
        has_fallback: bool,
        max_concurrent_calls: usize,
        max_waiting_calls: usize,
        io_threads: usize,
        settings: Settings,
        tls: Option<Tls>,
        cors: Option<GivenCors>,
    ) -> PyResult<Self> {
        let services = services.iter().map(|service| service.get().service().clone()).collect();
        let events = Arc::new(LoopQueue::new()?);
        let threads = Arc::new(ThreadQueue::new(max_waiting_calls));
        let routes = Routes::new(services, routes(methods)?);
        let limits = serving::Limits { max_concurrent_calls, receive_timeout: settings.receive_timeout()? };
        let cors = cors.map(Cors::try_from).transpose()?;
        Ok(Self {
            front: Front::new(routes, limits, cors, has_fallback, Arc::clone(&events), Arc::clone(&threads)),
            events,
            threads,
            server: Arc::new(landbridge_net::Server {
                settings: ServerSettings::try_from(settings)?,
                tls: tls.map(Tls::load).transpose()?,
                ..landbridge_net::Server::default()
            }),
            listening: ListenSettings::default(),
            drain: Drain::new(),
            stage: Mutex::new(Stage::Preparing(IoThreads::new(io_threads)?)),
        })
    }

    /// Listens on an IP address and port (0: the system chooses), and says where.
    fn bind(&self, ip: &str, port: u16) -> PyResult<(String, u16)> {
        let ip = ip.parse().map_err(|_| PyValueError::new_err(format!("{ip:?} is not an IP address")))?;
        let address = Address::Tcp(SocketAddr::new(ip, port));
        let bound = self.prepare(|threads| Ok(threads.bind(&address, &self.listening)))?;
        bound.map(place).map_err(|error| PyOSError::new_err(error.to_string()))
    }

    /// Listens on a Unix socket.
    fn bind_unix(&self, path: std::path::PathBuf) -> PyResult<()> {
        let bound = self.prepare(|threads| Ok(threads.bind(&Address::Unix(path), &self.listening)))?;
        bound.map(drop).map_err(|error| PyOSError::new_err(error.to_string()))
    }

    /// Listens on a TCP socket that was bound before; takes over the descriptor.
    fn adopt(&self, descriptor: RawFd) -> PyResult<(String, u16)> {
        // SAFETY: the caller hands over a descriptor that it owns, as documented.
        #[expect(unsafe_code, reason = "descriptors come from another process by number")]
        let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
        self.prepare(|threads| threads.adopt(owned.into(), &self.listening)).map(place)
    }

    /// Starts to serve. `left` is awaited by those who want to know when everything is done after a drain: its result
    /// is set from `poll`. `detailed`: the log is told of what concerns a single connection.
    #[pyo3(signature = (left, /, *, detailed))]
    fn start(&self, left: Py<PyAny>, detailed: bool) -> PyResult<()> {
        let mut stage = self.stage();
        match std::mem::replace(&mut *stage, Stage::Stopped) {
            Stage::Preparing(threads) => {
                let events = Arc::clone(&self.events);
                let queue = Arc::clone(&self.threads);
                let all_left = move || {
                    queue.close();
                    events.put(Event::Woken(left));
                };
                *stage = Stage::Running(threads.start(
                    &self.front,
                    &self.server,
                    &self.drain,
                    detailed,
                    all_left,
                )?);
                Ok(())
            }
            other => {
                *stage = other;
                Err(PyRuntimeError::new_err("the server was started before"))
            }
        }
    }

    /// Readable while `poll` has something to give.
    #[getter]
    fn descriptor(&self) -> RawFd {
        self.events.descriptor()
    }

    /// New calls for the event loop. Wakes the futures and cancels the workers of others on the way.
    fn poll(&self, py: Python<'_>) -> Vec<Call> {
        let mut started = Vec::new();
        for event in self.events.take() {
            let told = match event {
                Event::Started(channel) => {
                    started.push(Call::new(channel));
                    Ok(())
                }
                Event::Woken(future) => wake(py, &future),
                Event::Over(worker) => cancel(py, &worker),
                Event::Log { level, message } => log(py, level, &message),
            };
            if let Err(problem) = told {
                problem.write_unraisable(py, None);
            }
        }
        started
    }

    /// The next call for a thread; waits for it. None once the server is done.
    fn take_blocking(&self, py: Python<'_>) -> Option<Call> {
        py.detach(|| self.threads.take()).map(Call::new)
    }

    /// Calls in flight.
    #[getter]
    fn in_flight(&self) -> usize {
        self.front.in_flight()
    }

    /// Stops accepting; what is in flight may finish.
    fn drain(&self) {
        self.drain.begin();
    }

    /// Ends the calls that are still in flight: `unavailable`, where they are not answered. Connections close behind them.
    fn end_calls(&self) {
        self.drain.end();
    }

    /// Cuts what is still in flight.
    fn abort(&self) {
        self.drain.abort();
    }

    /// Waits until the threads are gone.
    fn join_blocking(&self, py: Python<'_>) {
        let stage = std::mem::replace(&mut *self.stage(), Stage::Stopped);
        if let Stage::Running(threads) = stage {
            py.detach(|| {
                for thread in threads {
                    // A panic was reported when it happened.
                    let _panicked = thread.join();
                }
            });
        }
    }
}

impl Server {
    fn prepare<T>(&self, bind: impl FnOnce(&mut IoThreads) -> std::io::Result<T>) -> PyResult<T> {
        match &mut *self.stage() {
            Stage::Preparing(threads) => Ok(bind(threads)?),
            _ => Err(PyRuntimeError::new_err("addresses can be bound only before the server is started")),
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to do about an address where listening failed with this error number of the system.
#[pyfunction]
pub(crate) fn listen_advice(errno: i32) -> &'static str {
    landbridge_net::listen_advice(std::io::Error::from_raw_os_error(errno).kind())
}

fn place(address: Address) -> (String, u16) {
    address.tcp().map_or_else(|| (address.to_string(), 0), |tcp| (tcp.ip().to_string(), tcp.port()))
}

fn log(py: Python<'_>, level: Level, message: &str) -> PyResult<()> {
    let logging = py.import("logging")?;
    let level = logging.getattr(match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    })?;
    let logger = logging.call_method1("getLogger", ("landbridge",))?;
    logger.call_method1("log", (level, "%s", message)).map(drop)
}

fn routes(methods: Vec<GivenMethod>) -> PyResult<HashMap<String, Method>> {
    let mut routes = HashMap::with_capacity(methods.len());
    for (number, given) in methods.into_iter().enumerate() {
        let method = Method {
            number,
            service: given.service,
            kind: kinds::parse(given.kind)?,
            idempotent: given.idempotent,
            blocking: given.blocking,
            head_first: given.head_first,
        };
        if routes.insert(given.path.clone(), method).is_some() {
            let message = format!("two applications serve the method {}: leave one of them out", given.path);
            return Err(PyValueError::new_err(message));
        }
    }
    Ok(routes)
}
