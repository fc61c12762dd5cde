//! What a child says over its control socket: no panic; what is accepted is the same when it is written again; and a stream is cut
//! into the same frames however it arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use understudy_runtimes::process::{decode_report, encode_report, next_frame};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = decode_report(bytes) {
        let again = encode_report(&report);
        let Ok(Some((content, took))) = next_frame(&again) else {
            panic!("what was written is no frame");
        };
        assert_eq!(took, again.len());
        assert_eq!(decode_report(content), Ok(report));
    }
    let mut rest = bytes;
    while let Ok(Some((content, took))) = next_frame(rest) {
        let _ = decode_report(content);
        rest = &rest[took..];
    }
});
