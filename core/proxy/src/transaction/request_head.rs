//! The step `request_head`: is this request one we serve, for this client, and what does it want?

use super::forwarded::Forwarded;
use super::refusal::Refusal;
use super::request_body::RequestBody;
use super::route::{self, Wanted};
use super::{Step, Transaction};
use crate::record::Outcome;
use crate::settings::{Intercept, Mode};
use crate::{listener, via};
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::wire::framing::{Framing, request_framing};
use understudy_http::{Method, Name, Version};

impl Transaction {
    pub(super) async fn request_head(&mut self) -> Step {
        let step = match self.checked() {
            Ok(Some(step)) => step,
            Ok(None) => Step::RequestHead,
            Err(refusal) => return Step::Answer(refusal),
        };
        if matches!(step, Step::Pac | Step::Options) {
            return step;
        }
        if crate::modules::FIRE && !self.live.chain.is_empty() {
            match self.ask_head() {
                Ok(None) => {}
                Ok(Some(rest)) => {
                    if let Some(end) = self.ask_on(rest).await {
                        return end;
                    }
                }
                Err(refusal) => return Step::Answer(refusal),
            }
        }
        match step {
            Step::RequestHead => self.by_method().unwrap_or_else(Step::Answer),
            step => step,
        }
    }

    /// Whether it is one we serve, and its way. A step when that is clear already.
    pub(super) fn checked(&mut self) -> Result<Option<Step>, Refusal> {
        self.find_body()?;
        self.check_client()?;
        let original = self.original_destination()?;
        self.disbelieve();
        let wanted = route::find(
            &self.source,
            &self.live.settings,
            &self.head,
            self.peer,
            original,
        )?;
        if via::names_us(self.head.fields(), &self.live.pseudonym) {
            return Err(Refusal::new(508, "loop"));
        }
        match wanted {
            Wanted::Pac => Ok(Some(Step::Pac)),
            Wanted::Server => Ok(Some(Step::Options)),
            Wanted::Tunnel(route) => {
                let port = match &route.destination {
                    understudy_upstream::Destination::Host { port, .. } => *port,
                    _ => 0,
                };
                self.route = Some(route);
                // It has no content (RFC 9110 section 9.3.6): one hop would take these bytes for it, another for the tunnel's.
                if !self.body.is_empty() {
                    return Err(Refusal::new(400, "connect-with-body"));
                }
                if !self.live.settings.access.connect_ports.contains(&port) {
                    return Err(Refusal::denied("connect-port"));
                }
                self.tally.outcome = Outcome::Tunnel;
                Ok(Some(Step::Tunnel))
            }
            Wanted::Fetch(route) => {
                self.route = Some(route);
                Ok(None)
            }
        }
    }

    /// Takes off what a client says of itself that no origin will hear: it is no part of the key and selects no variant.
    fn disbelieve(&mut self) {
        if let Mode::Reverse { .. } = self.source.listener.mode {
            let access = &self.live.settings.access;
            let said = Forwarded::of(self.peer, access, self.source.internal);
            if self
                .head
                .fields()
                .iter()
                .any(|(id, ..)| said.disbelieves(id))
            {
                self.head.remove_if(|id, _, _| said.disbelieves(id));
            }
        }
    }

    /// Framing first: when it is ambiguous nothing behind the head can be trusted.
    fn find_body(&mut self) -> Result<(), Refusal> {
        let fields = self.head.fields();
        let framing = match request_framing(self.head.version(), fields) {
            Ok(framing) => framing,
            Err(error) => {
                self.body = RequestBody::unknown();
                self.persist = false;
                return Err(Refusal::new(error.status(), "framing"));
            }
        };
        let limit = self.live.settings.limits.request_body;
        let mut expects = false;
        let mut unknown_expectation = false;
        if self.head.version() == Version::Http11 {
            for member in fields.list(Name::Expect) {
                if member.eq_ignore_ascii_case(b"100-continue") {
                    expects = true;
                } else {
                    unknown_expectation = true;
                }
            }
        }
        if self.head.version() < Version::Http11 {
            // RFC 9110 section 10.1.1: it means nothing in HTTP/1.0, but would in the 1.1 that origins are spoken to.
            self.head.remove(Name::Expect);
        }
        let expects = expects && !matches!(framing, Framing::None | Framing::Length(0));
        self.body = RequestBody::new(framing, limit, expects);
        if unknown_expectation {
            return Err(Refusal::new(417, "expectation"));
        }
        if matches!(framing, Framing::Length(n) if n > limit) {
            return Err(Refusal::new(413, "request-body-too-large"));
        }
        Ok(())
    }

    fn check_client(&self) -> Result<(), Refusal> {
        let open =
            self.source.internal || matches!(self.source.listener.mode, Mode::Reverse { .. });
        if open || self.live.settings.access.client(self.peer.ip()) {
            Ok(())
        } else {
            Err(Refusal::denied("client"))
        }
    }

    pub(super) fn original_destination(&self) -> Result<Option<std::net::SocketAddr>, Refusal> {
        let Mode::Transparent { intercept, .. } = self.source.listener.mode else {
            return Ok(None);
        };
        let io = &self.client.io;
        let local = io
            .local_addr()
            .map_err(|_| Refusal::new(400, "no-destination"))?;
        let original = match intercept {
            Intercept::Tproxy => local,
            Intercept::Redirect => listener::original_destination(io, local)
                .map_err(|_| Refusal::new(400, "no-destination"))?,
        };
        // A connection that was not intercepted but made to the listener itself would be fetched from here, for ever.
        if original.port() == self.source.address.port()
            && (original.ip() == self.source.address.ip()
                || (self.source.address.ip().is_unspecified()
                    && original == local
                    && intercept == Intercept::Redirect))
        {
            return Err(Refusal::new(400, "not-intercepted"));
        }
        Ok(Some(original))
    }

    pub(super) fn by_method(&mut self) -> Result<Step, Refusal> {
        let method = self.head.method();
        match method {
            Method::Trace | Method::Options => {
                // RFC 9110 section 7.6.2: at zero the request is answered here.
                let hops = self.head.fields().get(Name::MaxForwards);
                if hops.is_some_and(|v| !v.is_empty() && v.iter().all(|b| *b == b'0')) {
                    return Ok(if method == Method::Trace {
                        Step::Echo
                    } else {
                        Step::Options
                    });
                }
                if method == Method::Trace && !self.body.is_empty() {
                    return Err(Refusal::new(400, "trace-with-body"));
                }
                Ok(self.bypass(Forward::Method, NoStoreReason::Method))
            }
            Method::Purge => self.may_purge(),
            // What a body on them means is not defined (RFC 9110 section 9.3.1): a stored answer serves, but what an origin
            // makes of the body is never stored (see `miss`).
            Method::Get | Method::Head => {
                if self.live.settings.cache.is_none() {
                    return Ok(self.bypass(Forward::Bypass, NoStoreReason::Disabled));
                }
                let fields = self.head.fields();
                // If-Match and If-Unmodified-Since are the origin's to judge (RFC 9111 section 4.3.2); an upgrade is, too.
                if fields.has(Name::IfMatch)
                    || fields.has(Name::IfUnmodifiedSince)
                    || self.wants_upgrade()
                {
                    return Ok(self.bypass(Forward::Bypass, NoStoreReason::Method));
                }
                Ok(Step::LookUp)
            }
            _ => Ok(self.bypass(Forward::Method, NoStoreReason::Method)),
        }
    }

    /// Whether the client asks for another protocol (RFC 9110 section 7.8), in a way that we pass on.
    pub(super) fn wants_upgrade(&self) -> bool {
        let fields = self.head.fields();
        self.head.version() == Version::Http11
            && self.body.is_empty()
            && fields.has(Name::Upgrade)
            && fields
                .list(Name::Connection)
                .any(|m| m.eq_ignore_ascii_case(b"upgrade"))
    }

    pub(super) fn bypass(&mut self, forward: Forward, why: NoStoreReason) -> Step {
        self.tally.forward = Some(forward);
        Step::Pass { why }
    }
}
