//! Compressing a message.

use std::io::{self, Write};

use bytes::Bytes;

use super::Compression;
use crate::message::Payload;

// Levels that favour speed: an RPC message is compressed once and read once.
const GZIP_LEVEL: u32 = 3;
const ZSTD_LEVEL: i32 = 1;
const BROTLI_QUALITY: u32 = 3;
// 256 KiB; a larger window costs memory per message and wins little at message sizes.
const BROTLI_WINDOW_BITS: u32 = 18;

/// The payload under this compression. Identity gives the payload back.
///
/// # Errors
/// Those of the compressor, which for memory to memory are none in practice.
pub fn compress(payload: &Payload, compression: Compression) -> io::Result<Bytes> {
    let out = Vec::with_capacity(payload.len() / 2 + 32);
    let out = match compression {
        Compression::Identity => return Ok(payload.to_bytes()),
        Compression::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
            write_chunks(&mut writer, payload)?;
            writer.finish()?
        }
        Compression::Deflate => {
            let mut writer = flate2::write::ZlibEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
            write_chunks(&mut writer, payload)?;
            writer.finish()?
        }
        Compression::Zstd => {
            let mut writer = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?;
            write_chunks(&mut writer, payload)?;
            writer.finish()?
        }
        Compression::Brotli => {
            let mut out = out;
            let mut writer =
                brotli::CompressorWriter::new(&mut out, 4096, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
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
