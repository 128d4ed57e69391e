//! A client and its methods, as Python holds them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;
use landbridge_client::{Method, Policy, Proxy, Spec, Style, Target};
use landbridge_wire::plain::{Content, Packing};
use landbridge_wire::{Accepted, Limits};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::call::ClientCall;
use super::events::{Events, Futures};
use super::io_thread::{IoThread, Start, generation};
use super::outbound::Outbound;
use super::transport::{Shared, SharedChannel};
use crate::call::{Lines, lines};
use crate::content::{Given, levels};
use crate::{kinds, names, protocols};

/// What all calls of a client have in common, as Python names it.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct GivenStyle {
    /// `connect`, `grpc` or `grpc-web`.
    protocol: String,
    codec: String,
    accept_compressions: Vec<String>,
    send_compression: String,
    compression_level: Option<i32>,
    compress_min_bytes: usize,
    read_max_bytes: usize,
    user_agent: String,
}

impl GivenStyle {
    pub(super) fn checked(self) -> PyResult<Style> {
        let codec = names::codec(&self.codec)?;
        let encoding = names::compression(&self.send_compression)?;
        let accepts = self
            .accept_compressions
            .iter()
            .map(|name| names::compression(name))
            .collect::<PyResult<Accepted>>()?;
        let levels = levels(self.compression_level.map(|level| (self.send_compression.as_str(), level)))?;
        let user_agent = HeaderValue::from_str(&self.user_agent)
            .map_err(|_| PyValueError::new_err("the user agent has characters that no header can carry"))?;
        Ok(Style {
            protocol: protocols::parse(&self.protocol)?,
            codec,
            encoding,
            accepts,
            packing: Packing { min_bytes: self.compress_min_bytes, levels },
            limits: Limits { max_message_bytes: self.read_max_bytes },
            user_agent,
        })
    }
}

/// Calls one target in one style.
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    target: Target,
    proxy: Option<Proxy>,
    style: Arc<Style>,
    /// The channel, and the process that it belongs to. None once closed.
    channel: Mutex<Option<(u64, Arc<SharedChannel>)>>,
}

impl Client {
    pub(super) fn new(
        shared: Arc<Shared>,
        target: Target,
        proxy: Option<Proxy>,
        style: Style,
    ) -> PyResult<Self> {
        let channel = shared.channel(&target, proxy.as_ref(), style.protocol)?;
        let channel = Mutex::new(Some((generation(), channel)));
        Ok(Self { inner: Arc::new(Inner { shared, target, proxy, style: Arc::new(style), channel }) })
    }
}

impl Inner {
    /// The channel of this process: after a fork, one of its own.
    fn channel(&self) -> PyResult<Arc<SharedChannel>> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *channel {
            None => Err(PyRuntimeError::new_err("the client is closed")),
            Some((made_in, current)) if *made_in == generation() => Ok(Arc::clone(current)),
            Some((made_in, current)) => {
                let own = self.shared.channel(&self.target, self.proxy.as_ref(), self.style.protocol)?;
                // What the parent's threads work with is not this process's to take down.
                std::mem::forget(std::mem::replace(current, Arc::clone(&own)));
                *made_in = generation();
                Ok(own)
            }
        }
    }
}

#[pymethods]
impl Client {
    /// A method of the server. `kind`: 0 unary, 1 client stream, 2 server stream, 3 bidi.
    #[pyo3(signature = (service, name, *, kind, idempotent))]
    fn method(&self, service: &str, name: &str, kind: u8, idempotent: bool) -> PyResult<ClientMethod> {
        let path = format!("{}/{service}/{name}", self.inner.target.prefix);
        let path: PathAndQuery =
            path.parse().map_err(|_| PyValueError::new_err(format!("{path:?} cannot be a path of HTTP")))?;
        let method = Method {
            path,
            kind: kinds::parse(kind)?,
            idempotent,
            policy: self.inner.shared.policy(service, name),
        };
        Ok(ClientMethod { client: Arc::clone(&self.inner), method: Arc::new(method) })
    }

    /// Makes no more calls. Connections that no other client uses close when the calls in flight are done.
    fn close(&self) {
        let channel = self.inner.channel.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((made_in, channel)) = channel {
            if made_in == generation() {
                drop(channel);
            } else {
                std::mem::forget(channel);
            }
        }
    }
}

/// One method of one client.
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct ClientMethod {
    client: Arc<Inner>,
    method: Arc<Method>,
}

#[pymethods]
impl ClientMethod {
    /// Makes a call. With a `message` that is the whole request, else messages are sent one by one. `events` are those of
    /// the event loop that waits for it, whose future `ended` is told when the call is over; none for threads. A call of
    /// an event loop whose messages are sent one by one is only prepared: `make` makes it.
    #[pyo3(signature = (events, ended, message, headers, timeout_ms, get, wait_for_ready, /))]
    #[expect(
        clippy::too_many_arguments,
        reason = "an object made for each call would cost more than they do"
    )]
    fn start(
        &self,
        events: Option<&Bound<'_, Events>>,
        ended: Option<Py<PyAny>>,
        message: Option<Given<'_>>,
        headers: Option<Lines>,
        timeout_ms: Option<f64>,
        get: bool,
        wait_for_ready: bool,
    ) -> PyResult<ClientCall> {
        let futures = events.map(|events| Arc::clone(events.get().futures()));
        let is_made_later = events.is_some() && message.is_none();
        let (thread, start) =
            self.prepared(futures, ended, message, headers, timeout_ms, get, wait_for_ready)?;
        if is_made_later {
            return Ok(ClientCall::prepared(start, thread));
        }
        let outbound = Arc::clone(&start.outbound);
        thread.make(start);
        Ok(ClientCall::started(outbound, thread))
    }

    /// A call whose whole request is `message`. It is made when `answer_blocking` waits for it, and not before.
    #[pyo3(signature = (message, headers, timeout_ms, get, wait_for_ready, /))]
    fn prepare(
        &self,
        message: Given<'_>,
        headers: Option<Lines>,
        timeout_ms: Option<f64>,
        get: bool,
        wait_for_ready: bool,
    ) -> PyResult<ClientCall> {
        let (thread, start) =
            self.prepared(None, None, Some(message), headers, timeout_ms, get, wait_for_ready)?;
        Ok(ClientCall::prepared(start, thread))
    }
}

impl ClientMethod {
    fn policy(&self) -> &Policy {
        &self.method.policy
    }

    #[expect(clippy::too_many_arguments, reason = "they are those of the methods above")]
    fn prepared(
        &self,
        futures: Option<Futures>,
        ended: Option<Py<PyAny>>,
        message: Option<Given<'_>>,
        headers: Option<Lines>,
        timeout_ms: Option<f64>,
        get: bool,
        wait_for_ready: bool,
    ) -> PyResult<(Arc<IoThread>, Start)> {
        let timeout = timeout_ms.map(milliseconds).transpose()?;
        let metadata = lines(headers)?;
        let channel = self.client.channel()?;
        let thread = channel.thread();
        let first = message.map(Content::from);
        let outbound =
            Outbound::new(Arc::clone(thread.woken()), Arc::clone(thread.sleepers()), futures, first, ended);
        let spec = Spec {
            method: Arc::clone(&self.method),
            style: Arc::clone(&self.client.style),
            metadata,
            timeout,
            get,
            wait_for_ready: self.policy().wait_for_ready.unwrap_or(false) || wait_for_ready,
        };
        Ok((Arc::clone(thread), Start { channel: channel.channel().clone(), spec, outbound }))
    }
}

/// How long a call may take.
///
/// # Errors
/// `ValueError` for what is no time, or longer than any.
pub(super) fn milliseconds(timeout: f64) -> PyResult<Duration> {
    // A deadline that has passed is one of no time: the call fails as any other that is late.
    let seconds = (timeout / 1e3).max(0.0);
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!("timeout_ms is {timeout:?}: it must be a number of milliseconds"))
    })
}
