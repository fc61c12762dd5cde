//! What the tests of modules share: configurations, commands, and what the admin says.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]

use rustix::process::Signal;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use understudy_testbed::{Finished, Gate, Origin, Proxy, Response, get, proxy::binary, reply, run};

/// A field that builtin:add-headers writes.
pub const MARK: &str = "x-understudy-1";

/// A reverse proxy of this origin with these tables of modules.
pub fn file(origin: &Origin, modules: &str) -> String {
    let modules = understudy_testbed::modules::patient(modules);
    format!(
        "workers = 2\n{modules}[admin]\naddress = \"127.0.0.1:0\"\n\
         [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
        origin.addr
    )
}

pub fn headers(more: &str) -> String {
    format!("[[module]]\nname = \"headers\"\nlibrary = \"builtin:add-headers\"\n{more}")
}

pub fn plain() -> Origin {
    Origin::answering(|r| reply(200, &["Cache-Control: no-store"], r.target.clone()))
}

pub fn modules(proxy: &Proxy, args: &[&str]) -> Finished {
    let admin = proxy.listener("admin").to_string();
    run(Command::new(binary())
        .arg("modules")
        .args(args)
        .args(["--admin", &admin]))
}

/// What the admin says of the module of this name.
#[track_caller]
pub fn module(proxy: &Proxy, name: &str) -> serde_json::Value {
    let response = proxy.admin("/modules").expect(200);
    let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let all = answer["modules"].as_array().unwrap();
    let found = all
        .iter()
        .find(|m| m["name"] == name && m["state"] != "leaving");
    found.cloned().unwrap_or(serde_json::Value::Null)
}

#[track_caller]
pub fn ask(proxy: &Proxy, path: &str) -> Response {
    get(proxy.addr(), path, "site.test", "").expect(200)
}

pub fn reload(proxy: &Proxy, text: &str, nth: usize) {
    proxy.rewrite_config(text);
    proxy.signal(Signal::HUP);
    proxy.stderr.wait_count(|l| l == "reloaded", nth);
}

/// An answer whose second half waits for the gate.
pub fn halves(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::scripted(move |conn| {
        while let Some(request) = conn.request() {
            let slow = request.target == "/slow";
            conn.send(
                "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 8\r\n\r\nhalf",
            );
            if slow {
                gate.wait();
            }
            conn.send("half");
        }
    })
}

/// A module in C, compiled.
pub fn compiled(name: &str, dir: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = dir.join(name).with_extension("so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(
            here.join("tests/modules_admin")
                .join(name)
                .with_extension("c"),
        )
        .arg("-I")
        .arg(here.join("../modules/abi/include"))
        .status();
    assert!(built.unwrap().success());
    library
}
