//! Logs written by the tests themselves, read back.
#![allow(clippy::unwrap_used)]

mod lines;
mod made;
mod replayed;
mod sampled;
mod shaped;

use super::{
    build::{Fitted, build},
    log::{Format, Log},
    survey::Survey,
    write::write,
};
use crate::workload::Workload;
use std::io::Cursor;

fn log(text: &[u8], format: Format) -> Log {
    Log::new(Cursor::new(text.to_vec()), format).unwrap()
}

fn survey(text: &str) -> Survey {
    Survey::of(log(text.as_bytes(), Format::Auto))
}

/// The workload of a log, by way of its file.
fn fit(text: &str) -> (Survey, Fitted, String) {
    let survey = survey(text);
    let fitted = build(&survey).unwrap();
    let file = write(&fitted, &survey);
    let read = Workload::parse(&file);
    assert_eq!(read.unwrap(), fitted.workload, "{file}");
    (survey, fitted, file)
}
