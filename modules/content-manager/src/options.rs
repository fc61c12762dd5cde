//! The options, checked.
//!
//! Invariant: what is here may be put to use as it is; in particular, whoever listens where others than this machine can reach it has a
//! secret.

use ipnet::IpNet;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use understudy_module::Host;

/// Every option.
const KNOWN: &[&str] = &[
    "listen",
    "allow",
    "secret",
    "secret_file",
    "root",
    "telnet",
    "idle",
    "sessions",
    "parallel",
    "body",
];
/// Bytes of a secret.
const LONGEST_SECRET: usize = 256;

/// The options.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    allow: Vec<IpNet>,
    secret: Option<String>,
    pub(crate) root: Option<Arc<PathBuf>>,
    /// Negotiate at once, without waiting for the peer to speak telnet.
    pub(crate) telnet: bool,
    pub(crate) idle: Duration,
    pub(crate) sessions: usize,
    pub(crate) parallel: u16,
    /// Most bytes that may follow a line.
    pub(crate) body: u64,
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// A sentence that names the first that is wrong.
    pub(crate) fn read(host: &Host) -> Result<Options, String> {
        for (name, _) in host.options() {
            let known = name.split('.').next().unwrap_or_default();
            if !KNOWN.contains(&known) {
                return Err(format!(
                    "option `{name}` is not known; known are {}",
                    KNOWN.join(", ")
                ));
            }
        }
        let listen = parsed(host, "listen", SocketAddr::from(([127, 0, 0, 1], 8081)))?;
        if let Some(own) = listeners(host).find(|own| meet(*own, listen)) {
            // Its sockets share ports as well: connections would be dealt out among both.
            return Err(format!(
                "option `listen`: {listen}: the proxy itself listens on {own}"
            ));
        }
        let allow = match listed(host, "allow") {
            texts if texts.is_empty() => vec![
                IpNet::from(IpAddr::from([127, 0, 0, 1])),
                "::1/128".parse().map_err(text)?,
            ],
            texts => texts
                .iter()
                .map(|text| {
                    network(text).ok_or(format!(
                        "option `allow`: {text:?} is no network; write one such as 192.0.2.0/24"
                    ))
                })
                .collect::<Result<_, _>>()?,
        };
        let secret = match (host.option("secret"), host.option("secret_file")) {
            (Some(_), Some(_)) => return Err("say `secret` or `secret_file`, not both".to_owned()),
            (Some(secret), None) => Some(secret),
            (None, Some(file)) => {
                let read = std::fs::read_to_string(&file);
                let read = read.map_err(|why| format!("option `secret_file`: {file}: {why}"))?;
                Some(read.trim_end_matches(['\r', '\n']).to_owned())
            }
            (None, None) => None,
        };
        if secret
            .as_ref()
            .is_some_and(|s| s.is_empty() || s.len() > LONGEST_SECRET)
        {
            return Err(format!("the secret has 1 to {LONGEST_SECRET} bytes"));
        }
        if !listen.ip().is_loopback() && secret.is_none() {
            return Err(format!(
                "option `listen`: {listen} can be reached from other machines; say a `secret`, or listen on 127.0.0.1"
            ));
        }
        let root = host.option("root").map(PathBuf::from);
        if let Some(root) = root.as_ref().filter(|root| !root.is_dir()) {
            return Err(format!("option `root`: {} is no directory", root.display()));
        }
        let telnet = match host.option("telnet").as_deref() {
            None | Some("auto") => false,
            Some("always") => true,
            Some(other) => {
                return Err(format!(
                    "option `telnet`: {other:?} is neither \"auto\" nor \"always\""
                ));
            }
        };
        Ok(Options {
            listen,
            allow,
            secret,
            root: root.map(Arc::new),
            telnet,
            idle: Duration::from_secs(within(host, "idle", 600, 1, 86_400)?),
            sessions: within(host, "sessions", 8, 1, 256)?,
            parallel: within(host, "parallel", 8, 1, 64)?,
            body: within(host, "body", 8 << 20, 0, 24 << 20)?,
        })
    }

    /// Whether an address may connect.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow.iter().any(|network| network.contains(&address))
    }

    /// Whether a secret is wanted.
    pub(crate) fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// Whether it is this one. How long that takes says nothing about the secret, nor about its length.
    pub(crate) fn is_secret(&self, given: &str) -> bool {
        let padded = |text: &str| {
            let mut bytes = [0; LONGEST_SECRET];
            let length = text.len().min(LONGEST_SECRET);
            bytes
                .iter_mut()
                .zip(text.bytes())
                .for_each(|(to, from)| *to = from);
            (bytes, length as u64)
        };
        let (given_bytes, given_length) = padded(given);
        let (bytes, length) = padded(self.secret.as_deref().unwrap_or_default());
        let same = bytes.ct_eq(&given_bytes) & length.ct_eq(&given_length);
        bool::from(same) && given.len() <= LONGEST_SECRET
    }
}

/// Where the proxy listens.
fn listeners(host: &Host) -> impl Iterator<Item = SocketAddr> {
    let named = |index: u32| host.setting(&format!("listen.{index}.address"));
    (0..).map_while(named).filter_map(|text| text.parse().ok())
}

/// Whether a connection could be for both.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip(), other.ip());
    let same = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
    one.port() != 0 && one.port() == other.port() && same
}

fn text(why: impl Display) -> String {
    why.to_string()
}

fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|ip: IpAddr| IpNet::from(ip)))
}

/// A list: members of an array, or words between commas.
fn listed(host: &Host, name: &str) -> Vec<String> {
    let array = (0..).map_while(|index| host.option(&format!("{name}.{index}")));
    let all = host.option(name).into_iter().chain(array);
    all.flat_map(|text| {
        text.split(',')
            .map(|part| part.trim().to_owned())
            .collect::<Vec<_>>()
    })
    .filter(|part| !part.is_empty())
    .collect()
}

fn parsed<T: FromStr<Err: Display>>(host: &Host, name: &str, usual: T) -> Result<T, String> {
    let Some(text) = host.option(name) else {
        return Ok(usual);
    };
    text.parse()
        .map_err(|why| format!("option `{name}`: {text:?}: {why}"))
}

fn within<T>(host: &Host, name: &str, usual: T, least: T, most: T) -> Result<T, String>
where
    T: FromStr<Err: Display> + PartialOrd + Display,
{
    let value = parsed(host, name, usual)?;
    if value < least || value > most {
        return Err(format!(
            "option `{name}`: {value} is not from {least} to {most}"
        ));
    }
    Ok(value)
}
