//! The verbs: what may be asked of the store, as a line of words and as JSON.
//!
//! Owns the words and their meaning, not what is done ([`Run`]) nor who asks. Invariant: a request that was understood can be begun; all
//! that can be wrong with its words is told before anything is asked of the proxy. Awkward case: a line that brings bytes says only how
//! many; who reads the line reads them too, and puts them into the request ([`Request::give`]).

mod line;
mod open;
mod preload;
mod run;
mod source;
mod told;
mod words;

pub use line::{Line, VERBS, Verb, follows, help, parse};
pub use open::Open;
pub use run::{Env, Run, Step};
pub use told::{Collected, Told, visible};
pub use words::{Body, Name, Prefix, When, url_of};

use serde::Deserialize;
use understudy_module::Bytes;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs)] // The table of verbs says what they do.
pub enum Request {
    Query {
        url: Name,
    },
    Fetch {
        url: Name,
    },
    Validate {
        url: Name,
    },
    Expire {
        url: Name,
        at: When,
    },
    Delete {
        url: Name,
    },
    Read {
        url: Name,
        /// Bytes of body at most; `None`: as many as is usual there.
        #[serde(default)]
        limit: Option<u64>,
        /// As they are, whatever they do to a terminal.
        #[serde(skip)]
        raw: bool,
    },
    Inject {
        url: Name,
        #[serde(rename = "type")]
        content_type: String,
        /// Seconds for which it is fresh.
        #[serde(default)]
        fresh: Option<u32>,
        #[serde(default)]
        body: Body,
        /// The name of a file that has the body.
        #[serde(default)]
        file: Option<String>,
    },
    InjectStart {
        url: Name,
        #[serde(rename = "type")]
        content_type: String,
        #[serde(default)]
        fresh: Option<u32>,
    },
    InjectPart {
        number: u64,
        #[serde(default)]
        body: Body,
    },
    InjectDone {
        number: u64,
    },
    InjectAbort {
        number: u64,
    },
    List {
        #[serde(default)]
        prefix: Prefix,
        #[serde(default)]
        count: Option<usize>,
        #[serde(default)]
        after: Option<Name>,
    },
    Stats {},
    Preload {
        #[serde(default)]
        urls: Vec<String>,
        #[serde(default)]
        sitemap: Option<Name>,
        /// The name of a file with a URL a line, or with a sitemap.
        #[serde(default)]
        file: Option<String>,
    },
}

impl Request {
    /// Puts in the bytes that came behind its line.
    pub fn give(&mut self, bytes: Bytes) {
        if let Request::Inject { body, .. } | Request::InjectPart { body, .. } = self {
            *body = Body(bytes);
        }
    }
}
