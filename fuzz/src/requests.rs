//! The server's side of a request, without a socket.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Version};
use landbridge_wire::inbound::Accepted;
use landbridge_wire::{Limits, Offer, RequestEvent, RequestReader, RpcError, inbound};

use crate::LIMIT;

/// What a request was read as: its events, up to the error if there was one.
#[derive(Debug)]
pub struct Reading {
    pub events: Vec<RequestEvent>,
    pub error: Option<RpcError>,
}

/// The head of a POST with this content-type.
pub fn post(content_type: &'static str) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = "/fuzz.Service/Method".parse().expect("a path");
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    request
}

/// The machines of a request that is known to be a call.
pub fn accepting(request: Request<()>) -> Accepted {
    inbound::accept(request, &Offer::all(Limits { max_message_bytes: LIMIT }), None)
        .expect("the head is a call's")
}

/// Reads a body in these pieces. Holds every message to the limit, and the half-close to the last place.
pub fn read_request(reader: &mut RequestReader, pieces: &[Bytes]) -> Reading {
    let mut events = Vec::new();
    let error = read_all(reader, pieces, &mut events).err();
    for event in &events {
        if let RequestEvent::Message(message) = event {
            assert!(message.payload.len() <= LIMIT, "a message is over the limit");
        }
    }
    let half_closes = events.iter().filter(|event| **event == RequestEvent::HalfClose).count();
    if error.is_none() {
        assert_eq!(half_closes, 1, "a request that was read to its end closes once");
        assert_eq!(events.last(), Some(&RequestEvent::HalfClose), "nothing follows the half-close");
    } else {
        assert_eq!(half_closes, 0, "a request that broke never closes");
    }
    Reading { events, error }
}

fn read_all(
    reader: &mut RequestReader,
    pieces: &[Bytes],
    events: &mut Vec<RequestEvent>,
) -> Result<(), RpcError> {
    for piece in pieces {
        reader.push(piece.clone())?;
        take(reader, events)?;
    }
    reader.end()?;
    take(reader, events)
}

fn take(reader: &mut RequestReader, events: &mut Vec<RequestEvent>) -> Result<(), RpcError> {
    while let Some(event) = reader.event()? {
        events.push(event);
    }
    Ok(())
}
