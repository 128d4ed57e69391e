//! A call, as its Python handler's side holds it.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Version};
use landbridge_net::CertificateName;
use landbridge_wire::metadata::is_of_the_connection;
use landbridge_wire::{End, RpcError};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::content::{self, Given, custom_name};
use crate::errors::{self, GivenError};
use crate::handoff::{Channel, Outgoing, Over, Received};
use crate::serving::{Facts, Kind, with_port};
use crate::{metadata, pending, protocols};

/// Header lines as Python gives them.
pub(crate) type Lines = Vec<(String, String)>;

/// A certificate chain in DER, and the kinds and names in its first.
type Certificates<'py> = (Vec<Bound<'py, PyBytes>>, Vec<(&'static str, String)>);

/// One call on the native server.
///
/// Received messages come without their compression; sent ones are compressed as the caller wants it. Methods whose
/// name ends in `_blocking` wait without the GIL, the others never wait.
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct Call {
    channel: Arc<Channel>,
}

impl Call {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        Self { channel }
    }

    fn facts(&self) -> &Facts {
        &self.channel.facts
    }

    fn received(&self, py: Python<'_>, received: Received) -> PyResult<Py<PyAny>> {
        match received {
            Received::Message(message) => content::to_python(py, &message),
            Received::Ended => Ok(py.None()),
            Received::Pending => Ok(pending::get(py)),
            Received::Failed(error) => Err(errors::raised(py, &error)),
            Received::Over(over) => Err(errors::over(py, over)),
        }
    }
}

#[pymethods]
impl Call {
    /// The number of the method, as the server was given them; -1 for plain HTTP.
    #[getter]
    fn method(&self) -> i64 {
        match self.facts().kind {
            Kind::Call { method, .. } => i64::try_from(method).unwrap_or(-1),
            Kind::Http { .. } => -1,
        }
    }

    /// `connect`, `grpc` or `grpc-web`; `http` for plain HTTP.
    #[getter]
    fn protocol(&self) -> &'static str {
        match self.facts().kind {
            Kind::Call { protocol, .. } => protocols::name(protocol),
            Kind::Http { .. } => "http",
        }
    }

    /// The name of the codec of its messages.
    #[getter]
    fn codec(&self) -> &'static str {
        match self.facts().kind {
            Kind::Call { codec, .. } => codec.name(),
            Kind::Http { .. } => "",
        }
    }

    /// The name of the compression of its request messages, where the application does that itself.
    #[getter]
    fn encoding(&self) -> Option<&'static str> {
        let Kind::Call { encoding, .. } = self.facts().kind else { return None };
        custom_name(encoding)
    }

    /// The same of its response messages.
    #[getter]
    fn response_encoding(&self) -> Option<&'static str> {
        let Kind::Call { response_encoding, .. } = self.facts().kind else { return None };
        custom_name(response_encoding)
    }

    /// `POST`, or `GET` for calls made that way.
    #[getter]
    fn http_method(&self) -> &str {
        self.facts().http_method.as_str()
    }

    /// `1.0`, `1.1` or `2`.
    #[getter]
    fn http_version(&self) -> &'static str {
        match self.facts().version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        }
    }

    /// Milliseconds until the caller stops waiting; negative after that; none without a deadline.
    fn timeout_ms(&self) -> Option<f64> {
        let Kind::Call { deadline: Some(deadline), .. } = self.facts().kind else { return None };
        Some(milliseconds_until(deadline))
    }

    /// The caller's metadata, line by line.
    fn metadata(&self) -> Vec<(&str, String)> {
        metadata::to_python(&self.facts().headers)
    }

    /// The host that the caller asked for, with a port.
    #[getter]
    fn server_address(&self) -> Option<String> {
        let authority = self.facts().authority.as_ref()?;
        Some(with_port(&metadata::text(authority), self.facts().is_encrypted()))
    }

    /// Where the caller's connection comes from: `address:port`.
    #[getter]
    fn client_address(&self) -> String {
        self.facts().connection.peer().to_string()
    }

    /// The caller's verified certificates in DER, its own first, and the names in that as kind and name; none without
    /// a client certificate.
    fn peer_certificates<'py>(&self, py: Python<'py>) -> Option<Certificates<'py>> {
        let tls = self.facts().connection.tls()?;
        if tls.peer_certificates.is_empty() {
            return None;
        }
        let chain = tls.peer_certificates.iter().map(|der| PyBytes::new(py, der)).collect();
        let names = tls.peer_names().into_iter().map(|name| match name {
            CertificateName::Dns(name) => ("dns", name),
            CertificateName::Ip(address) => ("ip", address.to_string()),
            CertificateName::Uri(uri) => ("uri", uri),
            CertificateName::Email(address) => ("email", address),
            CertificateName::CommonName(name) => ("common_name", name),
        });
        Some((chain, names.collect()))
    }

    /// Whether the caller went away or its deadline has passed.
    #[getter]
    fn is_cancelled(&self) -> bool {
        matches!(self.channel.over(), Some(Over::Gone | Over::DeadlineExceeded))
    }

    /// Whether the caller's deadline has passed.
    #[getter]
    fn is_deadline_exceeded(&self) -> bool {
        self.channel.over() == Some(Over::DeadlineExceeded)
    }

    /// What plain HTTP asks for: scheme, raw path, query, and whether the connection has TLS.
    fn http_target(&self) -> Option<(&'static str, String, String)> {
        let Kind::Http { uri } = &self.facts().kind else { return None };
        let scheme = if self.facts().is_encrypted() { "https" } else { "http" };
        Some((scheme, uri.path().to_owned(), uri.query().unwrap_or_default().to_owned()))
    }

    /// The next message; none after the last; `PENDING` where it has not come.
    ///
    /// Raises `ConnectError` for a request that cannot be read, and for a caller who is gone.
    fn receive(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let received = self.channel.receive();
        self.received(py, received)
    }

    /// The next message; none after the last.
    fn receive_blocking(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let received = py.detach(|| self.channel.receive_blocking());
        self.received(py, received)
    }

    /// Sets the result of `future` when `receive` has something to say.
    fn when_readable(&self, py: Python<'_>, future: Py<PyAny>) -> PyResult<()> {
        match self.channel.when_readable(future) {
            Some(future) => wake(py, &future),
            None => Ok(()),
        }
    }

    /// Chooses the compression of the messages. Has to come before the head is sent. Says whether the caller takes it;
    /// otherwise nothing changes.
    #[pyo3(signature = (name, /))]
    fn set_compression(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let compression = content::known_compression(name)?;
        let Kind::Call { accepts, .. } = self.facts().kind else { return Ok(false) };
        let is_taken = accepts.contains(compression);
        if is_taken {
            self.give(py, [Outgoing::Compression(compression)])?;
        }
        Ok(is_taken)
    }

    /// Sends the head now, where the protocol allows it.
    #[pyo3(signature = (headers, /))]
    fn send_headers(&self, py: Python<'_>, headers: Option<Lines>) -> PyResult<()> {
        let head = head(headers)?;
        self.give(py, head.into_iter().chain([Outgoing::Flush]))?;
        Ok(())
    }

    /// Sends a message, with the head where it is the first. Says whether there is room for more.
    #[pyo3(signature = (message, headers=None, /))]
    fn send(&self, py: Python<'_>, message: Given<'_>, headers: Option<Lines>) -> PyResult<bool> {
        let message = Outgoing::Message(message.into());
        match headers {
            None => self.give(py, [message]),
            Some(headers) => self.give(py, head(Some(headers))?.into_iter().chain([message])),
        }
    }

    /// Sets the result of `future` when there is room for more.
    fn when_writable(&self, py: Python<'_>, future: Py<PyAny>) -> PyResult<()> {
        match self.channel.when_writable(future) {
            Some(future) => wake(py, &future),
            None => Ok(()),
        }
    }

    /// Waits until there is room for more.
    fn wait_for_room_blocking(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.channel.wait_for_room()).map_err(|over| errors::over(py, over))
    }

    /// Ends the call with success, and with a last message where one is given.
    #[pyo3(signature = (message=None, headers=None, trailers=None, /))]
    fn finish(
        &self,
        message: Option<Given<'_>>,
        headers: Option<Lines>,
        trailers: Option<Lines>,
    ) -> PyResult<()> {
        let end = Box::new(End { result: Ok(()), trailers: lines(trailers)? });
        let message = message.map(|message| Outgoing::Message(message.into()));
        self.end(head(headers)?.into_iter().chain(message).chain([Outgoing::End(end)]));
        Ok(())
    }

    /// Ends the call with an error: code, message, and details as type names and bytes.
    #[pyo3(signature = (error, headers=None, trailers=None, /))]
    fn fail(&self, error: GivenError, headers: Option<Lines>, trailers: Option<Lines>) -> PyResult<()> {
        let error = RpcError::try_from(error)?;
        let end = Box::new(End { result: Err(error), trailers: lines(trailers)? });
        self.end(head(headers)?.into_iter().chain([Outgoing::End(end)]));
        Ok(())
    }

    /// Names whose `cancel()` is called if the call is over before it was ended.
    fn set_worker(&self, py: Python<'_>, worker: Py<PyAny>) -> PyResult<()> {
        match self.channel.set_worker(worker) {
            Some(worker) => cancel(py, &worker),
            None => Ok(()),
        }
    }

    /// Sends the head of an answer in plain HTTP, with what comes next.
    fn http_head(&self, py: Python<'_>, status: u16, headers: Vec<(Vec<u8>, Vec<u8>)>) -> PyResult<()> {
        let mut response = http::Response::new(());
        *response.status_mut() = http::StatusCode::from_u16(status)
            .map_err(|_| PyValueError::new_err(format!("{status} is not an HTTP status")))?;
        let names = headers.into_iter().map(|(name, value)| {
            let name = http::HeaderName::from_bytes(&name).ok()?;
            Some((name, http::HeaderValue::from_bytes(&value).ok()?))
        });
        for line in names {
            let (name, value) = line.ok_or_else(|| {
                PyValueError::new_err("a header has a name or value that HTTP cannot carry")
            })?;
            if !is_of_the_connection(name.as_str()) {
                response.headers_mut().append(name, value);
            }
        }
        self.give(py, [Outgoing::HttpHead(Box::new(response))])?;
        Ok(())
    }

    /// Ends an answer in plain HTTP.
    fn http_end(&self) {
        self.end([Outgoing::HttpEnd]);
    }

    /// Breaks an answer in plain HTTP off, so that the client does not take what it has for all of it.
    fn http_cut(&self) {
        self.end([Outgoing::HttpCut]);
    }
}

impl Call {
    fn give(&self, py: Python<'_>, all: impl IntoIterator<Item = Outgoing>) -> PyResult<bool> {
        self.channel.give_all(all).map_err(|over| errors::over(py, over))
    }

    fn end(&self, all: impl IntoIterator<Item = Outgoing>) {
        // A caller who is gone needs no end. The worker is let go of here, with the GIL.
        let (worker, _over) = self.channel.end(all);
        drop(worker);
    }
}

/// Milliseconds until then; negative after it.
pub(crate) fn milliseconds_until(then: Instant) -> f64 {
    let now = Instant::now();
    let left = then.saturating_duration_since(now).as_secs_f64();
    let past = now.saturating_duration_since(then).as_secs_f64();
    (left - past) * 1e3
}

fn head(headers: Option<Lines>) -> PyResult<Option<Outgoing>> {
    headers.map(|headers| Ok(Outgoing::Head(Box::new(metadata::from_python(headers)?)))).transpose()
}

pub(crate) fn lines(lines: Option<Lines>) -> PyResult<HeaderMap> {
    lines.map_or_else(|| Ok(HeaderMap::new()), metadata::from_python)
}

/// Sets the result of a future that nobody has cancelled.
pub(crate) fn wake(py: Python<'_>, future: &Py<PyAny>) -> PyResult<()> {
    if !future.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
        future.call_method1(py, intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

/// Cancels a task, or whatever else is named as the worker of a call.
pub(crate) fn cancel(py: Python<'_>, worker: &Py<PyAny>) -> PyResult<()> {
    worker.call_method0(py, intern!(py, "cancel")).map(drop)
}
