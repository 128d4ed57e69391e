//! What is known of a server's methods, and from where.

use std::time::Duration;

use http::HeaderValue;
use landbridge_client::{Channel, Style};
use landbridge_net::UpstreamHttp;
use landbridge_schema::Schema;
use landbridge_schema::reflection::{Limits, Loaded, ServiceFailure, Wanted};
use landbridge_wire::plain::Packing;
use landbridge_wire::{Accepted, Code, Codec, Compression, Protocol, RpcError};

use crate::failure::Failure;
use crate::files;
use crate::order::{Order, Reflection};
use crate::reflection::Asker;
pub(crate) use crate::reflection::Problem;
use crate::server::Dialer;

/// All of a server's reflection, however many calls it takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// What is known.
pub(crate) struct Knowledge {
    /// The schema, or why there is none.
    pub(crate) schema: Result<Schema, Problem>,
    /// How the server's reflection has answered.
    pub(crate) answered_on: Option<Way>,
    /// The services that its reflection could not describe.
    pub(crate) failures: Vec<ServiceFailure>,
}

/// A way to speak to the server.
pub(crate) struct Way {
    pub(crate) protocol: Protocol,
    pub(crate) http: UpstreamHttp,
    pub(crate) channel: Channel,
}

impl Knowledge {
    fn without_asking(schema: Result<Schema, Problem>) -> Self {
        Self { schema, answered_on: None, failures: Vec::new() }
    }
}

/// Gathers what there is to know of one service, or of all, in at most so long.
///
/// # Errors
/// A descriptor set that cannot be used, or reflection that was relied on.
pub(crate) async fn gather(
    order: &Order,
    dialer: &Dialer<'_>,
    service: Option<&str>,
    within: Duration,
) -> Result<Knowledge, Failure> {
    let within = within.min(TIMEOUT);
    let given = files::read(&order.schema)?;
    let asks = match (&given, order.schema.reflection) {
        (_, Reflection::Off) | (Some(_), Reflection::Default) => false,
        (None, Reflection::Default | Reflection::Required) => true,
        (Some(given), Reflection::Required) => {
            service.is_none_or(|service| given.services().all(|known| known != service))
        }
    };
    if !asks {
        let none = || Problem::Told("no file is given, and the server is not asked".to_owned());
        return Ok(Knowledge::without_asking(given.ok_or_else(none)));
    }
    let wanted = match service {
        Some(service) => Wanted::Services(vec![service.to_owned()]),
        None => Wanted::All,
    };
    let asked = tokio::time::timeout(within, ask(order, dialer, &wanted)).await.unwrap_or_else(|_elapsed| {
        let message = format!("the server's reflection did not answer within {within:?}");
        Err(Problem::Call(RpcError::new(Code::DeadlineExceeded, message)))
    });
    match asked {
        Ok((loaded, way)) => {
            Ok(Knowledge { schema: Ok(loaded.schema), answered_on: Some(way), failures: loaded.failures })
        }
        Err(problem) if order.schema.reflection == Reflection::Required => Err(problem.into_failure()),
        Err(problem) => Ok(Knowledge::without_asking(Err(problem))),
    }
}

/// Asks in gRPC, which reflection is made for; then in the protocol of the call, for servers and proxies that speak
/// nothing else.
async fn ask(order: &Order, dialer: &Dialer<'_>, wanted: &Wanted) -> Result<(Loaded, Way), Problem> {
    let own = (order.protocol, order.server.http.unwrap_or(UpstreamHttp::Auto));
    let grpc = (Protocol::Grpc, UpstreamHttp::Http2);
    let ways = match order.protocol {
        _ if order.server.http == Some(UpstreamHttp::Http1) => vec![own],
        Protocol::Grpc => vec![grpc],
        Protocol::Connect | Protocol::GrpcWeb => vec![grpc, own],
    };
    let mut problem: Option<Problem> = None;
    for (protocol, http) in ways {
        let channel = dialer.channel(http);
        let asker = Asker {
            channel: &channel,
            style: style(protocol),
            prefix: &order.server.address.target.prefix,
            headers: &order.headers,
        };
        match asker.load(wanted.clone()).await {
            Ok(loaded) => return Ok((loaded, Way { protocol, http, channel })),
            Err(other) if problem.as_ref().is_none_or(|known| known.weight() <= other.weight()) => {
                problem = Some(other);
            }
            Err(_says_less) => {}
        }
    }
    Err(problem.unwrap_or_else(|| Problem::Told("the server was not asked".to_owned())))
}

impl Problem {
    /// What a server says of its reflection counts more than how a call failed, and that more than that there was no
    /// way to make it.
    fn weight(&self) -> u8 {
        match self {
            Self::Told(_) => 2,
            Self::Call(error) => u8::from(error.code != Code::Unavailable),
        }
    }

    /// As the failure of a call that cannot be made without the schema.
    pub(crate) fn into_failure(self) -> Failure {
        const REMEDY: &str = "give its .proto file or a descriptor set with --schema FILE, or switch on the \
             server's reflection";
        match self {
            Self::Call(error) if is_of_the_server(error.code) => Failure::rpc(&error, None),
            Self::Call(error) => {
                Failure::Unable(format!("the server's reflection failed: {error}: {REMEDY}"))
            }
            Self::Told(text) => Failure::Unable(format!("there is no schema: {text}: {REMEDY}")),
        }
    }
}

/// Whether any call would fail with it.
fn is_of_the_server(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::DeadlineExceeded | Code::Unauthenticated | Code::PermissionDenied
    )
}

fn style(protocol: Protocol) -> Style {
    Style {
        protocol,
        codec: Codec::Proto,
        encoding: Compression::Identity,
        accepts: Accepted::ALL,
        packing: Packing::default(),
        limits: landbridge_wire::Limits { max_message_bytes: Limits::default().max_bytes },
        user_agent: USER_AGENT,
    }
}

/// What servers are told that we are.
pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("landbridge-call/", env!("CARGO_PKG_VERSION")));
