//! Envoy's `Admin`: where the admin server listens.

use super::address::ListenAddress;
use super::reader::{At, Read};

/// The admin server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens. Whoever can reach it can stop the bridge.
    pub address: ListenAddress,
}

impl Admin {
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|admin| {
            let address = admin.required("address", ListenAddress::read);
            // The one path that says "no log", which is what there is.
            let log = admin.optional("access_log_path", |at| match at.text()? {
                "/dev/null" => Ok(()),
                _ => Err(at.refuse("only /dev/null is supported: admin requests are not logged")),
            });
            admin.refuse("access_log", "admin requests are not logged");
            admin.refuse("profile_path", "there is no profiler");
            admin.refuse("socket_options", "the socket gets SO_REUSEADDR");
            log?;
            Ok(Self { address: address? })
        })
    }
}
