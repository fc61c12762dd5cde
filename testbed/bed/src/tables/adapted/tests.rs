//! A server that adapts, passes, spoils and breaks off is told for what it is.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::oracle::adapted::Seen;
use std::{
    io::{Read, Write},
    net::TcpListener,
};

const TEXT: &[u8] = b"int main(void) { return 0; }\n";

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(body).unwrap();
    out.finish().unwrap()
}

/// A proxy that answers each request with these bytes, over and over; the address.
fn proxy(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            std::thread::spawn(move || {
                let mut read = Vec::new();
                let mut piece = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut piece) {
                    read.extend_from_slice(&piece[..n]);
                    while let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
                        let head: Vec<u8> = read.drain(..end + 4).collect();
                        assert!(head.starts_with(b"GET http://127.0.0.2:8/text HTTP/1.1\r\n"));
                        if stream.write_all(&answer).is_err() || answer.ends_with(b"!") {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

/// What is counted of this answer until there are some: adapted, passed, faults, and the first fault.
fn counted(pace: Pace, answer: Vec<u8>) -> (bool, bool, bool, String) {
    let object = Object {
        path: "/text".to_owned(),
        body: TEXT.repeat(20),
    };
    let load = Load {
        proxy: proxy(answer),
        origin: "127.0.0.2:8".parse().unwrap(),
        objects: vec![object],
        adaptation: Adaptation::Compressed,
        pace,
    };
    let running = load.start().unwrap();
    let (mut adapted, mut passed, mut faults, mut wrong) = (0, 0, 0, Vec::new());
    let began = std::time::Instant::now();
    while adapted + passed + faults < 20 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{} answers",
            adapted + passed + faults
        );
        std::thread::sleep(Duration::from_millis(5));
        let tally = running.take();
        adapted += tally.adapted;
        passed += tally.passed;
        faults += tally.faults;
        assert_eq!(
            tally.latency().is_some(),
            tally.adapted + tally.passed > 0,
            "right answers have times"
        );
        wrong.extend(tally.wrong);
    }
    running.stop();
    let first = wrong.first().cloned().unwrap_or_default();
    (adapted > 0, passed > 0, faults > 0, first)
}

fn answer(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn each_answer_is_judged_through_its_adaptation() {
    let text = TEXT.repeat(20);
    let packed = gzip(&text);
    let mut other = text.clone();
    other[3] = b'!';
    let chunked = [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        format!("{:x};a=b\r\n", packed.len()).as_bytes(),
        &packed,
        b"\r\n0\r\nTrailer: x\r\n\r\n",
    ]
    .concat();
    let gzipped = "Content-Encoding: gzip\r\n";
    for (name, pace, answer, expected) in [
        (
            "adapted",
            Pace::Full(2),
            answer(gzipped, &packed),
            (true, false, ""),
        ),
        (
            "adapted, at a rate",
            Pace::Rate(500.0),
            answer(gzipped, &packed),
            (true, false, ""),
        ),
        ("in chunks", Pace::Full(1), chunked, (true, false, "")),
        (
            "passed",
            Pace::Full(2),
            answer("", &text),
            (false, true, ""),
        ),
        (
            "other text",
            Pace::Full(2),
            answer(gzipped, &gzip(&other)),
            (false, false, "from byte 3 on"),
        ),
        (
            "cut",
            Pace::Full(2),
            answer(gzipped, &packed[..20]),
            (false, false, "does not inflate"),
        ),
        (
            "an error",
            Pace::Full(2),
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_vec(),
            (false, false, "status 502"),
        ),
        (
            "no HTTP",
            Pace::Full(2),
            b"what?\r\n\r\n".to_vec(),
            (false, false, "/text: "),
        ),
        (
            "broken off",
            Pace::Full(2),
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf!".to_vec(),
            (false, false, "broken off after 5 of 9"),
        ),
    ] {
        let (adapted, passed, faults, first) = counted(pace, answer);
        assert_eq!(
            (adapted, passed),
            (expected.0, expected.1),
            "{name}: {first}"
        );
        assert_eq!(faults, !expected.2.is_empty(), "{name}: {first}");
        assert!(first.contains(expected.2), "{name}: {first}");
    }
}

#[test]
fn an_image_is_judged_by_its_gray_and_decoded_once() {
    let colours =
        image::RgbImage::from_fn(48, 32, |x, y| image::Rgb([x as u8 * 5, y as u8 * 7, 90]));
    let png = |image: image::DynamicImage| {
        let mut out = std::io::Cursor::new(Vec::new());
        image.write_to(&mut out, image::ImageFormat::Png).unwrap();
        out.into_inner()
    };
    let gray = image::DynamicImage::from(colours.clone()).to_luma8();
    let object = Object {
        path: "/image".to_owned(),
        body: png(colours.into()),
    };
    let mut judge = Judge::new(Adaptation::Gray, 1);
    let mut judged = |body: &[u8], coding: &str| {
        let answer = exchange::Answer {
            status: 200,
            coding: coding.to_owned(),
            body: body.to_vec(),
        };
        judge.judge(0, &object, &answer)
    };
    let right = png(gray.into());
    assert_eq!(judged(&right, ""), Ok(Seen::Adapted));
    assert_eq!(judged(&right, ""), Ok(Seen::Adapted), "the same again");
    assert_eq!(judged(&object.body, ""), Ok(Seen::Passed));
    assert!(judged(&right, "gzip").is_err(), "no coding was expected");
    assert!(
        judged(&right[..right.len() / 2], "").is_err(),
        "half of one that was right"
    );
}

#[test]
fn what_is_no_load_is_refused() {
    let load = Load {
        proxy: "127.0.0.1:1".parse().unwrap(),
        origin: "127.0.0.1:1".parse().unwrap(),
        objects: Vec::new(),
        adaptation: Adaptation::Gray,
        pace: Pace::Full(1),
    };
    assert!(load.clone().start().is_err());
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let objects = vec![Object {
            path: "/".to_owned(),
            body: Vec::new(),
        }];
        let load = Load {
            objects,
            pace: Pace::Rate(rate),
            ..load.clone()
        };
        assert!(load.start().is_err(), "{rate}");
    }
}
