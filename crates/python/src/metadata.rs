//! Headers and trailers, to Python and back.

use http::{HeaderMap, HeaderName, HeaderValue};
use landbridge_wire::metadata::normalize_binary;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Name and value of each line, in order; bytes beyond ASCII as ISO 8859-1, as Python's web servers have it.
pub(crate) fn to_python(headers: &HeaderMap) -> Vec<(&str, String)> {
    headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

/// A header's value as text.
pub(crate) fn text(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// The same back, with the values of binary headers as callers and servers read them.
///
/// # Errors
/// `ValueError` for a name or value that HTTP cannot carry, and for a binary header that is not base64.
pub(crate) fn from_python(lines: Vec<(String, String)>) -> PyResult<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            PyValueError::new_err(format!("{name:?} is not a header name that HTTP can carry"))
        })?;
        headers.append(known, value_of(&name, &value)?);
    }
    normalize_binary(&mut headers).map_err(|error| {
        let advice = "names that end in -bin hold bytes, as base64.b64encode(...).decode() writes them";
        PyValueError::new_err(format!("{}: {advice}", error.message))
    })?;
    Ok(headers)
}

/// Raises for a line that `from_python` would not take.
#[pyfunction]
#[pyo3(signature = (name, value, /))]
pub(crate) fn check_header(name: String, value: String) -> PyResult<()> {
    from_python(vec![(name, value)]).map(drop)
}

fn value_of(name: &str, text: &str) -> PyResult<HeaderValue> {
    let bad =
        || PyValueError::new_err(format!("the header {name} has a value that HTTP cannot carry: {text:?}"));
    if let Ok(value) = HeaderValue::from_str(text) {
        return Ok(value);
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
    HeaderValue::from_bytes(&bytes.ok_or_else(bad)?).map_err(|_| bad())
}
