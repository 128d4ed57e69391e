//! The answer to come.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;

use crate::body::{Hold, RecvBody};
use crate::error::RecvError;
use crate::upstream::h2::ClientStream;

/// Resolves to the response's head and body; 1xx answers on the way are passed over. Dropped before, it cancels the
/// request.
#[must_use = "dropping it cancels the request"]
pub struct ResponseFuture {
    way: Way,
}

enum Way {
    Http1(Pin<Box<dyn Future<Output = Result<Response<RecvBody>, RecvError>> + Send>>),
    Http2 { response: h2::client::ResponseFuture, stream: Option<Arc<ClientStream>> },
}

impl ResponseFuture {
    pub(super) fn http1(
        response: impl Future<Output = Result<Response<RecvBody>, RecvError>> + Send + 'static,
    ) -> Self {
        Self { way: Way::Http1(Box::pin(response)) }
    }

    pub(super) fn http2(response: h2::client::ResponseFuture, stream: Arc<ClientStream>) -> Self {
        Self { way: Way::Http2 { response, stream: Some(stream) } }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<RecvBody>, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.way {
            Way::Http1(response) => response.as_mut().poll(cx),
            Way::Http2 { response, stream } => {
                let received = ready!(Pin::new(response).poll(cx));
                // Polled again after this, h2 answers with an error.
                let stream = stream.take();
                Poll::Ready(match received {
                    Ok(response) => {
                        let (head, body) = response.into_parts();
                        let hold = stream.map_or(Hold::Nothing, Hold::Stream);
                        let body = RecvBody::http2(body, &head.headers, hold);
                        Ok(Response::from_parts(head, body))
                    }
                    Err(error) => {
                        let error = RecvError::from_h2(error);
                        Err(match &stream {
                            Some(stream) => stream.explain(error),
                            None => error,
                        })
                    }
                })
            }
        }
    }
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        if let Way::Http2 { stream: Some(stream), .. } = &self.way {
            stream.cancel();
        }
    }
}

impl std::fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
