//! The requests of one listener: route, accept, carry.

mod caller;
mod facts;
mod headers;
mod record;

use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, StatusCode, header};
use landbridge_net::{Handler, RecvBody, Responder};
use landbridge_wire::cors::CrossOrigin;
use landbridge_wire::inbound::{self, Refusal};
use landbridge_wire::{Code, Finish, Limits, Offer, Protocol, RpcError};

use crate::access_log::{AccessLog, NamedHeaders};
use crate::call::{Answer, Carried, Pace, Plan, Ticks, info};
use crate::cluster::{AuthorityChoice, Cluster};
use crate::config::{Action, DirectResponse, Forward, HostRewrite, Listener, Route, RouteRequest, Target};
use crate::schemas::Schemas;
use crate::stats::WorkerStats;
use facts::Facts;
pub(crate) use headers::ResponseHeaders;
pub(crate) use record::Record;

/// Answers the requests of one listener on one worker.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) listener: Arc<Listener>,
    /// By their place in the file.
    pub(crate) clusters: Arc<[Cluster]>,
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) ticks: Arc<Ticks>,
    /// None where requests are not logged.
    pub(crate) log: Option<Arc<AccessLog>>,
    pub(crate) named: Arc<NamedHeaders>,
    /// The listener's place in the file.
    pub(crate) place: usize,
}

/// A request whose route is found.
struct Routed<'a> {
    route: &'a Route,
    forward: &'a Forward,
    target: &'a Target,
    pace: Arc<Pace>,
    record: Record<'a>,
}

impl Handler for Proxy {
    async fn handle(&self, request: Request<RecvBody>, respond: Responder) {
        if let Some(mut carried) = self.accept(request, respond) {
            carried.run().await;
        }
    }
}

impl Proxy {
    /// Finds the way of a request. Those that have none are answered at once.
    fn accept(&self, request: Request<RecvBody>, respond: Responder) -> Option<Carried<'_>> {
        let pace = Arc::new(Pace::new(respond.arrived(), self.log.is_some()));
        let http = &self.stats.listeners[self.place];
        let mut record = Record::new(&self.stats, http, Arc::clone(&pace), self.log.as_deref());
        let (head, body) = request.into_parts();
        let mut head = Request::from_parts(head, ());
        headers::strip_untrusted(head.headers_mut());
        let connection = respond.connection();
        let (peer, tls) = (connection.peer(), connection.tls().is_some());
        caller::identify(&self.listener.http, peer, tls, head.headers_mut());
        let route = self.route(&head, respond.authority());
        let cors = route.and_then(|route| route.cors.as_deref()).map(|policy| {
            CrossOrigin::of(&policy.grants, head.headers(), |origin| policy.allows_origin(origin))
        });
        let target = match route.map(|route| &route.action) {
            Some(Action::Forward(forward)) => Some(forward.targets.pick(fastrand::u64(..))),
            _ => None,
        };
        if self.log.is_some() || route.is_some_and(|route| !route.headers.is_empty()) {
            let cluster = target.map_or("", |target| self.clusters[target.cluster.index()].name());
            let connection = Arc::clone(respond.connection());
            let client = caller::client(&self.listener.http, connection.peer(), head.headers());
            let name = route.map_or("", |route| route.name.as_str());
            record.know(Facts::new(&head, connection, client, name, cluster, &self.named));
        }
        if let Some(preflight) = cors.as_ref().and_then(|cors| cors.preflight(head.method(), head.headers()))
        {
            record.answered(&preflight);
            respond.respond_full(preflight, Bytes::new(), None);
            return None;
        }
        let extra = ResponseHeaders {
            changes: route.map_or(&[], |route| &route.headers.response),
            cors,
            server: &self.listener.http.server_header,
        };
        // Over HTTP/1.1 `net` has counted them.
        let most = self.listener.http.max_headers_count as usize;
        if head.headers().len() > most {
            record.refused();
            let message = format!("the request has more than {most} headers; see `max_headers_count`");
            let error = RpcError::new(Code::ResourceExhausted, message);
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            refuse(head, error, status, extra, respond, record);
            return None;
        }
        match (route, route.map(|route| &route.action), target) {
            (Some(route), Some(Action::Forward(forward)), Some(target)) => {
                record.routed(self.stats.cluster(target.cluster));
                let routed = Routed { route, forward, target, pace, record };
                return self.forward(routed, head, body, extra, respond);
            }
            (_, Some(Action::Respond(direct)), _) => respond_directly(direct, &extra, respond, record),
            _ => {
                record.unrouted();
                let message = format!("no route leads to {} at this host", head.uri().path());
                let error = RpcError::new(Code::Unimplemented, message);
                refuse(head, error, StatusCode::NOT_FOUND, extra, respond, record);
            }
        }
        None
    }

    fn route(&self, head: &Request<()>, authority: Option<&Authority>) -> Option<&Route> {
        self.listener.http.routes.find(&RouteRequest {
            method: head.method(),
            host: authority.map_or("", Authority::as_str),
            path: head.uri().path_and_query().map_or("/", PathAndQuery::as_str),
            headers: head.headers(),
            grpc: &|| inbound::is_call(head),
        })
    }

    fn forward<'a>(
        &'a self,
        routed: Routed<'a>,
        mut head: Request<()>,
        body: RecvBody,
        extra: ResponseHeaders<'a>,
        respond: Responder,
    ) -> Option<Carried<'a>> {
        let Routed { route, forward, target, pace, mut record } = routed;
        let settings = &target.settings;
        let authority = chosen_authority(forward, respond.authority());
        if !route.headers.request.is_empty()
            && let Some(facts) = record.facts()
        {
            headers::change_request(&route.headers.request, head.headers_mut(), facts);
            record.changed(head.headers());
        }
        let limits = Limits { max_message_bytes: settings.max_message_bytes };
        let schemas = self.schemas.of(target.cluster, &settings.schema);
        let rewritten = forward.path_rewrite.as_ref().map(|rewrite| {
            rewrite.apply(&route.matcher, head.uri().path()).parse::<PathAndQuery>().map_err(drop)
        });
        let known = match &rewritten {
            None => schemas.known_method(head.uri().path()),
            Some(path) => path.as_ref().ok().and_then(|path| schemas.known_method(path.path())),
        };
        let info = known.as_ref().map(|method| info(method, settings));
        let path = head.uri().path_and_query().cloned();
        let accepted = inbound::accept(head, &Offer::all(limits), info);
        let inbound::Accepted { call, reader, writer } = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => {
                send_refusal(*refusal, path, &extra, respond, record);
                return None;
            }
        };
        record.call(call.protocol, call.path.clone());
        let path = match (self.not_served(call.protocol), rewritten) {
            (None, None) => Ok(call.path.clone()),
            (None, Some(Ok(path))) => Ok(path),
            (None, Some(Err(()))) => {
                let message = format!("what the route makes of {} is no path", call.path);
                Err(RpcError::new(Code::Internal, message))
            }
            (Some(error), _) => Err(error),
        };
        let path = match path {
            Ok(path) => path,
            Err(error) => {
                Answer::new(respond, writer, extra, record).refuse(error);
                return None;
            }
        };
        let plan = Plan {
            cluster: &self.clusters[target.cluster.index()],
            settings,
            schemas,
            known,
            forward,
            timeout: target.timeout,
            request_timeout: self.listener.http.request_timeout,
            parting_time: self.listener.http.delayed_close_timeout.unwrap_or_default(),
            ticks: &self.ticks,
            authority,
            path,
        };
        let answer = Answer::new(respond, writer, extra, record);
        Some(Carried { plan, answer, pace, call: Some(call), reader, body })
    }

    /// The filters of the file decide what is translated.
    fn not_served(&self, protocol: Protocol) -> Option<RpcError> {
        let filters = &self.listener.http.filters;
        let (served, filter) = match protocol {
            Protocol::Grpc => return None,
            Protocol::Connect => (filters.connect_grpc_bridge, "envoy.filters.http.connect_grpc_bridge"),
            Protocol::GrpcWeb => (filters.grpc_web, "envoy.filters.http.grpc_web"),
        };
        (!served).then(|| {
            let name = protocol.name();
            RpcError::new(
                Code::Unimplemented,
                format!("{name} is not served here: `http_filters` lacks {filter}"),
            )
        })
    }
}

fn chosen_authority(forward: &Forward, caller: Option<&Authority>) -> AuthorityChoice {
    let given = match &forward.host_rewrite {
        Some(HostRewrite::Endpoint) => None,
        Some(HostRewrite::Literal(host)) => Authority::try_from(host.as_bytes()).ok(),
        None => caller.cloned(),
    };
    given.map_or(AuthorityChoice::Endpoint, AuthorityChoice::Given)
}

fn respond_directly(
    direct: &DirectResponse,
    extra: &ResponseHeaders<'_>,
    respond: Responder,
    mut record: Record<'_>,
) {
    record.answered_directly();
    let mut head = Response::new(());
    *head.status_mut() = direct.status;
    let body = match direct.body.as_ref().map(|body| body.load()) {
        None => Bytes::new(),
        Some(Ok(body)) => {
            head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            body
        }
        Some(Err(error)) => {
            tracing::error!(%error, "the body of a direct_response cannot be read");
            *head.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            Bytes::new()
        }
    };
    extra.apply(head.headers_mut(), &record);
    record.answered(&head);
    record.sent(body.len());
    respond.respond_full(head, body, None);
}

/// An error in the caller's protocol, and a bare status for those who speak none.
fn refuse(
    head: Request<()>,
    error: RpcError,
    status: StatusCode,
    extra: ResponseHeaders<'_>,
    respond: Responder,
    mut record: Record<'_>,
) {
    let path = head.uri().path_and_query().cloned();
    match inbound::accept(head, &Offer::all(Limits::default()), None) {
        Ok(accepted) => {
            record.call(accepted.call.protocol, accepted.call.path);
            let mut answer = Answer::new(respond, accepted.writer, extra, record);
            if status == StatusCode::NOT_FOUND {
                answer.method_is_unknown();
            }
            answer.refuse(error);
        }
        Err(refusal) if refusal.protocol.is_some() => {
            send_refusal(*refusal, path, &extra, respond, record);
        }
        Err(_) => {
            let mut head = Response::new(());
            *head.status_mut() = status;
            extra.apply(head.headers_mut(), &record);
            record.answered(&head);
            respond.respond_full(head, Bytes::new(), None);
        }
    }
}

/// Sends the answer to a request that its head alone condemns.
fn send_refusal(
    refusal: Refusal,
    path: Option<PathAndQuery>,
    extra: &ResponseHeaders<'_>,
    respond: Responder,
    mut record: Record<'_>,
) {
    tracing::debug!(error = %refusal.error, "request refused");
    let Some(mut head) = refusal.output.head else { return };
    record.refused();
    if let (Some(protocol), Some(path)) = (refusal.protocol, path) {
        record.call(protocol, path);
        record.ended(Err(refusal.error.code));
    }
    extra.apply(head.headers_mut(), &record);
    record.answered(&head);
    let trailers = match refusal.output.finish {
        Some(Finish::Trailers(trailers)) => Some(trailers),
        Some(Finish::Body) | None => None,
    };
    respond.respond_full(head, refusal.output.body.concat().into(), trailers);
}
