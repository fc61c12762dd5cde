//! The child: what `understudy module-host` does.
//!
//! Threads: this one reads orders; one answers events (or one reads them and several answer); one watches the module's
//! descriptors and tells it notices. So a hook that waits never keeps its own completion from being read. The proxy is trusted
//! here; when it is gone, so is the child.

mod calls;
mod desk;
mod doors;
mod given_up;
mod notices;
mod orders;
mod pool;
mod serve;
mod visits;

use crate::spec::Library;
use std::process::ExitCode;
use std::sync::Arc;

/// Finds a library by its string from the configuration.
pub type Libraries<'a> = &'a dyn Fn(&str) -> Result<Arc<dyn Library>, String>;

/// Runs a module for the proxy that started this process with its control socket as standard input. Returns when the module was
/// unloaded, or could not be loaded.
pub fn host_main(libraries: Libraries<'_>) -> ExitCode {
    match orders::run(libraries) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("module-host: {why}");
            ExitCode::FAILURE
        }
    }
}
