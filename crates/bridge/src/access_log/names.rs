//! The headers that formats name: only these are kept of a head that has gone on.

use http::{HeaderMap, HeaderName};

use crate::config::{AccessLogFormat, HeaderChange, JsonFormat, Listener, Operator};

/// The headers that the access logs and the header changes of a listener name.
#[derive(Debug, Default)]
pub(crate) struct NamedHeaders {
    request: Vec<HeaderName>,
    response: Vec<HeaderName>,
    trailers: Vec<HeaderName>,
}

impl NamedHeaders {
    pub(crate) fn of(listener: &Listener) -> Self {
        let mut named = Self::default();
        for log in &listener.http.access_logs {
            match &log.format {
                AccessLogFormat::Text(format) => format.operators().for_each(|operator| named.add(operator)),
                AccessLogFormat::Json(fields) => named.add_fields(fields),
            }
        }
        let hosts = listener.http.routes.virtual_hosts();
        for change in hosts.iter().flat_map(|host| &host.routes).flat_map(|route| &route.headers.response) {
            if let HeaderChange::Set { value, .. } = change {
                value.operators().for_each(|operator| named.add(operator));
            }
        }
        named
    }

    /// Those of a request that are named.
    pub(crate) fn of_request(&self, headers: &HeaderMap) -> HeaderMap {
        chosen(&self.request, headers)
    }

    /// Those of a response that are named.
    pub(crate) fn of_response(&self, headers: &HeaderMap) -> HeaderMap {
        chosen(&self.response, headers)
    }

    /// Those of a response's trailers that are named.
    pub(crate) fn of_trailers(&self, trailers: &HeaderMap) -> HeaderMap {
        chosen(&self.trailers, trailers)
    }

    fn add_fields(&mut self, fields: &[(String, JsonFormat)]) {
        fields.iter().for_each(|(_, field)| self.add_json(field));
    }

    fn add_json(&mut self, field: &JsonFormat) {
        match field {
            JsonFormat::Format(format) => format.operators().for_each(|operator| self.add(operator)),
            JsonFormat::Object(fields) => self.add_fields(fields),
            JsonFormat::List(items) => items.iter().for_each(|item| self.add_json(item)),
            JsonFormat::Literal(_) => {}
        }
    }

    fn add(&mut self, operator: &Operator) {
        let (names, choice) = match operator {
            Operator::RequestHeader(choice) => (&mut self.request, choice),
            Operator::ResponseHeader(choice) => (&mut self.response, choice),
            Operator::ResponseTrailer(choice) => (&mut self.trailers, choice),
            _ => return,
        };
        for name in choice.headers() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
}

/// The first value of each. Nothing is allocated where none is there.
fn chosen(names: &[HeaderName], headers: &HeaderMap) -> HeaderMap {
    names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}
