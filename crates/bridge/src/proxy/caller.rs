//! Who a request comes from: `x-forwarded-for`, `x-forwarded-proto` and `x-request-id`, as Envoy treats them.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use landbridge_net::Address;
use uuid::Uuid;

use crate::config::HttpConnectionManager;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Writes into a head what a proxy knows of its sender, as far as the settings want it, and says where the client is: at
/// the other end of the connection (`peer`), or where trusted proxies in front say. `tls`: the connection is under TLS.
pub(super) fn identify(
    settings: &HttpConnectionManager,
    peer: &Address,
    tls: bool,
    headers: &mut HeaderMap,
) -> Address {
    let hops = settings.xff_num_trusted_hops as usize;
    // The connection itself is one hop, where its address counts.
    let skipped = if settings.use_remote_address { hops.checked_sub(1) } else { Some(hops) };
    let said = skipped.and_then(|skipped| forwarded_for(headers, skipped));
    if settings.use_remote_address {
        if let Some(ip) = peer.ip() {
            append(headers, ip);
        }
        if hops == 0 || !headers.contains_key(FORWARDED_PROTO) {
            let scheme = if tls { "https" } else { "http" };
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        }
    }
    if settings.generate_request_id && !headers.contains_key(REQUEST_ID) {
        headers.insert(REQUEST_ID, request_id());
    }
    match said {
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
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
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
        let client = identify(&settings, &Address::Tcp(PEER.parse().unwrap()), true, &mut map);
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
