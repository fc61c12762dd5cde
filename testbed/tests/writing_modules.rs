//! docs/writing-modules.md, followed to the letter: its commands run in order, and print what it shows.
//!
//! Awkward case: the document says ports that may be taken and a directory that is not ours, so both are replaced; and cargo gets
//! what it needs from its own cache, without a network.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use understudy_testbed::{Reserved, proxy::binary};

/// Commands that are tried, and the lines that are to be among what they print.
struct Block {
    commands: String,
    says: Vec<String>,
}

/// The blocks marked as tried, each with the text behind it.
fn blocks(document: &str) -> Vec<Block> {
    let fenced = |text: &str, fence: &str| -> Option<String> {
        let body = text.trim_start().strip_prefix(fence)?;
        Some(body.split_once("\n```")?.0.to_owned())
    };
    document
        .split("<!-- tried -->")
        .skip(1)
        .map(|part| {
            let commands = fenced(part, "```sh\n").expect("a block of sh behind the mark");
            let behind = part.splitn(3, "\n```").nth(2).unwrap_or_default();
            let says = fenced(behind, "```text\n").unwrap_or_default();
            Block {
                commands,
                says: says.lines().map(str::to_owned).collect(),
            }
        })
        .collect()
}

/// Whether a line printed is the line shown; `...` stands for anything, and what is behind the last word of a line may differ.
fn shows(printed: &str, shown: &str) -> bool {
    let mut rest = printed;
    for part in shown.split("...").map(str::trim) {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

#[test]
fn what_the_document_says_is_what_happens() {
    let sources = sources();
    let document = std::fs::read_to_string(sources.join("docs/writing-modules.md")).unwrap();
    let blocks = blocks(&document);
    assert!(blocks.len() > 8, "{} blocks", blocks.len());

    // Held all the while: the document's origin binds beside them as the proxy does.
    let held: Vec<Reserved> = (0..3).map(|_| Reserved::hold()).collect();
    let ports: Vec<u16> = held.iter().map(|held| held.addr().port()).collect();
    let ours = |text: &str| {
        ["8000", "3128", "3130"]
            .iter()
            .zip(&ports)
            .fold(text.to_owned(), |text, (theirs, ours)| {
                text.replace(theirs, &ours.to_string())
            })
    };

    // Ends what was started also when a command fails.
    let mut script = "set -e\ntrap 'kill $proxy $origin 2>&1' EXIT\n".to_owned();
    for (n, block) in blocks.iter().enumerate() {
        script.push_str(&format!("echo '@@ {n}'\n{}\n", ours(&block.commands)));
    }
    script.push_str("trap - EXIT\necho '@@ end'\n");

    let dir = tempfile::tempdir().unwrap();
    let mut path = binary().parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let output = std::fs::File::create(dir.path().join("output")).unwrap();
    let ended = Command::new("timeout")
        .args(["--kill-after=5", "1200", "sh", "-c", &script])
        .current_dir(dir.path())
        .env("PATH", path)
        .env("SOURCES", &sources)
        .env("UNDERSTUDY_ADMIN", format!("127.0.0.1:{}", ports[2]))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .status()
        .unwrap();
    let printed = std::fs::read_to_string(dir.path().join("output")).unwrap();
    assert!(ended.success(), "{printed}");

    for (n, block) in blocks.iter().enumerate() {
        let here = printed.split_once(&format!("@@ {n}\n")).unwrap().1;
        let here = here.split("\n@@ ").next().unwrap();
        for line in &block.says {
            let line = ours(line);
            assert!(
                here.lines().any(|printed| shows(printed, &line)),
                "block {n} does not say {line:?}:\n{here}"
            );
        }
    }
}

#[test]
fn a_line_that_was_not_printed_is_not_taken_for_shown() {
    assert!(shows("a 1 b", "a ... b") && shows("a b", "a b"));
    assert!(!shows("a 1", "a ... b") && !shows("b a", "a ... b") && !shows("", "a"));
}
