//! Requests that are no calls, for the application behind.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use landbridge_net::{Frame, RecvBody, Responder, SendBody};
use landbridge_wire::plain::Content;
use landbridge_wire::{Code, RpcError};

use super::facts::{Facts, Kind, authority};
use super::front::Front;
use crate::handoff::{Channel, Event, Flow, Outgoing, Over};

/// Answers a request that nothing here knows.
pub(super) fn not_found(responder: Responder) {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::NOT_FOUND;
    let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    responder.respond_full(response, Bytes::from_static(b"there is no such method on this server\n"), None);
}

/// Carries the request to its end. Dropped, it tells the application that the client went away.
pub(super) async fn carry(front: &Front, request: Request<RecvBody>, responder: Responder) {
    let host = authority(&request);
    let (head, body) = request.into_parts();
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
        () = answer(responder, &channel) => {}
        () = pass_on(body, &channel) => {}
    }
    drop(client);
}

/// The client, who is gone when this is dropped; or has all of the answer.
struct Client<'a>(&'a Channel);

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.0.be_over(Over::Gone);
    }
}

/// Passes the content on as it comes, and then waits for ever.
async fn pass_on(mut body: RecvBody, channel: &Channel) {
    let how = loop {
        poll_fn(|cx| channel.poll_room(cx)).await;
        match body.frame().await {
            Some(Ok(Frame::Data(data))) => channel.deliver(Content::Plain(data)),
            Some(Ok(Frame::Trailers(_))) => {}
            Some(Err(error)) => {
                break Flow::Failed(RpcError::new(Code::Canceled, format!("the request broke off: {error}")));
            }
            None => break Flow::Ended,
        }
    };
    channel.end_request(how);
    std::future::pending::<()>().await;
}

/// Sends what the application gives, to the end of the answer or until the client takes no more.
async fn answer(responder: Responder, channel: &Channel) {
    let mut way = Way::Unanswered(responder);
    let mut head = None;
    loop {
        let (outgoing, bytes) = poll_fn(|cx| channel.poll_outgoing(cx)).await;
        let ends = matches!(outgoing.last(), Some(Outgoing::HttpEnd));
        let mut content = Vec::new();
        for outgoing in outgoing {
            match outgoing {
                Outgoing::HttpHead(given) => head = Some(*given),
                Outgoing::Message(Content::Plain(bytes)) if !bytes.is_empty() => content.push(bytes),
                _ => {}
            }
        }
        if let Some(head) = head.take() {
            let Way::Unanswered(responder) = std::mem::replace(&mut way, Way::Over) else { return };
            if ends {
                return responder.respond_full(head, content.concat().into(), None);
            }
            way = Way::Started(responder.respond(head, false));
        }
        let Way::Started(sending) = &mut way else { return };
        if sending.data_chunks(content, ends).await.is_err() || ends {
            return;
        }
        channel.sent(bytes);
    }
}

enum Way {
    Unanswered(Responder),
    Started(SendBody),
    Over,
}
