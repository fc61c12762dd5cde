//! Listeners and the groups of servers they forward to.
//!
//! Invariant: names are unique, addresses are unique, and a reverse listener's group exists.
//! Awkward case: `--listen`, `--mode` and `--to` speak of *the* listener, so they are refused when the file has several.

use super::{
    address::{self, show_server},
    layers::Said,
    networks,
    problem::Fault,
    resolve::{Resolver, Sources, quote, word, word_of},
    shape::{self, Intercept, Mode},
};
use ipnet::IpNet;
use std::net::{Ipv4Addr, SocketAddr};

/// A checked listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) does: Does,
    /// Clients that may ask for PURGE.
    pub(crate) purge: Vec<IpNet>,
}

/// What a listener does, with what only that mode has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Does {
    Forward,
    Reverse {
        /// Index into the groups.
        group: usize,
        /// The Host sent on; `None` keeps the client's.
        host: Option<String>,
    },
    Transparent {
        intercept: Intercept,
        keep_client_address: bool,
    },
}

/// A checked group of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) servers: Vec<(String, u16)>,
}

const MODES: &[(&str, Mode)] = &[
    ("forward", Mode::Forward),
    ("reverse", Mode::Reverse),
    ("transparent", Mode::Transparent),
];
const INTERCEPTS: &[(&str, Intercept)] = &[
    ("redirect", Intercept::Redirect),
    ("tproxy", Intercept::Tproxy),
];

impl Does {
    /// The mode's word.
    pub(crate) fn mode(&self) -> &'static str {
        match self {
            Does::Forward => "forward",
            Does::Reverse { .. } => "reverse",
            Does::Transparent { .. } => "transparent",
        }
    }
}

/// Checks listeners and groups.
pub(crate) fn check(r: &mut Resolver<'_>) -> (Vec<Listener>, Vec<Group>) {
    let document = r.document;
    let shapes = match document.shape.listen.as_slice() {
        // Without a listener in the file there is one all the same.
        [] => vec![shape::Listen::default()],
        some => some.to_vec(),
    };
    let alone = shapes.len() == 1;
    for said in [&r.layers.listen, &r.layers.mode, &r.layers.to]
        .into_iter()
        .flatten()
        .filter(|_| !alone)
    {
        let fault = Fault::new(
            format!(
                "the file has {} listeners, and this speaks of one",
                shapes.len()
            ),
            "change the listeners in the file instead",
        );
        r.fault("listen", &said.origin, fault);
    }
    let to = r.layers.to.as_ref().filter(|_| alone);
    // The listener first, as it is read; its group is checked with the others, before it is looked up by name.
    let mut groups = Vec::new();
    for (i, shape) in document.shape.upstream.iter().enumerate() {
        let group = group(r, i, shape, &groups);
        groups.push(group);
    }
    let over = to.map(|said| over(r, said, &mut groups));
    let mut listeners: Vec<Listener> = Vec::new();
    for (i, shape) in shapes.iter().enumerate() {
        let listener = listener(r, i, shape, alone, over, to, &listeners, &groups);
        listeners.push(listener);
    }
    (listeners, groups)
}

fn group(r: &mut Resolver<'_>, i: usize, shape: &shape::Upstream, before: &[Group]) -> Group {
    let key = format!("upstream[{i}]");
    let name = r.pick(
        &format!("{key}.name"),
        Sources::file(shape.name.as_ref()),
        String::new(),
        name,
        |n| quote(n),
    );
    if shape.name.is_none() {
        r.fault_at(
            &key,
            Fault::new("the upstream has no name", "add name = \"...\""),
        );
    } else if !name.is_empty() && before.iter().any(|g| g.name == name) {
        r.fault_at(
            &format!("{key}.name"),
            Fault::new(
                format!("there is another upstream called {name:?}"),
                "give each a name of its own",
            ),
        );
    }
    let file = r
        .document
        .has(&format!("{key}.servers"))
        .then(|| shape.servers.clone());
    let servers = r.pick_list(
        &format!("{key}.servers"),
        None,
        file,
        &[],
        |text| address::server(text).map(|s| vec![s]),
        true,
    );
    if shape.servers.is_empty() {
        r.fault_at(
            &format!("{key}.servers"),
            Fault::new(
                "the upstream has no servers",
                "add servers = [\"HOST:PORT\"]",
            ),
        );
    }
    Group { name, servers }
}

/// The group that `--to` makes; answers its index.
fn over(r: &mut Resolver<'_>, said: &Said, groups: &mut Vec<Group>) -> usize {
    let name = ["origin", "command-line"]
        .into_iter()
        .find(|name| groups.iter().all(|g| g.name != *name))
        .unwrap_or("understudy-command-line");
    let i = groups.len();
    let servers = match address::server(&said.text) {
        Ok(server) => vec![server],
        Err(fault) => {
            r.fault("to", &said.origin, fault);
            Vec::new()
        }
    };
    r.enter(
        &format!("upstream[{i}].name"),
        quote(name),
        said.origin.clone(),
    );
    let shown: Vec<String> = servers.iter().map(|s| quote(&show_server(s))).collect();
    r.enter(
        &format!("upstream[{i}].servers"),
        format!("[{}]", shown.join(", ")),
        said.origin.clone(),
    );
    groups.push(Group {
        name: name.to_owned(),
        servers,
    });
    i
}

#[allow(clippy::too_many_arguments)]
fn listener(
    r: &mut Resolver<'_>,
    i: usize,
    shape: &shape::Listen,
    alone: bool,
    over: Option<usize>,
    to: Option<&Said>,
    before: &[Listener],
    groups: &[Group],
) -> Listener {
    let key = |name: &str| format!("listen[{i}].{name}");
    let layers = r.layers;
    let implied = if over.is_some() || shape.to.is_some() {
        Mode::Reverse
    } else {
        Mode::Forward
    };
    // `--to` implies the mode over what the file says, unless the command line says that as well.
    let implies = to.filter(|_| layers.mode.is_none()).map(|said| Said {
        text: "reverse".to_owned(),
        origin: said.origin.clone(),
    });
    let mode_said = layers.mode.as_ref().filter(|_| alone).or(implies.as_ref());
    let mode = r.pick(
        &key("mode"),
        Sources::over(mode_said, shape.mode.map(|m| word_of(MODES, &m))),
        implied,
        word(MODES),
        |m| quote(word_of(MODES, m)),
    );
    let listener = r.pick(
        &key("name"),
        Sources::file(shape.name.as_ref()),
        word_of(MODES, &mode).to_owned(),
        name,
        |n| quote(n),
    );
    if before.iter().any(|l| l.name == listener) {
        r.fault_at(
            &key("name"),
            Fault::new(
                format!("there is another listener called {listener:?}"),
                "give each a name of its own",
            ),
        );
    }
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 3128));
    let address = r.pick(
        &key("address"),
        Sources::over(
            layers.listen.as_ref().filter(|_| alone),
            shape.address.as_ref(),
        ),
        default,
        address::listen,
        |a| quote(&a.to_string()),
    );
    if !alone && shape.address.is_none() {
        r.fault_at(
            &key("address"),
            Fault::new("the listener has no address", "add address = \"IP:PORT\""),
        );
    } else if let Some(other) = before
        .iter()
        .find(|l| l.address == address && address.port() != 0)
    {
        r.fault_at(
            &key("address"),
            Fault::new(
                format!(
                    "{address} is the address of listener {:?} already",
                    other.name
                ),
                "give each an address of its own",
            ),
        );
    }
    let only = |r: &mut Resolver<'_>, name: &str, given: bool, mode: &str| {
        if given {
            r.fault_at(
                &key(name),
                Fault::new(
                    format!("`{name}` is for mode {mode:?} only"),
                    format!("remove it, or write mode = {mode:?}"),
                ),
            );
        }
    };
    if mode != Mode::Reverse {
        only(r, "to", shape.to.is_some(), "reverse");
        only(r, "host", shape.host.is_some(), "reverse");
        if let Some(said) = to {
            let fault = Fault::new(
                format!(
                    "an origin is for mode \"reverse\", not {:?}",
                    word_of(MODES, &mode)
                ),
                "leave out --mode, or --to",
            );
            r.fault("to", &said.origin, fault);
        }
    }
    if mode != Mode::Transparent {
        only(r, "intercept", shape.intercept.is_some(), "transparent");
        only(
            r,
            "keep_client_address",
            shape.keep_client_address.is_some(),
            "transparent",
        );
    }
    let does = match mode {
        Mode::Forward => Does::Forward,
        Mode::Reverse => reverse(r, i, shape, over, to, groups),
        Mode::Transparent => transparent(r, i, shape),
    };
    let given = key("purge");
    let file = r.document.has(&given).then(|| shape.purge.clone());
    let purge = r.pick_list(&given, None, file, &[], networks::ranges, true);
    Listener {
        name: listener,
        address,
        does,
        purge,
    }
}

fn reverse(
    r: &mut Resolver<'_>,
    i: usize,
    shape: &shape::Listen,
    over: Option<usize>,
    to: Option<&Said>,
    groups: &[Group],
) -> Does {
    let key = format!("listen[{i}].to");
    let group = match (over.zip(to), &shape.to) {
        (Some((group, said)), _) => {
            r.enter(
                &key,
                quote(groups.get(group).map_or("", |g| &g.name)),
                said.origin.clone(),
            );
            group
        }
        (None, Some(name)) => {
            let origin = r.document.origin(&key);
            r.enter(&key, quote(name), origin);
            groups
                .iter()
                .position(|g| g.name == *name)
                .unwrap_or_else(|| {
                    let known: Vec<&str> = groups.iter().map(|g| g.name.as_str()).collect();
                    let cure = match (
                        super::suggest::nearest(name, known.iter().copied()),
                        known.is_empty(),
                    ) {
                        (Some(near), _) => format!("did you mean {near:?}?"),
                        (None, true) => format!(
                            "add [[upstream]] with name = {name:?} and servers = [\"HOST:PORT\"]"
                        ),
                        (None, false) => format!("write one of {}", known.join(", ")),
                    };
                    r.fault_at(
                        &key,
                        Fault::new(format!("there is no upstream called {name:?}"), cure),
                    );
                    0
                })
        }
        (None, None) => {
            let mode = format!("listen[{i}].mode");
            let cure = match r.layers.mode {
                Some(_) => "add --to http://HOST:PORT",
                None => "add to = \"NAME\" and an [[upstream]] of that name",
            };
            r.fault_at(
                &mode,
                Fault::new("a reverse listener needs an upstream", cure),
            );
            0
        }
    };
    let host = r.pick(
        &format!("listen[{i}].host"),
        Sources::file(shape.host.as_ref()),
        None,
        host,
        |h| match h {
            None => quote("keep"),
            Some(value) => quote(&format!("set:{value}")),
        },
    );
    Does::Reverse { group, host }
}

fn transparent(r: &mut Resolver<'_>, i: usize, shape: &shape::Listen) -> Does {
    let file = shape.intercept.map(|v| word_of(INTERCEPTS, &v));
    let intercept = r.pick(
        &format!("listen[{i}].intercept"),
        Sources::file(file),
        Intercept::Redirect,
        word(INTERCEPTS),
        |v| quote(word_of(INTERCEPTS, v)),
    );
    let key = format!("listen[{i}].keep_client_address");
    let keep_client_address = r.pick(
        &key,
        Sources::file(shape.keep_client_address),
        false,
        |t| Ok(t == "true"),
        bool::to_string,
    );
    if keep_client_address && intercept == Intercept::Redirect {
        r.fault_at(
            &key,
            Fault::new(
                "the client's address can be kept with tproxy only",
                "write intercept = \"tproxy\", or false here",
            ),
        );
    }
    Does::Transparent {
        intercept,
        keep_client_address,
    }
}

/// A name: something that can stand in a log and a metric's label.
pub(crate) fn name(text: &str) -> Result<String, Fault> {
    if !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("{text:?} is not a name"),
        "write letters, digits, - _ or ., at most 64 together",
    ))
}

/// `keep` (none) or `set:VALUE`, where the value is a host and perhaps a port (RFC 9110 section 7.2).
fn host(text: &str) -> Result<Option<String>, Fault> {
    match text.strip_prefix("set:") {
        None if text == "keep" => Ok(None),
        Some(value)
            if !value.is_empty()
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b)) =>
        {
            Ok(Some(value.to_owned()))
        }
        Some(value) => Err(Fault::new(
            format!("{value:?} is not a host"),
            "write a host and perhaps a port, such as \"set:www.example.org\"",
        )),
        None => Err(Fault::new(
            format!("{text:?} is neither \"keep\" nor \"set:VALUE\""),
            format!("write \"keep\", or \"set:{text}\" to send that"),
        )),
    }
}
