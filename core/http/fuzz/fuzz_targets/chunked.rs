//! Chunked bodies: no panic; the same outcome for any split; what was decoded, coded again, decodes to the same.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use understudy_http::wire::body::{BodyError, BodyReader, Decoded};
use understudy_http::wire::chunked::{LAST_CHUNK, chunk_line};
use understudy_http::wire::framing::Framing;
use understudy_http::wire::hop::clean_trailers;

/// The body, the trailer section if it ended, and what was left in the buffer.
type Outcome = Result<(Vec<u8>, Option<Vec<u8>>, Vec<u8>), BodyError>;

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut reader = BodyReader::new(Framing::Chunked);
    let (mut buf, mut body, mut end) = (BytesMut::new(), Vec::new(), None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        while end.is_none() {
            match reader.decode(&mut buf)? {
                Decoded::Data(data) => body.extend_from_slice(&data),
                Decoded::End(trailers) => end = Some(trailers.to_vec()),
                Decoded::More => {
                    assert!(buf.is_empty());
                    break;
                }
            }
        }
    }
    assert_eq!(end.is_some(), reader.eof().is_ok());
    Ok((body, end, buf.to_vec()))
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(std::iter::once(bytes));
    assert_eq!(read(bytes.chunks(1)), whole);
    let step = bytes.first().map_or(1, |first| usize::from(first & 15) + 1);
    assert_eq!(read(bytes.chunks(step)), whole);
    let Ok((body, end, left)) = whole else { return };
    assert!(bytes.ends_with(&left));
    let mut again = Vec::new();
    for chunk in body.chunks(step) {
        again.extend_from_slice(chunk_line(chunk.len(), &mut [0; 18]));
        again.extend_from_slice(chunk);
        again.extend_from_slice(b"\r\n");
    }
    again.extend_from_slice(LAST_CHUNK);
    assert_eq!(
        read(std::iter::once(&again[..])),
        Ok((body, Some(Vec::new()), Vec::new()))
    );
    if let Some(section) = end {
        // Clean trailers are a trailer section, and are clean.
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        clean_trailers(&section, &mut once);
        clean_trailers(&once, &mut twice);
        assert_eq!(once, twice);
        let coded = [b"0\r\n", &once[..], b"\r\n"].concat();
        assert_eq!(
            read(std::iter::once(&coded[..])),
            Ok((Vec::new(), Some(once), Vec::new()))
        );
    }
});
