//! Addresses to listen on, the admin's address, and servers to forward to.
//!
//! Awkward case: people write "3128", ":3128" and "localhost:3128"; each is refused with the text that works.

use super::problem::Fault;
use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

/// Where the admin listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admin {
    /// Nowhere.
    Off,
    /// An address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Admin::Off => f.write_str("off"),
            Admin::Tcp(address) => address.fmt(f),
            Admin::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address and port to listen on.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, Fault> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok());
    let cure = match (text, port) {
        (text, Some(port)) if text == port.to_string() => {
            format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for every interface")
        }
        (text, Some(port)) if text.starts_with(':') || text.starts_with("*:") => {
            format!("write \"0.0.0.0:{port}\" or \"[::]:{port}\" for every interface")
        }
        (text, Some(port)) if text.starts_with("localhost:") => {
            format!("write \"127.0.0.1:{port}\" or \"[::1]:{port}\"")
        }
        _ => match text.parse::<std::net::IpAddr>() {
            Ok(ip) => format!("add a port, such as \"{}\"", SocketAddr::new(ip, 3128)),
            Err(_) => "write an IP address and a port, such as \"127.0.0.1:3128\"".to_owned(),
        },
    };
    Err(Fault::new(
        format!("{text:?} is not an address to listen on"),
        cure,
    ))
}

/// The admin's address: an address and port, `unix:PATH` or `off`.
pub(crate) fn admin(text: &str) -> Result<Admin, Fault> {
    match text.strip_prefix("unix:") {
        Some("") => Err(Fault::new(
            "\"unix:\" names no socket",
            "write a path behind it, such as \"unix:/run/understudy/admin.sock\"",
        )),
        Some(path) => Ok(Admin::Unix(PathBuf::from(path))),
        None if text == "off" => Ok(Admin::Off),
        None => listen(text).map(Admin::Tcp).map_err(|fault| Fault {
            cure: format!("{}, \"unix:PATH\" or \"off\"", fault.cure),
            ..fault
        }),
    }
}

/// A server: `host:port`, `http://host:port` or `http://host` (port 80). An IPv6 address comes back without its brackets.
pub(crate) fn server(text: &str) -> Result<(String, u16), Fault> {
    let wrong = |cure: &str| Err(Fault::new(format!("{text:?} is not a server"), cure));
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    match scheme {
        None => {}
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => {}
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => {
            return wrong("TLS towards origins is not supported yet; write \"http://HOST:PORT\"");
        }
        Some(_) => return wrong("write \"http://HOST:PORT\" or \"HOST:PORT\""),
    }
    let authority = match rest.split_once('/') {
        None => rest,
        Some((authority, "")) => authority,
        Some((authority, _)) => {
            return wrong(&format!(
                "a server has no path: write \"http://{authority}\""
            ));
        }
    };
    let (host, port) = match authority.strip_prefix('[').and_then(|a| a.split_once(']')) {
        Some((literal, port)) => {
            if literal.parse::<Ipv6Addr>().is_err() {
                return wrong("write an IPv6 address between the brackets, such as \"[::1]:8080\"");
            }
            (
                literal,
                port.strip_prefix(':')
                    .or(if port.is_empty() { None } else { Some(port) }),
            )
        }
        None if authority.parse::<Ipv6Addr>().is_ok() => {
            return wrong(&format!(
                "write brackets around an IPv6 address: \"[{authority}]:80\""
            ));
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let named = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':'));
    if !named {
        return wrong("write a host name or address and a port, such as \"127.0.0.1:8080\"");
    }
    match (port, scheme) {
        (Some(port), _) => match port.parse::<u16>() {
            Ok(port) if port != 0 => Ok((host.to_ascii_lowercase(), port)),
            _ => wrong("the port is a number from 1 to 65535"),
        },
        (None, Some(_)) => Ok((host.to_ascii_lowercase(), 80)),
        (None, None) => wrong(&format!("add a port: \"{authority}:80\"")),
    }
}

/// A server as it is shown.
pub(crate) fn show_server((host, port): &(String, u16)) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Admin, admin, listen, server, show_server};

    #[test]
    fn servers_are_read_as_people_write_them() {
        let cases = [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("HTTP://Origin.Example:8080/", "origin.example:8080"),
            ("http://origin", "origin:80"),
            ("[::1]:8080", "[::1]:8080"),
            ("http://[2001:db8::1]", "[2001:db8::1]:80"),
        ];
        for (text, want) in cases {
            assert_eq!(show_server(&server(text).unwrap()), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_a_cure() {
        let cases = [
            (
                "",
                "write a host name or address and a port, such as \"127.0.0.1:8080\"",
            ),
            ("origin", "add a port: \"origin:80\""),
            (
                "https://origin",
                "TLS towards origins is not supported yet; write \"http://HOST:PORT\"",
            ),
            (
                "ftp://origin",
                "write \"http://HOST:PORT\" or \"HOST:PORT\"",
            ),
            (
                "http://origin/app",
                "a server has no path: write \"http://origin\"",
            ),
            ("::1", "write brackets around an IPv6 address: \"[::1]:80\""),
            (
                "[::x]:80",
                "write an IPv6 address between the brackets, such as \"[::1]:8080\"",
            ),
            ("[::1]8080x", "the port is a number from 1 to 65535"),
            ("origin:0", "the port is a number from 1 to 65535"),
            ("origin:65536", "the port is a number from 1 to 65535"),
            (
                "http://user@origin:80",
                "write a host name or address and a port, such as \"127.0.0.1:8080\"",
            ),
            (
                "ori gin:80",
                "write a host name or address and a port, such as \"127.0.0.1:8080\"",
            ),
        ];
        for (text, want) in cases {
            assert_eq!(server(text).unwrap_err().cure, want, "{text}");
        }
    }

    #[test]
    fn listen_addresses_are_an_address_and_a_port() {
        for text in ["127.0.0.1:3128", "0.0.0.0:0", "[::1]:3128"] {
            assert_eq!(listen(text).unwrap().to_string(), text);
        }
        let cases = [
            (
                "3128",
                "write \"127.0.0.1:3128\", or \"0.0.0.0:3128\" for every interface",
            ),
            (
                ":3128",
                "write \"0.0.0.0:3128\" or \"[::]:3128\" for every interface",
            ),
            (
                "localhost:3128",
                "write \"127.0.0.1:3128\" or \"[::1]:3128\"",
            ),
            ("127.0.0.1", "add a port, such as \"127.0.0.1:3128\""),
            (
                "proxy.example:3128",
                "write an IP address and a port, such as \"127.0.0.1:3128\"",
            ),
            (
                "127.0.0.1:70000",
                "write an IP address and a port, such as \"127.0.0.1:3128\"",
            ),
        ];
        for (text, want) in cases {
            assert_eq!(listen(text).unwrap_err().cure, want, "{text}");
        }
    }

    #[test]
    fn the_admin_listens_on_an_address_a_socket_or_nowhere() {
        for text in ["127.0.0.1:3130", "unix:/run/admin.sock", "off"] {
            assert_eq!(admin(text).unwrap().to_string(), text);
        }
        assert_eq!(admin("off").unwrap(), Admin::Off);
        assert_eq!(
            admin("unix:").unwrap_err().message,
            "\"unix:\" names no socket"
        );
        assert_eq!(
            admin("no").unwrap_err().cure,
            "write an IP address and a port, such as \"127.0.0.1:3128\", \"unix:PATH\" or \"off\""
        );
    }
}
