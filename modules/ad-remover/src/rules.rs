//! The rules, in the EasyList syntax, and what they say of a request.
//!
//! Parsing and matching are the `adblock` crate's: exceptions (`@@`), `$important`, `$badfilter`, `$domain`, `$third-party`, types and
//! methods are honoured; rules for the contents of pages (`##`) are left out. Invariant: a set of rules never changes. Another
//! takes its place.

use adblock::Engine;
use adblock::lists::{FilterSet, ParseOptions, ParsedLine, RuleTypes, parse_filter};
use adblock::request::{Request, RequestError};

/// The rules of some lists.
pub(crate) struct Rules(Engine);

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rules")
    }
}

/// What the rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    /// It is an advertisement; by which rule, if that is remembered.
    Remove(Option<String>),
    /// It would be one, but for an exception.
    Keep(Option<String>),
}

/// A request as rules see it.
#[derive(Debug)]
pub(crate) struct Sight<'a> {
    pub(crate) url: &'a str,
    /// The page it is for; empty when that is not known.
    pub(crate) page: &'a str,
    /// Whether that page is of another site, when something says so.
    pub(crate) third_party: Option<bool>,
    pub(crate) r#type: &'static str,
    pub(crate) method: &'a str,
}

fn options() -> ParseOptions {
    ParseOptions {
        rule_types: RuleTypes::NetworkOnly,
        ..ParseOptions::default()
    }
}

/// Whether a text has a rule for requests.
pub(crate) fn has_any(text: &str) -> bool {
    let is_rule = |line| {
        matches!(
            parse_filter(line, false, options()),
            Ok(ParsedLine::Network(_))
        )
    };
    text.lines().any(is_rule)
}

impl Rules {
    /// Of these lists. `explain`: each rule's text is remembered.
    pub(crate) fn new(lists: impl IntoIterator<Item = String>, explain: bool) -> Rules {
        let mut set = FilterSet::new(explain);
        for list in lists {
            set.add_filter_list(list, options());
        }
        Rules(Engine::new_with_filter_set(set))
    }

    /// What they say of a request; nothing of what is no URL.
    pub(crate) fn ask(&self, sight: &Sight<'_>) -> Said {
        self.answer(sight).unwrap_or(Said::Nothing)
    }

    fn answer(&self, sight: &Sight<'_>) -> Result<Said, RequestError> {
        let mut request = Request::new(sight.url, sight.page, sight.r#type, sight.method)?;
        if let Some(third_party) = sight.third_party {
            request.is_third_party = third_party;
        } else if sight.page.is_empty() {
            // The engine takes what comes from nowhere for a third party's. Typed into the bar it is nobody's, and rules for third parties
            // would take whole sites away from those who visit them.
            request.is_third_party = false;
        }
        let result = self.0.check_network_request(&request);
        let removes = result.should_block();
        Ok(match (result.filter, result.exception) {
            (Some(rule), _) if removes => Said::Remove(rule.raw_line),
            (Some(_), Some(rule)) => Said::Keep(rule.raw_line),
            _ => Said::Nothing,
        })
    }
}
