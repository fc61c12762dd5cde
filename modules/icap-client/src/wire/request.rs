//! What goes to a server: the head of a request, and the chunks behind it (RFC 3507 sections 4.3 to 4.10).

use super::Head;
use std::net::IpAddr;
use understudy_http::wire::chunked::chunk_line;

/// What a service is asked to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A client's request (section 4.8).
    Reqmod,
    /// An origin's answer (section 4.9).
    Respmod,
}

impl Method {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Method::Reqmod => "REQMOD",
            Method::Respmod => "RESPMOD",
        }
    }
}

/// A request for adaptation.
#[derive(Debug)]
pub struct Ask<'a> {
    /// What is adapted.
    pub method: Method,
    /// The service's URI.
    pub uri: &'a str,
    /// Host and port of its server.
    pub host: &'a str,
    /// For RESPMOD: the head of the HTTP request behind the answer.
    pub request: Option<&'a Head>,
    /// The HTTP head to be adapted.
    pub head: &'a Head,
    /// Whether a body follows.
    pub body: bool,
    /// The longest preview (section 4.5).
    pub preview: Option<usize>,
    /// 204 is an answer also behind the preview, and without one (section 4.6).
    pub allow_204: bool,
    /// 206 is an answer: to the preview, and where 204 is also behind it.
    pub allow_206: bool,
    /// The client's address, for services that want it.
    pub client: Option<IpAddr>,
    /// More lines, each with its end.
    pub more: &'a str,
}

impl Ask<'_> {
    /// Writes the head, and the HTTP heads in it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut http = Vec::with_capacity(1024);
        let mut parts = String::new();
        if let Some(request) = self.request {
            parts.push_str("req-hdr=0, ");
            request.write(&mut http);
        }
        let (head, body) = match self.method {
            Method::Reqmod => ("req-hdr", "req-body"),
            Method::Respmod => ("res-hdr", "res-body"),
        };
        parts.push_str(&format!("{head}={}, ", http.len()));
        self.head.write(&mut http);
        let body = if self.body { body } else { "null-body" };
        parts.push_str(&format!("{body}={}", http.len()));
        let (method, uri, host) = (self.method.word(), self.uri, self.host);
        let mut text = format!("{method} {uri} ICAP/1.0\r\nHost: {host}\r\n");
        if let Some(client) = self.client {
            text.push_str(&format!("X-Client-IP: {client}\r\n"));
        }
        match (self.allow_204, self.allow_206) {
            (true, true) => text.push_str("Allow: 204, 206\r\n"),
            (true, false) => text.push_str("Allow: 204\r\n"),
            (false, true) => text.push_str("Allow: 206\r\n"),
            (false, false) => {}
        }
        if let Some(preview) = self.preview {
            text.push_str(&format!("Preview: {preview}\r\n"));
        }
        text.push_str(self.more);
        text.push_str(&format!("Encapsulated: {parts}\r\n\r\n"));
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(&http);
    }
}

/// Writes a request for a service's options (section 4.10).
pub fn write_options(uri: &str, host: &str, more: &str, out: &mut Vec<u8>) {
    let text = format!(
        "OPTIONS {uri} ICAP/1.0\r\nHost: {host}\r\nAllow: 206\r\n{more}Encapsulated: null-body=0\r\n\r\n"
    );
    out.extend_from_slice(text.as_bytes());
}

/// Writes a chunk; none for no bytes, which would be the last.
pub fn write_chunk(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        out.extend_from_slice(chunk_line(bytes.len(), &mut [0; 18]));
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
}

/// The end of a body, or of a preview; `ieof`: a preview that holds all there is (section 4.5).
pub fn last_chunk(ieof: bool) -> &'static [u8] {
    if ieof {
        b"0; ieof\r\n\r\n"
    } else {
        b"0\r\n\r\n"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::Start;

    #[test]
    fn offsets_say_where_the_parts_begin() {
        let request = Head::new(
            Start::Request(b"GET".to_vec(), b"http://a.test/x".to_vec()),
            [(&b"Host"[..], &b"a.test"[..])],
        );
        let head = Head::new(Start::Response(200), [(&b"Server"[..], &b"o"[..])]);
        let mut out = Vec::new();
        Ask {
            method: Method::Respmod,
            uri: "icap://s:1344/echo",
            host: "s:1344",
            request: Some(&request),
            head: &head,
            body: true,
            preview: Some(10),
            allow_204: true,
            allow_206: false,
            client: Some([192, 0, 2, 7].into()),
            more: "X-More: 1\r\n",
        }
        .write(&mut out);
        write_chunk(b"hello", &mut out);
        write_chunk(b"", &mut out);
        out.extend_from_slice(last_chunk(true));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "RESPMOD icap://s:1344/echo ICAP/1.0\r\nHost: s:1344\r\nX-Client-IP: 192.0.2.7\r\nAllow: 204\r\nPreview: 10\r\n\
             X-More: 1\r\nEncapsulated: req-hdr=0, res-hdr=46, res-body=76\r\n\r\n\
             GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\nHTTP/1.1 200 OK\r\nServer: o\r\n\r\n\
             5\r\nhello\r\n0; ieof\r\n\r\n"
        );
    }
}
