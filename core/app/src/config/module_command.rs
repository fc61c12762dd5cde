//! What commands say of modules, by the same rules as the file.
//!
//! Invariant: nothing comes out that could not have been written in a `[[module]]` section.
//! Awkward case: a runtime that is changed leaves keys behind that mean nothing for the new one; those are dropped, and those that the
//! command itself names are refused.

use super::{
    modules::{KINDS, Module, POLICIES, module},
    resolve::{Resolver, word},
    shape::{ModuleShape, OnFailureWord, RuntimeWord, Size, Time},
    suggest::nearest,
};
use std::collections::BTreeMap;
use understudy_runtimes::{Kind, Limits, OnFailure, Spec};

/// Checks what a command says of one module, by the same rules as the file. `options` are flat already.
///
/// # Errors
/// What is wrong, a line each.
pub(crate) fn of_command(
    shape: ModuleShape,
    options: BTreeMap<String, String>,
) -> Result<Module, Vec<String>> {
    let document = super::document::Document::default();
    let layers = super::Layers::default();
    let mut r = Resolver::new(&layers, &document);
    let mut module = module(&mut r, 0, &shape, &[]);
    module.spec.options = options;
    match r.finish() {
        Ok(_) => Ok(module),
        Err(problems) => Err(problems
            .0
            .iter()
            .map(|p| {
                let key = p
                    .key
                    .trim_start_matches("module[0]")
                    .trim_start_matches('.');
                let colon = if key.is_empty() { "" } else { ": " };
                format!("{key}{colon}{}; {}", p.fault.message, p.fault.cure)
            })
            .collect()),
    }
}

/// What the keys `runtime`, `threads`, ... of a module would be written as to have it as it is, but for those that mean nothing for
/// the runtime it is to have now.
pub(crate) fn shape_of(spec: &Spec, kind: Kind) -> ModuleShape {
    let Limits {
        threads,
        processes,
        nice,
        memory,
        deadline,
        queue,
        hold,
        on_failure,
    } = &spec.limits;
    let count = |n: usize| i64::try_from(n).ok();
    let far = kind != Kind::Inline;
    let process = kind == Kind::Process;
    ModuleShape {
        name: Some(spec.name.to_string()),
        library: Some(spec.library.clone()),
        runtime: Some(match kind {
            Kind::Inline => RuntimeWord::Inline,
            Kind::Threads => RuntimeWord::Threads,
            Kind::Process => RuntimeWord::Process,
        }),
        threads: count(*threads).filter(|_| far),
        queue: count(*queue).filter(|_| far),
        processes: count(*processes).filter(|_| process),
        nice: Some(i64::from(*nice)).filter(|_| process),
        memory: memory.filter(|_| process).map(|n| Size(n.to_string())),
        deadline: Some(Time(format!("{}ms", deadline.as_millis()))),
        hold: Some(Size(hold.to_string())),
        on_failure: Some(match on_failure {
            OnFailure::Open => OnFailureWord::Open,
            OnFailure::Closed => OnFailureWord::Closed,
        }),
        ..ModuleShape::default()
    }
}

/// The keys that a command may set, and puts one of them into a shape.
///
/// # Errors
/// What is wrong.
pub(crate) fn set_key(shape: &mut ModuleShape, key: &str, value: &str) -> Result<(), String> {
    let whole = || {
        value
            .parse::<i64>()
            .map(Some)
            .map_err(|_| format!("{key}: {value:?} is not a whole number"))
    };
    match key {
        "runtime" => {
            let kind =
                word(KINDS)(value).map_err(|f| format!("{key}: {}; {}", f.message, f.cure))?;
            shape.runtime = Some(match kind {
                Kind::Inline => RuntimeWord::Inline,
                Kind::Threads => RuntimeWord::Threads,
                Kind::Process => RuntimeWord::Process,
            });
        }
        "threads" => shape.threads = whole()?,
        "processes" => shape.processes = whole()?,
        "nice" => shape.nice = whole()?,
        "queue" => shape.queue = whole()?,
        "memory" => shape.memory = Some(Size(value.to_owned())),
        "hold" => shape.hold = Some(Size(value.to_owned())),
        "deadline" => shape.deadline = Some(Time(value.to_owned())),
        "on_failure" => {
            let policy =
                word(POLICIES)(value).map_err(|f| format!("{key}: {}; {}", f.message, f.cure))?;
            shape.on_failure = Some(match policy {
                OnFailure::Open => OnFailureWord::Open,
                OnFailure::Closed => OnFailureWord::Closed,
            });
        }
        other => {
            let cure = match nearest(other, SETTABLE) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", SETTABLE.join(", ")),
            };
            return Err(format!("`{other}` cannot be set; {cure}"));
        }
    }
    Ok(())
}

const SETTABLE: [&str; 9] = [
    "runtime",
    "threads",
    "processes",
    "nice",
    "memory",
    "deadline",
    "queue",
    "hold",
    "on_failure",
];
