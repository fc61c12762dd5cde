//! `understudy-bed table4` counts what its page says it counts.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_understudy-bed"));
    command.arg("table4").args(arguments).output().unwrap()
}

fn table4(arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = run(arguments);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// The cells of the row of this module: total, code, statements, calls, then the paper's.
fn row(table: &str, module: &str) -> Vec<String> {
    let rows = table.lines().map(|l| l.split_whitespace());
    let mut row = rows
        .map(|cells| cells.map(str::to_owned).collect::<Vec<_>>())
        .find(|cells| cells.first().is_some_and(|name| name == module))
        .unwrap_or_else(|| panic!("no {module} in {table}"));
    row.remove(0);
    row
}

/// Counts a module of these files.
fn counted(files: &[(&str, &str)]) -> [usize; 4] {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("counted/src/bin")).unwrap();
    fs::write(dir.path().join("counted/Cargo.toml"), "").unwrap();
    for (name, text) in files {
        let path = dir.path().join("counted/src").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let interface = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/api/src");
    let table = table4(&[
        "--modules",
        dir.path().to_str().unwrap(),
        "--interface",
        interface.to_str().unwrap(),
    ]);
    let figures: Vec<usize> = row(&table, "counted")[..4]
        .iter()
        .map(|cell| cell.parse().unwrap())
        .collect();
    figures.try_into().unwrap()
}

const LIB: &str = r##"//! A module.
//! Two lines of documentation.

mod inner;
#[cfg(test)]
mod only_for_tests;

use understudy_module::{Host, Module, Transaction, Verdict as V};

/* A block
   comment. */
pub struct It {
    /// A field.
    host: std::sync::OnceLock<Host>,
    number: u64, // Behind code.
}

impl Module for It {
    fn request_head(&self, tx: &mut Transaction<'_>) -> V {
        let text = "a string
            of two lines // and no comment";

        if tx.find("host").is_none() {
            return V::fail("no host");
        }
        match self.number {
            0 => tx.count(text, 1),
            _ => {
                if let Some(host) = self.host.get() {
                    host.count("other", 1);
                }
            }
        }
        V::Continue
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_here_is_counted() {
        let x = 1;
        assert_eq!(x, 1);
    }
}
"##;

const INNER: &str = "pub fn nothing(v: &[u8]) -> Option<&u8> {\n    v.iter().find(|b| **b == 0) // No call of the interface.\n}\n";

#[test]
fn comments_blank_lines_and_tests_are_no_code() {
    let files = [("lib.rs", LIB), ("inner.rs", INNER)];
    // Without the module only_for_tests (2 lines) and the tests (8), with inner.rs (3).
    let total = LIB.lines().count() - 2 - 8 + 3;
    // Code: mod, use, 4 of the struct, 2 of heads, 2 of let, 3 of if, 8 of match, the end, 2 braces; and inner.rs (3).
    let code = 1 + 1 + 4 + 2 + 2 + 3 + 8 + 1 + 2 + 3;
    // Statements: let, if, return, match, the first arm, if let, count, the end; and one in inner.rs.
    let statements = 8 + 1;
    // Calls: find, fail, count, count.
    assert_eq!(counted(&files), [total, code, statements, 4]);
}

#[test]
fn programs_and_modules_in_directories_are_of_the_module() {
    let lib = "mod a;\nmod twice { pub(crate) mod b {} }\n";
    let a = "mod c;\n";
    let c = "fn f() {\n    f()\n}\n";
    let helper = "fn main() {}\n";
    let files = [
        ("lib.rs", lib),
        ("a.rs", a),
        ("a/c/mod.rs", c),
        ("bin/helper.rs", helper),
        ("not_reached.rs", "fn g() {}\n"),
    ];
    assert_eq!(counted(&files), [2 + 1 + 3 + 1, 2 + 1 + 3 + 1, 1, 0]);
}

/// One function of a module, and how many calls of the interface it has.
#[test]
fn a_call_of_the_interface_is_told_from_one_of_the_same_name() {
    for (calls, body) in [
        (
            0,
            "let tx = vec![1]; tx.iter().find(|x| **x == 1); text.lines().count();",
        ),
        (1, "tx.lines().count();"),
        (2, "tx.host().count(\"x\", 1);"),
        (
            2,
            "let host = tx.host(); std::thread::spawn(move || host.count(\"x\", 1));",
        ),
        (
            2,
            "let (host, token) = (tx.host(), tx.token()); let _ = (host, token);",
        ),
        (
            3,
            "let (host, token) = (tx.host(), tx.token()); host.resume(token, Verdict::Done);",
        ),
        (
            2,
            "let kept = tx.opaque().get::<u8>().map(|kept| kept.count_ones());",
        ),
        (
            2,
            "let mut page = Response::text(403, \"no\")?; page.add(b\"A\", b\"b\")?;",
        ),
        (
            2,
            "Response::new(200, text).and_then(|mut page| page.add(b\"A\", b\"b\"))?;",
        ),
        (1, "let line = format!(\"{} {}\", tx.status(), text.len());"),
        (1, "words::status(404);"),
        (1, "understudy_module::words::status(404);"),
        (1, "let id = ObjectId::of_url(text);"),
        (
            0,
            "let op = Operation::Query(text); let v = Verdict::Respond(text); let o = Some(text);",
        ),
        (1, "self.host.lock().submit(1, text);"),
        (0, "self.other.lock().submit(1, text);"),
    ] {
        let source = format!(
            "use understudy_module::{{words, Host, ObjectId, Operation, Response, Transaction, Verdict}};\n\
             struct It {{ host: Mutex<Host>, other: Mutex<Vec<u8>> }}\n\
             impl It {{ fn f(&self, tx: &mut Transaction<'_>, text: &str) -> R {{ {body} }} }}\n"
        );
        assert_eq!(counted(&[("lib.rs", &source)])[3], calls, "{body}");
    }
}

#[test]
fn every_module_there_is_has_a_row_and_the_papers_come_first() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules");
    let table = table4(&[]);
    for entry in fs::read_dir(modules).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !["abi", "api"].contains(&&*name) {
            assert!(row(&table, &name)[0].parse::<usize>().is_ok(), "{table}");
        }
    }
    let of_the_paper: Vec<&str> = table
        .lines()
        .skip(1)
        .take(6)
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    let papers = [
        "ad-remover",
        "compressor",
        "transcoder",
        "text-injector",
        "content-manager",
        "icap-client",
    ];
    assert_eq!(of_the_paper, papers);
    assert!(row(&table, "transcoder").ends_with(
        &["391", "+", "166", "309", "+", "118", "148", "+", "54", "10"].map(str::to_owned)
    ));
    assert!(
        table4(&["--markdown"])
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("|---|--:|")
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    for (arguments, part) in [
        (["--modules", "/nowhere"], "/nowhere"),
        (
            ["--interface", env!("CARGO_MANIFEST_DIR")],
            "no Transaction",
        ),
    ] {
        let told = run(&arguments);
        let stderr = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
}
