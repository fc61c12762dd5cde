//! The fields the proxy itself reads, told apart by length and a byte or two, then by one comparison.
//!
//! Invariant: `Name::of(name.as_str()) == name` for every known name. Nothing is hashed and nothing allocated.

/// Fields the proxy itself reads, told apart once, when the head is parsed; everything else is `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Name {
    Other,
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    Age,
    Allow,
    Authorization,
    CacheControl,
    CacheGroups,
    CacheStatus,
    CacheTag,
    CdnCacheControl,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentLocation,
    ContentRange,
    ContentType,
    Cookie,
    Date,
    Etag,
    Expect,
    Expires,
    Forwarded,
    Host,
    IfMatch,
    IfModifiedSince,
    IfNoneMatch,
    IfRange,
    IfUnmodifiedSince,
    KeepAlive,
    LastModified,
    Location,
    MaxForwards,
    Origin,
    Pragma,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    ProxyStatus,
    Range,
    Referer,
    RetryAfter,
    Server,
    SetCookie,
    SurrogateControl,
    SurrogateKey,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    Vary,
    Via,
    Warning,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    Xkey,
}

/// Canonical spellings, in the order of the enum.
const SPELLINGS: [&str; 59] = [
    "",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Age",
    "Allow",
    "Authorization",
    "Cache-Control",
    "Cache-Groups",
    "Cache-Status",
    "Cache-Tag",
    "CDN-Cache-Control",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "Cookie",
    "Date",
    "ETag",
    "Expect",
    "Expires",
    "Forwarded",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Last-Modified",
    "Location",
    "Max-Forwards",
    "Origin",
    "Pragma",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Proxy-Status",
    "Range",
    "Referer",
    "Retry-After",
    "Server",
    "Set-Cookie",
    "Surrogate-Control",
    "Surrogate-Key",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "Vary",
    "Via",
    "Warning",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "xkey",
];

impl Name {
    /// Every known name.
    pub const KNOWN: [Name; 58] = [
        Name::Accept,
        Name::AcceptEncoding,
        Name::AcceptLanguage,
        Name::Age,
        Name::Allow,
        Name::Authorization,
        Name::CacheControl,
        Name::CacheGroups,
        Name::CacheStatus,
        Name::CacheTag,
        Name::CdnCacheControl,
        Name::Connection,
        Name::ContentEncoding,
        Name::ContentLength,
        Name::ContentLocation,
        Name::ContentRange,
        Name::ContentType,
        Name::Cookie,
        Name::Date,
        Name::Etag,
        Name::Expect,
        Name::Expires,
        Name::Forwarded,
        Name::Host,
        Name::IfMatch,
        Name::IfModifiedSince,
        Name::IfNoneMatch,
        Name::IfRange,
        Name::IfUnmodifiedSince,
        Name::KeepAlive,
        Name::LastModified,
        Name::Location,
        Name::MaxForwards,
        Name::Origin,
        Name::Pragma,
        Name::ProxyAuthenticate,
        Name::ProxyAuthorization,
        Name::ProxyConnection,
        Name::ProxyStatus,
        Name::Range,
        Name::Referer,
        Name::RetryAfter,
        Name::Server,
        Name::SetCookie,
        Name::SurrogateControl,
        Name::SurrogateKey,
        Name::Te,
        Name::Trailer,
        Name::TransferEncoding,
        Name::Upgrade,
        Name::UserAgent,
        Name::Vary,
        Name::Via,
        Name::Warning,
        Name::XForwardedFor,
        Name::XForwardedHost,
        Name::XForwardedProto,
        Name::Xkey,
    ];

    /// The known field of this name (case-insensitive), or `Other`.
    #[inline]
    pub fn of(name: &[u8]) -> Name {
        let candidate = candidate(name);
        let spelling = candidate.as_str().as_bytes();
        // Most senders use the canonical spelling, and comparing exactly is cheaper.
        if spelling == name || spelling.eq_ignore_ascii_case(name) {
            candidate
        } else {
            Name::Other
        }
    }

    /// The canonical spelling (`Content-Length`); empty for `Other`.
    #[inline]
    pub fn as_str(self) -> &'static str {
        SPELLINGS[self as usize]
    }
}

/// The only known name that this can be, by its length and its first byte, and one byte more where two share both.
#[inline]
fn candidate(name: &[u8]) -> Name {
    let [first, ..] = name else {
        return Name::Other;
    };
    let nth = |at: usize| name.get(at).copied().unwrap_or_default() | 0x20;
    match (name.len(), first | 0x20) {
        (2, b't') => Name::Te,
        (3, b'a') => Name::Age,
        (3, b'v') => Name::Via,
        (4, b'd') => Name::Date,
        (4, b'e') => Name::Etag,
        (4, b'h') => Name::Host,
        (4, b'v') => Name::Vary,
        (4, b'x') => Name::Xkey,
        (5, b'a') => Name::Allow,
        (5, b'r') => Name::Range,
        (6, b'a') => Name::Accept,
        (6, b'c') => Name::Cookie,
        (6, b'e') => Name::Expect,
        (6, b'o') => Name::Origin,
        (6, b'p') => Name::Pragma,
        (6, b's') => Name::Server,
        (7, b'e') => Name::Expires,
        (7, b'r') => Name::Referer,
        (7, b't') => Name::Trailer,
        (7, b'u') => Name::Upgrade,
        (7, b'w') => Name::Warning,
        (8, b'i') if nth(3) == b'm' => Name::IfMatch,
        (8, b'i') => Name::IfRange,
        (8, b'l') => Name::Location,
        (9, b'c') => Name::CacheTag,
        (9, b'f') => Name::Forwarded,
        (10, b'c') => Name::Connection,
        (10, b'k') => Name::KeepAlive,
        (10, b's') => Name::SetCookie,
        (10, b'u') => Name::UserAgent,
        (11, b'r') => Name::RetryAfter,
        (12, b'c') if nth(1) == b'o' => Name::ContentType,
        (12, b'c') if nth(6) == b'g' => Name::CacheGroups,
        (12, b'c') => Name::CacheStatus,
        (12, b'm') => Name::MaxForwards,
        (12, b'p') => Name::ProxyStatus,
        (13, b'a') => Name::Authorization,
        (13, b'c') if nth(1) == b'a' => Name::CacheControl,
        (13, b'c') => Name::ContentRange,
        (13, b'i') => Name::IfNoneMatch,
        (13, b'l') => Name::LastModified,
        (13, b's') => Name::SurrogateKey,
        (14, b'c') => Name::ContentLength,
        (15, b'a') if nth(7) == b'e' => Name::AcceptEncoding,
        (15, b'a') => Name::AcceptLanguage,
        (15, b'x') => Name::XForwardedFor,
        (16, b'c') if nth(8) == b'e' => Name::ContentEncoding,
        (16, b'c') => Name::ContentLocation,
        (16, b'p') => Name::ProxyConnection,
        (16, b'x') => Name::XForwardedHost,
        (17, b'c') => Name::CdnCacheControl,
        (17, b'i') => Name::IfModifiedSince,
        (17, b's') => Name::SurrogateControl,
        (17, b't') => Name::TransferEncoding,
        (17, b'x') => Name::XForwardedProto,
        (18, b'p') => Name::ProxyAuthenticate,
        (19, b'i') => Name::IfUnmodifiedSince,
        (19, b'p') => Name::ProxyAuthorization,
        _ => Name::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for name in Name::KNOWN {
            assert!(!name.as_str().is_empty());
            assert_eq!(Name::of(name.as_str().as_bytes()), name);
            assert_eq!(
                Name::of(name.as_str().to_ascii_lowercase().as_bytes()),
                name
            );
            assert_eq!(
                Name::of(name.as_str().to_ascii_uppercase().as_bytes()),
                name
            );
        }
    }

    #[test]
    fn a_name_off_by_one_byte_is_other() {
        assert_eq!(Name::of(b""), Name::Other);
        for name in Name::KNOWN {
            for at in 0..name.as_str().len() {
                let mut bytes = name.as_str().as_bytes().to_vec();
                bytes[at] = b'#';
                assert_eq!(Name::of(&bytes), Name::Other, "{bytes:?}");
            }
        }
    }
}
