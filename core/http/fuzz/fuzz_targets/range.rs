//! Range and Content-Range: no panic; every span lies within the body, none touches another, and what is written is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use understudy_http::RequestHead;
use understudy_http::semantics::range::content_range::ContentRange;
use understudy_http::semantics::range::parts::{cover, join, missing, spans};
use understudy_http::semantics::range::{ByteSpan, RangeAnswer, answer, multipart};

fuzz_target!(|input: (u64, &[u8], &[u8])| {
    let (length, range, content_range) = input;
    let mut request = RequestHead::new(b"GET", b"/").expect("a fitting start line");
    let empty = RequestHead::new(b"GET", b"/").expect("a fitting start line");
    if request.append(b"range", range).is_ok() {
        let found = answer(request.fields(), empty.fields(), length);
        let asked = found.spans();
        assert!(asked.iter().all(|span| span.last() < length));
        if let RangeAnswer::Parts(parts) = &found {
            assert!(parts.len() > 1);
            let mut sorted = parts.clone();
            sorted.sort_unstable();
            assert!(sorted.windows(2).all(|pair| !pair[0].touches(&pair[1])));
        }
        let mut held: Vec<ByteSpan> = Vec::new();
        for span in &asked {
            held = spans(&join(&held, *span));
        }
        assert!(asked.iter().all(|span| cover(&held, span)));
        if let Some(rest) = missing(&held, length) {
            assert!(rest.last() < length);
        }
    }
    if let Ok(ContentRange { span, complete }) = ContentRange::parse(content_range) {
        assert!(complete.is_none_or(|complete| span.last() < complete));
        if let Some(complete) = complete {
            let mut line = Vec::new();
            multipart::content_range_line(span, complete, &mut line);
            let value = line
                .strip_prefix(b"Content-Range: ")
                .and_then(|line| line.strip_suffix(b"\r\n"))
                .expect("one line");
            let again = ContentRange::parse(value);
            assert_eq!(
                again,
                Ok(ContentRange {
                    span,
                    complete: Some(complete)
                })
            );
        }
    }
});
