//! The translating proxy: Envoy's file in, Connect, gRPC and gRPC-Web between callers and servers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the Envoy file, parsed into what it means |
//! | `serve` | a configuration brought to life: workers, listeners, draining |
//! | `proxy` | one request: which route, which answer |
//! | `call` | one call: the two halves of `wire`, joined |
//! | `cluster` | the endpoints of a cluster and the choice between them |
//! | `schemas` | where the methods of a cluster are known from |
//! | `access_log` | a line for each request |
//! | [`stats`] | what is counted, under Envoy's names |
//! | [`admin`] | the admin server's answers |
//! | `tls`, `http2` | Envoy's settings, in the terms of `net` |

mod access_log;
pub mod admin;
mod call;
mod cluster;
pub mod config;
mod http2;
mod proxy;
mod schemas;
mod serve;
pub mod stats;
mod tls;

pub use access_log::OpenLogError;
pub use schemas::SchemaSetupError;
pub use serve::{Bridge, Options, StartError};
pub use tls::TlsSetupError;
