//! Requests of the proxy itself: what a client would send for the object of a key, and what the answer says of it.
//!
//! A module means the newest variant, so the request says what that one's said, as far as that only chooses among representations; a
//! background validation means one variant, and says all that selects it. Nobody's credentials are used again. Awkward case: a key is whatever a module wrote. What is no URL of ours, or could be read as more than one, gives no request.

use super::partition;
use super::request_out::line;
use crate::settings::{HostMode, Mode, Settings};
use understudy_cache::Stored;
use understudy_http::semantics::cache_status::CacheStatus;
use understudy_http::semantics::policy::read_parts;
use understudy_http::wire::target::{Scheme, Target, parse_target};
use understudy_http::{Fields, Method, Name};

/// The request for a key's object: on what kind of listener, and its bytes.
pub(crate) struct Internal {
    pub(crate) mode: Mode,
    pub(crate) request: Vec<u8>,
}

/// Makes the request. `cache_control` is what it says to caches; `stored` is the variant that is meant, when there is one.
///
/// # Errors
/// A word or two that say why there is none.
pub(crate) fn request(
    key: &[u8],
    settings: &Settings,
    cache_control: &str,
    stored: Option<&Stored>,
) -> Result<Internal, &'static str> {
    made(key, settings, Some(cache_control), stored, negotiates)
}

/// The request that validates one stored variant: it says what selects that one, and nothing to caches on its way.
///
/// # Errors
/// A word or two that say why there is none.
pub(crate) fn validation(
    key: &[u8],
    settings: &Settings,
    stored: &Stored,
) -> Result<Internal, &'static str> {
    made(key, settings, None, Some(stored), is_nobodys)
}

/// Whether a request that selects this variant may be made without its client: when it takes neither credentials nor what
/// only means something on the client's own connection.
pub(crate) fn can_be_validated(stored: &Stored) -> bool {
    let vary = &stored.prepared().vary;
    vary.is_empty() || vary.present().all(|(name, _)| is_nobodys(name))
}

fn made(
    key: &[u8],
    settings: &Settings,
    cache_control: Option<&str>,
    stored: Option<&Stored>,
    takes: impl Fn(&[u8]) -> bool,
) -> Result<Internal, &'static str> {
    let shown = partition::shown(key);
    let Ok(Target::Absolute {
        scheme: Scheme::Http,
        authority,
        path,
    }) = parse_target(Method::Get, &shown)
    else {
        return Err("not an http URL");
    };
    let mode = match partition::group(key) {
        None => Mode::Forward,
        Some(group) => {
            let groups = &settings.upstream.groups;
            let known = groups.iter().find(|g| g.name.as_bytes() == group);
            Mode::Reverse {
                group: known.ok_or("no such upstream")?.name.clone(),
                host: HostMode::Keep,
            }
        }
    };
    let mut request = b"GET ".to_vec();
    request.extend_from_slice(match mode {
        // A key has a path.
        Mode::Reverse { .. } => path,
        _ => &shown,
    });
    request.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    request.extend_from_slice(authority.host);
    if let Some(port) = authority.port {
        request.push(b':');
        request.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    if let Some(cache_control) = cache_control {
        line(&mut request, b"Cache-Control", cache_control.as_bytes());
    }
    // What belongs to the key must be said, and once, or the answer would be another object's.
    let parts = read_parts(partition::parts(key)).ok_or("not a key of ours")?;
    let in_key = |name: &[u8]| {
        parts
            .iter()
            .any(|(part, _)| part.eq_ignore_ascii_case(name))
    };
    let varied = stored.into_iter().flat_map(|s| s.prepared().vary.present());
    for (name, value) in varied.filter(|(name, _)| takes(name) && !in_key(name)) {
        line(&mut request, name, value);
    }
    for (name, value) in &parts {
        line(&mut request, name, value);
    }
    request.extend_from_slice(b"Connection: close\r\n\r\n");
    Ok(Internal { mode, request })
}

/// Whether a field only chooses among representations.
fn negotiates(name: &[u8]) -> bool {
    matches!(
        Name::of(name),
        Name::Accept | Name::AcceptEncoding | Name::AcceptLanguage | Name::UserAgent
    )
}

/// Whether a field is no client's own: no credentials, and nothing that frames, conditions or routes one request.
fn is_nobodys(name: &[u8]) -> bool {
    !matches!(
        Name::of(name),
        Name::Authorization
            | Name::Cookie
            | Name::ProxyAuthorization
            | Name::CacheControl
            | Name::Pragma
            | Name::Host
            | Name::Connection
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::Te
            | Name::Trailer
            | Name::TransferEncoding
            | Name::ContentLength
            | Name::Upgrade
            | Name::Expect
            | Name::MaxForwards
            | Name::Via
            | Name::Range
            | Name::IfRange
            | Name::IfMatch
            | Name::IfNoneMatch
            | Name::IfModifiedSince
            | Name::IfUnmodifiedSince
    )
}

/// What our own member of Cache-Status says of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// It came out of the store, so no origin stands behind it.
    pub(crate) hit: bool,
    /// The origin said that what is stored is good.
    pub(crate) validated: bool,
    /// Stored, by us or by the one that was followed.
    pub(crate) stored: bool,
    pub(crate) detail: Option<String>,
}

impl Said {
    /// Reads it from the last line that is ours; `None` when there is none (a module took it away).
    pub(crate) fn of(fields: Fields<'_>, name: &str) -> Option<Said> {
        let mut prefix = Vec::new();
        let bare = CacheStatus {
            hit: false,
            fwd: None,
            fwd_status: None,
            ttl: None,
            stored: false,
            collapsed: false,
            detail: None,
        };
        bare.write(name, &mut prefix);
        let line = fields
            .find_all(b"Cache-Status")
            .filter_map(|line| line.strip_prefix(&prefix[..]))
            .last()?;
        let mut said = Said::default();
        for word in std::str::from_utf8(line).ok()?.split("; ") {
            match word {
                "hit" => said.hit = true,
                "fwd-status=304" => said.validated = true,
                "stored" | "collapsed" => said.stored = true,
                _ => {
                    if let Some(detail) = word.strip_prefix("detail=") {
                        said.detail = Some(detail.to_owned());
                    }
                }
            }
        }
        Some(said)
    }
}

/// Whether an answer is our own page and no origin's: those have no Via.
pub(crate) fn is_own(fields: Fields<'_>) -> bool {
    !fields.has(Name::Via)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use understudy_http::wire::head::{HeadLimits, parse_response};

    fn said(lines: &str, name: &str) -> Option<Said> {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let limits = HeadLimits {
            bytes: 4096,
            target: 0,
            fields: 9,
        };
        let parts = parse_response(head.as_bytes(), &limits, Vec::new());
        let head = parts.unwrap().unwrap().with(head.as_bytes());
        Said::of(head.fields(), name)
    }

    #[test]
    fn only_our_own_and_last_word_is_read() {
        let none = Said::default();
        assert_eq!(said("", "p"), None);
        assert_eq!(said("Cache-Status: other; hit\r\n", "p"), None);
        let lines =
            "Cache-Status: p; hit\r\nCache-Status: p; fwd=stale; fwd-status=304; ttl=9; stored\r\n";
        let both = Said {
            validated: true,
            stored: true,
            ..Said::default()
        };
        assert_eq!(said(lines, "p"), Some(both));
        let lines = "Cache-Status: p; hit; ttl=-3; detail=connection_refused\r\n";
        let stale = Said {
            hit: true,
            detail: Some("connection_refused".to_owned()),
            ..Said::default()
        };
        assert_eq!(said(lines, "p"), Some(stale));
        let lines = "Cache-Status: p; fwd=request\r\nCache-Status: q; hit\r\n";
        assert_eq!(said(lines, "p"), Some(none));
    }

    #[test]
    fn a_name_that_looks_like_parameters_is_still_a_name() {
        let name = "p; hit; stored";
        let mut line = b"Cache-Status: ".to_vec();
        let status = CacheStatus {
            hit: false,
            fwd: None,
            fwd_status: None,
            ttl: None,
            stored: false,
            collapsed: true,
            detail: None,
        };
        status.write(name, &mut line);
        let line = String::from_utf8(line).unwrap();
        let collapsed = Said {
            stored: true,
            ..Said::default()
        };
        assert_eq!(said(&format!("{line}\r\n"), name), Some(collapsed));
    }
}
