//! Templates of new modules: what `understudy modules new` writes.
//!
//! Owns the files in `templates/`. Invariant: nothing that is there is overwritten; either all files of a template are written into a
//! directory that had none of them, or an error says which was in the way.

use crate::HEADER;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// In which language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lang {
    /// Rust, with `understudy-module` from here.
    Rust(Source),
    /// C.
    C,
}

/// Where a module in Rust has the interface from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The directory of the crate `understudy-module`.
    Path(PathBuf),
    /// A version in the registry.
    Version(String),
}

impl Source {
    fn dependency(&self, rest: &str) -> String {
        let (key, value) = match self {
            Source::Path(path) => ("path", path.display().to_string()),
            Source::Version(version) => ("version", version.clone()),
        };
        // A string of TOML: the two characters that end or bend it are escaped.
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        format!("{{ {key} = \"{value}\"{rest} }}")
    }
}

/// Writes a new module into a directory, which is made if need be: the files written.
///
/// # Errors
/// A sentence: a name that is none for a crate, a file that is in the way, or what the file system says.
pub fn write(dir: &Path, name: &str, lang: Lang) -> Result<Vec<PathBuf>, String> {
    check(name)?;
    let files: Vec<(PathBuf, String)> = fill(name, &lang)
        .into_iter()
        .map(|(path, text)| (dir.join(path), text))
        .collect();
    if let Some((path, _)) = files
        .iter()
        .find(|(path, _)| path.symlink_metadata().is_ok())
    {
        return Err(format!(
            "{} is there already; nothing was written",
            path.display()
        ));
    }
    for (path, text) in &files {
        put(path, text).map_err(|why| format!("cannot write {}: {why}", path.display()))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // Also if it came to be meanwhile.
    fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// Whether it is a name for a crate and for a file.
fn check(name: &str) -> Result<(), String> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    // Crates that the module's own would hide.
    let taken = [
        "test",
        "core",
        "std",
        "alloc",
        "understudy-module",
        "understudy_module",
    ];
    match fits && !taken.contains(&name) {
        true => Ok(()),
        false => Err(format!(
            "`{name}` is no name for a module: small letters, digits, `-` and `_`, a letter first, and no crate of the language"
        )),
    }
}

/// The files of a template, filled in.
fn fill(name: &str, lang: &Lang) -> Vec<(String, String)> {
    let crate_name = name.replace('-', "_");
    let library = match lang {
        Lang::Rust(_) => format!("target/release/lib{crate_name}.so"),
        Lang::C => format!("./{name}.so"),
    };
    let (plain, kit) = match lang {
        Lang::Rust(source) => (
            source.dependency(""),
            source.dependency(", features = [\"kit\"]"),
        ),
        Lang::C => Default::default(),
    };
    let filled = |text: &str| {
        text.replace("@NAME@", name)
            .replace("@CRATE@", &crate_name)
            .replace("@TYPE@", &type_name(name))
            .replace("@LIBRARY@", &library)
            .replace("@DEPENDENCY@", &plain)
            .replace("@DEPENDENCY_WITH_KIT@", &kit)
    };
    let mut files = match lang {
        Lang::Rust(_) => vec![
            (
                "Cargo.toml".to_owned(),
                filled(include_str!("../templates/rust/Cargo.toml.in")),
            ),
            (
                "src/lib.rs".to_owned(),
                filled(include_str!("../templates/rust/lib.rs.in")),
            ),
            (
                "tests/cases.rs".to_owned(),
                filled(include_str!("../templates/rust/cases.rs.in")),
            ),
            (
                "README.md".to_owned(),
                filled(include_str!("../templates/rust/README.md.in")),
            ),
        ],
        Lang::C => vec![
            (
                format!("{name}.c"),
                filled(include_str!("../templates/c/module.c.in")),
            ),
            ("understudy.h".to_owned(), HEADER.to_owned()),
            (
                "Makefile".to_owned(),
                filled(include_str!("../templates/c/Makefile.in")),
            ),
            (
                "README.md".to_owned(),
                filled(include_str!("../templates/c/README.md.in")),
            ),
        ],
    };
    files.push((
        "cases/greeting.toml".to_owned(),
        filled(include_str!("../templates/greeting.toml.in")),
    ));
    files.push((
        "understudy.toml".to_owned(),
        filled(include_str!("../templates/understudy.toml.in")),
    ));
    files
}

/// `my-module` as the name of a type: `MyModule`.
fn type_name(name: &str) -> String {
    name.split(['-', '_'])
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect()
}
