//! Answers cut anywhere are the same answers, and hostile bytes of any kind are refused or wait for more.
#![allow(clippy::unwrap_used)]

use bytes::BytesMut;
use proptest::prelude::*;
use understudy_icap_client::wire::{Answer, Event, Wrong};

/// The events of these pieces; bodies are joined.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<(Vec<Event>, Vec<u8>), Wrong> {
    let (mut answer, mut buf) = (Answer::default(), BytesMut::new());
    let (mut events, mut body) = (Vec::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        while let Some(event) = answer.next(&mut buf)? {
            match event {
                Event::Body(bytes) => body.extend_from_slice(&bytes),
                event => events.push(event),
            }
        }
    }
    Ok((events, body))
}

fn answer(status: u16, chunks: &[Vec<u8>], original: Option<u64>) -> Vec<u8> {
    let http = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Many: a\r\nX-Many: b\r\n\r\n";
    let mut bytes = format!(
        "ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 {status} OK\r\nISTag: \"x\"\r\nX-Folded: 1\r\n\t2\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{http}",
        http.len()
    )
    .into_bytes();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    let end = original.map_or(String::new(), |at| format!("; use-original-body={at}"));
    bytes.extend(format!("0{end}\r\n\r\n").bytes());
    bytes
}

proptest! {
    #[test]
    fn an_answer_is_the_same_however_it_is_cut(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5),
        original in prop::option::of(0_u64..1000),
        cut in 1_usize..100,
    ) {
        let bytes = answer(206, &chunks, original);
        let whole = read(std::iter::once(&bytes[..])).unwrap();
        prop_assert_eq!(&whole.1, &chunks.concat());
        prop_assert_eq!(whole.0.last(), Some(&Event::End(original)));
        prop_assert_eq!(whole.0.len(), 4, "100, 206, the HTTP head, the end");
        prop_assert_eq!(read(bytes.chunks(cut)).unwrap(), whole);
    }

    #[test]
    fn a_byte_that_is_another_gives_an_answer_or_a_refusal_on_every_cutting(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in 1_usize..50,
    ) {
        let mut bytes = answer(200, &[b"some text".to_vec()], None);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let whole = read(std::iter::once(&bytes[..]));
        let parts = read(bytes.chunks(cut));
        prop_assert_eq!(whole.is_err(), parts.is_err());
        if let (Ok(whole), Ok(parts)) = (whole, parts) {
            prop_assert_eq!(whole, parts);
        }
    }

    #[test]
    fn what_is_cut_off_is_never_over(cut in any::<prop::sample::Index>()) {
        let bytes = answer(200, &[b"some text".to_vec()], None);
        let (events, _) = read(std::iter::once(&bytes[..cut.index(bytes.len())])).unwrap();
        prop_assert!(!events.iter().any(|event| matches!(event, Event::End(_))));
    }
}
