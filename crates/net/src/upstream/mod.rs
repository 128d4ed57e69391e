//! The client side: endpoints, their connections, requests on them.

mod authority;
mod backoff;
mod connect;
mod endpoint;
mod greeting;
mod h1;
mod h2;
mod lifetime;
mod members;
mod pool;
mod response;
mod tunnel;
mod verdict;

pub use authority::set_authority;
pub use connect::ConnectError;
pub use endpoint::{Endpoint, EndpointConfig, EndpointStatus, OpenError};
pub(crate) use greeting::Greeting;
pub use greeting::OtherHttp;
pub(crate) use h1::Lease;
pub(crate) use h2::ClientStream;
pub use members::Members;
pub use response::ResponseFuture;
pub use tunnel::Tunnel;
