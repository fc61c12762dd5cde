//! Results for people: one HTML file, and the comparison of two runs.

mod ab;
mod adapted;
mod cli;
mod compare;
mod faults;
mod html;
mod page;
mod paired;
mod plots;
mod quantity;
mod sections;
mod spread;
mod svg;
#[cfg(test)]
mod tests;
mod words;

pub use ab::{AbArgs, ab_command};
pub use cli::{CompareArgs, Error, ReportArgs, compare_command, report_command, save, write};
pub use compare::{compare, compare_html};
pub use html::html;
pub use paired::{Difference, paired, paired_html};
