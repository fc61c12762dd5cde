//! docs/modules.md maps the paper to this interface: every name of the paper has a row, and every row is true.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Figure 2, then Tables 1, 2 and 3, as the paper spells them, and what its text has beside them.
const PAPER: &[&str] = &[
    "dfp_init",
    "dfp_reconfig",
    "dfp_fini",
    "dfp_reqHeader",
    "dfp_reqBody",
    "dfp_reqOut",
    "dfp_dnsResolv",
    "dfp_respHeader",
    "dfp_respBody",
    "dfp_respReturn",
    "dfp_logging",
    "dfp_opaqueFree",
    "dfp_timer",
    "dfp_timerFreq",
    "DR_HeaderDelete",
    "DR_HeaderFind",
    "DR_HeaderAdd",
    "DR_HeaderDone",
    "DR_RespBodyInject",
    "DR_ObjIDMake",
    "DR_ObjIDRef",
    "DR_ObjIDUnref",
    "DR_ObjQuery",
    "DR_ObjFetch",
    "DR_ObjValidate",
    "DR_ObjExpirationSet",
    "DR_ObjDelete",
    "DR_ObjInject",
    "DR_ObjInjectStart",
    "DR_ObjInjectBody",
    "DR_ObjInjectDone",
    "DR_ObjRead",
    "DR_ObjReadStart",
    "DR_ObjReadPart",
    "DR_ObjReadDone",
    "DR_FDPollReadNotify",
    "DR_FDPollReadClear",
    "DR_FDPollWriteNotify",
    "DR_FDPollWriteClear",
    "DR_FDPollClose",
    "DR_StringFromStatus",
    "DR_StringFromLogCode",
    "DR_StringFromLogTimeout",
    "DR_StringFromLogHier",
    "DR_ConfigOptionFind",
    "transaction identifier",
    "client IP address",
    "opaque value",
    "no longer interested",
];

struct Row {
    paper: String,
    rust: Vec<String>,
    c: Vec<String>,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What stands between backticks in a cell.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The rows of the table whose head begins with "the paper".
fn rows() -> Vec<Row> {
    let text = read("docs/modules.md");
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("| the paper |"));
    lines
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 4, "{line}");
            Row {
                paper: cells[0].trim_matches('`').to_owned(),
                rust: quoted(cells[1]),
                c: quoted(cells[2]),
                tests: quoted(cells[3]),
            }
        })
        .collect()
}

fn sources() -> String {
    let mut all = String::new();
    for file in std::fs::read_dir(root().join("modules/api/src")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    all
}

/// The text of a type or trait: from its line to the closing brace at its margin, and of each `impl` of it.
fn of_type<'a>(sources: &'a str, name: &str) -> Vec<&'a str> {
    let starts = [
        "pub struct ",
        "pub enum ",
        "pub trait ",
        "impl ",
        "impl<'a> ",
        "impl Transaction<'_> ",
    ];
    let mut found = Vec::new();
    let mut at = 0;
    for line in sources.split_inclusive('\n') {
        let begins = starts.iter().any(|start| {
            line.strip_prefix(start)
                .is_some_and(|rest| rest.starts_with(name) && !word(rest, name.len()))
        });
        if begins {
            let rest = &sources[at..];
            found.push(&rest[..rest.find("\n}").unwrap_or(rest.len())]);
        }
        at += line.len();
    }
    found
}

/// Whether a name goes on at this place.
fn word(text: &str, at: usize) -> bool {
    text[at..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn has_word(text: &str, name: &str) -> bool {
    text.match_indices(name)
        .any(|(at, _)| !word(text, at + name.len()) && !text[..at].ends_with(is_letter))
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `Type::name` (a method, a variant, a field) or `module::function` is in the sources.
fn is_ours(sources: &str, name: &str) -> bool {
    let (of, name) = name.split_once("::").unwrap_or(("", name));
    if of.is_empty() {
        return sources.contains(&format!("pub struct {name}("));
    }
    if of == "words" {
        return read("modules/api/src/words.rs").contains(&format!("pub fn {name}("));
    }
    let texts = of_type(sources, of);
    if name == "clone" {
        let kept = sources.lines().collect::<Vec<_>>();
        return kept.windows(2).any(|two| {
            two[0].starts_with("#[derive(")
                && two[0].contains("Clone")
                && two[1].starts_with(&format!("pub struct {of}"))
        });
    }
    texts.iter().any(|text| {
        [
            format!("fn {name}("),
            format!("fn {name}<"),
            format!("pub {name}:"),
            format!("\n    {name}("),
            format!("\n    {name},"),
            format!("\n    {name} {{"),
        ]
        .iter()
        .any(|as_written| text.contains(as_written))
    })
}

/// Whether the file has this test: written out, or made of a case by the macro of the runtimes' tests.
fn is_test(text: &str, name: &str) -> bool {
    let written = [format!("fn {name}()"), format!("fn {name}(_")];
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let marked = lines.windows(2).any(|two| {
        two[0].starts_with("#[")
            && two[0].contains("test]")
            && written.iter().any(|name| two[1].contains(name))
    });
    let made = text.contains("cases! {")
        && lines
            .iter()
            .any(|line| line.trim_end_matches([',', ';']) == name);
    marked || made
}

#[test]
fn every_name_of_the_paper_has_its_row() {
    let rows = rows();
    let there: BTreeSet<&str> = rows.iter().map(|row| row.paper.as_str()).collect();
    let expected: BTreeSet<&str> = PAPER.iter().copied().collect();
    assert_eq!(there, expected);
    assert_eq!(rows.len(), PAPER.len(), "one row a name");
}

#[test]
fn what_a_row_says_of_rust_is_in_the_interface() {
    let sources = sources();
    for row in rows() {
        assert!(!row.rust.is_empty(), "{}: nothing in Rust", row.paper);
        for name in row.rust {
            assert!(is_ours(&sources, &name), "{}: no {name}", row.paper);
        }
    }
}

#[test]
fn what_a_row_says_of_c_is_in_the_header() {
    let header = read("modules/abi/include/understudy.h");
    // Comments name the paper's functions, and would agree with anything.
    let code: String = header
        .split("/*")
        .flat_map(|part| part.split_once("*/").map(|(_, code)| code))
        .collect();
    for row in rows() {
        assert!(!row.c.is_empty(), "{}: nothing in C", row.paper);
        for name in row.c {
            let all = name.split('.').all(|part| has_word(&code, part));
            assert!(all, "{}: no {name}", row.paper);
        }
    }
}

#[test]
fn every_row_has_a_test_that_exists() {
    for row in rows() {
        assert!(!row.tests.is_empty(), "{}: no test", row.paper);
        for test in row.tests {
            let (file, name) = test.split_once("::").unwrap();
            assert!(
                is_test(&read(file), name),
                "{}: no test {name} in {file}",
                row.paper
            );
        }
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let sources = sources();
    for name in [
        "Module::request_hea",
        "Module::find",
        "Operation::Quer",
        "words::code",
        "Nothing",
        "Host::clone_of",
    ] {
        assert!(!is_ours(&sources, name), "{name}");
    }
    let file = "#[test]\nfn a_test() {}\nfn a_helper() {}\n";
    assert!(is_test(file, "a_test") && !is_test(file, "a_helper"));
    assert!(!is_test("    a_case,\n", "a_case"));
    assert!(!has_word("header_finder", "header_find") && has_word("(*init)(", "init"));
}
