//! Where the server is, and how it is connected to.

use std::time::Duration;

use http::uri::Authority;
use landbridge_client::{Advice, Channel, ChannelSettings, Proxy};
use landbridge_net::{ClientTls, ClientTlsConfig, EndpointSettings, UpstreamHttp};

use crate::address::Address;
use crate::failure::Failure;

const ADVICE: Advice = Advice {
    speaks_http2: "--protocol grpc if it is a gRPC server, or else --http2",
    lacks_http2: "--protocol connect or grpc-web, without --http2",
    is_not_trusted: "--cacert names an authority to trust, or the certificate itself",
    has_other_name: "--server-name gives another to look for",
    wants_certificate: "--cert and --key give one",
};

/// A server, and how it is connected to.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it is.
    pub address: Address,
    /// What calls are addressed to, and the TLS server name, in place of the address's own.
    pub authority: Option<Authority>,
    /// The version of HTTP; none where the protocol and the method decide.
    pub http: Option<UpstreamHttp>,
    /// TLS, for addresses that are under TLS.
    pub tls: ClientTlsConfig,
    /// The HTTP proxy in front of it.
    pub proxy: Option<Proxy>,
    /// Time for the socket and the TLS handshake together.
    pub connect_timeout: Duration,
}

/// A server whose certificates are loaded.
pub(crate) struct Dialer<'a> {
    server: &'a Server,
    tls: Option<ClientTls>,
}

impl Server {
    /// # Errors
    /// Names the file that cannot be used.
    pub(crate) fn dialer(&self) -> Result<Dialer<'_>, Failure> {
        let tls = self.address.target.tls.then(|| ClientTls::load(&self.tls)).transpose();
        Ok(Dialer { server: self, tls: tls.map_err(|error| Failure::Given(error.to_string()))? })
    }
}

impl Dialer<'_> {
    /// Starts on the current runtime; connects when a call needs it.
    pub(crate) fn channel(&self, http: UpstreamHttp) -> Channel {
        let address = &self.server.address;
        let endpoint = EndpointSettings {
            http,
            connect_timeout: self.server.connect_timeout,
            ..EndpointSettings::default()
        };
        let settings = ChannelSettings {
            tls: self.tls.clone(),
            endpoint,
            proxy: self.server.proxy.clone(),
            authority: self.server.authority.clone().or_else(|| address.authority.clone()),
            advice: ADVICE,
            ..ChannelSettings::default()
        };
        Channel::start(&address.target, settings)
    }
}
