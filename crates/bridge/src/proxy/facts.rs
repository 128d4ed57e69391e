//! What is known of a request when its heads are written: the values that a file's header formats can name.

use std::fmt::Write as _;
use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderMap, Method, Request, header};
use landbridge_net::{Connection, HttpVersion};

use crate::config::{FieldName, Format, HeaderChoice, Operator};

/// The request, as it came.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    method: Method,
    path: Arc<str>,
    host: Arc<str>,
    connection: Arc<Connection>,
    route: &'a str,
    cluster: &'a str,
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        head: &Request<()>,
        connection: Arc<Connection>,
        route: &'a str,
        cluster: &'a str,
    ) -> Self {
        let host = head.uri().authority().map(Authority::as_str);
        let host = host.or_else(|| head.headers().get(header::HOST)?.to_str().ok()).unwrap_or_default();
        let path = head.uri().path_and_query().map_or("/", |path| path.as_str());
        Self {
            method: head.method().clone(),
            path: path.into(),
            host: host.into(),
            connection,
            route,
            cluster,
        }
    }

    /// The text of a header's value. What is not known (yet) is `-`, as in Envoy.
    pub(super) fn render(&self, format: &Format, headers: &HeaderMap) -> String {
        if let Some(text) = format.literal() {
            return text.to_owned();
        }
        let mut text = String::new();
        format.render(&mut text, |operator, out| self.write(operator, headers, out).is_some());
        text
    }

    fn write(&self, operator: &Operator, headers: &HeaderMap, out: &mut String) -> Option<()> {
        match operator {
            Operator::RequestHeader(choice) | Operator::ResponseHeader(choice) => {
                return self.header(choice, headers, out);
            }
            Operator::Protocol => out.push_str(match self.connection.http() {
                HttpVersion::Http1 => "HTTP/1.1",
                HttpVersion::Http2 => "HTTP/2",
            }),
            Operator::DownstreamRemoteAddress { without_port } => {
                self.address(self.connection.peer(), *without_port, out);
            }
            Operator::DownstreamLocalAddress { without_port } => {
                self.address(self.connection.local(), *without_port, out);
            }
            Operator::UpstreamCluster => out.push_str(self.cluster),
            Operator::RouteName if !self.route.is_empty() => out.push_str(self.route),
            Operator::RequestedServerName => out.push_str(self.connection.tls()?.server_name.as_deref()?),
            _ => return None,
        }
        Some(())
    }

    fn header(&self, choice: &HeaderChoice, headers: &HeaderMap, out: &mut String) -> Option<()> {
        let fields = [Some(&choice.name), choice.otherwise.as_ref()];
        let value = fields.into_iter().flatten().find_map(|field| match field {
            FieldName::Header(name) => headers.get(name)?.to_str().ok(),
            FieldName::Method => Some(self.method.as_str()),
            FieldName::Path => Some(&*self.path),
            FieldName::Authority => Some(&*self.host),
            FieldName::Scheme => Some(if self.connection.tls().is_some() { "https" } else { "http" }),
        })?;
        out.push_str(value);
        Some(())
    }

    fn address(&self, address: &landbridge_net::Address, without_port: bool, out: &mut String) {
        // Writing to a `String` cannot fail.
        _ = match (without_port, address.ip()) {
            (true, Some(ip)) => write!(out, "{ip}"),
            _ => write!(out, "{address}"),
        };
    }
}
