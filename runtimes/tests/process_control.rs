//! What a child says over its control socket is read as hostile input: whatever the bytes, an error or a value, never a panic.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;
use understudy_module::{
    About, Attention, Bytes, Hook, Hooks, Level, ObjectId, Operation, Response,
};
use understudy_runtimes::accounts::Went;
use understudy_runtimes::process::{Report, decode_report, encode_report, next_frame};

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..100).prop_map(Bytes::from)
}

fn object() -> impl Strategy<Value = ObjectId> {
    vec(any::<u8>(), 0..40).prop_map(|key| ObjectId::of_key(&key))
}

fn response() -> impl Strategy<Value = Box<Response>> {
    (200u16..600, vec("[a-z]{1,8}", 0..4), bytes()).prop_map(|(status, fields, body)| {
        let mut response = Response::new(status, body).unwrap();
        for name in fields {
            // A name that is the proxy's own is refused.
            let _ = response.add(name.as_bytes(), b"value");
        }
        Box::new(response)
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let (of, n) = (object, any::<u64>);
    let most = || any::<usize>();
    let some = proptest::option::of(object());
    prop_oneof![
        of().prop_map(Operation::Query),
        of().prop_map(Operation::Fetch),
        of().prop_map(Operation::Validate),
        (of(), any::<i64>()).prop_map(|(id, until)| Operation::SetExpiration(id, until)),
        of().prop_map(Operation::Delete),
        (of(), response()).prop_map(|(id, whole)| Operation::Inject(id, whole)),
        (of(), n(), response()).prop_map(|(id, n, head)| Operation::InjectStart(id, n, head)),
        (n(), bytes()).prop_map(|(n, piece)| Operation::InjectBody(n, piece)),
        n().prop_map(Operation::InjectDone),
        n().prop_map(Operation::InjectAbort),
        of().prop_map(Operation::Read),
        (of(), n()).prop_map(|(id, n)| Operation::ReadStart(id, n)),
        (n(), most()).prop_map(|(n, most)| Operation::ReadPart(n, most)),
        n().prop_map(Operation::ReadDone),
        (bytes(), some, most()).prop_map(|(of, after, most)| Operation::List(of, after, most)),
        Just(Operation::Statistics),
    ]
}

fn about() -> impl Strategy<Value = About> {
    let flags = any::<[bool; 4]>();
    (".{0,20}", ".{0,20}", any::<u32>(), any::<u64>(), flags).prop_map(
        |(name, version, hooks, timer, flags)| {
            let mut about = About::new(&name, &version, Hooks::from_bits(hooks));
            about.timer = (timer != 0).then(|| Duration::from_nanos(timer));
            [
                about.blocking,
                about.single,
                about.only_looks,
                about.orders_addresses,
            ] = flags;
            about
        },
    )
}

fn report() -> impl Strategy<Value = Report> {
    let level =
        proptest::sample::select(vec![Level::Debug, Level::Info, Level::Warn, Level::Error]);
    let went = proptest::sample::select(vec![Went::Well, Went::Refused, Went::Panicked]);
    let hook = proptest::sample::select(Hook::ALL.to_vec());
    // Longer than an hour is not believed.
    let spent = proptest::option::of((0u64..3_600_000_000_000).prop_map(Duration::from_nanos));
    let told = prop_oneof![Just(Ok(())), ".{0,40}".prop_map(Err)];
    prop_oneof![
        about().prop_map(Report::Ready),
        ".{0,40}".prop_map(Report::Refused),
        (any::<u64>(), operation()).prop_map(|(ticket, of)| Report::Submit(ticket, of)),
        (level, ".{0,40}").prop_map(|(level, text)| Report::Log(level, text)),
        (any::<u64>(), told).prop_map(|(id, told)| Report::Told(id, told)),
        (hook, spent, went).prop_map(|(hook, spent, went)| Report::Counted(hook, spent, went)),
        vec(("[a-z0-9_]{1,20}", any::<u64>()), 1..8).prop_map(Report::Added),
        any::<u64>().prop_map(|bits| Report::Attend(Attention::from_bits(bits))),
        Just(Report::Settled),
        Just(Report::Watches),
        Just(Report::Panicked),
        Just(Report::Rebuilt),
        Just(Report::Unwatchable),
    ]
}

/// The content of the only frame.
fn content(report: &Report) -> Vec<u8> {
    let frame = encode_report(report);
    let (content, took) = next_frame(&frame).unwrap().unwrap();
    assert_eq!(took, frame.len());
    content.to_vec()
}

proptest! {
    #[test]
    fn what_is_written_is_read(report in report()) {
        prop_assert_eq!(decode_report(&content(&report)), Ok(report));
    }

    #[test]
    fn every_truncation_is_an_error(report in report()) {
        let content = content(&report);
        for end in 0..content.len() {
            prop_assert!(decode_report(&content[..end]).is_err(), "{end} of {}", content.len());
        }
        let longer = [&content[..], &[0]].concat();
        prop_assert!(decode_report(&longer).is_err());
    }

    #[test]
    fn every_flipped_bit_is_an_error_or_a_value(report in report()) {
        let mut content = content(&report);
        for bit in 0..content.len() * 8 {
            content[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = decode_report(&content) {
                // A value can be written again and is the same.
                prop_assert_eq!(decode_report(&self::content(&other)), Ok(other));
            }
            content[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn noise_is_an_error_or_a_value(kind in 0u8..16, bytes in vec(any::<u8>(), 0..400)) {
        let _ = decode_report(&[&[kind], &bytes[..]].concat());
    }
}

#[test]
fn a_text_longer_than_any_child_sends_is_an_error() {
    // They are cut where they are written.
    let long = "x".repeat(10_000);
    for report in [
        Report::Refused(long.clone()),
        Report::Log(Level::Warn, long.clone()),
        Report::Told(1, Err(long.clone())),
    ] {
        assert!(content(&report).len() < 5000);
        assert!(decode_report(&content(&report)).is_ok());
    }
    let length = (long.len() as u32).to_le_bytes();
    let refused = [&[2], &length[..], long.as_bytes()].concat();
    assert!(decode_report(&refused).is_err());
    let line = [&[4, 1], &length[..], long.as_bytes()].concat();
    assert!(decode_report(&line).is_err());
}

#[test]
fn a_count_greater_than_the_frame_takes_no_memory() {
    // Counters; the fields of an answer to inject.
    assert!(decode_report(&[&[7][..], &[0xff; 4]].concat()).is_err());
    let ticket = [0; 8];
    let inject = [&[3][..], &ticket, &[5, 0, 0, 0, 0, 200, 0], &[0xff; 4]].concat();
    assert!(decode_report(&inject).is_err());
}
