//! A request body is read as the same messages however the network cuts it.
#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use landbridge_fuzz::{Pieces, accepting, post, read_request};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    form: Form,
    compressed: bool,
    pieces: Pieces,
    body: &'a [u8],
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Form {
    ConnectUnary,
    ConnectStream,
    Grpc,
    GrpcWeb,
    GrpcWebText,
}

fuzz_target!(|input: Input<'_>| {
    let (content_type, encoding) = match input.form {
        Form::ConnectUnary => ("application/proto", "content-encoding"),
        Form::ConnectStream => ("application/connect+proto", "connect-content-encoding"),
        Form::Grpc => ("application/grpc", "grpc-encoding"),
        Form::GrpcWeb => ("application/grpc-web", "grpc-encoding"),
        Form::GrpcWebText => ("application/grpc-web-text", "grpc-encoding"),
    };
    let read = |pieces: &[Bytes]| {
        let mut head = post(content_type);
        if input.compressed {
            head.headers_mut().insert(encoding, "gzip".parse().expect("a header value"));
        }
        read_request(&mut accepting(head).reader, pieces)
    };
    let whole = read(&[Bytes::copy_from_slice(input.body)]);
    let split = read(&input.pieces.of(input.body));
    match (whole.error, split.error) {
        (None, None) => assert_eq!(whole.events, split.events),
        (Some(whole_error), Some(split_error)) => {
            // Text is decoded as it comes, before the envelopes in it are read: of two faults either may be found first.
            if !matches!(input.form, Form::GrpcWebText) {
                assert_eq!(whole_error.code, split_error.code);
            }
            // In pieces, what came before the fault may have been given out already.
            assert!(split.events.starts_with(&whole.events));
        }
        (whole_error, split_error) => panic!("whole: {whole_error:?}, in pieces: {split_error:?}"),
    }
});
