//! Field lines as ranges over one buffer: the table every head carries, and the borrowed view the rest reads.
//!
//! Invariant: every span lies within the head's bytes, or (top bit of `start` set) within its overlay.
//! Order and case are those received; edits append to the overlay and change the table, never the bytes.

/// Where a name or value lies: in the head's bytes, or in the overlay of edits when [`Span::OVERLAY`] is set in `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte; the top bit chooses the overlay.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Fields the proxy itself reads, told apart once, when the head is parsed; everything else is `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Name {
    Other, Accept, AcceptEncoding, AcceptLanguage, Age, Allow, Authorization, CacheControl, CacheStatus, CdnCacheControl, Connection,
    ContentEncoding, ContentLength, ContentLocation, ContentRange, ContentType, Cookie, Date, Etag, Expect, Expires,
    Forwarded, Host, IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince, KeepAlive, LastModified,
    Location, MaxForwards, Origin, Pragma, ProxyAuthenticate, ProxyAuthorization, ProxyConnection, ProxyStatus, Range, Referer, RetryAfter, Server,
    SetCookie, SurrogateControl, Te, Trailer, TransferEncoding, Upgrade, UserAgent, Vary, Via, Warning, XForwardedFor, XForwardedHost, XForwardedProto,
}

/// One field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpan {
    /// The known name, or `Other`.
    pub id: Name,
    /// The name as received.
    pub name: Span,
    /// The value without surrounding white space.
    pub value: Span,
}

/// A borrowed view of a head's field lines: what every semantic function takes.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    overlay: &'a [u8],
    table: &'a [FieldSpan],
}
impl Span { 
    /// Set in `start` when the span lies in the overlay.
    pub const OVERLAY: u32 = 1 << 31; 
}
impl Name {
    /// The known field of this name (case-insensitive), or `Other`.
    pub fn of(name: &[u8]) -> Name { todo!() }
    /// The canonical spelling (`Content-Length`); empty for `Other`.
    pub fn as_str(self) -> &'static str { todo!() }
}
impl<'a> Fields<'a> {
    /// A view over a buffer, its overlay and its table.
    pub fn new(bytes: &'a [u8], overlay: &'a [u8], table: &'a [FieldSpan]) -> Self { Fields { bytes, overlay, table } }
    /// The first value of a known field.
    pub fn get(&self, id: Name) -> Option<&'a [u8]> { todo!() }
    /// Every value of a known field, in order.
    pub fn all(&self, id: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> { std::iter::empty() }
    /// Whether the known field is present.
    pub fn has(&self, id: Name) -> bool { todo!() }
    /// How many lines the known field has.
    pub fn count(&self, id: Name) -> usize { todo!() }
    /// The first value of a field by name (case-insensitive), known or not.
    pub fn find(&self, name: &[u8]) -> Option<&'a [u8]> { todo!() }
    /// Every value of a field by name (case-insensitive), known or not.
    pub fn find_all<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> { std::iter::empty() }
    /// Every line: known name, name as received, value.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &'a [u8], &'a [u8])> + use<'a> { std::iter::empty() }
    /// Members of a comma-separated list field over all its lines (RFC 9110 section 5.6.1), trimmed, empty ones skipped, quoted strings respected.
    pub fn list(&self, id: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> { std::iter::empty() }
}
