//! Table 4 of the paper: how much code a module is.
//!
//! Counted is what is compiled into the module: the files that its `lib.rs` (and programs beside it) reach by `mod`, without items
//! under `cfg(test)`. Total lines have comments and blank lines; code lines are those with a token on them that is no comment;
//! statements stand where the paper counts semicolons; `calls` says what a call of the interface is.

mod calls;
mod source;

use super::layout;
use source::Statements;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

/// What is counted of a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    total: usize,
    code: usize,
    statements: usize,
    calls: usize,
}

impl AddAssign for Row {
    fn add_assign(&mut self, other: Row) {
        self.total += other.total;
        self.code += other.code;
        self.statements += other.statements;
        self.calls += other.calls;
    }
}

/// The paper's rows, with the figures of the helper programs beside two of them.
const PAPER: [(&str, Row, Option<Row>); 6] = [
    ("ad-remover", row(175, 115, 51, 4), None),
    ("compressor", row(387, 280, 126, 11), None),
    (
        "transcoder",
        row(391, 309, 148, 10),
        Some(row(166, 118, 54, 0)),
    ),
    (
        "text-injector",
        row(473, 367, 170, 12),
        Some(row(56, 32, 8, 0)),
    ),
    ("content-manager", row(675, 556, 289, 56), None),
    ("icap-client", row(1024, 719, 321, 15), None),
];

const fn row(total: usize, code: usize, statements: usize, calls: usize) -> Row {
    Row {
        total,
        code,
        statements,
        calls,
    }
}

/// The directories that are no modules: the interface itself.
const NONE: [&str; 2] = ["abi", "api"];

/// The table: the paper's modules in its order, then the others there are.
///
/// # Errors
/// A source that cannot be read or is no Rust, and which.
pub fn table(modules: &Path, interface: &Path, markdown: bool) -> Result<String, String> {
    let interface = calls::Interface::read(interface)?;
    let mut rows = Vec::new();
    let mut names = names(modules)?;
    for (name, paper, helper) in PAPER {
        let ours = match names.iter().position(|n| n == name) {
            Some(at) => Some(count(&modules.join(names.remove(at)), &interface)?),
            None => None,
        };
        rows.push((name.to_owned(), ours, Some((paper, helper))));
    }
    for name in names {
        let ours = count(&modules.join(&name), &interface)?;
        rows.push((name, Some(ours), None));
    }
    Ok(printed(&rows, markdown))
}

/// The names of the modules there are, in order.
fn names(modules: &Path) -> Result<Vec<String>, String> {
    let cannot = |why: std::io::Error| format!("cannot read {}: {why}", modules.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(modules).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().join("Cargo.toml").exists() && !NONE.contains(&&*name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Counts a module.
fn count(module: &Path, interface: &calls::Interface) -> Result<Row, String> {
    let mut sources = Vec::new();
    for root in roots(&module.join("src")) {
        source::reach(&root, &mut sources)?;
    }
    if sources.is_empty() {
        return Err(format!("{} has no source", module.display()));
    }
    let names = calls::Names::of(&sources, interface);
    let mut row = Row::default();
    for source in &sources {
        row += Row {
            total: source.total,
            code: source.code,
            statements: Statements::of(&source.file),
            calls: calls::count(&source.file, interface, &names),
        };
    }
    Ok(row)
}

/// Where the compiler begins: the library, and programs beside it.
fn roots(src: &Path) -> Vec<PathBuf> {
    let mut roots = vec![src.join("lib.rs"), src.join("main.rs")];
    if let Ok(programs) = src.join("bin").read_dir() {
        let programs = programs.flatten().map(|entry| entry.path());
        roots.extend(programs.flat_map(|path| [path.join("main.rs"), path]));
    }
    roots.retain(|root| root.is_file() && root.extension().is_some_and(|e| e == "rs"));
    roots.sort();
    roots
}

type Printed = (String, Option<Row>, Option<(Row, Option<Row>)>);

fn printed(rows: &[Printed], markdown: bool) -> String {
    let head = [
        "module",
        "total lines",
        "code lines",
        "statements",
        "calls",
        "paper: total",
        "code",
        "semicolons",
        "calls",
    ];
    let mut cells = vec![head.map(str::to_owned).to_vec()];
    for (name, ours, paper) in rows {
        let mut line = [const { String::new() }; 9];
        line[0].clone_from(name);
        let figures = |row: &Row| [row.total, row.code, row.statements, row.calls];
        for (i, cell) in line.iter_mut().skip(1).enumerate() {
            *cell = match (i, ours, paper) {
                (0..4, Some(ours), _) => figures(ours)[i].to_string(),
                (4.., _, Some((paper, helper))) => {
                    let beside = helper.as_ref().map(|row| figures(row)[i - 4]);
                    let beside = beside.filter(|n| *n > 0);
                    let beside = beside.map_or_else(String::new, |n| format!(" + {n}"));
                    format!("{}{beside}", figures(paper)[i - 4])
                }
                _ => "-".to_owned(),
            };
        }
        cells.push(line.to_vec());
    }
    layout::print(&cells, 1, markdown)
}
