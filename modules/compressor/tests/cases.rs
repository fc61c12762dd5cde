//! The module's cases, without a proxy.
#![allow(clippy::unwrap_used)]

use understudy_module::kit;

#[test]
fn the_cases_are_met_on_every_chunking() {
    let cases = kit::cases("tests/cases".as_ref()).unwrap();
    let report = kit::check(
        &[&kit::Bare::new(understudy_compressor::Compressor::default)],
        &cases,
    );
    assert!(report.is_ok(), "{report}");
}
