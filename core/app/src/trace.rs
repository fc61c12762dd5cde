//! Diagnostics: `tracing` events as lines on standard error, written by a thread of their own.
//!
//! Invariant: a worker never waits for standard error; when nobody reads it, lines are lost, not time.
//! Awkward case: the level changes by a reload, so the filter sits behind a handle.

use crate::config::shape::Level;
use std::io::{self, IsTerminal};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Registry, filter::Targets, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// Lines that may wait for the writer.
const WAITING: usize = 4096;

/// The level of the diagnostics while they run.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    filter: reload::Handle<Targets, Registry>,
}

/// Starts telling, at this level. Dropped, the guard writes what waits.
pub(crate) fn start(level: Level) -> (Trace, WorkerGuard) {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING)
        .lossy(true)
        .finish(io::stderr());
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = fmt::layer()
        .with_writer(writer)
        .with_ansi(io::stderr().is_terminal())
        .with_target(level >= Level::Debug);
    // Already set only where a test runs twice in one process: no failure.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    (Trace { filter: handle }, guard)
}

impl Trace {
    /// Tells more or less from now on.
    pub(crate) fn set(&self, level: Level) {
        let _ = self.filter.reload(targets(level));
    }
}

/// Our own crates at the level asked for; libraries only when something is wrong, unless everything is asked for.
fn targets(level: Level) -> Targets {
    let ours = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let others = if level == Level::Trace {
        LevelFilter::DEBUG
    } else {
        ours.min(LevelFilter::WARN)
    };
    Targets::new()
        .with_default(others)
        .with_target("understudy", ours)
}

#[cfg(test)]
mod tests {
    use super::{Level, targets};
    use tracing::Level as L;

    #[test]
    fn libraries_are_quieter_than_the_proxy() {
        let cases = [
            (Level::Error, "understudy_proxy::worker", L::WARN, false),
            (Level::Info, "understudy_proxy::worker", L::INFO, true),
            (Level::Info, "understudy_proxy::worker", L::DEBUG, false),
            (Level::Debug, "understudy", L::DEBUG, true),
            (Level::Debug, "actix_server", L::WARN, true),
            (Level::Debug, "actix_server", L::INFO, false),
            (Level::Error, "actix_server", L::WARN, false),
            (Level::Trace, "understudy", L::TRACE, true),
            (Level::Trace, "actix_server", L::DEBUG, true),
            (Level::Trace, "actix_server", L::TRACE, false),
        ];
        for (level, target, event, want) in cases {
            assert_eq!(
                targets(level).would_enable(target, &event),
                want,
                "{level:?} {target} {event}"
            );
        }
    }
}
