//! Writes a request.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderValue, Method, Request, Uri};

use crate::message::Message;
use crate::outbound::Target;
use crate::output::{Finish, Output};
use crate::protocol::Form;
use crate::{Code, Codec, Compression, RpcError, connect};

/// Writes a request: give it messages and the half-close, and send what it puts out.
#[derive(Debug)]
pub struct RequestWriter {
    form: Form,
    codec: Codec,
    encoding: Compression,
    get: bool,
    /// Until it is sent.
    head: Option<Request<()>>,
    /// A unary message waits for the half-close, which proves that it is the only one.
    unary: Option<Message>,
}

impl RequestWriter {
    pub(super) fn new(form: Form, target: &Target, head: Request<()>) -> Self {
        let &Target { codec, encoding, get, .. } = target;
        Self { form, codec, encoding, get, head: Some(head), unary: None }
    }

    /// A query longer than this, in bytes, is sent by POST instead: servers and proxies refuse long URLs.
    pub const MAX_GET_QUERY: usize = 4096;

    /// Sends the head now, where the protocol allows: a unary Connect request has to wait for its message.
    pub fn flush(&mut self, out: &mut Output<Request<()>>) {
        if self.form != Form::ConnectUnary
            && let Some(head) = self.head.take()
        {
            out.head = Some(head);
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// `unimplemented` for a second message in a unary request.
    pub fn message(&mut self, message: Message, out: &mut Output<Request<()>>) -> Result<(), RpcError> {
        if self.form == Form::ConnectUnary {
            return match self.unary.replace(message) {
                None => Ok(()),
                Some(_) => Err(RpcError::new(
                    Code::Unimplemented,
                    "a unary call was made with more than one message",
                )),
            };
        }
        self.flush(out);
        out.body.extend(message.into_enveloped());
        Ok(())
    }

    /// Says that no message follows.
    ///
    /// # Errors
    /// `unimplemented` for a unary request without a message.
    pub fn half_close(&mut self, out: &mut Output<Request<()>>) -> Result<(), RpcError> {
        self.flush(out);
        if let (Form::ConnectUnary, Some(head)) = (self.form, self.head.take()) {
            let Some(message) = self.unary.take() else {
                return Err(RpcError::new(Code::Unimplemented, "a unary call was made without a message"));
            };
            self.write_unary(head, message, out);
        }
        out.finish = Some(Finish::Body);
        Ok(())
    }

    fn write_unary(&self, mut head: Request<()>, message: Message, out: &mut Output<Request<()>>) {
        if self.get {
            let query = connect::get_query(self.codec, self.encoding, &message);
            if query.len() <= Self::MAX_GET_QUERY
                && let Some(uri) = with_query(head.uri(), &query)
            {
                *head.method_mut() = Method::GET;
                *head.uri_mut() = uri;
                out.head = Some(head);
                return;
            }
            connect::make_post(head.headers_mut(), Form::ConnectUnary, self.codec);
        }
        let headers = head.headers_mut();
        if message.compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(self.encoding.name()));
        }
        headers.insert(CONTENT_LENGTH, message.payload.len().into());
        out.head = Some(head);
        out.body.extend(message.payload.into_chunks());
    }
}

fn with_query(uri: &Uri, query: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some([uri.path(), query].concat().parse().ok()?);
    Uri::from_parts(parts).ok()
}
