//! Compression of messages: names, negotiation, and the bounded doing of it.

mod compress;
mod decompress;
mod negotiate;

pub use compress::compress;
pub use decompress::{DecompressError, decompress};
pub use negotiate::{Accepted, offered};

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
}

impl Compression {
    /// Everything but identity, the cheapest first for what it saves.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Zstd, Self::Brotli, Self::Deflate];

    /// The coding of a header's token, compared as HTTP does: without regard to case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Identity].into_iter().chain(Self::ALL).find(|c| c.name().eq_ignore_ascii_case(name))
    }

    /// The token in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }

    /// Whether this is no compression at all.
    pub fn is_identity(self) -> bool {
        self == Self::Identity
    }
}
