//! Requests that are no calls, for the application behind.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use landbridge_net::{Frame, RecvBody, Responder, SendBody, SendError};
use landbridge_wire::plain::Content;
use tracing::Level;

use super::facts::{Facts, Kind, authority};
use super::front::Front;
use crate::handoff::{Channel, Event, Flow, Outgoing, Over};

/// Answers a request that nothing here knows.
pub(super) fn not_found(responder: Responder) {
    refuse(responder, StatusCode::NOT_FOUND, "there is no such method on this server\n");
}

/// Answers that there is no room for another request.
pub(super) fn overloaded(responder: Responder) {
    let message = "the server has as many requests in flight as it takes: try again later\n";
    refuse(responder, StatusCode::SERVICE_UNAVAILABLE, message);
}

/// Answers that the server has stopped meanwhile.
fn stopped(responder: Responder) {
    let message = "the server has stopped, and this request was not answered by then\n";
    refuse(responder, StatusCode::SERVICE_UNAVAILABLE, message);
}

fn refuse(responder: Responder, status: StatusCode, message: &'static str) {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    responder.respond_full(response, Bytes::from_static(message.as_bytes()), None);
}

/// Whether the client asks for a WebSocket (RFC 6455 section 4.1).
fn is_websocket(head: &http::request::Parts) -> bool {
    head.headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Carries the request to its end. Dropped, it tells the application that the client went away.
pub(super) async fn carry(front: &Front, request: Request<RecvBody>, responder: Responder) {
    let host = authority(&request);
    let (head, body) = request.into_parts();
    if is_websocket(&head) {
        let message = "this server has no WebSockets: serve them by another port and ASGI server\n";
        return refuse(responder, StatusCode::NOT_IMPLEMENTED, message);
    }
    let facts = Facts {
        kind: Kind::Http { uri: head.uri },
        http_method: head.method,
        version: head.version,
        headers: head.headers,
        authority: host,
        connection: Arc::clone(responder.connection()),
    };
    let channel = front.channel(facts);
    front.events().put(Event::Started(Arc::clone(&channel)));
    let client = Client(&channel);
    tokio::select! {
        biased;
        answered = answer(front, responder, &channel) => match answered {
            Ok(()) => channel.be_over(Over::Answered),
            // Otherwise the client is gone, which the drop of `client` tells.
            Err(Unsent::Wrong(fault)) => {
                let message = told(&fault, &channel.facts);
                front.events().put(Event::Log { level: Level::ERROR, message });
            }
            Err(Unsent::Gone | Unsent::Cut) => {}
        },
        () = pass_on(body, &channel) => {}
    }
    drop(client);
}

/// The client, who is gone when this is dropped, unless it has all of the answer.
struct Client<'a>(&'a Channel);

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.0.be_over(Over::Gone);
    }
}

/// Passes the content on as it comes, and then waits for ever; returns only where the client went away.
async fn pass_on(mut body: RecvBody, channel: &Channel) {
    loop {
        poll_fn(|cx| channel.poll_room(cx)).await;
        match body.frame().await {
            Some(Ok(Frame::Data(data))) => channel.deliver(Content::Plain(data)),
            Some(Ok(Frame::Trailers(_))) => {}
            Some(Err(_)) => return,
            None => break,
        }
    }
    channel.end_request(Flow::Ended);
    std::future::pending::<()>().await;
}

/// Why a client does not have all of an answer.
enum Unsent {
    /// It takes no more.
    Gone,
    /// The application broke it off.
    Cut,
    /// The application gave more or less than its head says.
    Wrong(SendError),
}

impl From<SendError> for Unsent {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Length { .. } => Self::Wrong(error),
            _ => Self::Gone,
        }
    }
}

/// What the log says of an answer that is not as long as it should be.
fn told(fault: &SendError, facts: &Facts) -> String {
    let path = match &facts.kind {
        Kind::Http { uri } => uri.path(),
        Kind::Call { .. } => "a call",
    };
    format!("the ASGI application answered {} {path} with a wrong content-length: {fault}", facts.http_method)
}

/// Sends what the application gives, to the end of the answer.
async fn answer(front: &Front, responder: Responder, channel: &Channel) -> Result<(), Unsent> {
    let mut way = Way::Unanswered(responder);
    let mut head = None;
    loop {
        let (outgoing, bytes) = tokio::select! {
            biased;
            given = poll_fn(|cx| channel.poll_outgoing(cx)) => given,
            () = front.parting().due() => {
                if let Way::Unanswered(responder) = way {
                    stopped(responder);
                }
                return Err(Unsent::Gone);
            }
        };
        let ends = matches!(outgoing.last(), Some(Outgoing::HttpEnd));
        let mut content = Vec::new();
        // ASGI has the head wait for the first piece of content, also an empty one.
        let mut goes_out = ends;
        let mut is_cut = false;
        for outgoing in outgoing {
            match outgoing {
                Outgoing::HttpHead(given) => head = Some(*given),
                Outgoing::Message(Content::Plain(bytes)) => {
                    goes_out = true;
                    if !bytes.is_empty() {
                        content.push(bytes);
                    }
                }
                Outgoing::HttpCut => {
                    goes_out = true;
                    is_cut = true;
                }
                _ => {}
            }
        }
        if !goes_out {
            continue;
        }
        if let Some(head) = head.take() {
            let Way::Unanswered(responder) = std::mem::replace(&mut way, Way::Over) else {
                return Err(Unsent::Gone);
            };
            if ends {
                return Ok(responder.try_respond_full(head, content.concat().into(), None)?);
            }
            way = Way::Started(responder.respond(head, false));
        }
        let Way::Started(sending) = &mut way else { return Err(Unsent::Gone) };
        sending.data_chunks(content, ends).await?;
        if is_cut {
            return Err(Unsent::Cut);
        }
        if ends {
            return Ok(());
        }
        channel.sent(bytes);
    }
}

enum Way {
    Unanswered(Responder),
    Started(SendBody),
    Over,
}
