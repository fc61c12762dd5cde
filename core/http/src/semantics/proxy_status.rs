//! The Proxy-Status line (RFC 9209): why an answer is not the one the origin was to give.
//!
//! Invariant: what is written is one member of a structured list, and an `error` is a type that the registry knows (section
//! 2.3). Statuses recommended there are not forced: the status is what [`super::cache_status`], logs and metrics say, too.
//! Awkward case: our words. Those for trouble with an origin are the registry's own; others are about the client's request or
//! this proxy, for which there are few types, so the word goes into `details` (section 2.1.4).

use super::cache_status::write_token_or_string;

/// What is said of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyStatus<'a> {
    /// The type of error (section 2.1.1); none when the next hop did answer, with `received_status`.
    pub error: Option<&'static str>,
    /// The status that the next hop gave, when that is not what the client gets (section 2.1.5).
    pub received_status: Option<u16>,
    /// For a person who looks for the cause (section 2.1.4).
    pub details: Option<&'a str>,
}

/// The types of section 2.3 that this proxy can tell.
const TYPES: &[&str] = &[
    "dns_timeout",
    "dns_error",
    "destination_not_found",
    "destination_unavailable",
    "destination_ip_prohibited",
    "destination_ip_unroutable",
    "connection_refused",
    "connection_terminated",
    "connection_timeout",
    "connection_read_timeout",
    "connection_write_timeout",
    "connection_limit_reached",
    "http_request_error",
    "http_request_denied",
    "http_response_incomplete",
    "http_response_header_section_size",
    "http_response_body_size",
    "http_response_transfer_coding",
    "http_response_content_coding",
    "http_response_timeout",
    "http_upgrade_failed",
    "http_protocol_error",
    "proxy_internal_response",
    "proxy_internal_error",
    "proxy_configuration_error",
    "proxy_loop_detected",
];

impl ProxyStatus<'_> {
    /// What an answer of this proxy's own says: the status it has, the word that logs have, and whether access rules refused.
    pub fn of(status: u16, word: &'static str, denied: bool) -> ProxyStatus<'static> {
        let error = match word {
            word if TYPES.contains(&word) => word,
            "loop" => "proxy_loop_detected",
            // The origin's body, or the rest of it, did not come in time (section 2.3.9).
            "between-bytes-timeout" => "connection_read_timeout",
            "module-failed" | "module-target" => "proxy_internal_error",
            // Section 2.3.20: "rejected the HTTP request based on its configuration and/or policy settings".
            _ if denied => "http_request_denied",
            // Section 2.3.19: "generating a client (4xx) response on the origin's behalf".
            _ if (400..500).contains(&status) => "http_request_error",
            // Section 2.3.27: "generated the response itself without attempting to connect to the next hop".
            "only-if-cached" | "connections" => "proxy_internal_response",
            _ if status == 501 || status == 505 => "proxy_internal_response",
            _ => "proxy_internal_error",
        };
        ProxyStatus {
            error: Some(error),
            received_status: None,
            details: (error != word).then_some(word),
        }
    }

    /// What an answer out of the store says when it stands in for one of the origin's with this status.
    pub fn instead_of(received: u16) -> ProxyStatus<'static> {
        ProxyStatus {
            error: None,
            received_status: Some(received),
            details: None,
        }
    }

    /// Appends the member for the proxy called `name`. Where the request went is not said: addresses behind a proxy are often
    /// not for its clients (section 4).
    pub fn write(&self, name: &str, out: &mut Vec<u8>) {
        write_token_or_string(name, out);
        if let Some(error) = self.error {
            out.extend_from_slice(b"; error=");
            out.extend_from_slice(error.as_bytes());
        }
        if let Some(status) = self.received_status {
            out.extend_from_slice(b"; received-status=");
            out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        }
        if let Some(details) = self.details {
            out.extend_from_slice(b"; details=");
            write_string(details, out);
        }
    }
}

/// `details` is a String (section 2.1.4), whatever it holds.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}
