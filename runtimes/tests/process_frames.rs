//! What a child sends is read as hostile input: whatever the bytes, an error or a value, never a panic.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;
use understudy_module::{Answer, Bytes, Edits, Response, Verdict};
use understudy_runtimes::Failure;
use understudy_runtimes::process::{Heard, MAX_FRAME, decode_reply, encode_reply, next_frame};

fn edits() -> impl Strategy<Value = Edits> {
    let value = "[a-z0-9 ]{0,20}";
    vec((0u8..12, "[a-zA-Z]{1,12}", value, any::<u32>()), 0..6).prop_map(|all| {
        let mut edits = Edits::new();
        for (kind, name, value, number) in all {
            // A name that is the proxy's own is refused, and then there is one edit less.
            let (name, value) = (name.as_bytes(), value.as_bytes());
            let _ = match kind {
                0 => edits.add(name, value),
                1 => edits.set(name, value),
                2 => edits.delete(name),
                3 => edits.target(&[b"/", name].concat()),
                4 => edits.status(200 + (number % 300) as u16),
                5 => edits.no_store(),
                6 => edits.freshness(number),
                7 => edits.keep_length(),
                8 => edits.address(std::net::Ipv4Addr::from(number).into()),
                9 => edits.withhold_head(),
                10 => edits.skip_body(),
                _ => edits.note(name, value),
            };
        }
        edits
    })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let bytes = vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    let response = (200u16..600, vec("[a-z]{1,8}", 0..4), bytes.clone());
    prop_oneof![
        Just(Verdict::Continue),
        Just(Verdict::Done),
        Just(Verdict::Drop),
        Just(Verdict::Hold),
        Just(Verdict::Pending),
        bytes.clone().prop_map(Verdict::Replace),
        bytes.prop_map(Verdict::First),
        ".{0,40}".prop_map(Verdict::fail),
        response.prop_map(|(status, fields, body)| {
            let mut response = Response::new(status, body).unwrap();
            for name in fields {
                let _ = response.add(name.as_bytes(), b"value");
            }
            Verdict::Respond(Box::new(response))
        }),
    ]
}

fn heard() -> impl Strategy<Value = Heard> {
    let outcome = prop_oneof![
        8 => verdict().prop_map(Ok),
        1 => ".{0,40}".prop_map(|why| Err(Failure::Panic(why))),
        1 => Just(Err(Failure::Unavailable)),
    ];
    let numbers = (any::<u32>(), any::<u64>(), any::<u64>());
    prop_oneof![
        (numbers, outcome, edits()).prop_map(|((slot, call, spent), outcome, edits)| {
            Heard::Reply {
                slot,
                call,
                spent: Duration::from_nanos(spent),
                outcome,
                edits,
            }
        }),
        (numbers, verdict(), edits()).prop_map(|((slot, call, transaction), verdict, edits)| {
            Heard::Resume {
                slot,
                call,
                transaction,
                answer: Box::new(Answer { verdict, edits }),
            }
        }),
        any::<u32>().prop_map(Heard::Release),
        (any::<u64>(), vec(any::<u8>(), 0..200))
            .prop_map(|(id, bytes)| Heard::Inject(id, bytes.into())),
        vec(("[a-z0-9_]{1,20}", any::<u64>()), 1..8).prop_map(Heard::Counted),
        any::<u64>().prop_map(|nanos| Heard::Freed(Duration::from_nanos(nanos))),
        any::<u64>().prop_map(Heard::TooMuch),
    ]
}

/// The content of the only frame.
fn content(heard: &Heard) -> Vec<u8> {
    let frame = encode_reply(heard);
    let (content, took) = next_frame(&frame).unwrap().unwrap();
    assert_eq!(took, frame.len());
    content.to_vec()
}

proptest! {
    #[test]
    fn what_is_written_is_read(heard in heard()) {
        prop_assert_eq!(decode_reply(&content(&heard)), Ok(heard));
    }

    #[test]
    fn every_truncation_is_an_error(heard in heard()) {
        let content = content(&heard);
        for end in 0..content.len() {
            prop_assert!(decode_reply(&content[..end]).is_err(), "{end} of {}", content.len());
        }
        let longer = [&content[..], &[0]].concat();
        prop_assert!(decode_reply(&longer).is_err());
    }

    #[test]
    fn every_flipped_bit_is_an_error_or_a_value(heard in heard()) {
        let mut content = content(&heard);
        for bit in 0..content.len() * 8 {
            content[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = decode_reply(&content) {
                // A value can be written again and is the same.
                prop_assert_eq!(decode_reply(&self::content(&other)), Ok(other));
            }
            content[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn noise_is_an_error_or_a_value(bytes in vec(any::<u8>(), 0..400)) {
        let _ = decode_reply(&bytes);
        let _ = next_frame(&bytes);
    }

    #[test]
    fn a_frame_that_is_not_whole_is_waited_for(heard in heard()) {
        let frame = encode_reply(&heard);
        for end in 0..frame.len() {
            prop_assert_eq!(next_frame(&frame[..end]), Ok(None));
        }
    }
}

#[test]
fn an_impossible_length_is_not_waited_for() {
    for len in [0, MAX_FRAME as u32 + 1, u32::MAX] {
        assert!(next_frame(&len.to_le_bytes()).is_err(), "{len}");
    }
    let most = (MAX_FRAME as u32).to_le_bytes();
    assert_eq!(next_frame(&most), Ok(None));
}

#[test]
fn a_count_greater_than_the_frame_takes_no_memory() {
    // A reply with Continue and four thousand million edits.
    let mut content = content(&Heard::Reply {
        slot: 1,
        call: 1,
        spent: Duration::ZERO,
        outcome: Ok(Verdict::Continue),
        edits: Edits::new(),
    });
    let end = content.len() - 4;
    content[end..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(decode_reply(&content).is_err());
}

#[test]
fn an_edit_a_module_may_not_make_is_an_error() {
    let mut edits = Edits::new();
    edits.add(b"X-Name", b"value").unwrap();
    let content = content(&Heard::Reply {
        slot: 1,
        call: 1,
        spent: Duration::ZERO,
        outcome: Ok(Verdict::Continue),
        edits,
    });
    assert!(decode_reply(&content).is_ok());
    let at = |part: &[u8]| content.windows(part.len()).position(|w| w == part).unwrap();
    for (part, other) in [(&b"value"[..], &b"va\r\ne"[..]), (b"X-Name", b"X Name")] {
        let mut content = content.clone();
        let at = at(part);
        content[at..at + other.len()].copy_from_slice(other);
        assert!(decode_reply(&content).is_err());
    }
}

#[test]
fn counters_that_no_module_has_are_an_error() {
    let counted = |names: &[&str]| {
        let batch = names.iter().map(|name| (name.to_string(), 1)).collect();
        decode_reply(&content(&Heard::Counted(batch)))
    };
    assert!(counted(&["a"; 64]).is_ok());
    assert!(counted(&["a"; 65]).is_err());
    assert!(decode_reply(&[5, 0, 0, 0, 0]).is_err());
    let long = "x".repeat(65);
    for name in ["", "A", "a-b", "a\"} 1\nb", "\u{e4}", &long] {
        assert!(counted(&["fine", name]).is_err(), "{name:?}");
    }
}

#[test]
fn an_answer_too_long_for_a_frame_becomes_a_failure() {
    let reply = Heard::Reply {
        slot: 1,
        call: 2,
        spent: Duration::ZERO,
        outcome: Ok(Verdict::Replace(vec![0; MAX_FRAME].into())),
        edits: Edits::new(),
    };
    let Ok(Heard::Reply { outcome, call, .. }) = decode_reply(&content(&reply)) else {
        panic!("no reply");
    };
    assert!(matches!(outcome, Ok(Verdict::Fail(_))));
    assert_eq!(call, 2);
}
