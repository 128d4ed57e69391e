//! Which protocol a message speaks: the content-types of all three.

use http::HeaderValue;

use crate::{Codec, Shape};

/// An RPC protocol as a caller speaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The Connect protocol, unary and streaming.
    Connect,
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web, binary and text.
    GrpcWeb,
}

impl Protocol {
    /// The name used in settings, logs and statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc_web",
        }
    }
}

/// The form of a body, as its content-type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/proto`: one bare message.
    ConnectUnary,
    /// `application/connect+proto`: envelopes.
    ConnectStream,
    /// `application/grpc+proto`.
    Grpc,
    /// `application/grpc-web+proto`.
    GrpcWeb,
    /// `application/grpc-web-text+proto`: gRPC-Web in base64.
    GrpcWebText,
}

impl Form {
    /// Whose form it is.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::ConnectUnary | Self::ConnectStream => Protocol::Connect,
            Self::Grpc => Protocol::Grpc,
            Self::GrpcWeb | Self::GrpcWebText => Protocol::GrpcWeb,
        }
    }

    /// Whether methods of this shape can be called in this form. Only Connect has a form for each.
    pub(crate) fn carries(self, shape: Shape) -> bool {
        match self {
            Self::ConnectUnary => shape == Shape::Unary,
            Self::ConnectStream => shape == Shape::Stream,
            Self::Grpc | Self::GrpcWeb | Self::GrpcWebText => true,
        }
    }

    /// The content-type that names no codec, and means protobuf's binary one.
    fn bare(self) -> Option<&'static str> {
        match self {
            Self::ConnectUnary | Self::ConnectStream => None,
            Self::Grpc => Some("application/grpc"),
            Self::GrpcWeb => Some("application/grpc-web"),
            Self::GrpcWebText => Some("application/grpc-web-text"),
        }
    }
}

/// A content-type of one of the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentType {
    pub(crate) form: Form,
    /// None for a codec that we do not know.
    pub(crate) codec: Option<Codec>,
}

impl ContentType {
    /// Reads a content-type. Parameters are passed over, but for a charset that JSON does not have: that is a codec
    /// which nobody knows. None where it belongs to no protocol.
    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        // The usual ones first: this runs for every call.
        match value.as_bytes() {
            b"application/grpc" | b"application/grpc+proto" => {
                return Some(Self::new(Form::Grpc, Codec::Proto));
            }
            b"application/proto" => return Some(Self::new(Form::ConnectUnary, Codec::Proto)),
            b"application/json" => return Some(Self::new(Form::ConnectUnary, Codec::Json)),
            b"application/connect+proto" => return Some(Self::new(Form::ConnectStream, Codec::Proto)),
            b"application/grpc-web" | b"application/grpc-web+proto" => {
                return Some(Self::new(Form::GrpcWeb, Codec::Proto));
            }
            _ => {}
        }
        let (text, parameters) =
            value.to_str().map(|text| text.split_once(';').unwrap_or((text, ""))).ok()?;
        let text = text.trim().to_ascii_lowercase();
        let subtype = text.strip_prefix("application/")?;
        let (form, codec) = match subtype.split_once('+') {
            Some(("connect", codec)) => (Form::ConnectStream, codec),
            Some(("grpc", codec)) => (Form::Grpc, codec),
            Some(("grpc-web", codec)) => (Form::GrpcWeb, codec),
            Some(("grpc-web-text", codec)) => (Form::GrpcWebText, codec),
            _ => match subtype {
                "grpc" => (Form::Grpc, "proto"),
                "grpc-web" => (Form::GrpcWeb, "proto"),
                "grpc-web-text" => (Form::GrpcWebText, "proto"),
                codec => (Form::ConnectUnary, codec),
            },
        };
        let codec = Codec::from_name(codec).filter(|codec| *codec != Codec::Json || is_utf8(parameters));
        Some(Self { form, codec })
    }

    /// The content-type's header value.
    pub(crate) fn header(form: Form, codec: Codec) -> HeaderValue {
        // Each checked when this is compiled: it runs several times a call.
        match (form, codec) {
            (form, codec @ Codec::Custom(_)) => custom_header(form, codec.name()),
            (Form::ConnectUnary, Codec::Proto) => const { HeaderValue::from_static("application/proto") },
            (Form::ConnectUnary, Codec::Json) => const { HeaderValue::from_static("application/json") },
            (Form::ConnectStream, Codec::Proto) => {
                const { HeaderValue::from_static("application/connect+proto") }
            }
            (Form::ConnectStream, Codec::Json) => {
                const { HeaderValue::from_static("application/connect+json") }
            }
            (Form::Grpc, Codec::Proto) => const { HeaderValue::from_static("application/grpc+proto") },
            (Form::Grpc, Codec::Json) => const { HeaderValue::from_static("application/grpc+json") },
            (Form::GrpcWeb, Codec::Proto) => const { HeaderValue::from_static("application/grpc-web+proto") },
            (Form::GrpcWeb, Codec::Json) => const { HeaderValue::from_static("application/grpc-web+json") },
            (Form::GrpcWebText, Codec::Proto) => {
                const { HeaderValue::from_static("application/grpc-web-text+proto") }
            }
            (Form::GrpcWebText, Codec::Json) => {
                const { HeaderValue::from_static("application/grpc-web-text+json") }
            }
        }
    }

    fn new(form: Form, codec: Codec) -> Self {
        Self { form, codec: Some(codec) }
    }
}

/// Whether the parameters of a content-type leave UTF-8, the only charset of JSON between systems (RFC 8259, 8.1).
fn is_utf8(parameters: &str) -> bool {
    parameters.split(';').all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            matches!(
                value.trim().trim_matches('"').to_ascii_lowercase().as_str(),
                "utf-8" | "utf8" | "us-ascii"
            )
        }
        _ => true,
    })
}

fn custom_header(form: Form, name: &str) -> HeaderValue {
    let prefix = match form {
        Form::ConnectUnary => "",
        Form::ConnectStream => "connect+",
        Form::Grpc => "grpc+",
        Form::GrpcWeb => "grpc-web+",
        Form::GrpcWebText => "grpc-web-text+",
    };
    // Registered names are tokens, which a header always takes.
    HeaderValue::from_str(&format!("application/{prefix}{name}"))
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// The value of `accept-post` in a 415 answer: every content-type that a call can be posted in, of a method of this shape
/// where that is known.
pub(crate) fn accept_post(codecs: &[Codec], shape: Option<Shape>) -> HeaderValue {
    let forms = [Form::ConnectStream, Form::Grpc, Form::GrpcWeb, Form::GrpcWebText, Form::ConnectUnary];
    let mut types = Vec::new();
    for form in forms.into_iter().filter(|form| shape.is_none_or(|shape| form.carries(shape))) {
        if codecs.contains(&Codec::Proto) {
            types.extend(form.bare().map(str::to_owned));
        }
        let named = codecs.iter().map(|codec| ContentType::header(form, *codec));
        types.extend(named.filter_map(|header| Some(header.to_str().ok()?.to_owned())));
    }
    // Registered names are tokens, which a header always takes.
    HeaderValue::from_str(&types.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_content_types_are_read_back() {
        for form in [Form::ConnectUnary, Form::ConnectStream, Form::Grpc, Form::GrpcWeb, Form::GrpcWebText] {
            for codec in [Codec::Proto, Codec::Json] {
                let header = ContentType::header(form, codec);
                assert_eq!(ContentType::parse(&header), Some(ContentType::new(form, codec)), "{header:?}");
            }
        }
    }

    #[test]
    fn what_can_be_posted_is_what_can_be_read_and_fits_the_method() {
        let custom = [Codec::Json, Codec::register("pretty").unwrap()];
        for codecs in [&Codec::STANDARD[..], &custom] {
            for shape in [None, Some(Shape::Unary), Some(Shape::Stream)] {
                let listed = accept_post(codecs, shape);
                let listed: Vec<&str> = listed.to_str().unwrap().split(", ").collect();
                for item in &listed {
                    let read = ContentType::parse(&HeaderValue::from_str(item).unwrap()).unwrap();
                    assert!(codecs.contains(&read.codec.unwrap()), "{item}");
                    assert!(shape.is_none_or(|shape| read.form.carries(shape)), "{item} {shape:?}");
                }
                assert_eq!(listed.contains(&"application/json"), shape != Some(Shape::Stream));
                assert_eq!(listed.contains(&"application/connect+json"), shape != Some(Shape::Unary));
                assert_eq!(listed.contains(&"application/grpc"), codecs.contains(&Codec::Proto));
            }
        }
    }

    #[test]
    fn parameters_case_and_missing_suffixes_are_understood() {
        let parse = |text| ContentType::parse(&HeaderValue::from_static(text));
        assert_eq!(
            parse("application/json; charset=utf-8"),
            Some(ContentType::new(Form::ConnectUnary, Codec::Json))
        );
        assert_eq!(parse("Application/gRPC-Web"), Some(ContentType::new(Form::GrpcWeb, Codec::Proto)));
        assert_eq!(
            parse("application/grpc-web-text"),
            Some(ContentType::new(Form::GrpcWebText, Codec::Proto))
        );
        assert_eq!(
            parse("application/json; charset=utf-16"),
            Some(ContentType { form: Form::ConnectUnary, codec: None })
        );
        assert_eq!(parse("application/foo"), Some(ContentType { form: Form::ConnectUnary, codec: None }));
        assert_eq!(parse("text/html"), None);
        assert_eq!(parse(""), None);
    }
}
