//! A call, as its Python caller holds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landbridge_client::{Head, Outgoing};
use landbridge_wire::{End, RpcError};
use pyo3::exceptions::PyEOFError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::io_thread::{IoThread, Start, generation};
use super::outbound::{Outbound, Received, Refused, What};
use super::signals::longest_wait;
use crate::call::{Lines, wake};
use crate::content::{self, Given, custom_name};
use crate::{errors, metadata, pending};

/// One call. Dropped before it is over, it is cancelled.
///
/// Methods whose name ends in `_blocking` wait without the GIL, the others never wait. What fails a call raises
/// `ConnectError`, with the headers and trailers that have come.
#[pyclass(frozen, weakref, module = "landbridge._core")]
#[derive(Debug)]
pub(crate) struct ClientCall {
    outbound: Arc<Outbound>,
    /// What is left to be done to make it, where nobody has waited for it yet.
    start: Mutex<Option<Start>>,
    /// Held so that the thread goes on until the call is over.
    thread: Mutex<Option<Arc<IoThread>>>,
    generation: u64,
}

impl ClientCall {
    pub(super) fn started(outbound: Arc<Outbound>, thread: Arc<IoThread>) -> Self {
        Self { outbound, start: Mutex::new(None), thread: Mutex::new(Some(thread)), generation: generation() }
    }

    /// One that is made when a thread waits for its answer.
    pub(super) fn prepared(start: Start, thread: Arc<IoThread>) -> Self {
        let outbound = Arc::clone(&start.outbound);
        Self {
            outbound,
            start: Mutex::new(Some(start)),
            thread: Mutex::new(Some(thread)),
            generation: generation(),
        }
    }

    /// The call, unless it was made before this process was forked.
    fn own(&self) -> Option<&Outbound> {
        (self.generation == generation()).then_some(&*self.outbound)
    }

    /// A call does not cross a fork: its thread and its connection are the parent's.
    fn outbound(&self, py: Python<'_>) -> PyResult<&Outbound> {
        self.own().ok_or_else(|| {
            let message = "the call was made before this process was forked, and belongs to its parent";
            errors::raised(py, &RpcError::new(landbridge_wire::Code::Unavailable, message))
        })
    }

    /// What is left to be done to make it, and who does it.
    fn take_start(&self) -> Option<(Start, Arc<IoThread>)> {
        let start = locked(&self.start).take()?;
        Some((start, locked(&self.thread).clone()?))
    }

    fn received(&self, py: Python<'_>, received: Received) -> PyResult<Py<PyAny>> {
        match received {
            Received::Message(message) => content::to_python(py, &message),
            Received::Ended => self.succeeded(py).map(|()| py.None()),
            Received::Pending => Ok(pending::get(py)),
        }
    }

    /// Raises what the call, which is over, has failed with, if it has.
    fn succeeded(&self, py: Python<'_>) -> PyResult<()> {
        drop(locked(&self.thread).take());
        let Some(end) = self.outbound.failure() else { return Ok(()) };
        let headers = self.outbound.with_head(|head| owned(&head.metadata)).unwrap_or_default();
        raise_end(py, end, headers)
    }

    fn wait(&self, py: Python<'_>, what: What) -> PyResult<()> {
        // Looked up each time: what a signal's handler does may be to fork.
        while !{
            let outbound = self.outbound(py)?;
            let longest = longest_wait(py);
            py.detach(|| outbound.wait(what, longest))
        } {
            py.check_signals()?;
        }
        Ok(())
    }

    fn when(&self, py: Python<'_>, what: What, future: Py<PyAny>) -> PyResult<()> {
        match self.outbound(py)?.when(what, future) {
            Some(future) => wake(py, &future),
            None => Ok(()),
        }
    }

    fn give(&self, py: Python<'_>, outgoing: Outgoing) -> PyResult<bool> {
        match self.outbound(py)?.give(outgoing) {
            Ok(room) => Ok(room),
            Err(Refused::Over) => {
                self.succeeded(py)?;
                Err(PyEOFError::new_err("the server has ended the call and takes no more messages"))
            }
            Err(Refused::HalfClosed) => {
                Err(PyEOFError::new_err("the request was ended and takes no more messages"))
            }
        }
    }
}

#[pymethods]
impl ClientCall {
    /// The next message; none after the last; `PENDING` where it has not come.
    fn receive(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let received = self.outbound(py)?.receive();
        self.received(py, received)
    }

    /// The next message; none after the last.
    fn receive_blocking(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let outbound = self.outbound(py)?;
        loop {
            match outbound.receive() {
                Received::Pending => self.wait(py, What::Message)?,
                received => return self.received(py, received),
            }
        }
    }

    /// Sets the result of `future` when `receive` has something to say.
    fn when_readable(&self, py: Python<'_>, future: Py<PyAny>) -> PyResult<()> {
        self.when(py, What::Message, future)
    }

    /// The one message of a response that is over, which has exactly one.
    fn answer(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let outbound = self.outbound(py)?;
        // A failure counts, whatever came before it.
        self.succeeded(py)?;
        let received = outbound.receive();
        self.received(py, received)
    }

    // Until it is made nothing but itself holds what waits for it, and that may hold it: an event loop that ends with
    // its call not made. Afterwards the I/O thread does, as it has to.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let is_made = locked(&self.start).is_none();
        if is_made { Ok(()) } else { self.outbound.look(|future| visit.call(future)) }
    }

    fn __clear__(&self) {
        if let Some((start, _thread)) = self.take_start() {
            self.outbound.forget_all();
            drop(start);
        }
    }

    /// Makes the call, if it was only prepared.
    fn make(&self) {
        if self.own().is_some()
            && let Some((start, thread)) = self.take_start()
        {
            thread.make(start);
        }
    }

    /// As `answer`, and waits for it; makes the call first, if it was only prepared.
    fn answer_blocking(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let outbound = self.outbound(py)?;
        let start = self.take_start();
        let longest = longest_wait(py);
        // Made without the GIL: the I/O thread, which may take this core at once, would keep all others from it.
        let over = py.detach(|| {
            if let Some((start, thread)) = start {
                thread.make_blocking(start);
            }
            outbound.wait(What::End, longest)
        });
        if !over {
            py.check_signals()?;
            self.wait(py, What::End)?;
        }
        self.answer(py)
    }

    /// Nobody waits for this future any more.
    fn forget(&self, future: &Bound<'_, PyAny>) {
        if let Some(outbound) = self.own() {
            outbound.forget(future.as_unbound());
        }
    }

    /// Sets the result of `future` when the call is over.
    fn when_ended(&self, py: Python<'_>, future: Py<PyAny>) -> PyResult<()> {
        self.when(py, What::End, future)
    }

    /// Sends a message. Says whether there is room for more.
    #[pyo3(signature = (message, /))]
    fn send(&self, py: Python<'_>, message: Given<'_>) -> PyResult<bool> {
        self.give(py, Outgoing::Message(message.into()))
    }

    /// Sets the result of `future` when there is room for more.
    fn when_writable(&self, py: Python<'_>, future: Py<PyAny>) -> PyResult<()> {
        self.when(py, What::Room, future)
    }

    /// Waits until there is room for more.
    fn wait_for_room_blocking(&self, py: Python<'_>) -> PyResult<()> {
        self.wait(py, What::Room)
    }

    /// Says that no message follows. Does nothing where that was said, or the call is over.
    fn close_send(&self, py: Python<'_>) -> PyResult<()> {
        let _nothing_to_close = self.outbound(py)?.give(Outgoing::HalfClose);
        Ok(())
    }

    /// The HTTP status and headers of the response, once they have come.
    fn head(&self, py: Python<'_>) -> PyResult<Option<(u16, Lines)>> {
        Ok(self.outbound(py)?.with_head(|head| (head.status, owned(&head.metadata))))
    }

    /// Sets the result of `future` when `head` has something, or the call is over.
    fn when_head(&self, py: Python<'_>, future: Py<PyAny>) -> PyResult<()> {
        self.when(py, What::Head, future)
    }

    /// Waits until `head` has something, or the call is over.
    fn wait_for_head_blocking(&self, py: Python<'_>) -> PyResult<()> {
        self.wait(py, What::Head)
    }

    /// The trailers, once the call is over.
    fn trailers(&self, py: Python<'_>) -> PyResult<Option<Lines>> {
        Ok(self.outbound(py)?.with_end(|end| owned(&end.trailers)))
    }

    /// Raises what the call has failed with, if it has.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        match self.outbound(py)?.is_over() {
            true => self.succeeded(py),
            false => Ok(()),
        }
    }

    /// Whether the call is over.
    #[getter]
    fn is_over(&self) -> bool {
        self.own().is_none_or(Outbound::is_over)
    }

    /// Whether it was given up before it was over, or before everything that came of it was taken.
    #[getter]
    fn is_cancelled(&self) -> bool {
        self.own().is_some_and(Outbound::is_cancelled)
    }

    /// Whether it has ended because its time was over, by the clock on this side.
    #[getter]
    fn is_late(&self) -> bool {
        self.own().is_some_and(Outbound::is_late)
    }

    /// The name of the compression of response messages, where the application does that itself.
    #[getter]
    fn response_encoding(&self) -> Option<&'static str> {
        self.own()?.with_head(|head: &Head| custom_name(head.encoding)).flatten()
    }

    /// Gives the call up. Does nothing where it is over and everything that came of it was taken, or it has failed.
    fn cancel(&self) {
        if let Some(outbound) = self.own() {
            let _never_made = locked(&self.start).take();
            outbound.cancel();
            drop(locked(&self.thread).take());
        }
    }
}

impl Drop for ClientCall {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Raises what a call has failed with, if it has.
pub(super) fn raise_end(py: Python<'_>, end: End, headers: Lines) -> PyResult<()> {
    match end.result {
        Ok(()) => Ok(()),
        Err(error) => Err(errors::raised_with(py, &error, headers, owned(&end.trailers))),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn owned(headers: &http::HeaderMap) -> Lines {
    metadata::to_python(headers).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
