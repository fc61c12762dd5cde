//! The supervisor.

/// Names the modules that are to run as processes, parted by commas.
pub(crate) const DEMOTE: &str = "UNDERSTUDY_DEMOTE";
