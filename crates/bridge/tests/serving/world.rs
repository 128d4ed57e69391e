//! A bridge, the server behind it and a caller in front of it.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use landbridge_bridge::admin::{Launch, LogLevel, LogLevels, UnknownLogger};
use landbridge_bridge::config::Bootstrap;
use landbridge_bridge::{Bridge, Options, StartError};
use landbridge_net::{
    Address, Drain, Endpoint, EndpointConfig, Frame, Handler, ListenSettings, Listener, Reason, RecvBody,
    Responder, Server, UpstreamHttp, serve,
};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

/// The longest that anything in a test may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bridge with one listener and the cluster `backend`.
pub(crate) struct World {
    pub(crate) bridge: Bridge,
    pub(crate) runtime: Runtime,
    server: Address,
    /// What the server counts.
    pub(crate) served: Arc<Server>,
    /// Lets the server read a request to `Pause`.
    pub(crate) gate: Arc<Notify>,
    /// Ends the server's thread when it is dropped.
    _stop: oneshot::Sender<()>,
    heads: Mutex<mpsc::UnboundedReceiver<HeaderMap>>,
}

/// What a test sets in the file.
#[derive(Clone, Default)]
pub(crate) struct File {
    /// Fields of the HttpConnectionManager.
    pub(crate) manager: String,
    /// Fields of the route, `match` and `route` apart.
    pub(crate) route: String,
    /// Fields of the route's action.
    pub(crate) action: String,
    /// Fields of the listener.
    pub(crate) listener: String,
    /// Fields of the cluster.
    pub(crate) cluster: String,
    /// Fields of the cluster's `common_http_protocol_options`.
    pub(crate) upstream_http: String,
    /// Fields of the cluster's `http2_protocol_options`.
    pub(crate) upstream_http2: String,
    /// Worker threads, by default two.
    pub(crate) workers: Option<usize>,
    /// The port of the listener; 0 lets the system choose.
    pub(crate) port: u16,
    /// Where the cluster leads instead of to our server.
    pub(crate) upstream: Option<SocketAddr>,
}

impl World {
    pub(crate) fn start(file: File) -> Self {
        Self::try_start(file).expect("it starts")
    }

    pub(crate) fn try_start(file: File) -> Result<Self, StartError> {
        let (tell, heads) = mpsc::unbounded_channel();
        let served = Arc::new(Server::default());
        let gate = Arc::new(Notify::new());
        let backend = Backend { tell, gate: Arc::clone(&gate) };
        let (address, stop) = start_server(backend, Arc::clone(&served));
        let upstream = file.upstream.unwrap_or_else(|| address.tcp().expect("TCP"));
        let (host, upstream_port) = (upstream.ip(), upstream.port());
        let workers = file.workers;
        let File { manager, route, action, listener, cluster, upstream_http, upstream_http2, port, .. } =
            file;
        let text = format!(
            r#"
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }} }}
static_resources:
  listeners:
  - name: front
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    {listener}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          {manager}
          http_filters:
          - name: envoy.filters.http.connect_grpc_bridge
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.connect_grpc_bridge.v3.FilterConfig }}
          - name: envoy.filters.http.grpc_web
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb }}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - {{ match: {{ path: /direct }}, direct_response: {{ status: 200, body: {{ inline_string: hello }} }} }}
              - {{ name: gone, match: {{ prefix: /gone. }}, route: {{ cluster: nobody }} }}
              - {{ name: unknown, match: {{ prefix: /unknown. }}, route: {{ cluster: nameless }} }}
              - {{ name: calls, match: {{ prefix: /test. }}, {route} route: {{ cluster: backend, {action} }} }}
  clusters:
  - name: backend
    {cluster}
    load_assignment: {{ cluster_name: backend, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: {host}, port_value: {upstream_port} }} }} }} }}] }}] }}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        common_http_protocol_options: {{ {upstream_http} }}
        explicit_http_config: {{ http2_protocol_options: {{ {upstream_http2} }} }}
  - name: nobody
    http2_protocol_options: {{}}
    load_assignment: {{ cluster_name: nobody, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ pipe: {{ path: /nowhere/at/all }} }} }} }}] }}] }}
  - name: nameless
    type: STRICT_DNS
    http2_protocol_options: {{}}
    load_assignment: {{ cluster_name: nameless, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: nobody.invalid, port_value: 1 }} }} }} }}] }}] }}
"#
        );
        let bootstrap = Bootstrap::from_yaml(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let launch = Launch {
            version: String::new(),
            config_path: String::new(),
            config_yaml: true,
            drain_time: PATIENCE,
            log_level: String::new(),
        };
        let options = Options {
            concurrency: NonZeroUsize::new(workers.unwrap_or(2)).expect("not 0"),
            drain_time: PATIENCE,
            admin_address_path: None,
            launch,
            log_levels: Box::new(Quiet),
        };
        let bridge = Bridge::start(bootstrap, options)?;
        Ok(Self {
            bridge,
            runtime: runtime(),
            server: address,
            served,
            gate,
            _stop: stop,
            heads: Mutex::new(heads),
        })
    }

    /// Where the bridge listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let (_, address) = self.bridge.listeners().next().expect("a listener");
        address.tcp().expect("TCP")
    }

    /// The way to the bridge.
    pub(crate) fn front(&self, http: UpstreamHttp) -> Endpoint {
        let mut config = EndpointConfig::new(self.address());
        config.settings.http = http;
        Endpoint::new(config)
    }

    /// A statistic, as the admin server tells it.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let address = self.bridge.admin_address().expect("an admin server").clone();
        let mut config = EndpointConfig::new(address);
        config.settings.http = UpstreamHttp::Http1;
        let text = self.runtime.block_on(within(async {
            let request = Request::get("/stats").body(()).expect("a request");
            let (response, _) = Endpoint::new(config).open(request, true).await.expect("a connection");
            Answer::of(response.await.expect("an answer")).await.text()
        }));
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        // Calls have no line before the first.
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Waits until a statistic has this value.
    pub(crate) fn until_stat(&self, name: &str, value: u64) {
        self.until(&format!("{name} does not become {value}"), || self.stat(name) == value);
    }

    /// Waits for something that statistics tell: a call is counted when its last word is out.
    pub(crate) fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let give_up = std::time::Instant::now() + PATIENCE;
        while !condition() {
            assert!(std::time::Instant::now() < give_up, "{what}");
        }
    }

    /// One whole exchange over HTTP/2.
    pub(crate) fn call(&self, request: Request<&'static [u8]>) -> Answer {
        self.call_over(UpstreamHttp::Http2, request)
    }

    pub(crate) fn call_over(&self, http: UpstreamHttp, request: Request<&'static [u8]>) -> Answer {
        let endpoint = self.front(http);
        self.runtime.block_on(within(async move {
            let (head, content) = request.into_parts();
            let (response, mut body) =
                endpoint.open(Request::from_parts(head, ()), false).await.expect("a connection");
            body.data(Bytes::from_static(content), true).await.expect("taken");
            Answer::of(response.await.expect("an answer")).await
        }))
    }

    /// Lets the bridge leave, and waits for it.
    pub(crate) fn leave(self) {
        assert!(self.runtime.block_on(within(self.bridge.leave())), "calls were cut");
        self.bridge.join();
    }

    /// Where the server listens.
    pub(crate) fn server(&self) -> &Address {
        &self.server
    }

    /// What the server saw of the next request.
    pub(crate) fn seen(&self) -> HeaderMap {
        self.runtime.block_on(within(self.next_seen()))
    }

    /// The same, for those who wait for other things as well.
    pub(crate) async fn next_seen(&self) -> HeaderMap {
        self.heads.lock().await.recv().await.expect("a request")
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    pub(crate) async fn of(response: Response<RecvBody>) -> Self {
        let (head, mut body) = response.into_parts();
        let (mut content, mut end) = (Vec::new(), HeaderMap::new());
        while let Some(frame) = body.frame().await {
            match frame.expect("a whole answer") {
                Frame::Data(data) => content.extend_from_slice(&data),
                Frame::Trailers(trailers) => end = trailers,
            }
        }
        Self { status: head.status.as_u16(), headers: head.headers, body: content, trailers: end }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The status of a gRPC answer.
    pub(crate) fn grpc_status(&self) -> &str {
        let status = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        status.expect("a gRPC answer").to_str().expect("a number")
    }
}

/// The message `hi`.
pub(crate) const MESSAGE: &[u8] = b"\0\0\0\0\x02hi";

pub(crate) fn grpc(path: &str, headers: &[(&'static str, &'static str)]) -> Request<&'static [u8]> {
    let mut request = Request::post(path).body(MESSAGE).expect("a request");
    let all = request.headers_mut();
    all.insert("content-type", HeaderValue::from_static("application/grpc"));
    all.insert("te", HeaderValue::from_static("trailers"));
    all.insert("host", HeaderValue::from_static("test.example"));
    for (name, value) in headers {
        all.append(*name, HeaderValue::from_static(value));
    }
    request
}

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it hangs")
}

/// Waits for a condition that other tasks bring about, letting them run.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: it hangs"));
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn start_server(backend: Backend, server: Arc<Server>) -> (Address, oneshot::Sender<()>) {
    let runtime = runtime();
    let entered = runtime.enter();
    let loopback = Address::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener::bind(&loopback, &ListenSettings::default()).expect("a port");
    drop(entered);
    let address = listener.local_address().clone();
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        runtime.block_on(async move {
            tokio::select! {
                () = serve(listener, server, backend, Drain::new()) => {}
                _ = stopped => {}
            }
        });
    });
    (address, stop)
}

/// What the server answers, by the last part of the path; `Echo` for all others. It tells the test what heads it saw.
///
/// | | |
/// |---|---|
/// | `Echo` | the request's own messages, once it is whole |
/// | `Pause` | the same, but reads nothing before the gate opens |
/// | `Silent` | nothing, ever |
/// | `Refuse` | permission denied, without reading the request |
/// | `Cut` | one message, then a reset |
/// | `Many` | as many messages as the header `x-count` says, each of as many bytes as `x-size` says |
#[derive(Clone)]
struct Backend {
    tell: mpsc::UnboundedSender<HeaderMap>,
    gate: Arc<Notify>,
}

impl Handler for Backend {
    async fn handle(&self, request: Request<RecvBody>, respond: Responder) {
        // The test may have seen enough.
        let _told = self.tell.send(request.headers().clone());
        let path = request.uri().path().to_owned();
        let number = |name| request.headers().get(name).and_then(|value| value.to_str().ok()?.parse().ok());
        let (count, size) = (number("x-count").unwrap_or(1), number("x-size").unwrap_or(1));
        let head = Response::builder()
            .header("content-type", "application/grpc")
            .header("x-from-server", "head")
            .header("x-path", &path)
            .body(())
            .expect("a response");
        let mut body = request.into_body();
        match path.rsplit('/').next() {
            Some("Refuse") => {
                let (mut head, ()) = head.into_parts();
                head.headers.insert("grpc-status", HeaderValue::from_static("7"));
                return respond.respond_full(Response::from_parts(head, ()), Bytes::new(), None);
            }
            Some("Cut") => {
                let mut send = respond.respond(head, false);
                let _sent = send.data(Bytes::from_static(MESSAGE), false).await;
                return send.reset(Reason::INTERNAL_ERROR);
            }
            Some("Many") => {
                let mut send = respond.respond(head, false);
                let message = [&[0], &(size as u32).to_be_bytes()[..], &vec![b'x'; size]].concat();
                let message = Bytes::from(message);
                for _ in 0..count {
                    if send.data(message.clone(), false).await.is_err() {
                        return;
                    }
                }
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                let _sent = send.trailers(trailers);
                return;
            }
            Some("Pause") => self.gate.notified().await,
            _ => {}
        }
        let mut content = Vec::new();
        while let Some(Ok(Frame::Data(data))) = body.frame().await {
            content.extend_from_slice(&data);
        }
        if path.ends_with("/Silent") {
            std::future::pending::<()>().await;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("x-end", HeaderValue::from_static("tail"));
        respond.respond_full(head, content.into(), Some(trailers));
    }
}

#[derive(Debug)]
struct Quiet;

impl LogLevels for Quiet {
    fn levels(&self) -> Vec<(String, LogLevel)> {
        Vec::new()
    }

    fn set(&self, _logger: Option<&str>, _level: LogLevel) -> Result<(), UnknownLogger> {
        Ok(())
    }
}
