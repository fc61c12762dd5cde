//! Where a service is: `icap://host:port/path`, or `icaps` for TLS.

use std::net::{SocketAddr, ToSocketAddrs};

/// A service's URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uri {
    /// As it was given: what requests name.
    pub(crate) text: String,
    /// Over TLS.
    pub(crate) tls: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Uri {
    /// Parses it.
    ///
    /// # Errors
    /// A sentence that says what it should be.
    pub(crate) fn parse(text: &str) -> Result<Uri, String> {
        let wrong = || format!("`{text}` is not icap://HOST[:PORT]/SERVICE or icaps://...");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        // RFC 3507 section 4.2; 11344 is what is registered for icaps.
        let (tls, usual) = match scheme.to_ascii_lowercase().as_str() {
            "icap" => (false, 1344),
            "icaps" => (true, 11344),
            _ => return Err(wrong()),
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
        if !plain(authority) || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (authority, usual),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host).to_owned();
        if host.is_empty() || port == 0 {
            return Err(wrong());
        }
        Ok(Uri {
            text: text.to_owned(),
            tls,
            host,
            port,
        })
    }

    /// Host and port, for the Host field.
    pub(crate) fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    /// Its addresses. Looking up a name takes time: not for a hook on a transaction.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        found.map(Iterator::collect).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_taken_apart_or_refused() {
        for (text, expected) in [
            ("icap://a.test/echo", Some((false, "a.test", 1344))),
            ("icap://127.0.0.1:99/x?y=z", Some((false, "127.0.0.1", 99))),
            ("ICAPS://a.test", Some((true, "a.test", 11344))),
            ("icap://[::1]:5/x", Some((false, "::1", 5))),
            ("icap://[::1]/x", Some((false, "::1", 1344))),
            ("http://a.test/", None),
            ("icap://", None),
            ("icap:///x", None),
            ("icap://a.test:0/", None),
            ("icap://a.test:70000/", None),
            ("icap://u@a.test/", None),
            ("icap://a.test/x y", None),
            ("a.test", None),
        ] {
            let parsed = Uri::parse(text).ok();
            let parsed = parsed
                .as_ref()
                .map(|uri| (uri.tls, uri.host.as_str(), uri.port));
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
