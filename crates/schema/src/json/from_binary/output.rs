//! The JSON text, up to its limit.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use crate::wire::TooLarge;

/// The JSON text, up to its limit.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    pub(super) max_bytes: usize,
}

impl Output {
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if bytes.len() > self.max_bytes.saturating_sub(self.bytes.len()) {
            return Err(TooLarge);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// A string, number or boolean.
    pub(super) fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), TooLarge> {
        // Of these values nothing but the writer can fail.
        serde_json::to_writer(self, value).map_err(|_| TooLarge)
    }

    /// A number or boolean, in quotes.
    pub(super) fn quoted<T: Serialize>(&mut self, value: &T) -> Result<(), TooLarge> {
        self.raw(b"\"")?;
        self.json(value)?;
        self.raw(b"\"")
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        self.raw(b"\"")?;
        let room = self.max_bytes - self.bytes.len();
        let length =
            base64::encoded_len(bytes.len(), true).filter(|length| *length <= room).ok_or(TooLarge)?;
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        // The slice has just the length that the encoding takes.
        BASE64_STANDARD.encode_slice(bytes, &mut self.bytes[start..]).map_err(|_| TooLarge)?;
        self.raw(b"\"")
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.raw(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(TooLarge) => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
