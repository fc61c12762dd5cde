//! What a page's Content-Security-Policy lets a text do, by the algorithms of CSP level 3.
//!
//! The text is read as HTML: its scripts and styles, in elements and in attributes, are each put to the policies, inline ones with
//! their content, so that one whose hash a policy names passes, and others by their address. Invariant: what is let through runs under
//! every policy of the page. Awkward case: a nonce. It is reused when every policy that forbids the element takes it; then it was made by
//! the origin for this very answer, and is as good for an element of ours.

use crate::options::Csp;
use content_security_policy::url::Url;
use content_security_policy::{
    CheckResult, CspList, Destination, Element, Initiator, InlineCheckType, ParserMetadata, Policy,
    PolicyDisposition, PolicySource, Request,
};
use lol_html::{RewriteStrSettings, element, rewrite_str, text};
use std::borrow::Cow;
use std::cell::RefCell;
use std::str::FromStr;

/// Something that a text does.
#[derive(Debug)]
struct Act {
    kind: InlineCheckType,
    /// The nonce that it has already.
    nonce: Option<String>,
    /// Where it is loaded from; else `content` is inline.
    from: Option<String>,
    content: String,
}

/// The policies of a page.
#[derive(Debug)]
pub(crate) struct Policies {
    all: CspList,
    page: Option<Url>,
}

impl Policies {
    /// Of the page at this URL, without any.
    pub(crate) fn of(url: &[u8]) -> Policies {
        let page = std::str::from_utf8(url)
            .ok()
            .and_then(|url| Url::parse(url).ok());
        Policies {
            all: CspList(Vec::new()),
            page,
        }
    }

    /// One more header field, or element of the page.
    pub(crate) fn add(&mut self, text: &str, in_header: bool) {
        let mut more = if in_header {
            CspList::parse(text, PolicySource::Header, PolicyDisposition::Enforce)
        } else {
            // An element states one policy, commas and all.
            CspList(vec![Policy::parse(
                text,
                PolicySource::Meta,
                PolicyDisposition::Enforce,
            )])
        };
        for directive in more
            .0
            .iter_mut()
            .flat_map(|policy| &mut policy.directive_set)
        {
            // Of a violation nothing is reported here, and a sample of it could be cut within a character.
            directive.value.retain(|word| {
                !word.eq_ignore_ascii_case("'report-sample'") && !names_no_port(word)
            });
        }
        self.all.append(more);
    }

    /// The text as it may be inserted; `None` when it may not.
    pub(crate) fn permit<'t>(&self, text: &'t str, csp: Csp) -> Option<Cow<'t, str>> {
        if csp == Csp::Ignore || self.all.0.is_empty() || !text.contains(['<', '=']) {
            return Some(Cow::Borrowed(text));
        }
        let mut nonces = Vec::new();
        for act in acts(text)? {
            nonces.push(if self.allows(&act, act.nonce.as_deref()) {
                None
            } else if csp == Csp::Nonce && act.can_have_nonce() {
                Some(self.nonces().find(|nonce| self.allows(&act, Some(nonce)))?)
            } else {
                return None;
            });
        }
        if nonces.iter().all(Option::is_none) {
            return Some(Cow::Borrowed(text));
        }
        with_nonces(text, &nonces).map(Cow::Owned)
    }

    /// Every nonce that some directive takes.
    fn nonces(&self) -> impl Iterator<Item = &str> {
        let words = self
            .all
            .0
            .iter()
            .flat_map(|policy| &policy.directive_set)
            .flat_map(|directive| &directive.value);
        words.filter_map(|word| word.strip_prefix("'nonce-")?.strip_suffix('\''))
    }

    fn allows(&self, act: &Act, nonce: Option<&str>) -> bool {
        let Some(from) = &act.from else {
            let element = Element {
                nonce: nonce.map(Cow::Borrowed),
            };
            let checked = self.all.should_elements_inline_type_behavior_be_blocked(
                &element,
                act.kind,
                &act.content,
            );
            return checked.0 == CheckResult::Allowed;
        };
        let Some(url) = self.page.as_ref().and_then(|page| page.join(from).ok()) else {
            return false;
        };
        let destination = if act.kind == InlineCheckType::Script {
            "script"
        } else {
            "style"
        };
        let request = Request {
            current_url: url.clone(),
            url,
            origin: self
                .page
                .as_ref()
                .map_or_else(content_security_policy::Origin::new_opaque, Url::origin),
            redirect_count: 0,
            destination: Destination::from_str(destination).unwrap_or(Destination::Script),
            initiator: Initiator::None,
            nonce: nonce.unwrap_or_default().to_owned(),
            integrity_metadata: String::new(),
            parser_metadata: ParserMetadata::ParserInserted,
        };
        self.all.should_request_be_blocked(&request).0 == CheckResult::Allowed
    }
}

impl Act {
    fn can_have_nonce(&self) -> bool {
        matches!(self.kind, InlineCheckType::Script | InlineCheckType::Style)
    }
}

/// Whether it is of a host at a port that there cannot be. It matches nothing, and would be taken for that host at any default port.
fn names_no_port(word: &str) -> bool {
    let authority = word.split_once("://").map_or(word, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    port.bytes().all(|byte| byte.is_ascii_digit())
        && !port.is_empty()
        && port.parse::<u16>().is_err()
}

/// What a text does, elements in order; `None` when it cannot be read.
fn acts(html: &str) -> Option<Vec<Act>> {
    let acts: RefCell<Vec<Act>> = RefCell::default();
    let act = |kind, nonce, from, content| {
        acts.borrow_mut().push(Act {
            kind,
            nonce,
            from,
            content,
        });
    };
    let settings = RewriteStrSettings::new()
        .append_element_content_handler(element!("*", |el| {
            for attribute in el.attributes() {
                let name = attribute.name();
                if name.starts_with("on") {
                    act(
                        InlineCheckType::ScriptAttribute,
                        None,
                        None,
                        attribute.value(),
                    );
                } else if name == "style" {
                    act(
                        InlineCheckType::StyleAttribute,
                        None,
                        None,
                        attribute.value(),
                    );
                } else if attribute
                    .value()
                    .trim_start()
                    .to_ascii_lowercase()
                    .starts_with("javascript:")
                {
                    act(InlineCheckType::Navigation, None, None, attribute.value());
                }
            }
            Ok(())
        }))
        .append_element_content_handler(element!(BEARERS, |el| {
            let (kind, from) = match &*el.tag_name() {
                "script" => (InlineCheckType::Script, el.get_attribute("src")),
                "style" => (InlineCheckType::Style, None),
                _ => (InlineCheckType::Style, el.get_attribute("href")),
            };
            act(kind, el.get_attribute("nonce"), from, String::new());
            Ok(())
        }))
        .append_element_content_handler(text!("script, style", |chunk| {
            if let Some(last) = acts
                .borrow_mut()
                .iter_mut()
                .rev()
                .find(|act| act.can_have_nonce())
            {
                last.content.push_str(chunk.as_str());
            }
            Ok(())
        }));
    rewrite_str(html, settings).ok()?;
    Some(acts.into_inner())
}

/// The elements that may bear a nonce.
const BEARERS: &str = "script, style, link[rel~=stylesheet i][href]";

/// The text with nonces on those of its elements that need one.
fn with_nonces(html: &str, nonces: &[Option<&str>]) -> Option<String> {
    let at = RefCell::new(nonces.iter());
    let settings =
        RewriteStrSettings::new().append_element_content_handler(element!(BEARERS, |el| {
            if let Some(Some(nonce)) = at.borrow_mut().next() {
                el.set_attribute("nonce", nonce)?;
            }
            Ok(())
        }));
    rewrite_str(html, settings).ok()
}
