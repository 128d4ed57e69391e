//! The endpoints of a channel, each with what is known of it.

use std::sync::Arc;

use http::uri::Authority;
use landbridge_net::{
    Address, Endpoint, EndpointConfig, HostPort, Members, ResolveSettings, Resolver, SystemLookup, Tunnel,
};

use crate::channel::ChannelSettings;
use crate::health::Health;
use crate::target::{At, Place, Target};

/// One endpoint that calls can go to.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) endpoint: Endpoint,
    /// What calls to it are addressed to.
    pub(crate) authority: Authority,
    pub(crate) health: Health,
}

/// Starts on the current runtime: names are looked up from now on, connections are made when needed.
pub(crate) fn start(target: &Target, settings: &Arc<ChannelSettings>) -> Members<Member> {
    let mut fixed = Vec::new();
    let mut names = Vec::new();
    for place in &target.places {
        match reached_at(place, settings) {
            At::Socket(address) => fixed.push(member(place, address, settings)),
            At::Name(name) => {
                let times = ResolveSettings { refresh: settings.dns_refresh, ..ResolveSettings::default() };
                let (place, settings) = (place.clone(), Arc::clone(settings));
                let member = move |address| member(&place, address, &settings);
                names.push((Resolver::start(name, times, SystemLookup), member));
            }
        }
    }
    Members::start(fixed, names, |_members| {})
}

/// Where connections go: to the place itself, or to the proxy in front of it.
fn reached_at(place: &Place, settings: &ChannelSettings) -> At {
    match (&settings.proxy, &place.at) {
        // Nobody else can reach a socket of this machine.
        (None, _) | (_, At::Socket(Address::Unix(_))) => place.at.clone(),
        (Some(proxy), _) => proxy.at.literal().map_or_else(|| At::Name(proxy.at.clone()), At::Socket),
    }
}

fn member(place: &Place, address: Address, settings: &Arc<ChannelSettings>) -> Member {
    let tunnel = settings.proxy.as_ref().and_then(|proxy| {
        let to = match &place.at {
            At::Name(HostPort { host, port }) => format!("{host}:{port}"),
            At::Socket(Address::Tcp(address)) => address.to_string(),
            At::Socket(Address::Unix(_)) => return None,
        };
        Some(Tunnel { to, authorization: proxy.authorization.clone() })
    });
    let authority = settings.authority.clone().unwrap_or_else(|| place.authority.clone());
    let endpoint = Endpoint::new(EndpointConfig {
        address,
        host: Some(authority.host().trim_matches(['[', ']']).to_owned()),
        tls: settings.tls.clone(),
        settings: settings.endpoint.clone(),
        stats: Arc::default(),
        tunnel,
    });
    let health = Health::of(&endpoint, &authority, settings);
    Member { endpoint, authority, health }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::proxy::Proxy;

    #[tokio::test]
    async fn a_proxy_that_has_a_name_leads_to_each_of_several_servers() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = proxy.local_addr().unwrap();
        let at = HostPort { host: "localhost".to_owned(), port: address.port() };
        let settings =
            ChannelSettings { proxy: Some(Proxy { at, authorization: None }), ..ChannelSettings::default() };
        let target = Target::parse(&["http://one.test:81", "http://127.0.0.1:82"]).unwrap();
        let members = start(&target, &Arc::new(settings));
        let asked = async {
            members.resolved().await;
            let mut asked = Vec::new();
            // The name may have an IPv6 address, too.
            for member in members.current().iter().filter(|one| *one.endpoint.address() == address.into()) {
                let head = Request::post("http://any.test/").body(()).unwrap();
                tokio::select! {
                    opened = member.endpoint.open(head, true) => panic!("nobody has answered: {opened:?}"),
                    line = async {
                        let (connection, _) = proxy.accept().await.unwrap();
                        BufReader::new(connection).lines().next_line().await.unwrap().unwrap()
                    } => asked.push((member.authority.to_string(), line)),
                }
            }
            asked
        };
        let asked = tokio::time::timeout(Duration::from_secs(20), asked).await.expect("it hangs");
        let expected = ["one.test:81", "127.0.0.1:82"]
            .map(|server| (server.to_owned(), format!("CONNECT {server} HTTP/1.1")));
        assert_eq!(asked, expected);
    }
}
