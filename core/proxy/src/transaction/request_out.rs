//! The step `request_out`: the head an origin gets, written anew from the client's (RFC 9110 section 7.6, RFC 9112 section 3.2.2).

use super::{Transaction, forwarded};
use crate::settings::Mode;
use crate::via;
use bytes::Bytes;
use understudy_cache::Stored;
use understudy_http::wire::framing::Framing;
use understudy_http::wire::hop::strip_request;
use understudy_http::{Method, Name};

/// What the cache changes in a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// As the client sent it.
    Pass,
    /// To store the whole: without the client's conditions and range.
    Fetch,
    /// To validate this response.
    Validate(&'a Stored),
}

impl Transaction {
    /// Serialises the head, empty line included.
    pub(super) fn request_out(&self, purpose: Purpose<'_>) -> Bytes {
        let mut head = self.head.clone();
        let upgrade = matches!(purpose, Purpose::Pass)
            .then(|| self.upgrade())
            .flatten();
        strip_request(&mut head);
        if !matches!(purpose, Purpose::Pass) {
            head.remove_if(|id, _, _| {
                matches!(
                    id,
                    Name::IfNoneMatch
                        | Name::IfModifiedSince
                        | Name::IfRange
                        | Name::Range
                        | Name::IfMatch
                        | Name::IfUnmodifiedSince
                )
            });
        }
        let mut extra = Vec::with_capacity(256);
        if let Some(route) = &self.route {
            head.set_target(&route.path);
            set(&mut head, b"Host", &route.host);
        }
        self.count_hops(&mut head);
        if let Mode::Reverse { .. } = self.source.listener.mode {
            forwarded::add(&mut head, self.peer, &self.live.settings.access);
        }
        let via = via::member(self.head.version(), &self.worker.pseudonym);
        match head.fields().get(Name::Via) {
            // One line, our member last: the recipient nearest to the origin.
            Some(_) => {
                let mut all = Vec::new();
                for member in head.fields().all(Name::Via) {
                    all.extend_from_slice(member);
                    all.extend_from_slice(b", ");
                }
                all.extend_from_slice(&via);
                set(&mut head, b"Via", &all);
            }
            None => line(&mut extra, b"Via", &via),
        }
        if let Purpose::Validate(stored) = purpose {
            stored.prepared().with_fields(|fields| {
                if let Some(etag) = fields.get(Name::Etag) {
                    line(&mut extra, b"If-None-Match", etag);
                }
                if let Some(modified) = fields.get(Name::LastModified) {
                    line(&mut extra, b"If-Modified-Since", modified);
                }
            });
        }
        match self.body.framing() {
            Framing::Length(n) => {
                line(
                    &mut extra,
                    b"Content-Length",
                    itoa::Buffer::new().format(n).as_bytes(),
                );
            }
            Framing::Chunked => line(&mut extra, b"Transfer-Encoding", b"chunked"),
            Framing::None | Framing::UntilClose => {}
        }
        if let Some(protocol) = upgrade {
            line(&mut extra, b"Upgrade", protocol);
            line(&mut extra, b"Connection", b"Upgrade");
        }
        let mut out = Vec::with_capacity(self.head.size() + extra.len() + 64);
        head.write(&mut out);
        out.extend_from_slice(&extra);
        out.extend_from_slice(b"\r\n");
        out.into()
    }

    fn upgrade(&self) -> Option<&[u8]> {
        self.wants_upgrade()
            .then(|| self.head.fields().get(Name::Upgrade))
            .flatten()
    }

    /// Max-Forwards goes down by one on TRACE and OPTIONS (RFC 9110 section 7.6.2); zero never gets here.
    fn count_hops(&self, head: &mut understudy_http::RequestHead<Bytes>) {
        if !matches!(self.head.method(), Method::Trace | Method::Options) {
            return;
        }
        let hops = self
            .head
            .fields()
            .get(Name::MaxForwards)
            .and_then(|v| std::str::from_utf8(v).ok());
        if let Some(hops) = hops.and_then(|v| v.parse::<u64>().ok()) {
            let left = itoa::Buffer::new()
                .format(hops.saturating_sub(1))
                .to_owned();
            set(head, b"Max-Forwards", left.as_bytes());
        }
    }
}

/// Sets a field whose value is known to be well-formed; were it not, the field is better left out than the head torn.
pub(super) fn set(head: &mut understudy_http::RequestHead<Bytes>, name: &[u8], value: &[u8]) {
    if let Err(error) = head.set(name, value) {
        tracing::warn!(%error, name = %String::from_utf8_lossy(name), "a field of our own is malformed");
    }
}

/// Appends a field line.
pub(super) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
