//! The test kit: runs a module on cases, without a proxy, and demands that how it is run cannot be seen.
//!
//! A [`Case`] is one transaction: what the client asks, what the origin answers, and what is expected of the module. A [`Stage`]
//! is where hooks run: [`Bare`] calls them directly; the crate of the runtimes has the three real ones. [`check`] runs every case on
//! every chunking of its bodies and among other transactions, on each stage, and compares the [`Transcript`]s byte for byte.
//!
//! In an author's own test:
//!
//! ```no_run
//! # #[derive(Default)] struct Mine;
//! # impl understudy_module::Module for Mine {
//! #     fn about(&self) -> understudy_module::About {
//! #         understudy_module::About::new("mine", "1", understudy_module::Hooks::NONE)
//! #     }
//! # }
//! use understudy_module::kit;
//! let cases = kit::cases("tests/cases".as_ref()).unwrap();
//! let report = kit::check(&[&kit::Bare::new(Mine::default)], &cases);
//! assert!(report.is_ok(), "{report}");
//! ```
//!
//! The shape of a case's file is told at [`cases`].

mod apply;
mod bare;
mod base64;
mod body;
mod calls;
mod case;
mod check;
mod chunks;
mod expect;
mod file;
mod random;
mod report;
mod run;
mod stage;
mod transcript;
mod walk;
mod watched;

pub use bare::Bare;
pub use calls::completion;
pub use case::Case;
pub use check::check;
pub use chunks::{Chunking, Cuts};
pub use expect::{Expect, ExpectMessage};
pub use file::cases;
pub use random::Random;
pub use report::{Difference, Report};
pub use run::{Job, run_all};
pub use stage::{Call, Failed, Outcome, Seated, Stage};
pub use transcript::{Message, Transcript};
pub use watched::{Watched, told};
