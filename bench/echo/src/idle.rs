//! The client that holds streams open, to see what an idle stream costs a proxy.

use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use clap::Args;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::plain_io::PlainIo;

/// One gRPC message of 11 bytes behind its 5-byte prefix. It is protobuf, for servers that read what they echo.
const MESSAGE: &[u8] = b"\0\0\0\0\x0b\x0a\x09hello you";

type Failure = Box<dyn Error>;

/// How many streams to open, where, and over how many connections.
#[derive(Args)]
pub(crate) struct Idle {
    /// The proxy, or a server.
    #[arg(long)]
    target: SocketAddr,
    /// How many streams to hold open in all.
    #[arg(long, default_value_t = 1000)]
    streams: usize,
    /// How many connections carry them.
    #[arg(long, default_value_t = 10)]
    connections: usize,
}

/// Streams that were answered once and are still open; dropping this resets them.
pub(crate) struct OpenStreams {
    streams: Vec<(SendStream<Bytes>, RecvStream)>,
    connections: JoinSet<Result<(), h2::Error>>,
}

impl Idle {
    /// Opens every stream and waits for the echo of the one message sent on each.
    pub(crate) async fn open(&self) -> Result<OpenStreams, Failure> {
        let mut connections = JoinSet::new();
        let mut requests = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let io = PlainIo::new(TcpStream::connect(self.target).await?)?;
            let (request, connection) = h2::client::handshake(io).await?;
            connections.spawn(connection);
            requests.push(request);
        }
        let mut streams = Vec::with_capacity(self.streams);
        for request in requests.iter().cycle().take(self.streams) {
            streams.push(self.open_one(request.clone()).await?);
        }
        Ok(OpenStreams { streams, connections })
    }

    async fn open_one(
        &self,
        request: SendRequest<Bytes>,
    ) -> Result<(SendStream<Bytes>, RecvStream), Failure> {
        let head = Request::post(format!("http://{}/bench.Echo/Stream", self.target))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let (response, mut send) = request.ready().await?.send_request(head, false)?;
        send.send_data(Bytes::from_static(MESSAGE), false)?;
        let mut body = response.await?.into_body();
        let mut echoed = Vec::with_capacity(MESSAGE.len());
        while echoed.len() < MESSAGE.len() {
            let chunk = body.data().await.ok_or("a stream ended before it echoed its message")??;
            body.flow_control().release_capacity(chunk.len())?;
            echoed.extend_from_slice(&chunk);
        }
        if echoed != MESSAGE {
            return Err("a stream echoed something other than its message".into());
        }
        Ok((send, body))
    }
}

impl OpenStreams {
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Completes with the reason when a connection or stream ends, which none should.
    pub(crate) async fn first_to_end(mut self) -> Failure {
        let mut bodies = JoinSet::new();
        for (send, mut body) in self.streams.drain(..) {
            bodies.spawn(async move {
                let ended = body.data().await;
                drop(send);
                ended
            });
        }
        tokio::select! {
            ended = self.connections.join_next() => format!("a connection ended: {ended:?}").into(),
            ended = bodies.join_next() => format!("a stream did not stay idle: {ended:?}").into(),
        }
    }
}
