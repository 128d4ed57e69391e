//! One call, as it was ordered.

use std::sync::Arc;

use landbridge_client::{Method, Policy, Spec, StreamKind, Style, carry};
use landbridge_net::UpstreamHttp;
use landbridge_schema::{JsonOptions, Schema, UnknownFields};
use landbridge_wire::plain::Packing;
use landbridge_wire::{Accepted, Code, Codec, Limits, Protocol};

use crate::address::MethodName;
use crate::failure::Failure;
use crate::input::{self, Encoder};
use crate::knowledge::{self, USER_AGENT};
use crate::order::{CallOrder, Order};
use crate::screen::Screen;
use crate::talk::{Decoder, Talk};

/// How much longer than its binary form the JSON of a message may be.
const JSON_GROWTH: usize = 16;

/// Makes it, to its end.
///
/// # Errors
/// How the call failed, or why it was not made.
pub(crate) async fn make(order: &Order, call: &CallOrder, screen: Screen) -> Result<(), Failure> {
    let dialer = order.server.dialer()?;
    let within = call.timeout.unwrap_or(knowledge::TIMEOUT);
    let known = knowledge::gather(order, &dialer, Some(call.method.service()), within).await?;
    let codec = call.codec.unwrap_or(match order.protocol {
        Protocol::Connect => Codec::Json,
        Protocol::Grpc | Protocol::GrpcWeb => Codec::Proto,
    });
    let (schema, described) = match known.schema {
        Ok(schema) => {
            let described = find(&schema, &call.method)?;
            (Some(schema), Some(described))
        }
        // JSON means the same to a server that we know nothing of.
        Err(problem) if codec == Codec::Json => {
            screen.note(format_args!("JSON passes as it is: {problem}"));
            (None, None)
        }
        Err(problem) => return Err(problem.into_failure()),
    };
    let kind = match &described {
        Some(method) => kind_of(method.kind()),
        None if call.stream => StreamKind::BidiStream,
        None => StreamKind::Unary,
    };
    let spec = spec(order, call, described.as_ref(), codec, kind)?;
    let answered_in_grpc =
        matches!(&known.answered_on, Some(answered) if answered.protocol == Protocol::Grpc);
    let http = version(order, kind, known.answered_on.as_ref().map(|answered| answered.http));
    let channel = match known.answered_on {
        Some(answered) if answered.http == http => answered.channel,
        _ => dialer.channel(http),
    };
    let (input, output) = described.map(|method| (method.input().clone(), method.output().clone())).unzip();
    let incoming = input::start(&call.data, Encoder { input, codec, kind })?;
    let talk = Talk::new(incoming, Decoder { output, codec, options: json_options(call) }, screen);
    let end = tokio::select! {
        biased;
        // Dropping the call cancels it at the server.
        failure = talk.failed() => return Err(failure),
        end = carry(&channel, &spec, &talk) => end,
    };
    talk.printed().await?;
    screen.trailers(&end.trailers);
    end.result.map_err(|error| {
        let failure = Failure::rpc(&error, schema.as_ref());
        // Time that is over says nothing of what the server speaks.
        let may_be_the_protocol = error.code != Code::DeadlineExceeded && order.protocol != Protocol::Grpc;
        if answered_in_grpc && !talk.is_answered() && may_be_the_protocol {
            failure.with_hint(
                "the server's reflection answers in gRPC: --protocol grpc may be all that it speaks",
            )
        } else {
            failure
        }
    })
}

/// # Errors
/// What the method, or the server's address, does not allow.
fn spec(
    order: &Order,
    call: &CallOrder,
    described: Option<&landbridge_schema::Method>,
    codec: Codec,
    kind: StreamKind,
) -> Result<Spec, Failure> {
    let idempotent = described.is_some_and(landbridge_schema::Method::no_side_effects);
    if call.get && described.is_some() && !(idempotent && kind == StreamKind::Unary) {
        let reason = "only unary methods that declare `idempotency_level = NO_SIDE_EFFECTS` have it";
        return Err(Failure::Given(format!("{} cannot be called by GET: {reason}", call.method)));
    }
    let prefix = &order.server.address.target.prefix;
    let path = call.method.path(prefix);
    let path = path.ok_or_else(|| Failure::Given(format!("{prefix:?} cannot stand in a path")))?;
    Ok(Spec {
        method: Arc::new(Method { path, kind, idempotent, policy: Policy::default() }),
        style: Arc::new(Style {
            protocol: order.protocol,
            codec,
            encoding: call.compression,
            accepts: Accepted::ALL,
            packing: Packing::default(),
            limits: Limits { max_message_bytes: call.max_message_bytes },
            user_agent: USER_AGENT,
        }),
        metadata: order.headers.clone(),
        timeout: call.timeout,
        get: call.get,
        wait_for_ready: false,
    })
}

fn json_options(call: &CallOrder) -> JsonOptions {
    JsonOptions {
        unknown_fields: UnknownFields::Ignore,
        max_bytes: call.max_message_bytes.saturating_mul(JSON_GROWTH),
        write_defaults: call.write_defaults,
        ..JsonOptions::default()
    }
}

fn find(schema: &Schema, name: &MethodName) -> Result<landbridge_schema::Method, Failure> {
    if let Some(method) = schema.method(&format!("/{name}")) {
        return Ok(method.clone());
    }
    let methods: Vec<&str> =
        schema.methods_of(name.service()).filter_map(|method| method.path().rsplit('/').next()).collect();
    Err(Failure::Given(if methods.is_empty() {
        let services: Vec<&str> = schema.services().collect();
        format!("the schema has no service {}: it has {}", name.service(), services.join(", "))
    } else {
        format!("the schema has no method {name}: the service has {}", methods.join(", "))
    }))
}

fn kind_of(described: landbridge_schema::StreamKind) -> StreamKind {
    use landbridge_schema::StreamKind as Described;

    match described {
        Described::Unary => StreamKind::Unary,
        Described::ClientStream => StreamKind::ClientStream,
        Described::ServerStream => StreamKind::ServerStream,
        Described::BidiStream => StreamKind::BidiStream,
    }
}

/// The version of HTTP: as it was ordered; as gRPC needs it; as the server has answered in already; as streams in both
/// directions need it, where TLS does not settle it.
fn version(order: &Order, kind: StreamKind, answered: Option<UpstreamHttp>) -> UpstreamHttp {
    let needed = order.protocol == Protocol::Grpc
        || (kind == StreamKind::BidiStream && !order.server.address.target.tls);
    let known = order.server.http.or(needed.then_some(UpstreamHttp::Http2)).or(answered);
    known.unwrap_or(UpstreamHttp::Auto)
}
