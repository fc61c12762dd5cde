//! Which symbols of a file may be a module's entry.
//!
//! In C it is `understudy_module`. In Rust it has the crate's name in it, because a crate may be linked into a program together with
//! others: `understudy_module_of_NAME`. A cdylib that uses another module's crate has both; then the file's name decides.

use memchr::memmem;
use std::path::Path;

/// The entry in C.
pub(crate) const PLAIN: &str = "understudy_module";
/// What an entry in Rust begins with.
const PREFIX: &str = "understudy_module_of_";

/// What may be an entry, best first. Whether it is a symbol, the dynamic linker knows.
pub(crate) fn candidates(path: &Path, file: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = file;
    while let Some(at) = memmem::find(rest, PREFIX.as_bytes()) {
        rest = &rest[at..];
        let len = rest
            .iter()
            .position(|b| !b.is_ascii_alphanumeric() && *b != b'_')
            .unwrap_or(rest.len());
        if let Ok(name) = std::str::from_utf8(&rest[..len])
            && len > PREFIX.len()
            && !found.iter().any(|known| known == name)
        {
            found.push(name.to_owned());
        }
        rest = &rest[len..];
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let own = stem.strip_prefix("lib").unwrap_or(&stem).replace('-', "_");
    found.sort_by_key(|name| name[PREFIX.len()..] != own);
    found.insert(0, PLAIN.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_of_the_file_s_own_crate_comes_before_others() {
        let file =
            b"\0understudy_module_of_other\0understudy_module_of_my_own\0understudy_module_of_\0";
        let found = candidates(Path::new("/lib/libmy-own.so"), file);
        assert_eq!(
            found,
            [
                "understudy_module",
                "understudy_module_of_my_own",
                "understudy_module_of_other"
            ]
        );
    }
}
