//! Exit codes, as operators and service managers see them.

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Ok = 0,
    /// The configuration is wrong, or the proxy could not start.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Stopped before transactions were through: a second signal, or the drain bound passed.
    Forced = 3,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}
