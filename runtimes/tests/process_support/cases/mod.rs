//! The cases, each in the file of its idea.

pub(crate) type Case = (&'static str, fn());

/// Has these functions run, each in a system of its own.
macro_rules! cases {
    ($($name:ident)*) => {
        pub(super) const ALL: &[super::Case] = &[$((stringify!($name), || {
            actix_rt::System::new().block_on($name());
        })),*];
    };
}

mod crossing;
mod crowds;
mod deadlines;
mod failures;
mod operations;
mod options;
mod panics;
mod promises;
mod resumes;
mod starts;

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let files = [
        crossing::ALL,
        promises::ALL,
        operations::ALL,
        panics::ALL,
        resumes::ALL,
        deadlines::ALL,
        failures::ALL,
        starts::ALL,
        crowds::ALL,
        options::ALL,
    ];
    files.into_iter().flatten()
}
