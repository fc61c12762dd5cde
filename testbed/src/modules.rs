//! Modules in C for tests: compiled here, named in a configuration, and asked about at the admin.
//!
//! The sources lie in `modules/` of this crate; each test compiles into its own directory, so tests share nothing.

use crate::{Origin, Proxy};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Compiles `modules/NAME.c` into a shared library in this directory.
#[track_caller]
pub fn compiled(name: &str, dir: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = dir.join(name).with_extension("so");
    let status = Command::new("cc")
        .args([
            "-shared", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror", "-o",
        ])
        .arg(&library)
        .arg(here.join("modules").join(name).with_extension("c"))
        .arg("-I")
        .arg(here.join("../modules/abi/include"))
        .status();
    assert!(status.unwrap().success(), "{name}.c does not compile");
    library
}

/// These tables, with a deadline that no stall reaches in each module's that says none: whoever waits for one to lapse says it.
pub fn patient(tables: &str) -> String {
    let mut parts = tables.split("[[module]]\n");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // What it says of itself ends where its options begin. Added at the end: the lines before keep their numbers.
        let own = part.split("\n[").next().unwrap_or_default().trim_end();
        let has_one = own.lines().any(|line| line.starts_with("deadline"));
        let added = if has_one { "" } else { "\ndeadline = \"10m\"" };
        all.extend(["[[module]]\n", own, added, &part[own.len()..]]);
    }
    all
}

/// A reverse proxy of this origin on ports of its own, with these tables of modules.
pub fn config(origin: &Origin, modules: &str) -> String {
    let modules = patient(modules);
    format!(
        "workers = 2\n{modules}[admin]\naddress = \"127.0.0.1:0\"\n\
         [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
        origin.addr
    )
}

/// What the admin says of the module of this name.
#[track_caller]
pub fn module(proxy: &Proxy, name: &str) -> serde_json::Value {
    let response = proxy.admin("/modules").expect(200);
    let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let all = answer["modules"].as_array().unwrap();
    let found = all
        .iter()
        .find(|m| m["name"] == name && m["state"] != "leaving");
    found
        .unwrap_or_else(|| panic!("no module {name} in {answer}"))
        .clone()
}

#[cfg(test)]
mod tests {
    use super::patient;

    #[test]
    fn a_deadline_is_added_where_there_is_none() {
        let table = |more: &str| format!("[[module]]\nname = \"a\"{more}\n");
        let (own, options) = ("\ndeadline = \"2s\"", "\n[module.options]\ndeadline = 1");
        let (added, both) = ("\ndeadline = \"10m\"", own.to_owned() + options);
        for (more, patiently) in [
            ("", added.to_owned()),
            (own, own.to_owned()),
            (options, added.to_owned() + options),
            (both.as_str(), both.clone()),
        ] {
            let (before, after) = (table(more), table(&patiently));
            assert_eq!(patient(&before), after);
            assert_eq!(
                patient(&format!("[modules]\n{before}{before}")),
                format!("[modules]\n{after}{after}")
            );
        }
    }
}
