//! Why a call did not succeed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use landbridge_schema::{JsonOptions, Schema};
use landbridge_wire::{Code, Detail, RpcError};

/// Why there is no answer, or a bad one.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was given is wrong.
    Given(String),
    /// The call could not be made.
    Unable(String),
    /// The call failed.
    Rpc {
        code: Code,
        message: String,
        /// Each its type, and what it says.
        details: Vec<(String, String)>,
        /// What may help.
        hint: Option<&'static str>,
    },
    /// Nobody reads our output any more.
    OutputClosed,
}

/// Statuses of failed calls begin above those that shells and tools use for themselves.
const RPC: u8 = 64;
/// As shells report a program that SIGPIPE has ended.
const OUTPUT_CLOSED: u8 = 141;

impl Failure {
    /// A failed call, with its details as JSON where the schema knows them.
    pub(crate) fn rpc(error: &RpcError, schema: Option<&Schema>) -> Self {
        let details = error.details.iter();
        let details = details.map(|detail| (detail.type_name().to_owned(), shown(detail, schema)));
        Self::Rpc { code: error.code, message: error.message.clone(), details: details.collect(), hint: None }
    }

    pub(crate) fn with_hint(mut self, text: &'static str) -> Self {
        if let Self::Rpc { hint, .. } = &mut self {
            *hint = Some(text);
        }
        self
    }

    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Unable(_) => 1,
            Self::Given(_) => 2,
            Self::Rpc { code, .. } => RPC + code.number(),
            Self::OutputClosed => OUTPUT_CLOSED,
        }
    }
}

fn shown(detail: &Detail, schema: Option<&Schema>) -> String {
    let usual = || Schema::of_error_details().message(detail.type_name());
    let message = schema.and_then(|schema| schema.message(detail.type_name())).or_else(usual);
    let json =
        message.and_then(|message| message.binary_to_json(&detail.value, &JsonOptions::default()).ok());
    match json {
        // It is written as UTF-8.
        Some(json) => String::from_utf8_lossy(&json).into_owned(),
        None => format!("base64 {}", BASE64_STANDARD.encode(&detail.value)),
    }
}
