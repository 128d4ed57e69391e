//! The Envoy file, as its users write it: what loads, what it means, and what is said where it does not load.

mod arbitrary;
mod faults;
mod fields;
mod routes;
mod seed;

use landbridge_bridge::config::Bootstrap;

/// Loads a text that has to load.
fn load(text: &str) -> Bootstrap {
    Bootstrap::from_yaml(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// What is said about a text that must not load.
fn refused(text: &str) -> String {
    match Bootstrap::from_yaml(text) {
        Ok(_) => panic!("loaded:\n{text}"),
        Err(errors) => errors.to_string(),
    }
}
