//! Results for people: one HTML file, and the comparison of two runs.

mod cli;
mod compare;
mod faults;
mod html;
mod page;
mod paired;
mod plots;
mod quantity;
mod svg;
#[cfg(test)]
mod tests;
mod words;

pub use cli::{CompareArgs, Error, ReportArgs, compare_command, report_command, save, write};
pub use compare::{compare, compare_html};
pub use html::html;
pub use paired::{Difference, paired, paired_html};
