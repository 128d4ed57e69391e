//! Calls to servers, in any of the three protocols.
//!
//! ```text
//! Target (where) + ChannelSettings (how) -> [Channel] -> endpoints of `net`, chosen by [`Balancing`]
//! Spec (what) + Caller (messages, both ways) -> [carry] -> `wire`'s outbound half on a stream of the channel -> End
//! ```
//!
//! [`carry`] takes one call from its head to its end: it keeps the deadline, and tries again where the [`Policy`] of the
//! method and what is known of the failed attempt allow it.

mod attempt;
mod carry;
mod channel;
mod failure;
mod health;
mod hedging;
mod members;
mod policy;
mod proxy;
mod request;
mod spec;
mod target;
mod throttle;

pub use carry::carry;
pub use channel::{Balancing, Channel, ChannelSettings};
pub use failure::server_gone;
pub use policy::{Hedging, Policy, Retrying, ServiceConfig, ServiceConfigError};
pub use proxy::{Proxy, ProxyError};
pub use spec::{Caller, Head, Kind, Method, Outgoing, Spec, Style};
pub use target::{Target, TargetError};
