//! Any bytes, cut anywhere: the answer is the same as when it comes at once, and nothing panics.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use understudy_icap_client::wire::{Answer, Event, Wrong};

/// The events of these pieces, bodies joined.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Vec<u8>, Option<Wrong>) {
    let (mut answer, mut buf) = (Answer::default(), BytesMut::new());
    let (mut events, mut body) = (Vec::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match answer.next(&mut buf) {
                Ok(Some(Event::Body(bytes))) => body.extend_from_slice(&bytes),
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(wrong) => return (events, body, Some(wrong)),
            }
        }
    }
    (events, body, None)
}

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (cut, bytes) = input;
    let whole = read(std::iter::once(&bytes[..]));
    let parts = read(bytes.chunks(usize::from(cut).max(1)));
    assert_eq!(whole.0, parts.0);
    assert_eq!(whole.2.is_some(), parts.2.is_some());
    if whole.2.is_none() {
        assert_eq!(whole.1, parts.1);
    }
});
