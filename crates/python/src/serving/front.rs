//! Takes requests from `net`: finds out what each is, refuses what cannot be, and has the rest carried.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use landbridge_net::{Handler, Parting, RecvBody, Responder};
use landbridge_wire::cors::CrossOrigin;
use landbridge_wire::inbound::{self, Refusal, is_call, is_grpc_or_web};
use landbridge_wire::output::Finish;
use landbridge_wire::plain::{Packing, PlainReader, PlainWriter};
use landbridge_wire::{Code, Offer, RpcError};

use super::answering::Answering;
use super::carry::carry;
use super::cors::Cors;
use super::facts::{Facts, Kind, authority};
use super::plain_http;
use super::receiving::Receiving;
use super::routes::{Found, Routes, Service, info};
use crate::handoff::{Channel, Event, LoopQueue, ThreadQueue, Woken};

/// Limits on all calls together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Calls and requests in flight at once; one more is `resource_exhausted`, or 503 to plain HTTP.
    pub(crate) max_concurrent_calls: usize,
    /// How long a caller may be silent within a request that is one message; then the call is `deadline_exceeded`.
    pub(crate) receive_timeout: Option<Duration>,
}

/// The handler of one I/O thread's requests. Clones are cheap.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    shared: Arc<Shared>,
    woken: Arc<Woken>,
    parting: Arc<Parting>,
}

#[derive(Debug)]
struct Shared {
    routes: Routes,
    /// What callers of unknown services are answered by.
    unknown: Service,
    limits: Limits,
    /// None where pages of other origins may not call.
    cors: Option<Cors>,
    /// Whether there is an application for what is no call.
    has_fallback: bool,
    events: Arc<LoopQueue<Event>>,
    threads: Arc<ThreadQueue>,
    in_flight: AtomicUsize,
}

impl Front {
    pub(crate) fn new(
        routes: Routes,
        limits: Limits,
        cors: Option<Cors>,
        has_fallback: bool,
        events: Arc<LoopQueue<Event>>,
        threads: Arc<ThreadQueue>,
    ) -> Self {
        let unknown =
            Service { offer: Offer::all(landbridge_wire::Limits::default()), packing: Packing::default() };
        let in_flight = AtomicUsize::new(0);
        let shared = Shared { routes, unknown, limits, cors, has_fallback, events, threads, in_flight };
        Self { shared: Arc::new(shared), woken: Arc::default(), parting: Arc::default() }
    }

    /// The same for another I/O thread.
    pub(super) fn for_another_thread(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), woken: Arc::default(), parting: Arc::default() }
    }

    pub(super) fn woken(&self) -> &Arc<Woken> {
        &self.woken
    }

    pub(super) fn parting(&self) -> &Arc<Parting> {
        &self.parting
    }

    pub(super) fn events(&self) -> &Arc<LoopQueue<Event>> {
        &self.shared.events
    }

    pub(super) fn threads(&self) -> &ThreadQueue {
        &self.shared.threads
    }

    pub(super) fn channel(&self, facts: Facts) -> Arc<Channel> {
        Channel::new(facts, Arc::clone(&self.shared.events), Arc::clone(&self.woken))
    }

    /// Calls and requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Relaxed)
    }

    /// What a call is told that finds every thread busy.
    pub(super) fn is_full(&self) -> RpcError {
        let message = "every handler thread of the server is busy and its queue is full: try again later";
        RpcError::new(Code::ResourceExhausted, message)
    }
}

impl Handler for Front {
    async fn handle(&self, request: Request<RecvBody>, responder: Responder) {
        let arrived = Instant::now();
        let in_flight = InFlight::new(&self.shared.in_flight);
        let found = self.shared.routes.find(request.uri().path());
        // What is beside the services is the application's behind, but gRPC, which no such application speaks.
        let is_beside = matches!(found, Found::Nothing);
        if is_beside && self.shared.has_fallback && !is_grpc_or_web(&request) {
            if in_flight.number > self.shared.limits.max_concurrent_calls {
                return plain_http::overloaded(responder);
            }
            return plain_http::carry(self, request, responder).await;
        }
        let cors = self.shared.cors.as_ref().map(|cors| cors.of(request.headers()));
        if let Some(preflight) =
            cors.as_ref().and_then(|cors| cors.preflight(request.method(), request.headers()))
        {
            return responder.respond_full(preflight, Bytes::new(), None);
        }
        let host = authority(&request);
        let connection = Arc::clone(responder.connection());
        let (head, body) = request.into_parts();
        let (http_method, version) = (head.method.clone(), head.version);
        let request = Request::from_parts(head, ());
        let (method, service) = match found {
            Found::Method(method, service) => (Some(method), service),
            _ if !is_call(&request) => return plain_http::not_found(responder),
            Found::NoMethod(service) => (None, service),
            Found::Nothing => (None, &self.shared.unknown),
        };
        let path = method.is_none().then(|| request.uri().path().to_owned());
        let info = method.map(|method| info(method.kind, method.idempotent));
        let accepted = match inbound::accept(request, &service.offer, info) {
            Ok(accepted) => accepted,
            Err(refusal) => return refuse(*refusal, responder, cors.as_ref()),
        };
        let call = accepted.call;
        let writer = PlainWriter::new(accepted.writer, &call, &service.offer, service.packing);
        let response_encoding = writer.compression();
        let mut answering = Answering::new(responder, writer, cors);
        let Some(method) = method else {
            let path = path.unwrap_or_default();
            return answering.unknown_method(format!("there is no method {path} on this server")).await;
        };
        if in_flight.number > self.shared.limits.max_concurrent_calls {
            let message = "the server has as many calls in flight as it takes: try again later";
            return answering.fail(RpcError::new(Code::ResourceExhausted, message)).await;
        }
        let mut receiving = Receiving::new(body, PlainReader::new(accepted.reader, &call, &service.offer));
        if method.kind.sends_one() {
            receiving.expect_one(self.shared.limits.receive_timeout);
        }
        let deadline = call.timeout.and_then(|timeout| arrived.checked_add(timeout));
        let facts = Facts {
            kind: Kind::Call {
                method: method.number,
                protocol: call.protocol,
                codec: call.codec,
                encoding: call.encoding,
                response_encoding,
                accepts: call.accepts,
                deadline,
            },
            http_method,
            version,
            headers: call.metadata,
            authority: host,
            connection,
        };
        carry(self, method, facts, deadline, receiving, answering).await;
    }
}

fn refuse(refusal: Refusal, responder: Responder, cors: Option<&CrossOrigin<'_>>) {
    let output = refusal.output;
    let Some(mut head) = output.head else { return };
    if let Some(cors) = cors {
        cors.expose(head.headers_mut());
    }
    let trailers = match output.finish {
        Some(Finish::Trailers(trailers)) => Some(trailers),
        _ => None,
    };
    responder.respond_full(head, output.body.concat().into(), trailers);
}

/// One request in flight, until it is dropped.
struct InFlight<'a> {
    all: &'a AtomicUsize,
    number: usize,
}

impl<'a> InFlight<'a> {
    fn new(all: &'a AtomicUsize) -> Self {
        Self { all, number: all.fetch_add(1, Relaxed) + 1 }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Relaxed);
    }
}
