//! A crate is linked in and loaded at once: several in this one program, and each loaded from its shared object beside, with the same
//! results byte for byte on every chunking of its cases.
#![allow(clippy::unwrap_used)]

mod common;

use common::Asked;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use understudy_ad_remover::AdRemover;
use understudy_add_headers::AddHeaders;
use understudy_body_and_headers::BodyAndHeaders;
use understudy_compressor::Compressor;
use understudy_content_manager::ContentManager;
use understudy_empty::Empty;
use understudy_icap_client::IcapClient;
use understudy_module::kit::{Bare, cases, check};
use understudy_module::{Host, Module};
use understudy_text_injector::TextInjector;
use understudy_transcoder::Transcoder;

/// The module's shared object, built as its author would.
fn library(name: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("linked");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "--lib", "-p"])
        .arg(format!("understudy-{name}"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    target.join(format!("debug/libunderstudy_{}.so", name.replace('-', "_")))
}

/// Linked in and loaded, it does the same.
fn same(name: &str, linked: Bare) {
    let opened = understudy_abi::open(library(name)).unwrap();
    assert_eq!(opened.about().name, name);
    let loaded = Bare::shared(move || opened.make().unwrap());
    let place = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("tests/cases");
    let report = check(&[&linked, &loaded], &cases(&place).unwrap());
    assert!(report.is_ok(), "{report}");
}

#[test]
fn the_empty_module_is_the_same_linked_in_and_loaded() {
    same("empty", Bare::new(|| Empty));
}

#[test]
fn the_module_that_removes_ads_is_the_same_linked_in_and_loaded() {
    same("ad-remover", Bare::new(AdRemover::default));
}

#[test]
fn the_module_that_adds_headers_is_the_same_linked_in_and_loaded() {
    same("add-headers", Bare::new(AddHeaders::default));
}

#[test]
fn the_module_that_replaces_bodies_is_the_same_linked_in_and_loaded() {
    same("body-and-headers", Bare::new(BodyAndHeaders::default));
}

#[test]
fn the_content_manager_is_the_same_linked_in_and_loaded() {
    same("content-manager", Bare::new(ContentManager::default));
}

#[test]
fn the_compressor_is_the_same_linked_in_and_loaded() {
    same("compressor", Bare::new(Compressor::default));
}

#[test]
fn the_module_that_inserts_text_is_the_same_linked_in_and_loaded() {
    same("text-injector", Bare::new(TextInjector::default));
}

#[test]
fn the_icap_client_is_the_same_linked_in_and_loaded() {
    same("icap-client", Bare::new(IcapClient::default));
}

/// What this module promises with these options.
fn promised(module: &dyn Module, options: &[(&str, &str)]) -> Vec<String> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let asked = Arc::new(Asked {
        options: options.iter().map(own).collect(),
        ..Asked::default()
    });
    let host = Host::new(asked.clone());
    module.init(&host).unwrap();
    // What is promised anew goes the same way.
    module.reconfigure(&host).unwrap();
    let mut told = asked.told.lock().unwrap().clone();
    told.retain(|line| line.starts_with("attend"));
    told
}

#[test]
fn the_icap_client_promises_the_same_linked_in_and_loaded() {
    let opened = understudy_abi::open(library("icap-client")).unwrap();
    let (reqmod, respmod) = (
        ("reqmod.0", "icap://127.0.0.1:1344/check"),
        ("respmod.0", "icap://127.0.0.1:1344/echo"),
    );
    for (options, promise) in [
        (
            &[reqmod][..],
            "attend unheard request_out response_head noted  withheld request_head",
        ),
        (
            &[respmod][..],
            "attend unheard request_head noted request_out withheld response_head",
        ),
        (
            &[reqmod, respmod][..],
            "attend unheard  noted request_out withheld request_head response_head",
        ),
    ] {
        let linked = promised(&IcapClient::default(), options);
        assert_eq!(linked, [promise; 2]);
        assert_eq!(promised(&*opened.make().unwrap(), options), linked);
    }
}

#[test]
fn the_module_that_transcodes_is_the_same_linked_in_and_loaded() {
    same("transcoder", Bare::new(Transcoder::default));
}
