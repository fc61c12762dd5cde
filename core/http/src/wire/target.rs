//! Request targets and authorities (RFC 9112 section 3.2, RFC 3986): told apart and checked strictly, never repaired.
//!
//! Invariant: an [`Authority`] holds nothing that ends or widens it elsewhere: no user information, white space, `/`, `?`,
//! `#`, `\`, control or byte above 0x7f; its port is 1 to 65535.
//! Awkward case: browsers send `"<>^`{|}[]\` and lone `%` raw in paths and queries. They are accepted there, as received;
//! a fragment is not, for no sender may send one and recipients differ on where the path ends.

use super::field::{Fields, Name};
use super::head::{Method, Version};
use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The four forms of a request target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Target<'a> {
    /// `/path?query`
    Origin(&'a [u8]),
    /// `http://host:port/path?query`; `path` holds the query, and may be empty or begin with `?` (then `/` is meant before it:
    /// see [`Target::origin_form`])
    Absolute {
        scheme: Scheme,
        authority: Authority<'a>,
        path: &'a [u8],
    },
    /// `host:port` (CONNECT)
    Authority(Authority<'a>),
    /// `*`
    Asterisk,
}
/// Schemes a proxy fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Scheme {
    Http,
    Https,
}
/// Host and port as written. `host` keeps the brackets of an IPv6 literal; case is as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Authority<'a> {
    pub host: &'a [u8],
    pub port: Option<u16>,
}

/// Why a target or an authority was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum TargetError {
    #[error("the request target is malformed")]
    Malformed,
    #[error("the scheme is not http or https")]
    Scheme,
    #[error("the authority is malformed")]
    Authority,
    #[error("user information in the authority is refused")]
    UserInfo,
    #[error("the form of the request target does not fit the method")]
    Form,
    #[error("Host is missing")]
    HostMissing,
    #[error("Host is repeated or malformed")]
    Host,
}
impl Scheme {
    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl<'a> Target<'a> {
    /// What an origin server is sent (RFC 9112 section 3.2.1): path and query, `/` for an empty path, `*` for an OPTIONS
    /// without path (section 3.2.4); for the authority-form, the authority itself is not in it, so `*` stands there too.
    pub fn origin_form(&self, method: Method) -> Cow<'a, [u8]> {
        match *self {
            Target::Origin(path) => Cow::Borrowed(path),
            Target::Absolute { path: b"", .. } if method == Method::Options => Cow::Borrowed(b"*"),
            Target::Absolute { path: b"", .. } => Cow::Borrowed(b"/"),
            Target::Absolute {
                path: path @ [b'?', ..],
                ..
            } => Cow::Owned([b"/", path].concat()),
            Target::Absolute { path, .. } => Cow::Borrowed(path),
            Target::Authority(_) | Target::Asterisk => Cow::Borrowed(b"*"),
        }
    }
}

impl<'a> Authority<'a> {
    /// Parses `host[:port]` (reg-name, IPv4, bracketed IPv6); refuses user information, empty hosts, bad ports.
    /// An empty port (`host:`) counts as none (RFC 3986 section 3.2.3).
    pub fn parse(bytes: &'a [u8]) -> Result<Authority<'a>, TargetError> {
        if memchr::memchr(b'@', bytes).is_some() {
            return Err(TargetError::UserInfo);
        }
        let end = if bytes.first() == Some(&b'[') {
            memchr::memchr(b']', bytes).map(|at| at + 1)
        } else {
            Some(memchr::memchr(b':', bytes).unwrap_or(bytes.len()))
        };
        let (host, port) = end
            .and_then(|end| bytes.split_at_checked(end))
            .ok_or(TargetError::Authority)?;
        let known = match host {
            [b'[', address @ .., b']'] => is_ipv6(address),
            name => is_reg_name(name),
        };
        if !known {
            return Err(TargetError::Authority);
        }
        let port = match port {
            b"" | b":" => None,
            [b':', digits @ ..] => Some(parse_port(digits).ok_or(TargetError::Authority)?),
            _ => return Err(TargetError::Authority),
        };
        Ok(Authority { host, port })
    }
}

/// One to five digits, 1 to 65535.
fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let port = digits
        .iter()
        .fold(0u32, |port, digit| port * 10 + u32::from(digit - b'0'));
    u16::try_from(port).ok().filter(|port| *port != 0)
}

/// An IPv6 address without zone (a zone means nothing to another machine) as the standard library reads it.
fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// `unreserved / sub-delims`, by byte.
const REG_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"-._~!$&'()*+,;=";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        table[byte] = table[byte] || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// `1*( unreserved / pct-encoded / sub-delims )` (RFC 3986 section 3.2.2); an IPv4 address is one of these.
fn is_reg_name(name: &[u8]) -> bool {
    let mut rest = name;
    loop {
        rest = match rest {
            [] => return !name.is_empty(),
            [b'%', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            [byte, after @ ..] if REG_NAME[usize::from(*byte)] => after,
            _ => return false,
        }
    }
}

/// What a path and query may hold: printable ASCII but `#`.
fn is_path(path: &[u8]) -> bool {
    // Without a way out early the loop is done sixteen bytes at a time.
    path.iter().fold(true, |fits, byte| {
        fits & byte.is_ascii_graphic() & (*byte != b'#')
    })
}

/// Tells the form of a request target for this method.
pub fn parse_target<'a>(method: Method, target: &'a [u8]) -> Result<Target<'a>, TargetError> {
    if !is_path(target) || target.is_empty() {
        return Err(TargetError::Malformed);
    }
    // Section 3.2.1: the commonest form first.
    if method != Method::Connect && target.starts_with(b"/") {
        return Ok(Target::Origin(target));
    }
    let scheme_end = memchr::memmem::find(target, b"://");
    match target {
        // Section 3.2.3: the authority-form is for CONNECT, CONNECT is for the authority-form, and the port is not optional.
        [b'/', ..] | b"*" if method == Method::Connect => Err(TargetError::Form),
        _ if method == Method::Connect && scheme_end.is_some() => Err(TargetError::Form),
        _ if method == Method::Connect => {
            let authority = Authority::parse(target)?;
            authority
                .port
                .map(|_| Target::Authority(authority))
                .ok_or(TargetError::Authority)
        }
        // Section 3.2.4.
        b"*" if method == Method::Options => Ok(Target::Asterisk),
        b"*" => Err(TargetError::Form),
        // Section 3.2.2.
        _ => match scheme_end {
            Some(end) => parse_absolute(target, end),
            None if Authority::parse(target).is_ok_and(|authority| authority.port.is_some()) => {
                Err(TargetError::Form)
            }
            None => Err(TargetError::Malformed),
        },
    }
}

/// `scheme "://" authority [ path ] [ "?" query ]`, the scheme ending at `end`.
fn parse_absolute(target: &[u8], end: usize) -> Result<Target<'_>, TargetError> {
    let (scheme, rest) = target.split_at_checked(end).ok_or(TargetError::Malformed)?;
    let rest = rest.strip_prefix(b"://").ok_or(TargetError::Malformed)?;
    let [first, others @ ..] = scheme else {
        return Err(TargetError::Malformed);
    };
    let others_fit = others
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !first.is_ascii_alphabetic() || !others_fit {
        return Err(TargetError::Malformed);
    }
    let scheme = if scheme.eq_ignore_ascii_case(b"http") {
        Scheme::Http
    } else if scheme.eq_ignore_ascii_case(b"https") {
        Scheme::Https
    } else {
        return Err(TargetError::Scheme);
    };
    let path_start = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let (authority, path) = rest
        .split_at_checked(path_start)
        .ok_or(TargetError::Malformed)?;
    Ok(Target::Absolute {
        scheme,
        authority: Authority::parse(authority)?,
        path,
    })
}

/// The Host field by the rules of RFC 9112 section 3.2: exactly one in HTTP/1.1, at most one in 1.0, well-formed. `Ok(None)`: absent in 1.0, or empty.
pub fn host<'a>(
    version: Version,
    fields: Fields<'a>,
) -> Result<Option<Authority<'a>>, TargetError> {
    let mut lines = fields.all(Name::Host);
    match (lines.next(), lines.next()) {
        (None, _) if version >= Version::Http11 => Err(TargetError::HostMissing),
        (None, _) | (Some(b""), None) => Ok(None),
        (Some(value), None) => Authority::parse(value)
            .map(Some)
            .map_err(|_| TargetError::Host),
        (Some(_), Some(_)) => Err(TargetError::Host),
    }
}
