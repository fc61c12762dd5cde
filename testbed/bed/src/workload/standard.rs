//! The workloads that ship.

/// Their names.
pub const STANDARD: [&str; 3] = ["polymix-3", "polymix-4", "webaxe-4"];

/// The file of a standard workload.
#[must_use]
pub fn standard(name: &str) -> Option<&'static str> {
    Some(match name {
        "polymix-3" => include_str!("../../workloads/polymix-3.toml"),
        "polymix-4" => include_str!("../../workloads/polymix-4.toml"),
        "webaxe-4" => include_str!("../../workloads/webaxe-4.toml"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
