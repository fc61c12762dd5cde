//! `understudy-bed`: the testbed's one command.
#![forbid(unsafe_code)]

fn main() {}
