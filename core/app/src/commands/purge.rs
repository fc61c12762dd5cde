//! `understudy purge`: removes what a running proxy has stored, over its admin, and shows the receipt.
//!
//! Invariant: the exit code is 0 only when the proxy answered with a receipt on which nothing remained. Awkward case: keys hold a line
//! break between the URL and what parts its keys; on the command line and in what is shown it is written `\n`.

use super::{client, fail};
use crate::{exit::Exit, show};
use clap::Args;
use serde_json::Value;
use std::fmt::Write;
use understudy_http::semantics::tags;
use understudy_proxy::purge::Request;

const EXAMPLES: &str = "\
Examples:
  understudy purge http://www.example.org/page              every variant of this URL
  understudy purge --prefix http://www.example.org/img/     all URLs that begin like this
  understudy purge --tag product-17 --tag front-page        what has either tag
  understudy purge --tag news --soft                        only make it stale
  understudy purge --prefix http:// --dry-run               what is stored, without removing anything

What is fetched while a purge comes is not stored if it is meant. Each purge ends with a second look at what it should have removed.";

/// Purge what a running proxy has stored.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Purge {
    /// URLs: every variant of each
    #[arg(value_name = "URL")]
    url: Vec<String>,
    /// What has one of these tags (Surrogate-Key, Cache-Tag, xkey); divided by spaces or commas, may be repeated
    #[arg(long, short, value_name = "TAGS")]
    tag: Vec<String>,
    /// All URLs that begin like this; may be repeated
    #[arg(long, short, value_name = "URL")]
    prefix: Vec<String>,
    /// One key, as receipts show it; may be repeated
    #[arg(long, short, value_name = "KEY")]
    key: Vec<String>,
    /// A cache group (RFC 9875); may be repeated
    #[arg(long, short, value_name = "GROUP")]
    group: Vec<String>,
    /// Whose groups are meant, such as `http://www.example.org`; every origin's when left out
    #[arg(long, value_name = "URL", requires = "group")]
    origin: Option<String>,
    /// Make it stale instead of removing it: it is validated when it is asked for next
    #[arg(long, short)]
    soft: bool,
    /// Only tell what would go
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Print the receipt as the admin answers it
    #[arg(long)]
    json: bool,
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
pub(crate) fn run(purge: Purge) -> Exit {
    let Purge { admin, json, .. } = &purge;
    let asked = asked(&purge);
    if let Err(reasons) = asked.selectors() {
        reasons.iter().for_each(|why| {
            fail(why);
        });
        return Exit::Usage;
    }
    let Ok(body) = serde_json::to_value(&asked) else {
        return fail("the request cannot be written as JSON");
    };
    let answer = client(admin).and_then(|client| client.ask_at("/purge", "POST", Some(&body)));
    match answer {
        Ok(answer) if answer.status == 200 => {
            let shown = match json {
                true => format!("{:#}\n", answer.body),
                false => text(&answer.body),
            };
            let shown = show(shown.as_bytes());
            match answer.body["remained"].as_u64() {
                None | Some(0) => shown,
                Some(n) => fail(&format!("{n} responses should have gone and have not")),
            }
        }
        Ok(answer) => {
            let reasons = answer.body["reasons"].as_array().into_iter().flatten();
            let reasons: Vec<&str> = reasons.filter_map(Value::as_str).collect();
            match reasons[..] {
                [] => fail(&format!("the admin answered {}", answer.status)),
                _ => fail(&reasons.join("; ")),
            }
        }
        Err(why) => fail(&why),
    }
}

fn asked(purge: &Purge) -> Request {
    let tags = purge.tag.iter().flat_map(|text| {
        let tags = tags::in_text(text.as_bytes());
        tags.map(|tag| String::from_utf8_lossy(tag).into_owned())
    });
    Request {
        url: purge.url.clone(),
        key: purge
            .key
            .iter()
            .map(|key| key.replace("\\n", "\n"))
            .collect(),
        prefix: purge.prefix.clone(),
        tag: tags.collect(),
        group: purge.group.clone(),
        origin: purge.origin.clone(),
        soft: purge.soft,
        dry_run: purge.dry_run,
    }
}

/// The receipt for people.
fn text(receipt: &Value) -> String {
    let number = |at: &Value| at.as_u64().unwrap_or(0);
    let word = |at: &Value| at.as_str().unwrap_or_default().to_owned();
    let is = |name: &str| receipt["asked"][name] == true;
    let how = match (is("dry_run"), is("soft")) {
        (true, _) => ", a dry run: nothing was changed",
        (false, true) => ", soft",
        (false, false) => "",
    };
    let mut out = format!(
        "purge {} at {}{how}\n",
        word(&receipt["id"]),
        word(&receipt["time"])
    );
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:11} {value}");
    };
    line("matched", number(&receipt["matched"]).to_string());
    line("removed", number(&receipt["removed"]).to_string());
    line("made stale", number(&receipt["made_stale"]).to_string());
    line("bytes freed", number(&receipt["bytes_freed"]).to_string());
    let fills = &receipt["fills"];
    line(
        "fetches",
        format!(
            "{} under way are not stored, {} are not if they turn out to be meant",
            number(&fills["marked"]),
            number(&fills["watched"])
        ),
    );
    if let Some(remained) = receipt["remained"].as_u64() {
        line("remained", remained.to_string());
    }
    line("took", format!("{} us", number(&receipt["took_us"])));
    let keys = receipt["keys"].as_array().into_iter().flatten();
    for key in keys.filter_map(Value::as_str) {
        let _ = writeln!(out, "  {}", shown(key));
    }
    if receipt["more_keys"] == true {
        out.push_str("  and more\n");
    }
    out
}

/// A key on one line, without what a terminal would obey.
fn shown(key: &str) -> String {
    key.chars()
        .flat_map(|c| match c {
            '\n' => "\\n".chars().collect::<Vec<_>>(),
            c if c.is_control() => c.escape_default().collect(),
            c => vec![c],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{shown, text};
    use serde_json::json;

    #[test]
    fn a_receipt_reads_like_one() {
        let receipt = json!({
            "id": "00000000000000ff", "time": "Sun, 06 Nov 1994 08:49:37 GMT", "asked": {"tag": ["a"], "soft": false, "dry_run": false},
            "matched": 2, "keys": ["http://a:80/x\nup"], "more_keys": true, "removed": 2, "made_stale": 0, "bytes_freed": 900,
            "fills": {"marked": 1, "watched": 0}, "remained": 0, "took_us": 41,
        });
        assert_eq!(
            text(&receipt),
            "purge 00000000000000ff at Sun, 06 Nov 1994 08:49:37 GMT\n\
             matched     2\nremoved     2\nmade stale  0\nbytes freed 900\n\
             fetches     1 under way are not stored, 0 are not if they turn out to be meant\n\
             remained    0\ntook        41 us\n  http://a:80/x\\nup\n  and more\n"
        );
    }

    #[test]
    fn a_key_is_shown_without_what_a_terminal_obeys() {
        assert_eq!(shown("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
    }
}
