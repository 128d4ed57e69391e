//! The client side: endpoints, their connections, requests on them.

mod backoff;
mod connect;
mod endpoint;
mod h1;
mod h2;
mod lifetime;
mod pool;
mod response;
mod tunnel;

pub use connect::ConnectError;
pub use endpoint::{Endpoint, EndpointConfig, EndpointStatus, OpenError};
pub(crate) use h1::Lease;
pub(crate) use h2::ClientStream;
pub use response::ResponseFuture;
pub use tunnel::Tunnel;
