//! When a connection to an upstream goes out of use: by its age, or after it has lain idle.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::time::Duration;

/// Runs beside a connection, whose driver polls it along: waits for `idle`, which takes the connection out of use by
/// itself, and takes it out by `retire` once it is older than `max_age`.
///
/// Never ends, so that the driver need not know how far it is; it is dropped with the driver.
pub(super) async fn watch(
    idle: impl Future<Output = ()>,
    max_age: Option<Duration>,
    retire: impl FnOnce(),
) -> Infallible {
    let age = async {
        if let Some(age) = max_age {
            tokio::time::sleep(age).await;
            retire();
        }
    };
    tokio::join!(idle, age);
    pending().await
}
