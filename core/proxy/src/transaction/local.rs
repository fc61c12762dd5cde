//! Requests the proxy answers itself: the PAC file, TRACE and OPTIONS that end here.

use super::{Step, Transaction};
use crate::record::Outcome;
use bytes::Bytes;
use understudy_http::wire::head::{HeadLimits, parse_request};
use understudy_http::wire::target::host;
use understudy_http::{Name, RequestHead};

/// A head to stand in where there is none, for answers to bytes that are no request.
pub(crate) fn stand_in_head() -> RequestHead<Bytes> {
    const HEAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
    let limits = HeadLimits {
        bytes: 64,
        target: 16,
        fields: 1,
    };
    match parse_request(HEAD, &limits, Vec::new()) {
        Ok(Some(parts)) => parts.with(Bytes::from_static(HEAD)),
        _ => unreachable!("the constant above is a request head"),
    }
}

/// What in the PAC text stands for the `host:port` under which the client reached this listener.
const PAC_PLACEHOLDER: &str = "{proxy}";

impl Transaction {
    /// The `host:port` under which the client reached this listener: its Host when it is well-formed, else the address.
    fn reached_as(&self) -> String {
        let port = self.source.address.port();
        let host = host(self.head.version(), self.head.fields()).ok().flatten();
        // The name will stand in a script: of the characters a host may have, only those of real ones.
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(b);
        match host
            .filter(|h| h.host.iter().all(plain))
            .and_then(|h| std::str::from_utf8(h.host).ok())
        {
            Some(name) => format!("{name}:{port}"),
            None => match self.client.io.local_addr() {
                Ok(local) => local.to_string(),
                Err(_) => self.source.address.to_string(),
            },
        }
    }

    /// The PAC file, on forward listeners.
    pub(super) async fn pac(&mut self) -> Step {
        self.tally.outcome = Outcome::Local;
        match self.live.settings.pac.clone() {
            Some(text) => {
                let kind = "application/x-ns-proxy-autoconfig";
                let text = text.replace(PAC_PLACEHOLDER, &self.reached_as());
                self.own(200, kind, b"", text.into()).await
            }
            None => Step::Answer(super::Refusal::new(400, "not-absolute-form")),
        }
    }

    /// TRACE with Max-Forwards 0: the request comes back as it was received, without what could be stolen by it
    /// (RFC 9110 section 9.3.8).
    pub(super) async fn echo(&mut self) -> Step {
        self.tally.outcome = Outcome::Local;
        let mut head = self.head.clone();
        head.remove_if(|id, _, _| {
            matches!(
                id,
                Name::Authorization | Name::ProxyAuthorization | Name::Cookie
            )
        });
        let mut body = Vec::with_capacity(head.size());
        head.write(&mut body);
        body.extend_from_slice(b"\r\n");
        self.own(200, "message/http", b"", body.into()).await
    }

    /// OPTIONS about this proxy (RFC 9110 section 9.3.7).
    pub(super) async fn options(&mut self) -> Step {
        self.tally.outcome = Outcome::Local;
        let allow: &[u8] =
            b"Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE, CONNECT\r\n";
        self.own(200, "text/plain", allow, Bytes::new()).await
    }
}
