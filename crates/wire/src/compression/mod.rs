//! Compression of messages: names, negotiation, and the bounded doing of it.

mod compress;
mod decompress;
mod named;
mod negotiate;

pub use compress::{Levels, compress};
pub use decompress::{DecompressError, decompress};
pub(crate) use named::{known_request_encoding, request_encoding, response_encoding};
pub(crate) use negotiate::listed;
pub use negotiate::{Accepted, offered};

use crate::name::{Name, Names};

/// A content-coding that all three protocols can name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As it is.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 1950 (zlib), which is what HTTP and gRPC call deflate.
    Deflate,
    /// One that an application does itself, by its name.
    Custom(CompressionName),
}

/// The name of an application's compression. Only [`Compression`] makes it, of what was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompressionName(Name);

static CUSTOM: Names = Names::new();

impl Compression {
    /// Everything of ours but identity, the cheapest first for what it saves.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Zstd, Self::Brotli, Self::Deflate];

    /// The coding of a header's token, compared as HTTP does: without regard to case. Custom ones where they were
    /// registered.
    pub fn from_name(name: &str) -> Option<Self> {
        let own = [Self::Identity].into_iter().chain(Self::ALL);
        own.into_iter()
            .find(|compression| compression.name().eq_ignore_ascii_case(name))
            .or_else(|| CUSTOM.find(name).map(CompressionName).map(Self::Custom))
    }

    /// The coding of this name, which is known from now on. None for a name that cannot stand in a header.
    pub fn register(name: &str) -> Option<Self> {
        Self::from_name(name).or_else(|| CUSTOM.register(name).map(CompressionName).map(Self::Custom))
    }

    /// Whether this crate can do it.
    pub fn is_ours(self) -> bool {
        !matches!(self, Self::Custom(_))
    }

    /// The token in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
            Self::Custom(CompressionName(name)) => CUSTOM.text(name),
        }
    }

    /// Whether this is no compression at all.
    pub fn is_identity(self) -> bool {
        self == Self::Identity
    }
}
