//! `modules test`: the cases of a directory, in all three runtimes or in those named, and the results byte for byte the same.

use super::fail;
use crate::{exit::Exit, modules::registry, show};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use understudy_module::kit::{self, Report, Stage};
use understudy_runtimes::{Kind, Limits, Spec, stages};

/// Runs the cases.
pub(super) fn test(
    library: String,
    cases: &Path,
    runtimes: &[Kind],
    options: BTreeMap<String, String>,
) -> Exit {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(e) => return fail(&format!("cannot find the program's own file: {e}")),
    };
    let spec = Spec {
        name: Arc::from("test"),
        library: library.clone(),
        kind: Kind::Inline,
        limits: Limits::default(),
        options,
    };
    let opened = match registry::library(&library) {
        Ok(opened) => opened,
        Err(why) => return fail(&why),
    };
    let report = if runtimes.is_empty() {
        stages::check(&spec, opened, &program, cases)
    } else {
        let stages: Vec<_> = runtimes
            .iter()
            .map(|kind| stages::stage(*kind, &spec, opened.clone(), &program))
            .collect();
        some(&stages, &spec, cases)
    };
    match report {
        Ok(report) => show(report.to_string().as_bytes()),
        Err(report) => {
            show(report.to_string().as_bytes());
            Exit::Failed
        }
    }
}

/// The stages that were asked for only.
fn some(stages: &[stages::Real], spec: &Spec, cases: &Path) -> Result<Report, Report> {
    let mut cases = kit::cases(cases).map_err(|why| Report {
        refused: vec![why],
        ..Report::default()
    })?;
    for case in &mut cases {
        for (name, value) in &spec.options {
            case.options
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
    }
    let all: Vec<&dyn Stage> = stages.iter().map(|stage| stage as &dyn Stage).collect();
    kit::check(&all, &cases).into_result()
}
