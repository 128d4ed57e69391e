//! Data that a configuration holds or points to: certificates, keys, bodies.

use std::fmt;
use std::io;
use std::path::PathBuf;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::reader::{At, Read};

/// Envoy's `DataSource`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum DataSource {
    /// The content of a file (`filename`), read when it is needed.
    File(PathBuf),
    /// The data itself (`inline_string` or `inline_bytes`).
    Inline(Bytes),
    /// The value of an environment variable (`environment_variable`).
    Environment(String),
}

/// Inline data may be a private key, so only its size is shown.
impl fmt::Debug for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Inline(data) => write!(f, "Inline({} bytes)", data.len()),
            Self::Environment(name) => f.debug_tuple("Environment").field(name).finish(),
        }
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Inline(_) => f.write_str("inline data"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl DataSource {
    /// Fetches the data. Reads a file synchronously: meant for start and reload, not for a request.
    ///
    /// # Errors
    /// The file cannot be read, or the variable is not set or not text; the error says which.
    pub fn load(&self) -> io::Result<Bytes> {
        match self {
            Self::Inline(data) => Ok(data.clone()),
            Self::File(path) => std::fs::read(path)
                .map(Bytes::from)
                .map_err(|error| io::Error::new(error.kind(), format!("{self}: {error}"))),
            Self::Environment(name) => std::env::var(name)
                .map(Bytes::from)
                .map_err(|error| io::Error::new(io::ErrorKind::NotFound, format!("{self}: {error}"))),
        }
    }

    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|source| {
            let kind =
                source.exactly_one(&["filename", "inline_bytes", "inline_string", "environment_variable"]);
            let file = source.optional("filename", |at| Ok(Self::File(at.name()?.into())));
            let string = source.optional("inline_string", |at| Ok(Self::Inline(at.string()?.into())));
            let bytes = source.optional("inline_bytes", |at| match any_base64().decode(at.text()?) {
                Ok(data) => Ok(Self::Inline(data.into())),
                Err(_) => Err(at.refuse("not base64")),
            });
            let variable =
                source.optional("environment_variable", |at| Ok(Self::Environment(at.name()?.to_owned())));
            source.refuse("watched_directory", "files are read at start");
            kind?;
            [file?, string?, bytes?, variable?]
                .into_iter()
                .flatten()
                .next()
                .ok_or_else(|| source.at().refuse("a source of data is missing"))
        })
    }
}

/// Bytes in JSON: standard alphabet, padded or not.
fn any_base64() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}
