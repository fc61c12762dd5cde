//! A module that removes advertisements: their requests are answered with blanks out of the cache, and pages stay as they are.
//!
//! Each request's URL (of the request line and Host, so for explicit and intercepted clients alike) is matched against lists in the
//! EasyList syntax. What matches is rewritten, Host included, to a blank of the kind that was asked for: an object of a host that does
//! not exist, stored by this module, so that every advertisement is a hit.
//!
//! | hook | |
//! |---|---|
//! | `request_head` | matches, and rewrites; what does not match is left alone from then on |
//! | `request_out` | answers for a blank that is not in the cache, and stores it |
//! | `response_return` | lets a page that sends credentials read its blank |
//! | `log` | learns the size of what passes, of a sample of it |
//! | `timer` | has lists fetched and files that changed read again |
//!
//! ```toml
//! [[module]]
//! name = "ads"
//! library = "builtin:ad-remover"
//!
//! [module.options]
//! lists = ["/etc/understudy/ads.txt", "https://example.org/list.txt"]
//! keep = "/var/cache/understudy/lists"    # copies of what comes from URLs
//! ```
//!
//! All options are in `docs/modules/ad-remover.md`.
#![forbid(unsafe_code)]

mod asked;
mod blanks;
mod clients;
mod fetch;
mod options;
mod place;
mod refresh;
mod rules;
mod setup;
mod sizes;

pub use asked::Kind;
use asked::text;
use blanks::Blanks;
use refresh::Keeper;
use rules::{Said, Sight};
use setup::Setup;
use sizes::Sizes;
use std::sync::Arc;
use std::time::Duration;
use understudy_module::{
    About, Hook, Hooks, Host, Module, Refused, Response, Transaction, Verdict,
};

/// Fields that speak of what was asked for, not of the blank, or that would keep it from being a hit.
const MEANT_FOR_IT: [&str; 10] = [
    "Authorization",
    "Cache-Control",
    "Cookie",
    "If-Match",
    "If-Modified-Since",
    "If-Range",
    "If-Unmodified-Since",
    "Pragma",
    "Range",
    "Referer",
];

/// The module.
#[derive(Debug, Default)]
pub struct AdRemover {
    keeper: Arc<Keeper>,
    sizes: Sizes,
}

/// What is remembered of a transaction.
enum Kept {
    /// It passed; its size is learned.
    Passed(Kind),
    /// It was rewritten, for a page of this origin.
    Removed(Vec<u8>),
}

impl AdRemover {
    fn configure(&self, host: &Host) -> Result<(), String> {
        self.keeper.put(Setup::of(host)?, host);
        Ok(())
    }

    /// Whether a client wants its advertisements.
    fn is_off(setup: &Setup, tx: &mut Transaction<'_>) -> Result<bool, Refused> {
        let client = !setup.options.clients.has(tx.client().ip());
        let Some(name) = &setup.options.switch else {
            return Ok(client);
        };
        let said = text(tx, name).to_ascii_lowercase();
        tx.delete(name)?;
        Ok(match said.as_str() {
            "off" => true,
            "on" => false,
            _ => client,
        })
    }

    fn judge(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        let setup = self.keeper.setup.load();
        let (Some(setup), Ok(url)) = (setup.as_ref(), std::str::from_utf8(tx.url())) else {
            return Ok(Verdict::Done);
        };
        if setup.blanks.named(tx.key()).is_some() {
            return Ok(Verdict::Continue);
        }
        let url = as_asked(url);
        if Self::is_off(setup, tx)? {
            tx.count("switched_off", 1);
            return Ok(Verdict::Done);
        }
        if tx.method() == b"CONNECT" {
            return tunnel(setup, tx, &url);
        }
        let r#type = asked::of(tx, &url);
        let kind = Kind::of(r#type);
        let method = String::from_utf8_lossy(tx.method()).into_owned();
        let page = match text(tx, "Referer") {
            "" => text(tx, "Origin"),
            page => page,
        };
        let third_party = match text(tx, "Sec-Fetch-Site") {
            "cross-site" => Some(true),
            "same-origin" | "same-site" | "none" => Some(false),
            _ => None,
        };
        let said = setup.rules.ask(&Sight {
            url: &url,
            page,
            third_party,
            r#type,
            method: &method,
        });
        let rule = match said {
            Said::Remove(rule) => rule,
            Said::Keep(rule) => {
                tx.count("excepted", 1);
                note(tx, "rule", rule.as_deref());
                return Ok(self.pass(setup, tx, kind, &url));
            }
            Said::Nothing => return Ok(self.pass(setup, tx, kind, &url)),
        };
        let name = Blanks::name(kind, &url, text(tx, "Accept"));
        note(tx, "removed", Some(name));
        note(tx, "url", Some(&url));
        note(tx, "rule", rule.as_deref());
        tx.count(&format!("removed_{}", kind.name()), 1);
        if tx.method() != b"GET" && tx.method() != b"HEAD" {
            return Ok(on_the_spot(setup, tx, name));
        }
        let saved = self.sizes.saved(
            kind,
            setup
                .blanks
                .get(name)
                .map_or(0, |blank| blank.body().len() as u64),
        );
        tx.count(&format!("saved_bytes_{}", kind.name()), saved);
        rewrite(setup, tx, name)?;
        Ok(Verdict::Continue)
    }

    /// It is none of ours; of a sample the size is learned.
    fn pass(&self, setup: &Setup, tx: &mut Transaction<'_>, kind: Kind, url: &str) -> Verdict {
        // By the URL, so that it is the same one everywhere.
        let sum = url.bytes().fold(0_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        if tx.method() != b"GET"
            || setup.options.sample == 0
            || !sum.is_multiple_of(setup.options.sample)
        {
            return Verdict::Done;
        }
        tx.opaque().set(Kept::Passed(kind));
        Verdict::Continue
    }
}

/// The URL as a page has it: a key always has its port, which rules do not expect.
fn as_asked(key: &str) -> String {
    let end = key
        .match_indices('/')
        .nth(2)
        .map_or(key.len(), |(at, _)| at);
    let (origin, path) = key.split_at(end);
    format!("{}{path}", origin.strip_suffix(":80").unwrap_or(origin))
}

/// A word for the log, if there is one. What may not be written there is no reason to fail.
fn note(tx: &mut Transaction<'_>, name: &str, value: Option<&str>) {
    let _ = value.map(|value| tx.note(name, value));
}

/// A tunnel shows a host and nothing else: no page, no path, no type. What is refused is what rules take as a whole from everybody.
fn tunnel(setup: &Setup, tx: &mut Transaction<'_>, authority: &str) -> Result<Verdict, Refused> {
    let url = format!(
        "https://{}/",
        authority.strip_suffix(":443").unwrap_or(authority)
    );
    let sight = Sight {
        url: &url,
        page: "",
        third_party: Some(false),
        r#type: "other",
        method: "CONNECT",
    };
    match setup.rules.ask(&sight) {
        Said::Remove(rule) if setup.options.refuses_tunnels => {
            note(tx, "removed", Some("tunnel"));
            note(tx, "rule", rule.as_deref());
            tx.count("removed_tunnels", 1);
            Response::text(403, "This host is on a list of advertisements.\n")
                .map(|answer| Verdict::Respond(Box::new(answer)))
        }
        _ => Ok(Verdict::Done),
    }
}

/// Asks for the blank instead.
fn rewrite(setup: &Setup, tx: &mut Transaction<'_>, name: &str) -> Result<(), Refused> {
    if let Some(origin) = tx.find("Origin").map(<[u8]>::to_vec) {
        tx.opaque().set(Kept::Removed(origin));
    }
    MEANT_FOR_IT.iter().try_for_each(|field| tx.delete(field))?;
    tx.set("Host", setup.blanks.host())?;
    tx.set_target(setup.blanks.url(name))
}

/// The answer to what is no GET: the blank itself, since no cache answers a POST, and leave for a script's preflight.
fn on_the_spot(setup: &Setup, tx: &Transaction<'_>, name: &str) -> Verdict {
    let answer = match (tx.method(), setup.blanks.get(name)) {
        (b"OPTIONS", _) => preflight(tx),
        (_, Some(blank)) => readable(blank, tx.find("Origin")),
        (_, None) => Response::new(204, ""),
    };
    match answer {
        Ok(answer) => Verdict::Respond(Box::new(answer)),
        Err(refused) => Verdict::fail(refused.to_string()),
    }
}

/// What lets a page of this origin read an answer to a request with credentials (Fetch, section 4.10).
fn permits(origin: &[u8]) -> [(&str, &[u8]); 2] {
    [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", b"true"),
    ]
}

/// The blank as an answer of the module's own, which meets no hook on its way back.
fn readable(blank: &Response, origin: Option<&[u8]>) -> Result<Response, Refused> {
    let Some(origin) = origin else {
        return Ok(blank.clone());
    };
    let mut answer = Response::new(blank.status(), blank.body().clone())?;
    for (name, value) in blank.fields() {
        if name != b"Access-Control-Allow-Origin" {
            answer.add(name, value)?;
        }
    }
    for (name, value) in permits(origin) {
        answer.add(name.as_bytes(), value)?;
    }
    answer.add(b"Vary", b"Origin")?;
    Ok(answer)
}

/// Fetch, section 4.8: the real request is to come, and gets its blank.
fn preflight(tx: &Transaction<'_>) -> Result<Response, Refused> {
    let mut answer = Response::new(204, "")?;
    let or_all = |name| tx.find(name).unwrap_or(b"*");
    answer.add(b"Access-Control-Allow-Origin", or_all("Origin"))?;
    answer.add(
        b"Access-Control-Allow-Methods",
        or_all("Access-Control-Request-Method"),
    )?;
    answer.add(
        b"Access-Control-Allow-Headers",
        or_all("Access-Control-Request-Headers"),
    )?;
    answer.add(b"Access-Control-Allow-Credentials", b"true")?;
    Ok(answer)
}

impl Module for AdRemover {
    fn about(&self) -> About {
        let hooks = [
            Hook::RequestHead,
            Hook::RequestOut,
            Hook::ResponseReturn,
            Hook::Log,
        ];
        About {
            timer: Some(Duration::from_secs(2)),
            ..About::new("ad-remover", env!("CARGO_PKG_VERSION"), Hooks::of(&hooks))
        }
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        self.configure(host)
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.configure(host)
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.judge(tx)
            .unwrap_or_else(|refused| Verdict::fail(refused.to_string()))
    }

    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        let setup = self.keeper.setup.load();
        let Some((setup, path)) = setup
            .as_ref()
            .and_then(|setup| Some((setup, setup.blanks.named(tx.key())?)))
        else {
            return Verdict::Continue;
        };
        let answer = match setup.blanks.at(path) {
            Some(blank) => {
                blanks::submit(&tx.host(), tx.object(), blank);
                let origin = match tx.opaque().get() {
                    Some(Kept::Removed(origin)) => Some(&origin[..]),
                    _ => None,
                };
                readable(blank, origin)
            }
            None => Response::text(404, "There is no such blank.\n"),
        };
        match answer {
            Ok(answer) => Verdict::Respond(Box::new(answer)),
            Err(refused) => Verdict::fail(refused.to_string()),
        }
    }

    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        let Some(Kept::Removed(origin)) = tx.opaque().get() else {
            return Verdict::Continue;
        };
        let origin = std::mem::take(origin);
        // Another module may have made it depend on more.
        let vary: Vec<&[u8]> = tx.find_all("Vary").chain([&b"Origin"[..]]).collect();
        let vary = vary.join(&b", "[..]);
        match permits(&origin)
            .iter()
            .try_for_each(|(name, value)| tx.set(name, value))
            .and_then(|()| tx.set("Vary", vary))
        {
            Ok(()) => Verdict::Continue,
            Err(refused) => Verdict::fail(refused.to_string()),
        }
    }

    fn log(&self, tx: &mut Transaction<'_>) {
        let Some(Kept::Passed(kind)) = tx.opaque().get() else {
            return;
        };
        let kind = *kind;
        if let Some(entry) = tx
            .entry()
            .filter(|entry| entry.status == 200 && !entry.aborted)
        {
            self.sizes.learn(kind, entry.body_out);
        }
    }

    fn timer(&self, host: &Host) {
        self.keeper.look(host);
    }
}

understudy_module::export!(AdRemover::default);
