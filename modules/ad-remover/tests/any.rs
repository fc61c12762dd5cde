//! Whatever a request for an advertisement says of itself, it is led to the module's own host; and whatever another says, it goes
//! its way untouched.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use understudy_ad_remover::AdRemover;
use understudy_module::kit::{
    Bare, Case, Chunking, Job, Message, Random, Seated, Stage, Transcript, run_all,
};

fn seated() -> Box<dyn Seated> {
    let options = [("rules.0", "||ads.example^"), ("sample", "0")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Bare::new(AdRemover::default)
        .open(&BTreeMap::from(options))
        .unwrap()
}

/// What becomes of a request.
fn run(seated: &mut dyn Seated, target: &str, fields: &[(&str, String)]) -> Transcript {
    let case = fields
        .iter()
        .fold(Case::new("any", "GET", target), |case, (name, value)| {
            case.asks(name, value)
        });
    let (case, chunking) = (&case, &Chunking::default());
    let job = Job {
        case,
        chunking,
        tables: true,
    };
    run_all(seated, &[job], 1, &mut Random::new(1)).remove(0)
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop::sample::select(vec![
        "Accept",
        "Origin",
        "Range",
        "Referer",
        "Sec-Fetch-Dest",
        "Sec-Fetch-Site",
        "Upgrade",
        "X-Requested-With",
    ]);
    let value = prop_oneof![
        "[ -~]{0,20}",
        prop::sample::select(vec![
            "image/*",
            "text/html",
            "*/*",
            "empty",
            "cross-site",
            "http://a.example/b"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec((name, value), 0..6)
}

fn target_of(request: &Option<Message>) -> String {
    let start = request.as_ref().map(|message| message.start.clone());
    start
        .unwrap_or_default()
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn every_request_of_a_listed_host_is_led_to_a_blank() {
    let mut seated = seated();
    let requests = (
        "([a-z]{1,5}\\.)?ads\\.example(:80)?",
        "[!-\"$-~]{0,30}",
        fields(),
    );
    let led = |(host, path, fields): (String, String, Vec<_>)| {
        let after = run(&mut *seated, &format!("http://{host}/{path}"), &fields);
        prop_assert_eq!(after.failure, None);
        let target = target_of(&after.request);
        prop_assert!(
            target.starts_with("http://ad-remover.invalid/ad-remover/"),
            "{}",
            target
        );
        let returned = after.returned.unwrap();
        prop_assert!(
            returned.start.starts_with("200"),
            "{}: {}",
            target,
            returned.start
        );
        Ok(())
    };
    let led = std::cell::RefCell::new(led);
    TestRunner::default()
        .run(&requests, |request| (led.borrow_mut())(request))
        .unwrap();
}

#[test]
fn every_request_of_another_host_goes_its_way_untouched() {
    let seated = std::cell::RefCell::new(seated());
    let requests = ("[a-z]{1,5}ads\\.example", "[a-z./?=&]{0,30}", fields());
    TestRunner::default()
        .run(&requests, |(host, path, fields)| {
            let url = format!("http://{host}/{path}");
            let after = run(&mut **seated.borrow_mut(), &url, &fields);
            prop_assert_eq!(after.failure, None);
            prop_assert_eq!(target_of(&after.request), url);
            let lines = after.request.unwrap().lines;
            prop_assert_eq!(lines.len(), fields.len());
            Ok(())
        })
        .unwrap();
}
