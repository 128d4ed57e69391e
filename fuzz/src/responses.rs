//! The client's side of a response, without a socket.

use arbitrary::Arbitrary;
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Response};
use landbridge_wire::{
    Accepted, Code, Codec, Compression, End, Finish, Limits, OpenedCall, Output, Protocol, ResponseEvent,
    ResponseReader, RpcError, Shape, Target, outbound,
};

use crate::Headers;

/// How the transport ends a response.
#[derive(Arbitrary, Clone, Debug)]
pub enum Ending {
    /// With the last byte of the body, or with the head if there is no body.
    Body,
    /// With trailers.
    Trailers(Headers),
    /// It dies.
    Cut,
}

/// What a response was read as: at most one head, its messages, its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// What came before the end.
    pub events: Vec<ResponseEvent>,
    pub end: End,
}

/// A call that waits for its answer, which is read with this message limit.
pub fn opened(protocol: Protocol, shape: Shape, codec: Codec, get: bool, limit: usize) -> OpenedCall {
    let target = Target {
        protocol,
        shape,
        codec,
        scheme: Scheme::HTTP,
        authority: Authority::from_static("fuzz.test"),
        timeout: None,
        encoding: Compression::Identity,
        accepts: Compression::ALL.into_iter().collect::<Accepted>(),
        get,
        limits: Limits { max_message_bytes: limit },
    };
    outbound::open(PathAndQuery::from_static("/fuzz.Service/Method"), HeaderMap::new(), &target)
}

/// Reads a response in these pieces. Holds the head to the first place, and the reader to its promise of exactly one
/// end.
pub fn read_response(
    reader: &mut ResponseReader,
    head: &Response<()>,
    pieces: &[Bytes],
    ending: Ending,
) -> Answer {
    let mut events = Vec::new();
    let ended = pieces.is_empty() && matches!(ending, Ending::Body);
    reader.head(head.clone(), ended);
    events.extend(std::iter::from_fn(|| reader.event()));
    for piece in pieces {
        reader.push(piece.clone());
        events.extend(std::iter::from_fn(|| reader.event()));
    }
    match ending {
        Ending::Body if ended => {}
        Ending::Body => reader.end(),
        Ending::Trailers(Headers(trailers)) => reader.trailers(trailers),
        Ending::Cut => reader.fail(RpcError::new(Code::Unavailable, "the transport died")),
    }
    events.extend(std::iter::from_fn(|| reader.event()));

    let Some(ResponseEvent::End(end)) = events.pop() else {
        panic!("the last event of a response is its end")
    };
    for (place, event) in events.iter().enumerate() {
        match event {
            ResponseEvent::Head(_) => assert_eq!(place, 0, "the head comes first"),
            ResponseEvent::Message(_) => {}
            ResponseEvent::End(_) => panic!("a response ended twice"),
        }
    }
    Answer { events, end }
}

/// Brings what a writer wrote to a reader, as HTTP would.
pub fn deliver(
    written: Output<Response<()>>,
    reader: &mut ResponseReader,
    cut: impl Fn(&[u8]) -> Vec<Bytes>,
) -> Answer {
    let head = written.head.expect("a response that was ended has a head");
    let ending = match written.finish.expect("a response that was ended is finished") {
        Finish::Body => Ending::Body,
        Finish::Trailers(trailers) => Ending::Trailers(Headers(trailers)),
    };
    read_response(reader, &head, &cut(&written.body.concat()), ending)
}
