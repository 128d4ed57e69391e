//! Calls to servers, in any of the three protocols.
//!
//! ```text
//! Target (where) + ChannelSettings (how) -> [Channel] -> endpoints of `net`, chosen by [`Balancing`]
//! Spec (what) + Caller (messages, both ways) -> [carry] -> `wire`'s outbound half on a stream of the channel -> End
//! ```
//!
//! [`carry`] takes one call from its head to its end: it keeps the deadline, and tries again where the [`Policy`] of the
//! method and what is known of the failed attempt allow it. A [`Wheel`] says which thread runs all that.

mod attempt;
mod busy_poll;
mod carry;
mod channel;
mod duration;
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
mod wheel;

pub use busy_poll::Awaited;
pub use carry::carry;
pub use channel::{Balancing, Channel, ChannelSettings};
pub use duration::parse_duration;
pub use failure::{Advice, server_gone};
pub use policy::{Hedging, Policy, Retrying, ServiceConfig, ServiceConfigError};
pub use proxy::{Proxy, ProxyError};
pub use spec::{Caller, Head, Method, Outgoing, Spec, StreamKind, Style};
pub use target::{Target, TargetError};
pub use wheel::{LONGEST_TURN, Turn, UnderWay, Wheel};
