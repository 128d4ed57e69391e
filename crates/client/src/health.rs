//! Whether an endpoint says that it serves: `grpc.health.v1.Health/Watch` (gRPC A17).

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue};
use landbridge_net::Endpoint;
use landbridge_wire::plain::{Content, Packing};
use landbridge_wire::{Accepted, Code, Codec, Compression, Limits, Protocol};
use tokio::sync::watch;

use crate::carry::carry;
use crate::channel::{Channel, ChannelSettings};
use crate::members::Member;
use crate::policy::Policy;
use crate::spec::{Caller, Head, Method, Outgoing, Spec, StreamKind, Style};

/// The time between two tries to watch.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is known of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    /// Always true where nobody asks.
    serving: watch::Receiver<bool>,
}

impl Health {
    /// Starts to ask, where the settings want it.
    pub(crate) fn of(endpoint: &Endpoint, authority: &Authority, settings: &Arc<ChannelSettings>) -> Self {
        let Some(service) = &settings.health_check else {
            return Self { serving: watch::channel(true).1 };
        };
        let (tell, serving) = watch::channel(false);
        let health = Self { serving: watch::channel(true).1 };
        let member = Member { endpoint: endpoint.clone(), authority: authority.clone(), health };
        tokio::spawn(ask(Channel::of(member, settings), service.clone(), tell));
        Self { serving }
    }

    /// Whether calls may go there.
    pub(crate) fn is_serving(&self) -> bool {
        *self.serving.borrow()
    }

    /// Waits until that changes.
    pub(crate) async fn changed(&mut self) {
        if self.serving.changed().await.is_err() {
            // Nobody asks, so nothing changes.
            std::future::pending::<()>().await;
        }
    }
}

/// Asks for as long as somebody wants to know.
async fn ask(channel: Channel, service: String, tell: watch::Sender<bool>) {
    let spec = watch_call();
    let nobody = tell.clone();
    let asking = async {
        loop {
            let end = carry(&channel, &spec, &Watcher::new(&service, &tell)).await;
            let unchecked = end.result.as_ref().is_err_and(|error| error.code == Code::Unimplemented);
            // A server without the service is taken to serve, as the proposal says.
            tell.send_replace(unchecked);
            if unchecked {
                return std::future::pending().await;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    };
    tokio::select! {
        () = nobody.closed() => {}
        () = asking => {}
    }
}

fn watch_call() -> Spec {
    let method = Method {
        path: PathAndQuery::from_static("/grpc.health.v1.Health/Watch"),
        kind: StreamKind::ServerStream,
        idempotent: true,
        policy: Policy::default(),
    };
    let style = Style {
        protocol: Protocol::Grpc,
        codec: Codec::Proto,
        encoding: Compression::Identity,
        accepts: Accepted::NONE,
        packing: Packing::default(),
        limits: Limits { max_message_bytes: 1 << 10 },
        user_agent: HeaderValue::from_static(concat!("landbridge/", env!("CARGO_PKG_VERSION"))),
    };
    Spec {
        method: Arc::new(method),
        style: Arc::new(style),
        metadata: HeaderMap::new(),
        timeout: None,
        get: false,
        wait_for_ready: true,
    }
}

/// One call of `Watch`.
struct Watcher<'a> {
    request: std::sync::Mutex<Vec<Outgoing>>,
    tell: &'a watch::Sender<bool>,
}

impl<'a> Watcher<'a> {
    fn new(service: &str, tell: &'a watch::Sender<bool>) -> Self {
        let request = vec![Outgoing::Message(Content::Plain(request(service))), Outgoing::HalfClose];
        Self { request: request.into(), tell }
    }
}

impl Caller for Watcher<'_> {
    fn poll_outgoing(&self, _: &mut Context<'_>) -> Poll<(Vec<Outgoing>, usize)> {
        let mut request = self.request.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if request.is_empty() { Poll::Pending } else { Poll::Ready((std::mem::take(&mut *request), 0)) }
    }

    fn sent(&self, _: usize) {}

    fn head(&self, _: Head) {}

    fn poll_room(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn message(&self, message: Content) {
        if let Content::Plain(message) = message {
            self.tell.send_replace(says_serving(&message));
        }
    }
}

/// `HealthCheckRequest`: the service is field 1.
fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    let mut length = service.len();
    message.put_u8(0x0a);
    while length >= 0x80 {
        message.put_u8((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    message.put_u8(length as u8);
    message.put_slice(service.as_bytes());
    message.freeze()
}

/// `HealthCheckResponse`: the status is field 1, and 1 is SERVING.
fn says_serving(response: &[u8]) -> bool {
    response == [0x08, 0x01]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_are_those_of_the_health_service() {
        assert_eq!(request(""), &b"\x0a\x00"[..]);
        assert_eq!(request("a.S"), &b"\x0a\x03a.S"[..]);
        assert_eq!(request(&"x".repeat(200))[..3], [0x0a, 0xc8, 0x01]);
        assert!(says_serving(&[0x08, 0x01]));
        assert!(!says_serving(&[0x08, 0x02]));
        assert!(!says_serving(&[]));
    }
}
