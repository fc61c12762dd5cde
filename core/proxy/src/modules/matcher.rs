//! `match` of a module: which hosts, which types.

/// Which transactions a module sees. Empty lists match all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matcher {
    hosts: Vec<Box<[u8]>>,
    types: Vec<Box<[u8]>>,
}

impl Matcher {
    /// `hosts`: names, or `*.example.org` for the names below one. `types`: media types without parameters, or `image/*`.
    ///
    /// # Errors
    /// The first pattern that is neither.
    pub fn new(hosts: &[String], types: &[String]) -> Result<Matcher, String> {
        for host in hosts {
            let name = host.strip_prefix("*.").unwrap_or(host);
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
            if name.is_empty() || !name.bytes().all(fits) {
                return Err(host.clone());
            }
        }
        for kind in types {
            let parts: Vec<&str> = kind.split('/').collect();
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&b);
            if parts.len() != 2 || parts.iter().any(|p| p.is_empty() || !p.bytes().all(fits)) {
                return Err(kind.clone());
            }
        }
        let lower = |all: &[String]| {
            all.iter()
                .map(|one| one.to_ascii_lowercase().into_bytes().into())
                .collect()
        };
        Ok(Matcher {
            hosts: lower(hosts),
            types: lower(types),
        })
    }

    /// Whether every host is seen.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Whether a transaction for this host (in lower case, without port) is seen.
    pub fn host(&self, host: &[u8]) -> bool {
        self.hosts.is_empty()
            || self
                .hosts
                .iter()
                .any(|pattern| match pattern.strip_prefix(b"*") {
                    Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
                    None => host == &**pattern,
                })
    }

    /// Whether it looks at types at all.
    pub fn has_types(&self) -> bool {
        !self.types.is_empty()
    }

    /// Whether an answer of this type (the field's value, if there is one) is seen.
    pub fn content_type(&self, value: Option<&[u8]>) -> bool {
        if self.types.is_empty() {
            return true;
        }
        let Some(value) = value else { return false };
        let kind = value.split(|b| *b == b';').next().unwrap_or_default();
        let kind = kind.trim_ascii();
        self.types
            .iter()
            .any(|pattern| match pattern.strip_suffix(b"*") {
                Some(b"*/") => true,
                Some(prefix) => kind
                    .get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
                None => kind.eq_ignore_ascii_case(pattern),
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(hosts: &[&str], types: &[&str]) -> Matcher {
        let owned = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        Matcher::new(&owned(hosts), &owned(types)).unwrap()
    }

    #[test]
    fn hosts_match_whole_names_and_names_below() {
        for (pattern, host, fits) in [
            ("example.org", "example.org", true),
            ("EXAMPLE.org", "example.org", true),
            ("example.org", "www.example.org", false),
            ("*.example.org", "www.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "badexample.org", false),
        ] {
            assert_eq!(
                of(&[pattern], &[]).host(host.as_bytes()),
                fits,
                "{pattern} {host}"
            );
        }
        assert!(of(&[], &[]).host(b"any"));
    }

    #[test]
    fn types_match_without_their_parameters() {
        for (pattern, value, fits) in [
            ("text/html", Some("text/html; charset=utf-8"), true),
            ("text/*", Some("Text/Plain"), true),
            ("image/*", Some("text/plain"), false),
            ("text/html", Some("text/htmlx"), false),
            ("text/html", None, false),
            ("*/*", Some("a/b"), true),
        ] {
            let value = value.map(str::as_bytes);
            assert_eq!(of(&[], &[pattern]).content_type(value), fits, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        assert_eq!(
            Matcher::new(&["a b".to_owned()], &[]),
            Err("a b".to_owned())
        );
        assert_eq!(
            Matcher::new(&[], &["html".to_owned()]),
            Err("html".to_owned())
        );
    }
}
