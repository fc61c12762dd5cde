//! Messages as a test sees them: exact bytes, and the few views of them that assertions want.

use crate::date::http_date;

/// A start line and field lines, with the bytes they came in.
#[derive(Debug, Clone)]
pub struct Head {
    /// Every byte, final empty line included.
    pub raw: Vec<u8>,
    /// The start line.
    pub start: String,
    /// Names and values in the order and case received.
    pub fields: Vec<(String, String)>,
}

/// How a response said its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

/// A request as an origin received it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its head.
    pub head: Head,
    /// Which one it was at this origin, from 1.
    pub n: usize,
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// The method's token.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The decoded body.
    pub body: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
}

/// A response as a client received it.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its head.
    pub head: Head,
    /// The status code.
    pub status: u16,
    /// How the body was delimited.
    pub framing: Framing,
    /// The decoded body.
    pub body: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head strictly: every line ends in CRLF, no folding, no white space before a colon.
    pub fn parse(raw: &[u8]) -> Head {
        let text = String::from_utf8_lossy(raw).into_owned();
        let text = text
            .strip_suffix("\r\n\r\n")
            .unwrap_or_else(|| panic!("not a whole head: {text:?}"));
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap().to_owned();
        let fields: Vec<(String, String)> = lines.map(field_line).collect();
        assert!(!start.contains(['\r', '\n']), "bare CR or LF in {start:?}");
        Head {
            raw: raw.to_vec(),
            start,
            fields,
        }
    }

    /// Every value of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
            .collect()
    }

    /// The value of a field that must not be repeated.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is repeated: {all:?}");
        all.first().copied()
    }

    /// All values of a list field joined by `, `; empty when there are none.
    pub fn list(&self, name: &str) -> String {
        self.all(name).join(", ")
    }

    /// The head's bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// One field line without its line ending.
pub(crate) fn field_line(line: &str) -> (String, String) {
    let (name, value) = line
        .split_once(':')
        .unwrap_or_else(|| panic!("not a field line: {line:?}"));
    assert!(
        !name.is_empty() && !name.contains([' ', '\t', '\r', '\n']),
        "a malformed field name: {line:?}"
    );
    assert!(!value.contains(['\r', '\n']), "bare CR or LF in {line:?}");
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}

impl Request {
    /// The value of a field that must not be repeated.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }
}

impl Response {
    /// The value of a field that must not be repeated.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The last member of Cache-Status: ours, nearest to the client.
    pub fn cache_status(&self) -> String {
        self.head
            .list("cache-status")
            .rsplit(", ")
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// Whether Cache-Status says `hit`.
    pub fn is_hit(&self) -> bool {
        self.parameters().any(|p| p == "hit")
    }

    /// The word after `fwd=` in Cache-Status.
    pub fn fwd(&self) -> Option<String> {
        self.parameters()
            .find_map(|p| p.strip_prefix("fwd=").map(str::to_owned))
    }

    /// Whether Cache-Status says `stored`.
    pub fn is_stored(&self) -> bool {
        self.parameters().any(|p| p == "stored")
    }

    fn parameters(&self) -> impl Iterator<Item = String> {
        self.cache_status()
            .split(';')
            .skip(1)
            .map(|p| p.trim().to_owned())
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Asserts the status, showing the whole response otherwise; gives it back for more.
    #[track_caller]
    pub fn expect(self, status: u16) -> Response {
        assert_eq!(self.status, status, "{}{}", self.head.text(), self.text());
        self
    }

    /// Asserts a hit.
    #[track_caller]
    pub fn expect_hit(self) -> Response {
        assert!(self.is_hit(), "not a hit:\n{}", self.head.text());
        self
    }

    /// Asserts that it was fetched, for the reason given (`fwd=` in Cache-Status).
    #[track_caller]
    pub fn expect_fwd(self, why: &str) -> Response {
        assert_eq!(self.fwd().as_deref(), Some(why), "{}", self.head.text());
        self
    }

    /// Asserts the body.
    #[track_caller]
    pub fn expect_body(self, body: impl AsRef<[u8]>) -> Response {
        assert_eq!(
            self.text(),
            String::from_utf8_lossy(body.as_ref()),
            "{}",
            self.head.text()
        );
        self
    }
}

/// A whole response: status line, Date, Content-Length (not for 204 and 304), the field lines given, body.
pub fn reply(status: u16, fields: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut out = format!("HTTP/1.1 {status} {}\r\n", reason(status)).into_bytes();
    if !fields
        .iter()
        .any(|f| f.to_ascii_lowercase().starts_with("date:"))
    {
        out.extend(format!("Date: {}\r\n", http_date(0)).bytes());
    }
    if status != 204 && status != 304 {
        out.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    for field in fields {
        out.extend(field.bytes());
        out.extend(b"\r\n");
    }
    out.extend(b"\r\n");
    out.extend(body);
    out
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        404 => "Not Found",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
