//! The configuration as JSON, without its secrets.

use serde_json::{Map, Value as Json};

use super::yaml::{Meaning, Node, Scalar, Value};

/// What stands where a secret stood; Envoy's word.
const REDACTED: &str = "[redacted]";

/// Fields that hold a secret; in a `DataSource`, names of files and variables are none.
const SECRET: &[&str] = &["private_key", "privateKey"];
const HARMLESS: &[&str] = &["filename", "environment_variable", "environmentVariable"];

/// The tree as JSON, as it was written, with private keys replaced.
pub(super) fn to_json(node: &Node) -> Json {
    convert(node, false)
}

fn convert(node: &Node, secret: bool) -> Json {
    match &node.value {
        Value::Scalar(_) if secret => Json::String(REDACTED.to_owned()),
        Value::Scalar(scalar) => scalar.to_json(),
        Value::List(items) => items.iter().map(|item| convert(item, secret)).collect(),
        Value::Map(entries) => {
            let fields = entries.iter().map(|entry| {
                let key = entry.key.as_str();
                let secret = SECRET.contains(&key) || secret && !HARMLESS.contains(&key);
                (entry.key.clone(), convert(&entry.value, secret))
            });
            Json::Object(fields.collect::<Map<_, _>>())
        }
    }
}

impl Scalar {
    /// The JSON value it means by itself.
    pub(super) fn to_json(&self) -> Json {
        match self.meaning() {
            Meaning::Null => Json::Null,
            Meaning::Bool(value) => Json::Bool(value),
            Meaning::Text(text) => Json::String(text.to_owned()),
            Meaning::Integer(integer) => match i64::try_from(integer) {
                Ok(integer) => integer.into(),
                Err(_) => Json::String(self.text.clone()),
            },
        }
    }
}
