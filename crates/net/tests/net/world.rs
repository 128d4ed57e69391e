//! A server with a handler made of a function, and endpoints that lead to it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use landbridge_net::{
    Address, Drain, Endpoint, EndpointConfig, Frame, Handler, ListenSettings, Listener, RecvBody, RecvError,
    Responder, SendBody, Server, ServerSettings, ServerStats, UpstreamHttp, serve,
};
use tokio::sync::Notify;

/// The longest that anything in a test may take before it counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it hangs")
}

/// Waits for a condition that other tasks bring about, letting them run.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone)]
pub(crate) struct FnHandler(Arc<dyn Fn(Request<RecvBody>, Responder) -> Work + Send + Sync>);

impl Handler for FnHandler {
    async fn handle(&self, request: Request<RecvBody>, respond: Responder) {
        (self.0)(request, respond).await;
    }
}

pub(crate) fn handler<F, W>(function: F) -> FnHandler
where
    F: Fn(Request<RecvBody>, Responder) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    FnHandler(Arc::new(move |request, respond| Box::pin(function(request, respond))))
}

/// A running server.
pub(crate) struct World {
    pub(crate) address: Address,
    pub(crate) drain: Drain,
    pub(crate) server: Arc<Server>,
}

impl World {
    pub(crate) fn start(handler: FnHandler) -> Self {
        Self::with(ServerSettings::default(), handler)
    }

    pub(crate) fn with(settings: ServerSettings, handler: FnHandler) -> Self {
        Self::on(loopback(), Server { settings, ..Server::default() }, handler)
    }

    pub(crate) fn on(address: Address, server: Server, handler: FnHandler) -> Self {
        let listener = Listener::bind(&address, &ListenSettings::default()).expect("a free port");
        let address = listener.local_address().clone();
        let (server, drain) = (Arc::new(server), Drain::new());
        tokio::spawn(serve(listener, Arc::clone(&server), handler, drain.clone()));
        Self { address, drain, server }
    }

    pub(crate) fn tcp(&self) -> SocketAddr {
        self.address.tcp().expect("a TCP server")
    }

    pub(crate) fn stats(&self) -> &ServerStats {
        &self.server.stats
    }

    pub(crate) fn endpoint(&self, http: UpstreamHttp) -> Endpoint {
        self.endpoint_with(|config| config.settings.http = http)
    }

    pub(crate) fn endpoint_with(&self, change: impl FnOnce(&mut EndpointConfig)) -> Endpoint {
        let mut config = EndpointConfig::new(self.address.clone());
        change(&mut config);
        Endpoint::new(config)
    }
}

pub(crate) fn loopback() -> Address {
    Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Answers each request with its own content as it comes.
pub(crate) fn echo() -> FnHandler {
    handler(|request, respond| async move {
        let mut body = request.into_body();
        let mut answer = respond.respond(Response::new(()), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(Frame::Data(data)) => {
                    if answer.data(data, false).await.is_err() {
                        return;
                    }
                }
                Ok(Frame::Trailers(trailers)) => {
                    let _sent = answer.trailers(trailers);
                    return;
                }
                Err(_cut) => return,
            }
        }
        let _sent = answer.end();
    })
}

/// Answers with this text at once.
pub(crate) fn says(text: &'static str) -> FnHandler {
    handler(move |_request, respond| async move {
        respond.respond_full(Response::new(()), Bytes::from_static(text.as_bytes()), None);
    })
}

/// Answers with this text once it is told to.
pub(crate) fn says_when(go: &Arc<Notify>, text: &'static str) -> FnHandler {
    let go = Arc::clone(go);
    handler(move |_request, respond| {
        let go = Arc::clone(&go);
        async move {
            go.notified().await;
            respond.respond_full(Response::new(()), Bytes::from_static(text.as_bytes()), None);
        }
    })
}

pub(crate) fn post(path: &str) -> Request<()> {
    Request::post(path).body(()).expect("a request")
}

pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).expect("a request")
}

/// The rest of a body: its bytes, and its trailers.
pub(crate) async fn collect(body: &mut RecvBody) -> Result<(Bytes, Option<HeaderMap>), RecvError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = within(body.frame()).await {
        match frame? {
            Frame::Data(data) => bytes.extend_from_slice(&data),
            Frame::Trailers(trailers) => return Ok((bytes.freeze(), Some(trailers))),
        }
    }
    Ok((bytes.freeze(), None))
}

/// One whole call.
pub(crate) async fn call(endpoint: &Endpoint, content: &[u8]) -> Result<Bytes, RecvError> {
    let (response, mut body) = within(endpoint.open(post("/"), false)).await.expect("a connection");
    let send = async move {
        // The answer, not the sending, says whether the call worked.
        let _sent = body.data(Bytes::copy_from_slice(content), true).await;
    };
    let receive = async move {
        let mut response = within(response).await?;
        Ok(collect(response.body_mut()).await?.0)
    };
    tokio::join!(send, receive).1
}

pub(crate) async fn data(body: &mut RecvBody) -> Bytes {
    match within(body.frame()).await {
        Some(Ok(Frame::Data(data))) => data,
        other => panic!("expected data, got {other:?}"),
    }
}

pub(crate) async fn send(body: &mut SendBody, bytes: &'static [u8], end: bool) {
    within(body.data(Bytes::from_static(bytes), end)).await.expect("taken");
}

/// Runs a test once for each HTTP.
pub(crate) const BOTH: [UpstreamHttp; 2] = [UpstreamHttp::Http1, UpstreamHttp::Http2];
