//! The module's options, read and checked.
//!
//! Invariant: what is here was checked as far as it can be without the network. An option that nobody knows is a mistake and is
//! refused.

use crate::asked::Kind;
use crate::clients::Clients;
use crate::fetch;
use crate::place::Place;
use crate::rules;
use rustls::ClientConfig;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use understudy_module::{Edits, Host, ObjectId};

/// The options.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) lists: Vec<Place>,
    /// Rules that stand in the configuration itself.
    pub(crate) rules: Vec<String>,
    pub(crate) preferred: Vec<(Kind, Place)>,
    pub(crate) refresh: Duration,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) clients: Clients,
    /// The field by which a client switches for one request.
    pub(crate) switch: Option<String>,
    pub(crate) refuses_tunnels: bool,
    pub(crate) sample: u32,
    pub(crate) explain: bool,
    pub(crate) host: String,
}

const KNOWN: [&str; 12] = [
    "ca",
    "clients.off",
    "clients.on",
    "explain",
    "host",
    "keep",
    "lists",
    "refresh",
    "rules",
    "sample",
    "switch",
    "tunnels",
];

impl Options {
    /// Those that are set.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub(crate) fn read(host: &Host) -> Result<Options, String> {
        for (name, _) in host.options() {
            // Members of lists are numbered.
            let is =
                |known: &&str| match name.strip_prefix(known).map(|rest| rest.strip_prefix('.')) {
                    Some(Some(number)) => number.parse::<usize>().is_ok(),
                    Some(None) => name == **known,
                    None => false,
                };
            let replaces = |kind: &Kind| name.strip_prefix("replace.") == Some(kind.name());
            if !KNOWN.iter().any(is) && !Kind::ALL.iter().any(replaces) {
                let known = KNOWN.join(", ");
                return Err(format!(
                    "option `{name}`: there is none; there are replace.KIND, {known}"
                ));
            }
        }
        let rules = all(host, "rules");
        if let Some(none) = rules.iter().find(|rule| !rules::has_any(rule)) {
            return Err(format!("option `rules`: {none:?} is no rule for requests"));
        }
        let about = |name: &'static str| move |why: String| format!("option `{name}`: {why}");
        let keep = host.option("keep").map(PathBuf::from);
        let place = |text: &String| Place::new(text, keep.as_deref());
        let lists = all(host, "lists")
            .iter()
            .map(place)
            .collect::<Result<_, _>>();
        let replaced = |kind: Kind| {
            let text = host.option(&format!("replace.{}", kind.name()))?;
            Some(place(&text).map(|place| (kind, place)))
        };
        let preferred = Kind::ALL
            .into_iter()
            .filter_map(replaced)
            .collect::<Result<_, _>>();
        let ca = host.option("ca").map(PathBuf::from);
        let networks = |name| all(host, name);
        let clients = Clients::new(&networks("clients.on"), &networks("clients.off"));
        let name = host
            .option("host")
            .unwrap_or_else(|| "ad-remover.invalid".to_owned());
        let key = format!("http://{name}:80/");
        // As keys have it, or no request would be known as one for it.
        if ObjectId::of_url(&key).is_none_or(|object| object.key() != key.as_bytes()) {
            return Err(format!(
                "option `host`: {name:?} is no host name in lower case"
            ));
        }
        let switch = host.option("switch");
        if let Some(name) = switch
            .as_ref()
            .filter(|name| Edits::new().delete(name.as_bytes()).is_err())
        {
            return Err(format!(
                "option `switch`: {name:?} is no field name that may be used"
            ));
        }
        Ok(Options {
            lists: lists.map_err(about("lists"))?,
            rules,
            preferred: preferred.map_err(about("replace"))?,
            refresh: Duration::from_secs(number(host, "refresh", 86_400)?.max(1)),
            tls: fetch::tls(ca.as_deref()).map_err(about("ca"))?,
            clients: clients.map_err(about("clients"))?,
            switch,
            refuses_tunnels: word(host, "tunnels", ["refuse", "pass"])?,
            sample: number(host, "sample", 8)?,
            explain: !word(host, "explain", ["false", "true"])?,
            host: name,
        })
    }

    /// Everything that comes from a file or a URL.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.lists
            .iter()
            .chain(self.preferred.iter().map(|(_, place)| place))
    }
}

/// The members of a list, or the one value.
fn all(host: &Host, name: &str) -> Vec<String> {
    let members = (0..).map_while(|n| host.option(&format!("{name}.{n}")));
    host.option(name).into_iter().chain(members).collect()
}

fn number<N: std::str::FromStr>(host: &Host, name: &str, usual: N) -> Result<N, String> {
    match host.option(name) {
        Some(text) => text
            .parse()
            .map_err(|_| format!("option `{name}`: {text:?} is no number")),
        None => Ok(usual),
    }
}

/// Whether an option is the first of two words, as it is when it is not set.
fn word(host: &Host, name: &str, [yes, no]: [&str; 2]) -> Result<bool, String> {
    match host.option(name) {
        Some(text) if text == no => Ok(false),
        Some(text) if text != yes => {
            Err(format!("option `{name}`: {yes:?} or {no:?}, not {text:?}"))
        }
        _ => Ok(true),
    }
}
