//! A call under ASGI or WSGI: the protocols without a socket, driven by Python.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use landbridge_client::StreamKind;
use landbridge_wire::output::Finish;
use landbridge_wire::plain::{Content, PlainEvent, PlainReader, PlainWriter};
use landbridge_wire::{Call, Code, Compression, End, Output, Protocol, RpcError, inbound};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call::{Lines, lines};
use crate::content::{self, Given, custom_name};
use crate::errors::{self, GivenError};
use crate::handoff::Over;
use crate::offered::Offered;
use crate::serving::{authority, info, too_late, with_port};
use crate::{kinds, metadata, pending, protocols};

/// One request and its answer. What comes in is pushed; what goes out is taken by `take_output`.
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct Exchange {
    /// None where the request was refused by its head.
    call: Option<Call>,
    /// What the request has for its host.
    host: Option<HeaderValue>,
    response_encoding: Compression,
    deadline: Option<Instant>,
    halves: Mutex<Halves>,
}

#[derive(Debug)]
struct Halves {
    reader: Option<PlainReader>,
    writer: Option<PlainWriter>,
    out: Output<Response<()>>,
}

/// Header lines as ASGI has them.
type RawLines<'py> = Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>;

/// What is to be sent: status and headers where the head is due, content, whether that is all, trailers.
type Sent<'py> = (Option<(u16, RawLines<'py>)>, Bound<'py, PyBytes>, bool, Option<RawLines<'py>>);

#[pymethods]
impl Exchange {
    /// Reads the head of a request. `kind` is the method's, or none for one that is not known; `trailers`
    /// says whether the server can send them, which gRPC needs.
    #[new]
    #[pyo3(signature = (service, *, http_method, target, http_version, headers, kind, idempotent, trailers))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        service: &Offered,
        http_method: &str,
        target: &str,
        http_version: &str,
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        kind: Option<u8>,
        idempotent: bool,
        trailers: bool,
    ) -> PyResult<Self> {
        let arrived = Instant::now();
        let request = request(http_method, target, http_version, headers)?;
        let path = request.uri().path().to_owned();
        let host = authority(&request);
        let service = service.service();
        let kind = kind.map(kinds::parse).transpose()?;
        let info = kind.map(|kind| info(kind, idempotent));
        let accepted = inbound::accept(request, &service.offer, info);
        let inbound::Accepted { call, reader, writer } = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) if trailers && refusal.protocol == Some(Protocol::Grpc) => {
                return Ok(Self::with_answer(inbound::end_in_trailers(refusal.output)));
            }
            Err(refusal) => return Ok(Self::with_answer(refusal.output)),
        };
        if call.protocol == Protocol::Grpc && !trailers {
            return Ok(Self::with_answer(inbound::no_trailers()));
        }
        let mut reader = PlainReader::new(reader, &call, &service.offer);
        let mut writer = PlainWriter::new(writer, &call, &service.offer, service.packing);
        let response_encoding = writer.compression();
        if kind.is_some_and(StreamKind::sends_one) {
            reader.expect_one();
        }
        let problem = if kind.is_none() {
            writer.method_is_unknown();
            let message = format!("there is no method {path} on this server");
            Some(RpcError::new(Code::Unimplemented, message))
        } else if call.timeout.is_some_and(|timeout| timeout.is_zero()) {
            Some(too_late())
        } else {
            None
        };
        let mut out = Output::new();
        if let Some(error) = problem {
            if call.protocol == Protocol::Grpc {
                writer.flush(&mut out);
            }
            writer.end(End::failed(error), &mut out);
            return Ok(Self::with_answer(out));
        }
        let deadline = call.timeout.and_then(|timeout| arrived.checked_add(timeout));
        let halves = Halves { reader: Some(reader), writer: Some(writer), out };
        Ok(Self { call: Some(call), host, response_encoding, deadline, halves: Mutex::new(halves) })
    }

    /// Whether the request was refused: then all of the answer is there to be taken.
    #[getter]
    fn refused(&self) -> bool {
        self.call.is_none()
    }

    /// `connect`, `grpc` or `grpc-web`.
    #[getter]
    fn protocol(&self) -> &'static str {
        protocols::name(self.call.as_ref().map_or(Protocol::Connect, |call| call.protocol))
    }

    /// The name of the codec of its messages.
    #[getter]
    fn codec(&self) -> &'static str {
        self.call.as_ref().map_or("", |call| call.codec.name())
    }

    /// The name of the compression of its request messages, where the application does that itself.
    #[getter]
    fn encoding(&self) -> Option<&'static str> {
        self.call.as_ref().and_then(|call| custom_name(call.encoding))
    }

    /// The same of its response messages.
    #[getter]
    fn response_encoding(&self) -> Option<&'static str> {
        custom_name(self.response_encoding)
    }

    /// The host that the caller asked for, with a port: its own, or that of the scheme. None where it named no host.
    #[pyo3(signature = (scheme, /))]
    fn server_address(&self, scheme: &str) -> Option<String> {
        self.host.as_ref().map(|host| with_port(&metadata::text(host), scheme == "https"))
    }

    /// Milliseconds until the caller stops waiting; negative after that; none without a deadline.
    fn timeout_ms(&self) -> Option<f64> {
        self.deadline.map(crate::call::milliseconds_until)
    }

    /// Whether the caller's deadline has passed.
    #[getter]
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// The caller's metadata, line by line.
    fn metadata(&self) -> Vec<(&str, String)> {
        self.call.as_ref().map(|call| metadata::to_python(&call.metadata)).unwrap_or_default()
    }

    /// Takes content of the request.
    fn push(&self, py: Python<'_>, data: Vec<u8>) -> PyResult<()> {
        match &mut self.halves().reader {
            Some(reader) => reader.push(Bytes::from(data)).map_err(|error| errors::raised(py, &error)),
            None => Ok(()),
        }
    }

    /// The request's content has ended.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        match &mut self.halves().reader {
            Some(reader) => reader.end().map_err(|error| errors::raised(py, &error)),
            None => Ok(()),
        }
    }

    /// The next message; none after the last; `PENDING` until more is pushed.
    ///
    /// Raises `ConnectError` for a request that cannot be read, and once the deadline has passed.
    fn receive(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.check_deadline(py)?;
        let mut halves = self.halves();
        let Some(reader) = &mut halves.reader else { return Ok(py.None()) };
        match reader.event() {
            Ok(None) => Ok(pending::get(py)),
            Ok(Some(PlainEvent::Message(message))) => content::to_python(py, &message),
            Ok(Some(PlainEvent::HalfClose)) => {
                halves.reader = None;
                Ok(py.None())
            }
            Err(error) => Err(errors::raised(py, &error)),
        }
    }

    /// Chooses the compression of the response, before its head. Says whether the caller takes it.
    #[pyo3(signature = (name, /))]
    fn set_compression(&self, name: &str) -> PyResult<bool> {
        let compression = content::known_compression(name)?;
        Ok(self.halves().writer.as_mut().is_some_and(|writer| writer.set_compression(compression)))
    }

    /// Writes the head, where the protocol allows it before the first message.
    ///
    /// Raises `ConnectError` once the deadline has passed.
    #[pyo3(signature = (headers, /))]
    fn send_headers(&self, py: Python<'_>, headers: Option<Lines>) -> PyResult<()> {
        self.check_deadline(py)?;
        let headers = headers.map(metadata::from_python).transpose()?;
        let mut halves = self.halves();
        let Halves { writer: Some(writer), out, .. } = &mut *halves else { return Ok(()) };
        if let Some(headers) = headers {
            writer.head(headers);
        }
        writer.flush(out);
        Ok(())
    }

    /// Writes a message, with the head where it is the first. There is never room for more before that is taken.
    ///
    /// Raises `ConnectError` once the deadline has passed.
    #[pyo3(signature = (message, headers=None, /))]
    fn send(&self, py: Python<'_>, message: Given<'_>, headers: Option<Lines>) -> PyResult<bool> {
        self.check_deadline(py)?;
        let headers = headers.map(metadata::from_python).transpose()?;
        self.write(message.into(), headers).map_err(|error| errors::raised(py, &error))?;
        Ok(false)
    }

    /// Ends the call with success, and with a last message where one is given. What comes after the deadline is none: the
    /// call has failed by then, however its handler ends.
    #[pyo3(signature = (message=None, headers=None, trailers=None, /))]
    fn finish(
        &self,
        py: Python<'_>,
        message: Option<Given<'_>>,
        headers: Option<Lines>,
        trailers: Option<Lines>,
    ) -> PyResult<()> {
        let headers = headers.map(metadata::from_python).transpose()?;
        let trailers = lines(trailers)?;
        match message {
            Some(message) if !self.is_late() => {
                self.write(message.into(), headers).map_err(|error| errors::raised(py, &error))?;
                self.write_end(None, End { result: Ok(()), trailers });
            }
            _ => self.write_end(headers, End { result: Ok(()), trailers }),
        }
        Ok(())
    }

    /// Ends the call with an error: code, message, and details as type names and bytes.
    #[pyo3(signature = (error, headers=None, trailers=None, /))]
    fn fail(&self, error: GivenError, headers: Option<Lines>, trailers: Option<Lines>) -> PyResult<()> {
        let headers = headers.map(metadata::from_python).transpose()?;
        let end = End { result: Err(RpcError::try_from(error)?), trailers: lines(trailers)? };
        self.write_end(headers, end);
        Ok(())
    }

    /// Ends a call whose deadline has passed before its handler was done. Does nothing where it has ended.
    fn fail_late(&self) {
        self.write_end(None, End::failed(too_late()));
    }

    /// What is to be sent now.
    fn take_output<'py>(&self, py: Python<'py>) -> Sent<'py> {
        let out = std::mem::take(&mut self.halves().out);
        let head = out.head.map(|head| (head.status().as_u16(), raw(py, head.headers())));
        let trailers = match &out.finish {
            Some(Finish::Trailers(trailers)) => Some(raw(py, trailers)),
            _ => None,
        };
        (head, PyBytes::new(py, &out.body.concat()), out.finish.is_some(), trailers)
    }
}

impl Exchange {
    fn with_answer(out: Output<Response<()>>) -> Self {
        let halves = Halves { reader: None, writer: None, out };
        Self {
            call: None,
            host: None,
            response_encoding: Compression::Identity,
            deadline: None,
            halves: Mutex::new(halves),
        }
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_deadline(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_late() { Err(errors::over(py, Over::DeadlineExceeded)) } else { Ok(()) }
    }

    fn write(&self, message: Content, headers: Option<HeaderMap>) -> Result<(), RpcError> {
        let mut halves = self.halves();
        let Halves { writer: Some(writer), out, .. } = &mut *halves else { return Ok(()) };
        if let Some(headers) = headers {
            writer.head(headers);
        }
        match message {
            Content::Plain(message) => writer.message(message, out),
            Content::Compressed(message) => writer.compressed(message, out),
        }
    }

    fn write_end(&self, headers: Option<HeaderMap>, end: End) {
        let (headers, end) = if self.is_late() { (None, End::failed(too_late())) } else { (headers, end) };
        let mut halves = self.halves();
        let Halves { writer: Some(writer), out, .. } = &mut *halves else { return };
        if let Some(headers) = headers {
            writer.head(headers);
        }
        if self.call.as_ref().is_some_and(|call| call.protocol == Protocol::Grpc) {
            // An end in the head has to be the end of the stream too, which these servers put into a frame of its own.
            writer.flush(out);
        }
        writer.end(end, out);
    }
}

fn request(
    http_method: &str,
    target: &str,
    http_version: &str,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
) -> PyResult<Request<()>> {
    let malformed = |what: &str| PyValueError::new_err(format!("the server passed on a malformed {what}"));
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(http_method.as_bytes()).map_err(|_| malformed("method"))?;
    *request.uri_mut() = target.parse::<Uri>().map_err(|_| malformed("path"))?;
    *request.version_mut() = match http_version {
        "1.0" => Version::HTTP_10,
        "2" | "2.0" => Version::HTTP_2,
        "3" | "3.0" => Version::HTTP_3,
        _ => Version::HTTP_11,
    };
    for (name, value) in headers {
        let name = HeaderName::from_bytes(&name).map_err(|_| malformed("header name"))?;
        let value = HeaderValue::from_bytes(&value).map_err(|_| malformed("header value"))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

fn raw<'py>(py: Python<'py>, headers: &HeaderMap) -> RawLines<'py> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        (PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes()))
    };
    headers.iter().map(line).collect()
}
