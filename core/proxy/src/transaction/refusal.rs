//! Answers that the proxy gives itself: the status, a word for logs and Cache-Status, and a sentence for people.

use bytes::Bytes;
use understudy_http::wire::head::HeadError;
use understudy_http::wire::target::TargetError;
use understudy_upstream::UpstreamError;

/// Why a request gets an answer of our own.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// A word, as in logs.
    pub(super) word: &'static str,
    /// Refused by access rules, not by a fault.
    pub(super) denied: bool,
    /// The request line, where there is no parsed request to show.
    pub(super) line: Option<Bytes>,
}

impl Refusal {
    pub(super) fn new(status: u16, word: &'static str) -> Refusal {
        Refusal {
            status,
            word,
            denied: false,
            line: None,
        }
    }

    pub(super) fn denied(word: &'static str) -> Refusal {
        Refusal {
            status: 403,
            word,
            denied: true,
            line: None,
        }
    }

    pub(super) fn head(error: HeadError, line: Bytes) -> Refusal {
        let (status, word) = match error {
            HeadError::TooLarge => (431, "head-too-large"),
            HeadError::TooManyFields => (431, "too-many-fields"),
            HeadError::TargetTooLong => (414, "target-too-long"),
            HeadError::Version => (505, "version"),
            HeadError::LineEnding => (400, "line-ending"),
            HeadError::StartLine => (400, "start-line"),
            HeadError::FieldName => (400, "field-name"),
            HeadError::FieldValue => (400, "field-value"),
        };
        Refusal {
            status,
            word,
            denied: false,
            line: Some(line),
        }
    }

    pub(super) fn target(error: TargetError) -> Refusal {
        let word = match error {
            TargetError::Malformed => "target",
            TargetError::Scheme => "scheme",
            TargetError::Authority => "authority",
            TargetError::UserInfo => "user-information",
            TargetError::Form => "target-form",
            TargetError::HostMissing => "host-missing",
            TargetError::Host => "host",
        };
        Refusal::new(400, word)
    }

    pub(super) fn upstream(error: &UpstreamError) -> Refusal {
        let denied = matches!(error, UpstreamError::Refused(_));
        Refusal {
            status: error.status(),
            word: error.word(),
            denied,
            line: None,
        }
    }

    /// The sentence on the error page.
    pub(super) fn sentence(&self) -> &'static str {
        match self.word {
            "not-absolute-form" => {
                "This is a forward proxy: it takes requests with an absolute URL (GET http://host/path). \
                 Configure it as a proxy instead of opening it like a site; /proxy.pac is served here."
            }
            "https-by-connect-only" => {
                "This proxy fetches http URLs; for https ask for a tunnel with CONNECT."
            }
            "connect-port" => "CONNECT to this port is not allowed here.",
            "client" => "Your address is not allowed to use this proxy.",
            "destination_ip_prohibited" => "This proxy does not connect to that address.",
            "purge" => "Your address is not allowed to purge here.",
            "purge-not-here" => "This listener does not purge.",
            "purge-of-nothing" => "The request names no tag or group that could be purged.",
            "purge-too-much" => "The request names more than can be purged at once.",
            "loop" => "The request has passed this proxy before: it runs in a loop.",
            "only-if-cached" => {
                "The request wants a stored response only, and there is none that is fresh."
            }
            "connections" => "The proxy has as many connections as it may have; try again soon.",
            "head-timeout" => "The request head did not arrive in time.",
            "body-timeout" => "The request body did not arrive in time.",
            "request-body-too-large" => "The request body is larger than this proxy takes.",
            "module-failed" => "A module of this proxy failed, and nothing passes without it.",
            "module-target" => "A module of this proxy asked for what cannot be fetched.",
            "expectation" => "The expectation in the Expect field is not known.",
            _ => match self.status {
                400 => "The request is malformed.",
                405 => "The method is not supported here.",
                414 => "The request target is longer than this proxy takes.",
                431 => "The request head is larger than this proxy takes.",
                501 => "The request asks for something this proxy does not do.",
                502 => "The origin could not be reached, or its answer was malformed.",
                503 => "No server is available for this request now.",
                504 => "The origin did not answer in time.",
                505 => "The protocol version is not supported.",
                _ => "The request cannot be served.",
            },
        }
    }
}

/// Why no answer came from an origin.
#[derive(Debug)]
pub(super) enum Failure {
    /// The origin's fault, or that of the way to it.
    Upstream(UpstreamError),
    /// The origin did not answer within `connect` or `first_byte`.
    Slow(&'static str),
    /// The origin's answer broke off before anything of it was put to use.
    BrokeOff(&'static str),
    /// The request could not be sent whole: its body was late, too large or malformed.
    Request(Refusal),
    /// The client went away.
    Gone,
}

impl Failure {
    /// Whether the origin could not answer, so that something stale may stand in for it (RFC 5861 section 4): not when the way
    /// to it is forbidden, nor when the fault is the request's.
    pub(super) fn is_error(&self) -> bool {
        match self {
            Failure::Upstream(error) => !matches!(error, UpstreamError::Refused(_)),
            Failure::Slow(_) | Failure::BrokeOff(_) => true,
            Failure::Request(_) | Failure::Gone => false,
        }
    }

    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Failure::Upstream(error) => Refusal::upstream(error),
            Failure::Slow(word) => Refusal::new(504, word),
            Failure::BrokeOff(word) => Refusal::new(502, word),
            Failure::Request(refusal) => refusal.clone(),
            Failure::Gone => Refusal::new(499, "client-gone"),
        }
    }
}

/// The reason phrase of a status line of our own.
pub(super) fn reason(status: u16) -> &'static str {
    match understudy_module::words::status(status) {
        "" => "Error",
        phrase => phrase,
    }
}
