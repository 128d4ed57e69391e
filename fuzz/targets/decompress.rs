//! Any bytes decompress to at most the limit, and the same in pieces.
#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use landbridge_fuzz::{LIMIT, Pieces};
use landbridge_wire::compression::{Levels, compress, decompress};
use landbridge_wire::{Compression, Payload};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    pieces: Pieces,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let whole = Payload::from(Bytes::copy_from_slice(input.bytes));
    let split: Payload = input.pieces.of(input.bytes).into_iter().collect();
    for compression in Compression::ALL {
        let out = decompress(&whole, compression, LIMIT);
        assert!(out.as_ref().map_or(0, Bytes::len) <= LIMIT, "{} passed the limit", compression.name());
        let from_pieces = decompress(&split, compression, LIMIT);
        assert_eq!(out.ok(), from_pieces.ok(), "{} differs in pieces", compression.name());

        let compressed = compress(&split, compression, Levels::default()).expect("memory to memory").into();
        let restored = decompress(&compressed, compression, input.bytes.len());
        assert_eq!(restored.expect("our own output"), input.bytes, "{}", compression.name());
    }
});
