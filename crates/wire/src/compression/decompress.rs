//! Decompressing a message, bounded while it runs.

use std::io::{self, Read};

use bytes::{Buf, Bytes};

use super::Compression;
use crate::message::Payload;
use crate::{Code, RpcError};

/// The largest window that a zstd frame may ask for: 8 MiB, which is what RFC 8878 asks every decoder to support. It is
/// memory that a frame of a few bytes can claim.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Why a message could not be decompressed.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// It grew past the limit; at most `limit` bytes were ever held.
    #[error("the message is larger than {limit} bytes after decompression")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It is not what its compression says.
    #[error("the message is not valid {name}: {source}")]
    Corrupt {
        /// The compression.
        name: &'static str,
        /// What the decompressor found.
        source: io::Error,
    },
}

impl DecompressError {
    /// The same as a call's error. `fault` says whose mistake damaged data is: `invalid_argument` in requests, `internal`
    /// in responses.
    pub fn into_rpc(self, fault: Code) -> RpcError {
        let code = match self {
            Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Corrupt { .. } => fault,
        };
        RpcError::new(code, self.to_string())
    }
}

/// The payload without its compression, of at most `limit` bytes. Empty input gives an empty message: the
/// specifications forbid to decompress zero bytes.
///
/// # Errors
/// [`DecompressError::TooLarge`] as soon as the output passes the limit, [`DecompressError::Corrupt`] for input that
/// is malformed, cut, or (but for brotli, whose decoder does not tell) followed by something else.
pub fn decompress(
    payload: &Payload,
    compression: Compression,
    limit: usize,
) -> Result<Bytes, DecompressError> {
    if payload.is_empty() {
        return Ok(Bytes::new());
    }
    let input = Input { chunks: payload.chunks().collect() };
    match compression {
        Compression::Identity if payload.len() > limit => Err(DecompressError::TooLarge { limit }),
        Compression::Identity => Ok(payload.to_bytes()),
        // RFC 1952 allows several members in one stream.
        Compression::Gzip => read_all(flate2::bufread::MultiGzDecoder::new(input), compression, limit),
        Compression::Deflate => {
            let mut decoder = flate2::bufread::ZlibDecoder::new(input);
            let out = read_all(&mut decoder, compression, limit)?;
            if decoder.into_inner().chunks.is_empty() {
                Ok(out)
            } else {
                Err(corrupt(compression, trailing()))
            }
        }
        Compression::Zstd => zstd::stream::read::Decoder::with_buffer(input)
            .and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Ok(decoder)
            })
            .map_err(|source| corrupt(compression, source))
            .and_then(|decoder| read_all(decoder, compression, limit)),
        Compression::Brotli => read_all(brotli::Decompressor::new(input, 4096), compression, limit),
        Compression::Custom(_) => Err(corrupt(compression, io::ErrorKind::Unsupported.into())),
    }
}

fn read_all(reader: impl Read, compression: Compression, limit: usize) -> Result<Bytes, DecompressError> {
    let mut out = Vec::new();
    let allowed = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(allowed).read_to_end(&mut out).map_err(|source| corrupt(compression, source))?;
    if out.len() > limit {
        return Err(DecompressError::TooLarge { limit });
    }
    Ok(out.into())
}

fn corrupt(compression: Compression, source: io::Error) -> DecompressError {
    DecompressError::Corrupt { name: compression.name(), source }
}

fn trailing() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "bytes follow its end")
}

/// The chunks of a payload as one reader.
struct Input {
    // In order; none is empty.
    chunks: std::collections::VecDeque<Bytes>,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(front) = self.chunks.front() else { return Ok(0) };
        let count = front.len().min(buffer.len());
        buffer[..count].copy_from_slice(&front[..count]);
        io::BufRead::consume(self, count);
        Ok(count)
    }
}

impl io::BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.chunks.front().map_or(&[], |front| front))
    }

    fn consume(&mut self, count: usize) {
        if let Some(front) = self.chunks.front_mut() {
            front.advance(count.min(front.len()));
            if front.is_empty() {
                self.chunks.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compression::{Levels, compress};

    fn payload(data: impl Into<Bytes>) -> Payload {
        Payload::from(data.into())
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = payload(vec![0; 10 << 20]);
        for compression in Compression::ALL {
            let bomb = payload(compress(&zeros, compression, Levels::default()).unwrap());
            assert!(bomb.len() < 100_000);
            let error = decompress(&bomb, compression, 1 << 20).unwrap_err();
            assert!(matches!(error, DecompressError::TooLarge { limit: 1_048_576 }), "{error}");
            assert_eq!(decompress(&bomb, compression, 10 << 20).unwrap().len(), 10 << 20);
        }
    }

    #[test]
    fn cut_or_foreign_input_is_an_error() {
        let text = payload("a message of some length, a message of some length");
        for compression in Compression::ALL {
            let whole = compress(&text, compression, Levels::default()).unwrap();
            for end in 1..whole.len() {
                let cut = payload(whole.slice(..end));
                assert!(decompress(&cut, compression, 1000).is_err(), "{compression:?} cut at {end}");
            }
            assert!(decompress(&payload(&b"\xffgarbage"[..]), compression, 1000).is_err());
            assert_eq!(decompress(&payload(""), compression, 1000).unwrap().len(), 0);
        }
    }

    #[test]
    fn bytes_after_the_end_are_an_error() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Deflate] {
            let mut input = compress(&payload("message"), compression, Levels::default()).unwrap().to_vec();
            input.extend_from_slice(b"tail");
            assert!(decompress(&payload(input), compression, 1000).is_err(), "{compression:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(data in proptest::collection::vec(any::<u8>(), 1..5000), cut in any::<prop::sample::Index>()) {
            for compression in Compression::ALL {
                let small = compress(&payload(data.clone()), compression, Levels::default()).unwrap();
                let at = cut.index(small.len());
                let split: Payload = [small.slice(..at), small.slice(at..)].into_iter().collect();
                prop_assert_eq!(&decompress(&split, compression, 5000).unwrap()[..], &data[..]);
            }
        }
    }
}
