//! `understudy explain`: what a running proxy would do with a request, and why, over its admin.
//!
//! Invariant: the words are the proxy's own; nothing is decided here. Awkward case: which admin. `--config` takes it from the
//! configuration the proxy runs with, so that the one that is asked is the one that is meant.

use super::{client, fail};
use crate::{
    admin::field,
    config::{Layers, layers::Flags, load},
    exit::Exit,
    show,
};
use clap::{Args, ValueHint};
use serde_json::Value;
use std::fmt::Write;
use understudy_proxy::explain::Request;

const EXAMPLES: &str = "\
Examples:
  understudy explain http://www.example.org/page
  understudy explain http://www.example.org/page -H 'Accept-Language: de' -H 'Cookie: id=1'
  understudy explain --config proxy.toml --listener site http://www.example.org/

Nothing is fetched or changed. Modules are not asked.";

/// Say what a running proxy would do with a request.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// The URL
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    url: String,
    /// A field of the request; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(String, String)>,
    /// The method
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<String>,
    /// The listener it would come in on; the first when left out
    #[arg(long, short, value_name = "NAME")]
    listener: Option<String>,
    /// Print what the admin answers
    #[arg(long)]
    json: bool,
    /// Take the admin's address from this configuration file
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "admin")]
    config: Option<String>,
    /// The admin of the proxy that is meant: address and port, or unix:PATH
    #[arg(
        long,
        value_name = "ADDR",
        env = "UNDERSTUDY_ADMIN",
        default_value = "127.0.0.1:3130"
    )]
    admin: String,
}

/// Does it.
pub(crate) fn run(explain: Explain) -> Exit {
    let admin = match &explain.config {
        Some(file) => match admin_of(file) {
            Ok(admin) => admin,
            Err(why) => {
                for line in why.lines() {
                    fail(line);
                }
                return Exit::Failed;
            }
        },
        None => explain.admin,
    };
    let asked = Request {
        url: explain.url,
        method: explain.method,
        headers: explain.headers,
        listener: explain.listener,
    };
    let Ok(body) = serde_json::to_value(&asked) else {
        return fail("the question cannot be written as JSON");
    };
    match client(&admin).and_then(|client| client.ask_at("/explain", "POST", Some(&body))) {
        Ok(answer) if answer.status == 200 => {
            let shown = match explain.json {
                true => format!("{:#}\n", answer.body),
                false => text(&answer.body),
            };
            show(shown.as_bytes())
        }
        Ok(answer) => match answer.body["reasons"][0].as_str() {
            Some(why) => fail(why),
            None => fail(&format!("the admin answered {}", answer.status)),
        },
        Err(why) => fail(&why),
    }
}

/// The admin's address in a configuration.
fn admin_of(file: &str) -> Result<String, String> {
    let flags = Flags {
        config: Some(file.to_owned()),
        ..Flags::default()
    };
    let layers = Layers::new(&flags, |name| std::env::var_os(name)).map_err(|p| p.to_string())?;
    let loaded = load(&layers).map_err(|problems| problems.to_string())?;
    Ok(loaded.values.admin.to_string())
}

/// The explanation for people.
fn text(answer: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:11} {value}");
    };
    line(
        "request",
        format!("{} {}", word(&answer["method"]), word(&answer["url"])),
    );
    line("listener", word(&answer["listener"]));
    line("key", word(&answer["key"]));
    line("rules", words(&answer["rules"], "none"));
    let variants = answer["variants"].as_array().map_or(&[][..], Vec::as_slice);
    if variants.is_empty() {
        line("stored", "nothing".to_owned());
    }
    for variant in variants {
        let chosen = match variant["selected"] == true {
            true => ", selected by this request",
            false => "",
        };
        line(
            "stored",
            format!(
                "{}, {} bytes, received {}{chosen}",
                variant["status"],
                variant["length"],
                word(&variant["received"])
            ),
        );
        let parts = variant["parts"].as_array().into_iter().flatten();
        let parts: Vec<String> = parts.map(|p| format!("{}-{}", p[0], p[1])).collect();
        if !parts.is_empty() {
            line("", format!("only bytes {}", parts.join(", ")));
        }
        for pair in variant["vary"].as_array().into_iter().flatten() {
            line("", format!("for {}: {}", word(&pair[0]), word(&pair[1])));
        }
        line("", format!("rules: {}", words(&variant["rules"], "none")));
        line(
            "",
            format!("directives: {}", words(&variant["directives"], "none")),
        );
        for name in ["tags", "groups"] {
            if !variant[name].is_null() {
                line("", format!("{name}: {}", words(&variant[name], "none")));
            }
        }
        let freshness = &variant["freshness"];
        line(
            "",
            format!(
                "lifetime {} s: {} ({})",
                freshness["lifetime"],
                word(&freshness["from"]),
                word(&freshness["clause"])
            ),
        );
        line(
            "",
            format!(
                "age {} s = {} s on arrival + {} s here",
                freshness["age"], freshness["on_arrival"], freshness["here"]
            ),
        );
        let ttl = freshness["ttl"].as_i64().unwrap_or(0);
        let fresh = if ttl > 0 { "fresh" } else { "stale" };
        line("", format!("ttl {ttl} s: {fresh}"));
    }
    let not_stored = &answer["not_stored"];
    if not_stored.is_object() {
        line(
            "not stored",
            format!(
                "{} ({}), status {}, last at {}",
                word(&not_stored["reason"]),
                word(&not_stored["clause"]),
                not_stored["status"],
                word(&not_stored["at"])
            ),
        );
    }
    line("next", next(&answer["next"]));
    for note in answer["notes"].as_array().into_iter().flatten() {
        line("note", word(note));
    }
    out
}

fn next(next: &Value) -> String {
    let mut text = match word(&next["does"]).as_str() {
        "hit" => "answered from the store: hit".to_owned(),
        "stale" => "answered from the store although it is stale: hit".to_owned(),
        "validate" => "the origin is asked whether what is stored is good".to_owned(),
        "fetch" => "fetched from the origin".to_owned(),
        "pass" => "passed to the origin, past the store".to_owned(),
        "refuse" => "answered by the proxy itself".to_owned(),
        _ => "something else".to_owned(),
    };
    if let Some(fwd) = next["fwd"].as_str() {
        let _ = write!(text, ", fwd={fwd}");
    }
    if let Some(status) = next["status"].as_u64() {
        let _ = write!(text, ", status {status}");
    }
    if let Some(reason) = next["reason"].as_str() {
        let _ = write!(text, ", {reason}");
    }
    if let Some(clause) = next["clause"].as_str() {
        let _ = write!(text, " ({clause})");
    }
    text
}

/// Text without what a terminal would obey.
fn word(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.chars()
        .flat_map(|c| match c {
            '\n' => "\\n".chars().collect::<Vec<_>>(),
            c if c.is_control() => c.escape_default().collect(),
            c => vec![c],
        })
        .collect()
}

fn words(list: &Value, none: &str) -> String {
    let all: Vec<String> = list.as_array().into_iter().flatten().map(word).collect();
    match all.is_empty() {
        true => none.to_owned(),
        false => all.join(", "),
    }
}
