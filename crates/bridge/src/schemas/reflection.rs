//! Loading a schema by gRPC server reflection: `landbridge-schema` says what to send, this sends it.

use std::time::Duration;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Response};
use landbridge_net::{Frame, RecvBody, SendBody};
use landbridge_schema::reflection::{Client, Limits, Loaded, Step, Wanted};
use landbridge_wire::outbound::{self, Target};
use landbridge_wire::{
    Accepted, Code, Codec, Compression, Message, Output, Protocol, RequestWriter, ResponseEvent,
    ResponseReader, RpcError, Shape,
};

use super::NoSchema;
use crate::cluster::{AuthorityChoice, Cluster};

/// All of it, connection included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the cluster for all its services.
///
/// # Errors
/// Why there is nothing to be had from it, now or at all.
pub(super) async fn load(cluster: &Cluster) -> Result<Box<Loaded>, NoSchema> {
    tokio::time::timeout(TIMEOUT, ask(cluster)).await.unwrap_or_else(|_| {
        Err(NoSchema::Unanswered(format!("its reflection did not answer within {TIMEOUT:?}")))
    })
}

async fn ask(cluster: &Cluster) -> Result<Box<Loaded>, NoSchema> {
    let limits = Limits::default();
    let max_bytes = limits.max_bytes;
    let mut client = Client::new(Wanted::All, limits);
    let mut step = client.start();
    let mut stream: Option<Stream> = None;
    loop {
        let message = match step {
            Step::Done(loaded) => return Ok(loaded),
            Step::Failed(error) => return Err(NoSchema::Refused(error.to_string())),
            Step::Open { path, message } => {
                stream = Some(Stream::open(cluster, path, max_bytes).await?);
                message
            }
            Step::Send { message } => message,
        };
        let Some(open) = &mut stream else {
            return Err(NoSchema::Refused("reflection asked to send before it had a stream".to_owned()));
        };
        step = match open.ask(message).await {
            Ok(answer) => client.on_message(&answer),
            Err(None) => client.on_end(0, ""),
            // Its own word or that of a proxy before it, or the way to it is gone: neither says anything of its schema.
            Err(Some(error)) if error.code == Code::Unavailable => {
                return Err(NoSchema::Unanswered(error.message));
            }
            Err(Some(error)) => client.on_end(u32::from(error.code.number()), &error.message),
        };
    }
}

/// One reflection stream.
struct Stream {
    writer: RequestWriter,
    reader: ResponseReader,
    send: SendBody,
    response: Option<landbridge_net::ResponseFuture>,
    body: Option<RecvBody>,
}

impl Stream {
    async fn open(cluster: &Cluster, path: &'static str, max_message_bytes: usize) -> Result<Self, NoSchema> {
        let authority = AuthorityChoice::Endpoint;
        let target = Target {
            protocol: Protocol::Grpc,
            shape: Shape::Stream,
            codec: Codec::Proto,
            scheme: if cluster.is_tls() { Scheme::HTTPS } else { Scheme::HTTP },
            authority: authority.placeholder(),
            timeout: Some(TIMEOUT),
            encoding: Compression::Identity,
            accepts: Accepted::NONE,
            get: false,
            limits: landbridge_wire::Limits { max_message_bytes },
        };
        let mut opened = outbound::open(PathAndQuery::from_static(path), HeaderMap::new(), &target);
        let mut out = Output::new();
        opened.writer.flush(&mut out);
        let Some(head) = out.head else {
            return Err(NoSchema::Refused("a stream was opened without a head".to_owned()));
        };
        let connection = cluster.open(&head, false, &authority).await.map_err(NoSchema::Unreachable)?;
        Ok(Self {
            writer: opened.writer,
            reader: opened.reader,
            send: connection.send,
            response: Some(connection.response),
            body: None,
        })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The stream ended instead: with an error, or (none) well.
    async fn ask(&mut self, request: Bytes) -> Result<Bytes, Option<RpcError>> {
        let mut out = Output::new();
        self.writer.message(Message::plain(request), &mut out).map_err(Some)?;
        // That the stream takes no more is told by the answer.
        let _ended = self.send.data_chunks(out.body, false).await;
        loop {
            match self.reader.event() {
                Some(ResponseEvent::Message(message)) => return Ok(message.payload.to_bytes()),
                Some(ResponseEvent::End(end)) => return Err(end.result.err()),
                Some(ResponseEvent::Head(_)) => {}
                None => self.receive().await,
            }
        }
    }

    async fn receive(&mut self) {
        if let Some(response) = self.response.take() {
            match response.await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    self.reader.head(Response::from_parts(head, ()), body.is_end_stream());
                    self.body = Some(body);
                }
                Err(error) => self.reader.fail(RpcError::new(Code::Unavailable, error.to_string())),
            }
            return;
        }
        let frame = match &mut self.body {
            Some(body) => body.frame().await,
            None => None,
        };
        match frame {
            Some(Ok(Frame::Data(data))) => self.reader.push(data),
            Some(Ok(Frame::Trailers(trailers))) => self.reader.trailers(trailers),
            Some(Err(error)) => self.reader.fail(RpcError::new(Code::Unavailable, error.to_string())),
            None => self.reader.end(),
        }
    }
}
