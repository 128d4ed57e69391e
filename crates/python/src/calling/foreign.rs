//! A call over somebody else's HTTP client: the protocols without a socket, driven by Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use landbridge_client::Head;
use landbridge_wire::output::Finish;
use landbridge_wire::plain::{Content, PlainRequestWriter, PlainResponseEvent, PlainResponseReader};
use landbridge_wire::{Code, End, Output, RpcError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::call::{owned, raise_end};
use super::client::{GivenStyle, milliseconds};
use crate::call::{Lines, lines};
use crate::content::{self, Given, custom_name};
use crate::{errors, kinds, pending};

/// One call. What is to be sent is taken by `take_request`; what comes is pushed.
#[pyclass(frozen, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct ClientExchange {
    halves: Mutex<Halves>,
}

#[derive(Debug)]
struct Halves {
    writer: PlainRequestWriter,
    out: Output<Request<()>>,
    half_closed: bool,
    reader: PlainResponseReader,
    status: u16,
    head: Option<Head>,
    end: Option<End>,
}

/// Method, target and headers, once; content; whether that is all.
type Taken<'py> = (Option<(String, String, Lines)>, Bound<'py, PyBytes>, bool);

#[pymethods]
impl ClientExchange {
    /// Prepares a call of `path`. `kind` is a number as for `Client.method`.
    #[new]
    #[pyo3(signature = (style, *, path, kind, headers, timeout_ms, get))]
    fn new(
        py: Python<'_>,
        style: GivenStyle,
        path: &str,
        kind: u8,
        headers: Option<Lines>,
        timeout_ms: Option<f64>,
        get: bool,
    ) -> PyResult<Self> {
        let style = style.checked()?;
        let kind = kinds::parse(kind)?;
        let timeout = timeout_ms.map(milliseconds).transpose()?;
        let authority = Authority::from_static("server");
        let target = style.target(kind, &Scheme::HTTP, &authority, timeout, get);
        let path: PathAndQuery =
            path.parse().map_err(|_| PyValueError::new_err(format!("{path:?} cannot be a path of HTTP")))?;
        let (mut writer, reader) =
            style.open(kind, path, lines(headers)?, &target).map_err(|error| errors::raised(py, &error))?;
        let mut out = Output::new();
        if !kind.sends_one() {
            writer.flush(&mut out);
        }
        let halves = Halves { writer, out, half_closed: false, reader, status: 0, head: None, end: None };
        Ok(Self { halves: Mutex::new(halves) })
    }

    /// Writes a message.
    #[pyo3(signature = (message, /))]
    fn send(&self, py: Python<'_>, message: Given<'_>) -> PyResult<()> {
        let Halves { writer, out, .. } = &mut *self.halves();
        writer.message(Content::from(message), out).map_err(|error| errors::raised(py, &error))
    }

    /// Writes that no message follows. Does nothing the second time.
    fn close_send(&self, py: Python<'_>) -> PyResult<()> {
        let Halves { writer, out, half_closed, .. } = &mut *self.halves();
        if std::mem::replace(half_closed, true) {
            return Ok(());
        }
        writer.half_close(out).map_err(|error| errors::raised(py, &error))
    }

    /// What is to be sent now.
    fn take_request<'py>(&self, py: Python<'py>) -> Taken<'py> {
        let out = std::mem::take(&mut self.halves().out);
        let head = out.head.map(|request| {
            let target = request.uri().path_and_query().map_or_else(String::new, PathAndQuery::to_string);
            (request.method().to_string(), target, owned(request.headers()))
        });
        (head, PyBytes::new(py, &out.body.concat()), out.finish == Some(Finish::Body))
    }

    /// Takes the head of the response.
    #[pyo3(signature = (status, headers, /))]
    fn respond(&self, status: u16, headers: Vec<(Vec<u8>, Vec<u8>)>) -> PyResult<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status)
            .map_err(|_| PyValueError::new_err(format!("{status} is not an HTTP status")))?;
        *response.headers_mut() = header_map(headers)?;
        let mut halves = self.halves();
        halves.status = status;
        halves.reader.head(response, false);
        Ok(())
    }

    /// Takes content of the response.
    #[pyo3(signature = (data, /))]
    fn push(&self, data: Vec<u8>) {
        self.halves().reader.push(Bytes::from(data));
    }

    /// The response has ended, with trailers or without.
    #[pyo3(signature = (trailers, /))]
    fn end(&self, trailers: Option<Vec<(Vec<u8>, Vec<u8>)>>) -> PyResult<()> {
        let trailers = trailers.map(header_map).transpose()?;
        let reader = &mut self.halves().reader;
        match trailers {
            Some(trailers) => reader.trailers(trailers),
            None => reader.end(),
        }
        Ok(())
    }

    /// The response will not come: an error of this code, unless the end was known before.
    #[pyo3(signature = (code, message, /))]
    fn fail(&self, code: &str, message: String) -> PyResult<()> {
        let code = Code::from_name(code)
            .ok_or_else(|| PyValueError::new_err(format!("{code:?} is none of the sixteen codes")))?;
        self.halves().reader.fail(RpcError::new(code, message));
        Ok(())
    }

    /// The next message; none after the last; `PENDING` until more is pushed.
    fn receive(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut halves = self.halves();
        loop {
            if let Some(end) = halves.end.clone() {
                let headers = halves.head.as_ref().map(|head| owned(&head.metadata));
                drop(halves);
                return raise_end(py, end, headers.unwrap_or_default()).map(|()| py.None());
            }
            match halves.reader.event() {
                None => return Ok(pending::get(py)),
                Some(PlainResponseEvent::Head(head)) => {
                    let status = halves.status;
                    halves.head = Some(Head { status, metadata: head.metadata, encoding: head.encoding });
                }
                Some(PlainResponseEvent::Message(message)) => return content::to_python(py, &message),
                Some(PlainResponseEvent::End(end)) => halves.end = Some(end),
            }
        }
    }

    /// The HTTP status and headers, once `receive` has come upon them.
    fn head(&self) -> Option<(u16, Lines)> {
        self.halves().head.as_ref().map(|head| (head.status, owned(&head.metadata)))
    }

    /// The trailers, once `receive` has come upon the end.
    fn trailers(&self) -> Option<Lines> {
        self.halves().end.as_ref().map(|end| owned(&end.trailers))
    }

    /// The name of the compression of response messages, where the application does that itself.
    #[getter]
    fn response_encoding(&self) -> Option<&'static str> {
        self.halves().head.as_ref().and_then(|head| custom_name(head.encoding))
    }
}

impl ClientExchange {
    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn header_map(lines: Vec<(Vec<u8>, Vec<u8>)>) -> PyResult<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let malformed = || PyValueError::new_err("the HTTP client passed on a malformed header");
        let name = HeaderName::from_bytes(&name).map_err(|_| malformed())?;
        headers.append(name, HeaderValue::from_bytes(&value).map_err(|_| malformed())?);
    }
    Ok(headers)
}
