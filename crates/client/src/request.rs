//! The request of one call, on its way through one attempt or several.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};

use landbridge_net::SendBody;
use landbridge_wire::plain::PlainRequestWriter;
use landbridge_wire::{Output, RpcError};

use crate::spec::{Caller, Outgoing};

/// The most bytes of a request that are kept to be sent again.
const REPLAY_BYTES: usize = 256 << 10;

/// What a caller sends, kept from the start for as long as it may have to be sent again.
pub(crate) struct Request<'a, C> {
    caller: &'a C,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    items: VecDeque<Outgoing>,
    /// The number of the first of them.
    first: usize,
    bytes: usize,
    /// Whether what was sent is let go of.
    letting_go: bool,
    /// What the caller is to be told once it was sent.
    counted: usize,
}

/// How far one attempt has come: the number of the next item.
pub(crate) type Place = usize;

type Out = Output<http::Request<()>>;

impl<'a, C: Caller> Request<'a, C> {
    pub(crate) fn new(caller: &'a C) -> Self {
        Self { caller, kept: Mutex::default() }
    }

    pub(crate) fn caller(&self) -> &'a C {
        self.caller
    }

    /// Whether everything is here that was ever sent.
    pub(crate) fn is_whole(&self) -> bool {
        !self.lock().letting_go
    }

    /// Nothing will be sent again.
    pub(crate) fn let_go(&self) {
        self.lock().letting_go = true;
    }

    /// Writes everything to be sent first: all of the request where `whole`, else what is at hand. Returns how far that
    /// is.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) async fn start(
        &self,
        whole: bool,
        writer: &mut PlainRequestWriter,
        out: &mut Out,
    ) -> Result<Place, RpcError> {
        let mut place = 0;
        loop {
            self.write(&mut place, writer, out)?;
            if out.finish.is_some() {
                return Ok(place);
            }
            if whole {
                self.more().await;
            } else if !self.more_at_hand() {
                writer.flush(out);
                return Ok(place);
            }
        }
    }

    /// Sends what is written, and the rest of the request as it comes.
    ///
    /// # Errors
    /// What is wrong with the request. That the server takes no more of it is no error: its answer tells.
    pub(crate) async fn send(
        &self,
        mut place: Place,
        mut writer: PlainRequestWriter,
        mut out: Out,
        mut send: SendBody,
    ) -> Result<(), RpcError> {
        loop {
            let finished = out.finish.take().is_some();
            let chunks = std::mem::take(&mut out.body);
            if (!chunks.is_empty() || finished) && send.data_chunks(chunks, finished).await.is_err() {
                return Ok(());
            }
            self.tell_sent();
            if finished {
                return Ok(());
            }
            if !self.has(place) {
                self.more().await;
            }
            self.write(&mut place, &mut writer, &mut out)?;
        }
    }

    fn has(&self, place: Place) -> bool {
        let kept = self.lock();
        place < kept.first + kept.items.len()
    }

    /// Writes everything that is kept from there on.
    fn write(
        &self,
        place: &mut Place,
        writer: &mut PlainRequestWriter,
        out: &mut Out,
    ) -> Result<(), RpcError> {
        let mut kept = self.lock();
        if kept.letting_go {
            let gone = (*place - kept.first).min(kept.items.len());
            kept.items.drain(..gone);
            kept.first = *place;
        }
        let skip = *place - kept.first;
        for item in kept.items.iter().skip(skip) {
            *place += 1;
            match item {
                Outgoing::Message(message) => writer.message(message.clone(), out)?,
                Outgoing::HalfClose => writer.half_close(out)?,
            }
        }
        Ok(())
    }

    /// Takes more from the caller, which may have to be waited for.
    async fn more(&self) {
        let (items, counted) = poll_fn(|cx| self.caller.poll_outgoing(cx)).await;
        self.keep(items, counted);
    }

    fn more_at_hand(&self) -> bool {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match self.caller.poll_outgoing(&mut cx) {
            std::task::Poll::Ready((items, counted)) => {
                self.keep(items, counted);
                true
            }
            std::task::Poll::Pending => false,
        }
    }

    fn keep(&self, items: Vec<Outgoing>, counted: usize) {
        let mut kept = self.lock();
        kept.counted += counted;
        kept.bytes += items.iter().map(size).sum::<usize>();
        kept.letting_go |= kept.bytes > REPLAY_BYTES;
        if kept.items.is_empty() {
            // Without a copy, which is what nearly every call comes to.
            kept.items = items.into();
        } else {
            kept.items.extend(items);
        }
    }

    fn tell_sent(&self) {
        let counted = std::mem::take(&mut self.lock().counted);
        if counted > 0 {
            self.caller.sent(counted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // What a panicking holder leaves is sound: counts and a queue.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(item: &Outgoing) -> usize {
    match item {
        Outgoing::Message(message) => message.len(),
        Outgoing::HalfClose => 0,
    }
}
