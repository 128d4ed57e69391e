//! The text form: the body is base64, in pieces that may each be padded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::{Code, RpcError};

/// Bytes of the body as text. Each piece is padded, so that it can be read as it comes.
pub(crate) fn encode_text(bytes: &[u8]) -> Bytes {
    STANDARD.encode(bytes).into()
}

/// Reads base64 that comes in pieces split anywhere, each padded, unpadded or not ending at a byte at all.
#[derive(Debug, Default)]
pub(crate) struct TextDecoder {
    /// Sextets of a quantum that is not complete yet, at most three.
    quantum: u32,
    sextets: u8,
    /// Padding characters still to come of a quantum that was ended by padding.
    padding: u8,
}

impl TextDecoder {
    /// The bytes that this much more text gives. White space between is passed over.
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<Bytes, RpcError> {
        let mut out = BytesMut::with_capacity(text.len() / 4 * 3 + 3);
        for &byte in text {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'=' => self.pad(&mut out)?,
                _ => self.sextet(byte, &mut out)?,
            }
        }
        Ok(out.freeze())
    }

    /// What is left at the end of the body: the last quantum may lack its padding.
    pub(crate) fn finish(&mut self) -> Result<Bytes, RpcError> {
        let mut out = BytesMut::new();
        if self.sextets == 1 {
            return Err(malformed("it ends in the middle of a byte"));
        }
        self.flush(&mut out);
        Ok(out.freeze())
    }

    fn sextet(&mut self, byte: u8, out: &mut BytesMut) -> Result<(), RpcError> {
        if self.padding > 0 {
            return Err(malformed("its padding is cut short"));
        }
        let Some(value) = sextet_value(byte) else {
            return Err(malformed(&format!("it contains {:?}", char::from(byte))));
        };
        self.quantum = self.quantum << 6 | value;
        self.sextets += 1;
        if self.sextets == 4 {
            out.extend_from_slice(&self.quantum.to_be_bytes()[1..]);
            (self.quantum, self.sextets) = (0, 0);
        }
        Ok(())
    }

    fn pad(&mut self, out: &mut BytesMut) -> Result<(), RpcError> {
        match (self.padding, self.sextets) {
            (0, 2 | 3) => {
                self.padding = 3 - self.sextets;
                self.flush(out);
                Ok(())
            }
            (1.., _) => {
                self.padding -= 1;
                Ok(())
            }
            _ => Err(malformed("it has padding where none can be")),
        }
    }

    /// Writes out the bytes that two or three sextets make.
    fn flush(&mut self, out: &mut BytesMut) {
        match self.sextets {
            2 => out.extend_from_slice(&[(self.quantum >> 4) as u8]),
            3 => out.extend_from_slice(&[(self.quantum >> 10) as u8, (self.quantum >> 2) as u8]),
            _ => {}
        }
        (self.quantum, self.sextets) = (0, 0);
    }
}

fn sextet_value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

fn malformed(what: &str) -> RpcError {
    RpcError::new(Code::InvalidArgument, format!("the body is not base64, as its content-type says: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<Vec<u8>, RpcError> {
        let mut decoder = TextDecoder::default();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&decoder.push(piece)?);
        }
        out.extend_from_slice(&decoder.finish()?);
        Ok(out)
    }

    #[test]
    fn padding_may_stand_in_mid_stream_or_be_missing() {
        assert_eq!(decode(&[b"YQ==YmI=Y2Nj"]).unwrap(), b"abbccc");
        assert_eq!(decode(&[b"YQ=", b"=", b"YmI"]).unwrap(), b"abb");
        assert_eq!(decode(&[b" Y\r\nQ", b"==\n"]).unwrap(), b"a");
        assert_eq!(decode(&[b""]).unwrap(), b"");
    }

    #[test]
    fn text_that_is_not_base64_is_refused() {
        for bad in [&b"A"[..], b"=", b"A=", b"YQ=Y", b"YWJj=", b"Y-Jj", b"\0AAA", b"YWJjA"] {
            assert!(decode(&[bad]).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_split_reads_the_same(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6)) {
            let text: Vec<u8> = pieces.iter().flat_map(|piece| encode_text(piece)).collect();
            let data = pieces.concat();
            for size in 1..=text.len().max(1) {
                let parts: Vec<&[u8]> = text.chunks(size).collect();
                prop_assert_eq!(&decode(&parts).unwrap(), &data);
            }
        }
    }
}
