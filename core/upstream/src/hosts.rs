//! The hosts file: names this machine answers for itself, asked before DNS.
//!
//! Invariant: names are kept in lower case, addresses in the order of the file. Lines that cannot be read are skipped,
//! as the C library does.

use smallvec::SmallVec;
use std::{collections::HashMap, net::IpAddr};

/// Addresses of one host; most have one or two.
pub type Addresses = SmallVec<[IpAddr; 2]>;

/// A hosts file, read.
#[derive(Debug, Clone, Default)]
pub struct HostsFile {
    names: HashMap<Box<str>, Addresses>,
}

impl HostsFile {
    /// Where the system keeps it.
    pub const PATH: &'static str = "/etc/hosts";

    /// The system's file; empty when there is none.
    pub fn system() -> HostsFile {
        match std::fs::read(Self::PATH) {
            Ok(bytes) => HostsFile::parse(&String::from_utf8_lossy(&bytes)),
            Err(error) => {
                tracing::debug!(%error, path = Self::PATH, "no hosts file");
                HostsFile::default()
            }
        }
    }

    /// Reads `address name...` lines; `#` begins a comment.
    pub fn parse(text: &str) -> HostsFile {
        let mut names: HashMap<Box<str>, Addresses> = HashMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
                continue;
            };
            for name in words {
                let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
                let addresses = names.entry(name.into_boxed_str()).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        HostsFile { names }
    }

    /// The addresses of a name given in lower case without a final dot.
    pub fn get(&self, name: &str) -> Option<&Addresses> {
        self.names.get(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, expected: &[&str]) {
        let found: Vec<String> = HostsFile::parse(text)
            .get(name)
            .into_iter()
            .flatten()
            .map(|a| a.to_string())
            .collect();
        assert_eq!(found, expected, "{name} in {text:?}");
    }

    #[test]
    fn names_of_a_line_have_its_address() {
        check("192.0.2.1 a b.example\n", "a", &["192.0.2.1"]);
        check("192.0.2.1 a b.example", "b.example", &["192.0.2.1"]);
        check("192.0.2.1\tA.\t", "a", &["192.0.2.1"]);
        check("192.0.2.1 a", "c", &[]);
    }

    #[test]
    fn addresses_gather_in_order_without_repeats() {
        check(
            "192.0.2.1 a\n2001:db8::1 a\n192.0.2.1 a",
            "a",
            &["192.0.2.1", "2001:db8::1"],
        );
    }

    #[test]
    fn comments_and_bad_lines_are_skipped() {
        check(
            "# 192.0.2.9 a\n192.0.2.1 a # b\nnonsense a\n192.0.2 a\n\n192.0.2.2",
            "a",
            &["192.0.2.1"],
        );
        check("192.0.2.1 a # b", "b", &[]);
    }
}
