//! From JSON documents to the messages of a request.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use landbridge_client::{Outgoing, StreamKind};
use landbridge_schema::{JsonError, JsonOptions, MessageType, UnknownFields};
use landbridge_wire::Codec;
use landbridge_wire::plain::Content;
use tokio::sync::mpsc;

use crate::documents::Documents;
use crate::failure::Failure;
use crate::order::Data;

/// Messages that are read ahead of the network.
const AHEAD: usize = 16;

/// The request, as it is read.
pub(crate) type Incoming = mpsc::Receiver<Result<Outgoing, Failure>>;

/// How a document becomes a message.
pub(crate) struct Encoder {
    /// Which message it is; without a schema it is sent as it is.
    pub(crate) input: Option<MessageType>,
    pub(crate) codec: Codec,
    pub(crate) kind: StreamKind,
}

/// Reads documents on a thread of their own, for they may be typed.
///
/// # Errors
/// Names the file that cannot be read.
pub(crate) fn start(data: &Data, encoder: Encoder) -> Result<Incoming, Failure> {
    let (sender, incoming) = mpsc::channel(AHEAD);
    let (name, reader): (String, Box<dyn Read + Send>) = match data {
        Data::None => {
            let whole = encoder.nothing().into_iter().chain([Ok(Outgoing::HalfClose)]);
            // There is room for two.
            whole.for_each(|item| drop(sender.try_send(item)));
            return Ok(incoming);
        }
        Data::Text(text) => ("-d".to_owned(), Box::new(io::Cursor::new(text.clone()))),
        Data::Stdin => ("standard input".to_owned(), Box::new(io::stdin())),
        Data::File(path) => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| Failure::Given(format!("-d @{name}: {error}")))?;
            (name, Box::new(file))
        }
    };
    let reading = move || {
        let mut items = encoder.items(&name, reader);
        // Until all is read, or nobody wants more.
        while items.next().is_some_and(|item| sender.blocking_send(item).is_ok()) {}
    };
    let started = std::thread::Builder::new().name("landbridge-input".to_owned()).spawn(reading);
    started
        .map(|_thread| incoming)
        .map_err(|error| Failure::Unable(format!("no thread can be started: {error}")))
}

impl Encoder {
    /// The request of a call without data: none where the method takes a stream.
    fn nothing(&self) -> Option<Result<Outgoing, Failure>> {
        let message = match (&self.input, self.codec) {
            _ if !self.kind.sends_one() => return None,
            (_, Codec::Proto) => Bytes::new(),
            // Not every message is an object in JSON.
            (Some(input), _) => match input.binary_to_json(b"", &JsonOptions::default()) {
                Ok(json) => json,
                Err(error) => return Some(Err(Failure::Given(error.to_string()))),
            },
            (None, _) => Bytes::from_static(b"{}"),
        };
        Some(Ok(Outgoing::Message(Content::Plain(message))))
    }

    /// The request that stands in `reader`: its messages and the half-close, or what is wrong with it.
    fn items<R: Read>(&self, name: &str, reader: R) -> impl Iterator<Item = Result<Outgoing, Failure>> {
        let mut documents = Documents::new(reader);
        let mut number = 0;
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let item = match documents.next() {
                Some(Ok(_)) if number == 1 && self.kind.sends_one() => {
                    Err(Failure::Given(format!("the method takes one message, and {name} has more")))
                }
                Some(Ok(document)) => {
                    number += 1;
                    self.encode(document)
                        .map_err(|error| Failure::Given(format!("message {number} of {name}: {error}")))
                }
                Some(Err(error)) => Err(Failure::Given(match error.io_error_kind() {
                    Some(_) => format!("{name} cannot be read: {error}"),
                    None => format!("{name} is no JSON: {error}"),
                })),
                None if number == 0 && self.kind.sends_one() => Err(Failure::Given(format!(
                    "the method takes one message, and {name} has none: an empty one is {{}}"
                ))),
                None => Ok(Outgoing::HalfClose),
            };
            ended = !matches!(item, Ok(Outgoing::Message(_)));
            Some(item)
        })
    }

    /// The message of a document. Names of fields that the schema does not have are errors, whatever the server would
    /// make of them.
    fn encode(&self, document: String) -> Result<Outgoing, JsonError> {
        let document = Bytes::from(document);
        let Some(input) = &self.input else { return Ok(Outgoing::Message(Content::Plain(document))) };
        let options = JsonOptions {
            unknown_fields: UnknownFields::Reject,
            max_bytes: usize::MAX,
            ..JsonOptions::default()
        };
        let binary = input.json_to_binary(&document, &options)?;
        let message = if self.codec == Codec::Proto { binary } else { document };
        Ok(Outgoing::Message(Content::Plain(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: StreamKind, text: &str) -> Result<Vec<String>, String> {
        let encoder = Encoder { input: None, codec: Codec::Json, kind };
        encoder
            .items("-d", text.as_bytes())
            .map(|item| match item {
                Ok(Outgoing::Message(Content::Plain(message))) => {
                    Ok(String::from_utf8(message.into()).unwrap())
                }
                Ok(Outgoing::Message(other)) => Err(format!("{other:?}")),
                Ok(Outgoing::HalfClose) => Ok("end".to_owned()),
                Err(Failure::Given(text)) => Err(text),
                Err(other) => Err(format!("{other:?}")),
            })
            .collect()
    }

    #[test]
    fn streams_take_any_number_of_documents_and_other_methods_exactly_one() {
        assert_eq!(request(StreamKind::Unary, " {} \n"), Ok(vec!["{}".to_owned(), "end".to_owned()]));
        assert_eq!(
            request(StreamKind::BidiStream, "{} []"),
            Ok(vec!["{}".to_owned(), "[]".to_owned(), "end".to_owned()])
        );
        assert_eq!(request(StreamKind::ClientStream, ""), Ok(vec!["end".to_owned()]));
        let none = request(StreamKind::ServerStream, "\n").unwrap_err();
        assert_eq!(none, "the method takes one message, and -d has none: an empty one is {}");
        let more = request(StreamKind::Unary, "{}{}").unwrap_err();
        assert_eq!(more, "the method takes one message, and -d has more");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let error = request(StreamKind::Unary, "{sentence: 1}").unwrap_err();
        assert!(error.starts_with("-d is no JSON: ") && error.ends_with("at line 1 column 2"), "{error}");
        assert!(request(StreamKind::BidiStream, "{} {").is_err());
    }
}
