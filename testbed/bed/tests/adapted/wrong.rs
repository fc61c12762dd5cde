//! A forward proxy that adapts, rightly or wrongly in one way: what the oracle must find out.
//!
//! It stores nothing, and closes each connection behind its answer. It lives as long as the test.

use std::{
    io::{Cursor, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// What it puts into pages.
pub(crate) const TEXT: &str = "<!-- a proxy, with love -->";

/// What it does to answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// All three adaptations, rightly.
    Right,
    /// Nothing.
    Nothing,
    /// It compresses, and puts nothing into pages.
    LeavesPages,
    /// One byte of what is compressed is another.
    DamagesAByte,
    /// What is compressed lacks its end.
    CutsOff,
    /// It compresses for those who did not ask.
    CompressesForAll,
    /// Half of the text is put in.
    HalvesTheText,
    /// The text is put in twice.
    DoublesTheText,
    /// The text is where a byte of the page was.
    Overwrites,
    /// The gray picture's brightness is turned round.
    Negative,
    /// A picture is encoded again and keeps its colours.
    KeepsColours,
    /// A picture goes on and on.
    Endless,
    /// Every form of an object has one strong entity tag.
    SharesATag,
    /// HEAD tells another length than any answer has.
    WrongLength,
    /// HEAD tells of a coding that nobody asked for.
    MislabelsHeads,
}

/// Starts it.
pub(crate) fn start(does: Does) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A robot that has gone away is no concern of a proxy's.
            thread::spawn(move || serve(stream, does));
        }
    });
    address
}

/// All up to and with the empty line.
fn head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn serve(mut client: TcpStream, does: Does) -> Option<()> {
    let request = head(&mut client)?;
    let (line, fields) = request.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, url) = (words.next()?, words.next()?.strip_prefix("http://")?);
    let (origin, path) = url.split_at(url.find('/')?);
    let mut server = TcpStream::connect(origin).ok()?;
    write!(server, "{method} {path} HTTP/1.0\r\n{fields}").ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8(head.to_vec()).ok()?;
    let asks = fields.lines().any(|l| {
        let l = l.to_ascii_lowercase();
        l.starts_with("accept-encoding:") && l.contains("gzip")
    });
    let length = head.lines().find_map(|l| {
        let (name, value) = l.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let length: usize = length?.parse().ok()?;
    let (body, coding) = match method {
        "GET" => adapted(does, path, body, asks),
        _ if does == Does::MislabelsHeads => (Vec::new(), "deflate"),
        _ => (Vec::new(), ""),
    };
    let length = match (method, does) {
        ("GET", _) => body.len(),
        (_, Does::WrongLength) => length + 3,
        _ => length,
    };
    let mut out = String::from("HTTP/1.1 200 OK\r\n");
    for line in head.lines().skip(1).filter(|l| !l.is_empty()) {
        let name = line.split(':').next()?.to_ascii_lowercase();
        if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            out.push_str(&format!("{line}\r\n"));
        }
    }
    if does == Does::SharesATag {
        out.push_str("ETag: \"one\"\r\n");
    }
    if !coding.is_empty() {
        out.push_str(&format!("Content-Encoding: {coding}\r\n"));
    }
    out.push_str(&format!(
        "Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ));
    client.write_all(out.as_bytes()).ok()?;
    client.write_all(&body).ok()
}

fn adapted(does: Does, path: &str, body: &[u8], asks: bool) -> (Vec<u8>, &'static str) {
    let mut body = body.to_vec();
    if does == Does::Nothing {
        return (body, "");
    }
    if path.ends_with(".jpg") {
        return (picture(does, body), "");
    }
    if path.ends_with(".html") && does != Does::LeavesPages {
        let at = body.len() / 2;
        let text = match does {
            Does::HalvesTheText => TEXT[..TEXT.len() / 2].to_owned(),
            Does::DoublesTheText => TEXT.repeat(2),
            _ => TEXT.to_owned(),
        };
        let gone = usize::from(does == Does::Overwrites);
        body.splice(at..at + gone, text.bytes());
    }
    if !asks && does != Does::CompressesForAll {
        return (body, "");
    }
    if does == Does::DamagesAByte {
        let at = body.len() / 3;
        body[at] ^= 1;
    }
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(&body).unwrap();
    let mut body = out.finish().unwrap();
    if does == Does::CutsOff {
        body.truncate(body.len() - 9);
    }
    (body, "gzip")
}

fn picture(does: Does, body: Vec<u8>) -> Vec<u8> {
    if does == Does::Endless {
        return body.repeat(40);
    }
    let image = image::load_from_memory(&body).unwrap();
    let mut gray = image.to_luma8();
    if does == Does::Negative {
        image::imageops::invert(&mut gray);
    }
    let made = match does {
        Does::KeepsColours => image,
        _ => gray.into(),
    };
    let mut out = Cursor::new(Vec::new());
    made.write_to(&mut out, image::ImageFormat::Jpeg).unwrap();
    out.into_inner()
}
