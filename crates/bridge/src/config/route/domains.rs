//! A host name -> the virtual host that serves it.

use std::borrow::Cow;
use std::collections::HashMap;

/// Domains, in Envoy's order of precedence. Values are indexes of virtual hosts.
#[derive(Debug, Clone, Default)]
pub(super) struct Domains {
    exact: HashMap<String, usize>,
    /// `*.example.com` as `.example.com`; by length, longest first.
    suffixes: ByLength,
    /// `example.*` as `example.`; by length, longest first.
    prefixes: ByLength,
    any: Option<usize>,
}

type ByLength = Vec<(usize, HashMap<String, usize>)>;

impl Domains {
    /// One virtual host, the first, serves all.
    pub(super) fn everything() -> Self {
        Self { any: Some(0), ..Self::default() }
    }

    /// Adds a domain of a file.
    pub(super) fn add(&mut self, domain: &str, index: usize) -> Result<(), String> {
        let lower = domain.to_ascii_lowercase();
        let before = if lower == "*" {
            self.any.replace(index)
        } else if let Some(suffix) = lower.strip_prefix('*') {
            of_length(&mut self.suffixes, suffix.len()).insert(suffix.to_owned(), index)
        } else if let Some(prefix) = lower.strip_suffix('*') {
            of_length(&mut self.prefixes, prefix.len()).insert(prefix.to_owned(), index)
        } else {
            self.exact.insert(lower, index)
        };
        match before {
            None => Ok(()),
            Some(_) => {
                Err(format!("the domain `{domain}` is given twice; a domain belongs to one virtual host"))
            }
        }
    }

    pub(super) fn find(&self, host: &str) -> Option<usize> {
        let host = if host.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        let host = host.as_ref();
        // A wildcard stands for at least one character.
        let suffix = |length: usize| host.get(host.len().checked_sub(length).filter(|start| *start > 0)?..);
        let prefix = |length: usize| host.get(..length).filter(|prefix| prefix.len() < host.len());
        self.exact
            .get(host)
            .or_else(|| self.suffixes.iter().find_map(|(length, map)| map.get(suffix(*length)?)))
            .or_else(|| self.prefixes.iter().find_map(|(length, map)| map.get(prefix(*length)?)))
            .copied()
            .or(self.any)
    }
}

fn of_length(table: &mut ByLength, length: usize) -> &mut HashMap<String, usize> {
    let index = match table.binary_search_by(|(other, _)| length.cmp(other)) {
        Ok(index) => index,
        Err(index) => {
            table.insert(index, (length, HashMap::new()));
            index
        }
    };
    &mut table[index].1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(all: &[&str]) -> Domains {
        let mut domains = Domains::default();
        for (index, domain) in all.iter().enumerate() {
            domains.add(domain, index).unwrap();
        }
        domains
    }

    #[test]
    fn precedence_is_exact_then_longest_suffix_then_longest_prefix_then_any() {
        let domains = domains(&["*", "foo.*", "foo.ba*", "*.com", "*.example.com", "foo.example.com"]);
        for (host, index) in [
            ("foo.example.com", 5),
            ("FOO.Example.COM", 5),
            ("bar.example.com", 4),
            ("bar.com", 3),
            ("foo.com", 3),
            ("foo.bar", 2),
            ("foo.net", 1),
            ("else", 0),
            ("", 0),
        ] {
            assert_eq!(domains.find(host), Some(index), "{host}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_at_least_one_character() {
        let domains = domains(&["*.foo.com", "bar.*", "*-x.org"]);
        assert_eq!(domains.find(".foo.com"), None);
        assert_eq!(domains.find("foo.com"), None);
        assert_eq!(domains.find("bar."), None);
        assert_eq!(domains.find("bar.c"), Some(1));
        assert_eq!(domains.find("a-x.org"), Some(2));
    }

    #[test]
    fn a_port_is_a_part_of_the_name() {
        let domains = domains(&["foo.com", "bar.com:8080"]);
        assert_eq!(domains.find("foo.com:8080"), None);
        assert_eq!(domains.find("bar.com:8080"), Some(1));
    }

    #[test]
    fn hosts_that_are_not_ascii_do_not_split_a_character() {
        let domains = domains(&["*.com", "ab*"]);
        assert_eq!(domains.find("aé"), None);
        assert_eq!(domains.find("éééé"), None);
    }
}
