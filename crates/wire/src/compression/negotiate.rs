//! What a peer takes: `accept-encoding`, `connect-accept-encoding`, `grpc-accept-encoding`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Compression;

/// The compressions that a peer takes, the most wanted first. Identity always is, as the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    // Each stands at most once; what finds no place is not used.
    order: [Option<Compression>; PLACES],
}

/// Our four, and two that an application does itself.
const PLACES: usize = Compression::ALL.len() + 2;

impl Accepted {
    /// Only identity.
    pub const NONE: Self = Self { order: [None; PLACES] };

    /// All of ours.
    pub const ALL: Self = {
        let [gzip, zstd, brotli, deflate] = Compression::ALL;
        Self { order: [Some(gzip), Some(zstd), Some(brotli), Some(deflate), None, None] }
    };

    /// Reads the header; an absent one leaves only identity. Codings that we do not know are passed over, and so are
    /// those refused by `;q=0`.
    pub fn from_headers(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut accepted = Self::NONE;
        headers.get_all(name).into_iter().for_each(|value| accepted.add_listed(value));
        accepted
    }

    /// Adds what one line of the header lists.
    pub(crate) fn add_listed(&mut self, value: &HeaderValue) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let (token, parameters) = item.split_once(';').unwrap_or((item, ""));
            if !refused(parameters)
                && let Some(compression) = Compression::from_name(token.trim())
            {
                self.add(compression);
            }
        }
    }

    /// Adds one as the least wanted, if it is not there.
    pub fn add(&mut self, compression: Compression) {
        if compression.is_identity() || self.contains(compression) {
            return;
        }
        if let Some(free) = self.order.iter_mut().find(|place| place.is_none()) {
            *free = Some(compression);
        }
    }

    /// Whether the peer takes it.
    pub fn contains(&self, compression: Compression) -> bool {
        compression.is_identity() || self.order.contains(&Some(compression))
    }

    /// The accepted ones but identity, the most wanted first.
    pub fn iter(&self) -> impl Iterator<Item = Compression> {
        self.order.into_iter().flatten()
    }

    /// Whether only identity is accepted.
    pub fn is_empty(&self) -> bool {
        self.order[0].is_none()
    }

    /// The most wanted of those that are in `ours`, too; deflate only where there is no other. grpc-python lists it before
    /// gzip without wanting it more, and over plain HTTP not everybody means the same by it.
    pub fn choose(&self, ours: &Self) -> Compression {
        let common = || self.iter().filter(|wanted| ours.contains(*wanted));
        common()
            .find(|wanted| *wanted != Compression::Deflate)
            .or_else(|| common().next())
            .unwrap_or_default()
    }
}

impl FromIterator<Compression> for Accepted {
    fn from_iter<I: IntoIterator<Item = Compression>>(items: I) -> Self {
        let mut accepted = Self::NONE;
        items.into_iter().for_each(|compression| accepted.add(compression));
        accepted
    }
}

/// The header value that offers these; none where only identity is left, for which the header is left out.
pub fn offered(accepted: &Accepted) -> Option<HeaderValue> {
    // One, those that applications take unless they say which, or all: what nearly every call offers.
    match accepted.order {
        [None, ..] => None,
        [Some(only), None, ..] => Some(HeaderValue::from_static(only.name())),
        [Some(Compression::Gzip), Some(Compression::Deflate), None, ..] => {
            Some(const { HeaderValue::from_static("gzip,deflate") })
        }
        _ if *accepted == Accepted::ALL => Some(const { HeaderValue::from_static("gzip,zstd,br,deflate") }),
        _ => {
            let names: Vec<&str> = accepted.iter().map(Compression::name).collect();
            HeaderValue::from_str(&names.join(",")).ok()
        }
    }
}

/// The same for those who have to say something: identity where only that is left.
pub(crate) fn listed(accepted: &Accepted) -> HeaderValue {
    offered(accepted).unwrap_or(const { HeaderValue::from_static("identity") })
}

fn refused(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        parameter.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(values: &[&str]) -> Vec<&'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("accept-encoding", HeaderValue::from_str(value).unwrap());
        }
        Accepted::from_headers(&headers, &http::header::ACCEPT_ENCODING)
            .iter()
            .map(Compression::name)
            .collect()
    }

    #[test]
    fn order_is_kept_and_unknown_or_refused_codings_are_passed_over() {
        assert_eq!(
            accepted(&["br, foo;q=1.0,GZIP", "zstd;q=0, deflate;q=0.5,br"]),
            ["br", "gzip", "deflate"]
        );
        assert!(accepted(&[]).is_empty());
        assert!(accepted(&["identity, *"]).is_empty());
    }

    #[test]
    fn offer_names_what_is_accepted() {
        let both: Accepted =
            [Compression::Zstd, Compression::Identity, Compression::Gzip].into_iter().collect();
        assert_eq!(offered(&both).unwrap(), "zstd,gzip");
        assert_eq!(offered(&Accepted::NONE), None);
        let names: Vec<&str> = Accepted::ALL.iter().map(Compression::name).collect();
        assert_eq!(offered(&Accepted::ALL).unwrap(), names.join(","));
        assert_eq!(listed(&Accepted::NONE), "identity");
        let one: Accepted = [Compression::Brotli].into_iter().collect();
        assert_eq!(offered(&one).unwrap(), "br");
        let usual: Accepted = [Compression::Gzip, Compression::Deflate].into_iter().collect();
        assert_eq!(offered(&usual).unwrap(), "gzip,deflate");
    }

    #[test]
    fn the_most_wanted_that_both_have_is_chosen_and_deflate_at_last() {
        let accepted = |order: &[Compression]| order.iter().copied().collect::<Accepted>();
        let both = accepted(&[Compression::Zstd, Compression::Gzip]);
        assert_eq!(both.choose(&Accepted::ALL), Compression::Zstd);
        assert_eq!(both.choose(&accepted(&[Compression::Gzip])), Compression::Gzip);
        assert_eq!(both.choose(&accepted(&[Compression::Brotli])), Compression::Identity);
        let grpc_python = accepted(&[Compression::Deflate, Compression::Gzip]);
        assert_eq!(grpc_python.choose(&Accepted::ALL), Compression::Gzip);
        assert_eq!(grpc_python.choose(&accepted(&[Compression::Deflate])), Compression::Deflate);
    }
}
