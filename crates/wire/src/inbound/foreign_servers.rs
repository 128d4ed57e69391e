//! Answers as servers need them that are not ours, and that have trailers in part or not at all.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use crate::grpc;
use crate::message::Chunks;
use crate::output::{Finish, Output};

/// The answer to gRPC of a server that has no trailers. In plain HTTP: an end in the head would have to be the end of the
/// stream too, which such servers do not do either.
pub fn no_trailers() -> Output<Response<()>> {
    const MESSAGE: &str = "gRPC needs HTTP trailers, which this server does not send: use a server that does, such as \
                           landbridge serve, or the Connect protocol\n";
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    let mut body = Chunks::new();
    body.push(Bytes::from_static(MESSAGE.as_bytes()));
    Output { head: Some(response), body, finish: Some(Finish::Body) }
}

/// The same answer with its end in trailers, where it is in the head: for servers that have trailers, and whose heads
/// cannot be the end of a stream.
pub fn end_in_trailers(mut output: Output<Response<()>>) -> Output<Response<()>> {
    let Some(head) = output.head.as_mut().filter(|head| head.status() == StatusCode::OK) else {
        return output;
    };
    let trailers = grpc::take_end(head.headers_mut());
    if !trailers.is_empty() {
        output.finish = Some(Finish::Trailers(trailers));
    }
    output
}
