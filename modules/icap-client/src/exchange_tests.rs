//! An exchange against a service that is a function, on every way of giving it its body.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

/// What a service does once it has so much of the body.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// It says 204: to the preview, or behind all of it.
    Nothing { early: bool },
    /// It gives `<new>` and the original from this offset.
    Partly(u64),
    /// It gives `<new>`.
    Else,
}

const HTTP: &str = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";

fn said(does: Does) -> String {
    let head = |status, end: &str| {
        format!(
            "ICAP/1.0 {status} x\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{HTTP}5\r\n<new>\r\n0{end}\r\n\r\n",
            HTTP.len()
        )
    };
    match does {
        Does::Nothing { .. } => "ICAP/1.0 204 x\r\n\r\n".to_owned(),
        Does::Partly(from) => head(206, &format!("; use-original-body={from}")),
        Does::Else => head(200, ""),
    }
}

/// What comes out of an exchange whose body comes in these pieces, and what was sent.
fn run(pieces: &[Vec<u8>], preview: Option<usize>, does: Does) -> (Vec<u8>, Vec<u8>) {
    let mut exchange = Exchange::new(Method::Respmod, true, 10_000);
    let (mut out, mut sent, mut result) = (BytesMut::new(), Vec::new(), Vec::new());
    exchange.begin(Allowed {
        preview,
        no_change: true,
        partial: true,
    });
    let answer = |exchange: &mut Exchange, text: &str| {
        exchange
            .receive(&mut text.as_bytes().into(), |_| {})
            .unwrap();
    };
    let mut done = false;
    for (at, piece) in pieces.iter().enumerate() {
        exchange.push(Bytes::copy_from_slice(piece), at + 1 == pieces.len());
        loop {
            exchange.send(&mut out);
            sent.extend_from_slice(&out.split());
            match exchange.state {
                State::Asked(whole) if !done => match does {
                    Does::Nothing { early: false } if !whole => {
                        answer(&mut exchange, "ICAP/1.0 100 Continue\r\n\r\n");
                        continue;
                    }
                    _ => answer(&mut exchange, &said(does)),
                },
                State::Sent if !done => answer(&mut exchange, &said(does)),
                _ => break,
            }
            done = true;
        }
        while let Some(piece) = exchange.output().pop(usize::MAX) {
            result.extend_from_slice(&piece);
        }
    }
    assert!(exchange.output_ended(), "{exchange:?}");
    assert_eq!(exchange.is_answered(), Some(true));
    (result, sent)
}

/// The bytes of these chunks, up to the first end.
fn unchunked(bytes: &[u8]) -> Vec<u8> {
    let (mut chunks, mut buf, mut body) =
        (crate::wire::Chunks::default(), bytes.into(), Vec::new());
    while let Some(crate::wire::Chunk::Data(data)) = chunks.next(&mut buf).unwrap() {
        body.extend_from_slice(&data);
    }
    body
}

proptest! {
    #[test]
    fn whatever_comes_out_is_the_same_however_the_body_comes(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..8),
        preview in prop::option::of(0_usize..100),
        from in 0_u64..300,
    ) {
        let body = pieces.concat();
        let rest = body.get(from as usize..).unwrap_or_default();
        for (does, expected) in [
            (Does::Nothing { early: true }, body.clone()),
            (Does::Nothing { early: false }, body.clone()),
            (Does::Partly(from), [b"<new>", rest].concat()),
            (Does::Else, b"<new>".to_vec()),
        ] {
            let (out, sent) = run(&pieces, preview, does);
            prop_assert_eq!(out, expected, "{:?}", does);
            let first = unchunked(&sent);
            let most = preview.unwrap_or(usize::MAX).min(body.len());
            prop_assert_eq!(&first[..], &body[..most]);
        }
    }

    #[test]
    fn what_is_begun_anew_is_sent_anew(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..6),
    ) {
        let body = pieces.concat();
        let mut exchange = Exchange::new(Method::Respmod, true, 10_000);
        for round in 0..2 {
            exchange.begin(Allowed::default());
            let mut out = BytesMut::new();
            if round == 0 {
                for (at, piece) in pieces.iter().enumerate() {
                    exchange.push(Bytes::copy_from_slice(piece), at + 1 == pieces.len());
                    exchange.send(&mut out);
                }
            }
            exchange.send(&mut out);
            prop_assert_eq!(unchunked(&out), body.clone());
            prop_assert!(exchange.rewind());
        }
    }
}

#[test]
fn what_is_too_long_to_keep_is_neither_begun_anew_nor_left_as_it_was() {
    let mut exchange = Exchange::new(Method::Respmod, true, 4);
    exchange.push(Bytes::from_static(b"12345678"), false);
    exchange.begin(Allowed {
        preview: Some(2),
        no_change: false,
        partial: true,
    });
    assert!(exchange.is_complete(), "in the preview nothing is lost");
    exchange.send(&mut BytesMut::new());
    exchange
        .receive(&mut b"ICAP/1.0 100 Continue\r\n\r\n"[..].into(), |_| {})
        .unwrap();
    assert!(!exchange.is_complete() && !exchange.rewind());
    let late = exchange.receive(&mut b"ICAP/1.0 204 x\r\n\r\n"[..].into(), |_| {});
    assert!(matches!(late, Err(Failure::Wrong(_))), "{late:?}");
}

#[test]
fn words_out_of_place_are_refused() {
    let http = |status: u16| {
        format!(
            "ICAP/1.0 {status} x\r\nEncapsulated: res-hdr=0, null-body={}\r\n\r\n{HTTP}",
            HTTP.len()
        )
    };
    let again = "ICAP/1.0 100 Continue\r\n\r\n".repeat(2);
    for (preview, said) in [
        (None, "ICAP/1.0 100 Continue\r\n\r\n".to_owned()),
        (None, "ICAP/1.0 204 x\r\n\r\n".to_owned()),
        (None, http(206)),
        (Some(2), again),
        (Some(2), "ICAP/1.0 200 OK\r\n\r\n".to_owned()),
        (Some(2), http(206)),
        (Some(2), "ICAP/1.0 500 x\r\n\r\n".to_owned()),
    ] {
        let mut exchange = Exchange::new(Method::Respmod, true, 100);
        exchange.push(Bytes::from_static(b"12345678"), false);
        exchange.begin(Allowed {
            preview,
            ..Allowed::default()
        });
        exchange.send(&mut BytesMut::new());
        let received = exchange.receive(&mut said.as_bytes().into(), |_| {});
        assert!(received.is_err(), "{said}");
    }
}
