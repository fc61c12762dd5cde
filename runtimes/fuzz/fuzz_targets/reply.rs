//! What a child sends: no panic; what is accepted is the same when it is written again; and a stream is cut into the same frames
//! however it arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use understudy_runtimes::process::{decode_reply, encode_reply, next_frame};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(heard) = decode_reply(bytes) {
        let again = encode_reply(&heard);
        let Ok(Some((content, took))) = next_frame(&again) else {
            panic!("what was written is no frame");
        };
        assert_eq!(took, again.len());
        assert_eq!(decode_reply(content), Ok(heard));
    }
    let mut rest = bytes;
    while let Ok(Some((content, took))) = next_frame(rest) {
        assert!(took > content.len() && took <= rest.len());
        assert_eq!(next_frame(&rest[..took - 1]), Ok(None));
        let _ = decode_reply(content);
        rest = &rest[took..];
    }
});
