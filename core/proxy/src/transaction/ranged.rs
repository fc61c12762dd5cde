//! What of a stored body goes out: the whole, a part, several parts, or nothing but the news that there is no such part
//! (RFC 9110 section 15.3.7).
//!
//! Invariant: head and body go together: what Content-Range and Content-Length say is what is queued. Awkward case: a stored
//! response of which only parts are here; a range beyond them, and the whole, are for the caller to fetch.

use crate::client::Queue;
use bytes::Bytes;
use std::hash::{BuildHasher, RandomState};
use understudy_cache::{FillReader, Prepared, Stored};
use understudy_http::semantics::range::{self, ByteSpan, RangeAnswer, multipart, parts::cover};
use understudy_http::{Fields, Method, Name};

/// An answer's head, and which bytes go with it.
#[derive(Debug)]
pub(super) struct Ranged {
    pub(super) head: Bytes,
    pub(super) status: u16,
    /// The length of what goes out, when it is known.
    pub(super) length: Option<u64>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Whole,
    Span(ByteSpan),
    Parts(Multipart),
    Nothing,
}

/// Several parts in one body (RFC 9110 section 14.6).
#[derive(Debug)]
struct Multipart {
    spans: Vec<ByteSpan>,
    boundary: String,
    content_type: Option<Bytes>,
    complete: u64,
}

/// What a request's Range asks of this response. Ranges are defined for GET alone (RFC 9110 section 14.2), and are asked of
/// what a 200 would hold.
pub(super) fn asked(
    method: Method,
    request: Fields<'_>,
    prepared: &Prepared,
    complete: u64,
) -> RangeAnswer {
    if prepared.status != 200 || method != Method::Get || !request.has(Name::Range) {
        return RangeAnswer::Whole;
    }
    prepared.with_fields(|stored| range::answer(request, stored, complete))
}

/// Whether what is stored is enough for this answer.
pub(super) fn is_here(stored: &Stored, answer: &RangeAnswer) -> bool {
    let Some(held) = stored.spans() else {
        return true;
    };
    match answer {
        RangeAnswer::Whole => false,
        // The length of the whole is known, so that a range lies beyond it is known as well.
        RangeAnswer::Unsatisfiable => true,
        answer => answer.spans().iter().all(|span| cover(held, span)),
    }
}

impl Ranged {
    /// Out of the store.
    pub(super) fn stored(answer: RangeAnswer, stored: &Stored) -> Ranged {
        let prepared = stored.prepared();
        let complete = stored.complete_length();
        match answer {
            RangeAnswer::Parts(spans) => Ranged::parts(prepared, spans, complete),
            answer => Ranged::one(answer, prepared, Some(complete)),
        }
    }

    /// Out of a fill that is still growing, when its length is known. Several ranges are answered with the whole, as section
    /// 14.2 allows: the parts would have to wait for one another.
    /// `head`: of the whole, for this client; where that has what is withheld from the store the whole goes out, too.
    pub(super) fn growing(
        method: Method,
        request: Fields<'_>,
        prepared: &Prepared,
        head: Bytes,
    ) -> Ranged {
        let answer = match prepared.length {
            // Compared where there is a range only, and then it is the same buffer as a rule.
            Some(complete) if request.has(Name::Range) && head == prepared.head => {
                asked(method, request, prepared, complete)
            }
            _ => RangeAnswer::Whole,
        };
        let mut ranged = Ranged::one(answer, prepared, prepared.length);
        if !ranged.is_narrow() {
            ranged.head = head;
        }
        ranged
    }

    /// A part as the origin sends it. `content`: its length, when the origin said it.
    pub(super) fn received(prepared: &Prepared, span: ByteSpan, content: Option<u64>) -> Ranged {
        let complete = prepared.length.unwrap_or_default();
        Ranged {
            head: part_head(prepared, span, complete, content),
            status: 206,
            length: content,
            body: Body::Whole,
        }
    }

    fn one(answer: RangeAnswer, prepared: &Prepared, length: Option<u64>) -> Ranged {
        let complete = length.unwrap_or_default();
        match answer {
            RangeAnswer::Part { first, last } if let Some(span) = ByteSpan::of(first, last) => {
                Ranged {
                    head: part_head(prepared, span, complete, Some(span.len())),
                    status: 206,
                    length: Some(span.len()),
                    body: Body::Span(span),
                }
            }
            RangeAnswer::Unsatisfiable => Ranged {
                head: unsatisfiable_head(prepared, complete),
                status: 416,
                length: Some(0),
                body: Body::Nothing,
            },
            RangeAnswer::Whole | RangeAnswer::Part { .. } | RangeAnswer::Parts(_) => Ranged {
                head: prepared.head.clone(),
                status: prepared.status,
                length,
                body: Body::Whole,
            },
        }
    }

    fn parts(prepared: &Prepared, spans: Vec<ByteSpan>, complete: u64) -> Ranged {
        let content_type = prepared
            .with_fields(|fields| fields.get(Name::ContentType).map(Bytes::copy_from_slice));
        let parts = Multipart {
            boundary: boundary(),
            content_type,
            spans,
            complete,
        };
        let length = multipart::length(
            &parts.boundary,
            parts.content_type.as_deref(),
            &parts.spans,
            complete,
        );
        Ranged {
            head: multipart_head(prepared, &parts.boundary, length),
            status: 206,
            length: Some(length),
            body: Body::Parts(parts),
        }
    }

    /// Whether it is something else than all there is.
    pub(super) fn is_narrow(&self) -> bool {
        !matches!(self.body, Body::Whole)
    }

    /// Has a reader read no more than what goes out.
    pub(super) fn narrow(&self, reader: &mut FillReader) {
        match &self.body {
            Body::Span(span) => reader.narrow(Some(*span)),
            Body::Nothing => reader.narrow(None),
            Body::Whole | Body::Parts(_) => {}
        }
    }

    /// Queues the body out of the store.
    pub(super) fn push(&self, stored: &Stored, queue: &mut Queue) {
        match &self.body {
            Body::Whole => stored
                .blocks()
                .iter()
                .for_each(|block| queue.push(block.clone())),
            Body::Span(span) => {
                stored.slice(*span, |block| queue.push(block));
            }
            Body::Parts(parts) => {
                for span in &parts.spans {
                    let mut line = Vec::with_capacity(160);
                    let kind = parts.content_type.as_deref();
                    multipart::delimiter(&parts.boundary, kind, *span, parts.complete, &mut line);
                    queue.push(line.into());
                    stored.slice(*span, |block| queue.push(block));
                }
                let mut line = Vec::with_capacity(64);
                multipart::close_delimiter(&parts.boundary, &mut line);
                queue.push(line.into());
            }
            Body::Nothing => {}
        }
    }
}

/// A boundary that nobody who wrote the content could have known: the hash's key is random.
fn boundary() -> String {
    let state = RandomState::new();
    format!("{:016x}{:016x}", state.hash_one(1), state.hash_one(2))
}

/// Appends a Content-Length line.
pub(super) fn length_line(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 section 15.3.7.1.
fn part_head(prepared: &Prepared, span: ByteSpan, complete: u64, content: Option<u64>) -> Bytes {
    let mut head = b"HTTP/1.1 206 Partial Content\r\n".to_vec();
    copy_fields(prepared, &mut head, |id| {
        !matches!(id, Name::ContentLength | Name::ContentRange)
    });
    multipart::content_range_line(span, complete, &mut head);
    if let Some(content) = content {
        length_line(content, &mut head);
    }
    head.into()
}

/// RFC 9110 section 15.3.7.2: Content-Range stands in the parts, and the content's type in them, too.
fn multipart_head(prepared: &Prepared, boundary: &str, length: u64) -> Bytes {
    let mut head = b"HTTP/1.1 206 Partial Content\r\n".to_vec();
    copy_fields(prepared, &mut head, |id| {
        !matches!(
            id,
            Name::ContentLength | Name::ContentRange | Name::ContentType
        )
    });
    let kind = format!("multipart/byteranges; boundary={boundary}");
    super::request_out::line(&mut head, b"Content-Type", kind.as_bytes());
    length_line(length, &mut head);
    head.into()
}

/// RFC 9110 section 15.5.17.
fn unsatisfiable_head(prepared: &Prepared, complete: u64) -> Bytes {
    let mut head = b"HTTP/1.1 416 Range Not Satisfiable\r\n".to_vec();
    copy_fields(prepared, &mut head, |id| {
        matches!(id, Name::Date | Name::Via | Name::Etag | Name::LastModified)
    });
    head.extend_from_slice(format!("Content-Range: bytes */{complete}\r\n").as_bytes());
    length_line(0, &mut head);
    head.into()
}

fn copy_fields(prepared: &Prepared, out: &mut Vec<u8>, keep: impl Fn(Name) -> bool) {
    prepared.with_fields(|fields| {
        for (id, name, value) in fields.iter() {
            if keep(id) {
                super::request_out::line(out, name, value);
            }
        }
    });
}
