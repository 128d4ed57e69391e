//! Compressing a message.

use std::io::{self, Write};

use bytes::Bytes;

use super::Compression;
use crate::message::Payload;

// 256 KiB; a larger window costs memory per message and wins little at message sizes.
const BROTLI_WINDOW_BITS: u32 = 18;

/// How hard messages are compressed. The default favours speed: an RPC message is compressed once and read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    gzip: u32,
    deflate: u32,
    zstd: i32,
    brotli: u32,
}

impl Default for Levels {
    fn default() -> Self {
        Self { gzip: 3, deflate: 3, zstd: 1, brotli: 3 }
    }
}

impl Levels {
    /// The same with another level for one compression: 0 to 9 for gzip and deflate, up to 22 for zstd (below 0 it is
    /// faster yet), 0 to 11 for brotli. None for a level that it does not have.
    pub fn with(self, compression: Compression, level: i32) -> Option<Self> {
        let within = |most: u32| u32::try_from(level).ok().filter(|level| *level <= most);
        match compression {
            Compression::Gzip => within(9).map(|gzip| Self { gzip, ..self }),
            Compression::Deflate => within(9).map(|deflate| Self { deflate, ..self }),
            Compression::Brotli => within(11).map(|brotli| Self { brotli, ..self }),
            Compression::Zstd => {
                zstd::compression_level_range().contains(&level).then_some(Self { zstd: level, ..self })
            }
            Compression::Identity | Compression::Custom(_) => None,
        }
    }
}

/// The payload under this compression. Identity gives the payload back.
///
/// # Errors
/// Those of the compressor, which for memory to memory are none in practice.
pub fn compress(payload: &Payload, compression: Compression, levels: Levels) -> io::Result<Bytes> {
    let out = Vec::with_capacity(payload.len() / 2 + 32);
    let out = match compression {
        Compression::Identity => return Ok(payload.to_bytes()),
        Compression::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(out, flate2::Compression::new(levels.gzip));
            write_chunks(&mut writer, payload)?;
            writer.finish()?
        }
        Compression::Deflate => {
            let mut writer = flate2::write::ZlibEncoder::new(out, flate2::Compression::new(levels.deflate));
            write_chunks(&mut writer, payload)?;
            writer.finish()?
        }
        Compression::Zstd => {
            let mut writer = zstd::stream::write::Encoder::new(out, levels.zstd)?;
            write_chunks(&mut writer, payload)?;
            writer.finish()?
        }
        Compression::Brotli => {
            let mut out = out;
            let mut writer = brotli::CompressorWriter::new(&mut out, 4096, levels.brotli, BROTLI_WINDOW_BITS);
            write_chunks(&mut writer, payload)?;
            drop(writer);
            out
        }
        Compression::Custom(_) => return Err(io::ErrorKind::Unsupported.into()),
    };
    Ok(out.into())
}

fn write_chunks(writer: &mut impl Write, payload: &Payload) -> io::Result<()> {
    payload.chunks().try_for_each(|chunk| writer.write_all(&chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that compresses the better the harder it is tried.
    fn text() -> Payload {
        let words = ["stream", "message", "envelope", "deadline", "trailers", "codec", "unary", "metadata"];
        let text: Vec<&str> = (0_usize..4000).map(|place| words[(place * place / 7 + place) % 8]).collect();
        Bytes::from(text.join(" ")).into()
    }

    #[test]
    fn levels_count() {
        for (compression, low, high) in [
            (Compression::Gzip, 1, 9),
            (Compression::Deflate, 1, 9),
            (Compression::Zstd, -50, 19),
            (Compression::Brotli, 0, 11),
        ] {
            let size = |level| {
                let levels = Levels::default().with(compression, level).unwrap();
                compress(&text(), compression, levels).unwrap().len()
            };
            assert!(size(high) < size(low), "{compression:?}");
        }
    }

    #[test]
    fn levels_that_there_are_not_are_refused() {
        for (compression, level) in [
            (Compression::Gzip, 10),
            (Compression::Gzip, -1),
            (Compression::Zstd, 23),
            (Compression::Brotli, 12),
            (Compression::Brotli, -1),
            (Compression::Identity, 1),
        ] {
            assert_eq!(Levels::default().with(compression, level), None, "{compression:?} {level}");
        }
    }
}
