//! Who a request comes from: `x-forwarded-for`, `x-forwarded-proto` and `x-request-id`, as Envoy treats them.

use std::net::{IpAddr, SocketAddr};

use http::header::Entry;
use http::{HeaderMap, HeaderName, HeaderValue};
use landbridge_net::Address;
use uuid::Uuid;

use crate::config::HttpConnectionManager;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Writes into a head what a proxy knows of its sender, as far as the settings want it. `peer` is at the other end of the
/// connection; `tls`: that is under TLS.
pub(super) fn identify(settings: &HttpConnectionManager, peer: &Address, tls: bool, headers: &mut HeaderMap) {
    let hops = settings.xff_num_trusted_hops as usize;
    if settings.use_remote_address {
        if let Some(ip) = peer.ip() {
            append(headers, ip);
        }
        if hops == 0 || !headers.contains_key(FORWARDED_PROTO) {
            let scheme = if tls { "https" } else { "http" };
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        }
    }
    if settings.generate_request_id
        && let Entry::Vacant(none) = headers.entry(REQUEST_ID)
    {
        none.insert(request_id());
    }
}

/// Where the client is, from a head that went through [`identify`]: at the other end of the connection, or where trusted
/// proxies in front say.
pub(super) fn client(settings: &HttpConnectionManager, peer: &Address, headers: &HeaderMap) -> Address {
    let hops = settings.xff_num_trusted_hops as usize;
    let skipped = match (settings.use_remote_address, peer.ip()) {
        // The connection itself is one hop, and is on the list now.
        (true, Some(_)) => Some(hops).filter(|hops| *hops > 0),
        (true, None) => hops.checked_sub(1),
        (false, _) => Some(hops),
    };
    match skipped.and_then(|skipped| forwarded_for(headers, skipped)) {
        Some(ip) => Address::Tcp(SocketAddr::new(ip, 0)),
        None => peer.clone(),
    }
}

/// The last address in `x-forwarded-for`, after so many that are skipped.
fn forwarded_for(headers: &HeaderMap, skipped: usize) -> Option<IpAddr> {
    let lines = headers.get_all(FORWARDED_FOR).into_iter().rev();
    let mut addresses = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    addresses.nth(skipped)?.trim().parse().ok()
}

/// Adds an address, so that what was there is one list with it.
fn append(headers: &mut HeaderMap, peer: IpAddr) {
    let mut list = Vec::new();
    for line in headers.get_all(FORWARDED_FOR) {
        list.extend_from_slice(line.as_bytes());
        list.push(b',');
    }
    list.extend_from_slice(peer.to_string().as_bytes());
    // Made of values and of an address; so it is a value.
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(FORWARDED_FOR, list);
    }
}

/// A UUID, version 4. It tells requests apart and is no secret, so any random numbers will do.
fn request_id() -> HeaderValue {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let mut text = Uuid::encode_buffer();
    let text: &str = id.hyphenated().encode_lower(&mut text);
    // Of hexadecimal digits and hyphens.
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    // Not for its secrecy: a value that never comes again would only push others out of HPACK's table.
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bootstrap, EndpointAddress, ListenAddress};

    const PEER: &str = "192.0.2.7:4711";

    /// What becomes of these headers: the client's address, `x-forwarded-for`, `x-forwarded-proto`.
    fn identified(remote: bool, hops: u32, headers: &[(&'static str, &str)]) -> [String; 3] {
        let listen = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let upstream = EndpointAddress::Ip("127.0.0.1:1".parse().unwrap());
        let mut settings = Bootstrap::simple(listen, upstream).listeners.remove(0).http;
        (settings.use_remote_address, settings.xff_num_trusted_hops) = (remote, hops);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let peer = Address::Tcp(PEER.parse().unwrap());
        identify(&settings, &peer, true, &mut map);
        let client = client(&settings, &peer, &map);
        assert!(map.get_all(FORWARDED_FOR).iter().count() <= 1 || !remote);
        let text = |name| map.get(name).map_or("-", |value: &HeaderValue| value.to_str().unwrap()).to_owned();
        [client.to_string(), text(FORWARDED_FOR), text(FORWARDED_PROTO)]
    }

    #[test]
    fn an_edge_trusts_nobody_in_front() {
        assert_eq!(identified(true, 0, &[]), [PEER, "192.0.2.7", "https"]);
        let forged = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "http")];
        assert_eq!(identified(true, 0, &forged), [PEER, "10.0.0.1,192.0.2.7", "https"]);
    }

    #[test]
    fn trusted_hops_are_counted_from_the_right() {
        let list = ("x-forwarded-for", "198.51.100.1, 203.0.113.9");
        let proto = ("x-forwarded-proto", "http");
        let appended = "198.51.100.1, 203.0.113.9,192.0.2.7";
        assert_eq!(identified(true, 1, &[list, proto]), ["203.0.113.9:0", appended, "http"]);
        assert_eq!(identified(true, 2, &[list]), ["198.51.100.1:0", appended, "https"]);
        // Fewer than there should be: nobody said.
        assert_eq!(identified(true, 3, &[list])[0], PEER);
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "2001:db8::1")];
        assert_eq!(
            identified(true, 1, &lines),
            ["[2001:db8::1]:0", "198.51.100.1,2001:db8::1,192.0.2.7", "https"]
        );
        assert_eq!(identified(true, 1, &[("x-forwarded-for", "unknown")])[0], PEER);
    }

    #[test]
    fn behind_others_nothing_is_added() {
        let list = ("x-forwarded-for", "198.51.100.1, 203.0.113.9");
        assert_eq!(identified(false, 0, &[list]), ["203.0.113.9:0", list.1, "-"]);
        assert_eq!(identified(false, 1, &[list]), ["198.51.100.1:0", list.1, "-"]);
        assert_eq!(identified(false, 0, &[]), [PEER, "-", "-"]);
    }

    #[test]
    fn request_ids_are_random_uuids() {
        let (one, other) = (request_id(), request_id());
        assert_ne!(one, other);
        let id = Uuid::parse_str(one.to_str().unwrap()).unwrap();
        assert_eq!(id.get_version_num(), 4);
    }
}
