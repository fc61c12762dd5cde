//! `modules check`: a library is loaded in a process of its own, and what it says of itself is printed.
//!
//! Invariant: whatever the library does, this process goes on to tell it: a crash there is a sentence here.

use super::fail;
use crate::{exit::Exit, modules::registry, show};
use serde_json::{Value, json};
use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

/// In the process of its own: prints what the library says of itself, as JSON.
pub(crate) fn about(library: &str) -> Exit {
    let asked = registry::library(library)
        .and_then(|library| library.make())
        .and_then(|module| understudy_module::guard(|| module.about()).map_err(|p| format!("about() panicked: {}", p.0)));
    match asked {
        Ok(about) => {
            let hooks: Vec<&str> = about.hooks.iter().map(understudy_module::Hook::name).collect();
            let document = json!({
                "name": about.name, "version": about.version, "hooks": hooks,
                "timer": about.timer.map(|t| t.as_secs_f64()), "blocking": about.blocking, "single": about.single,
                "only_looks": about.only_looks, "orders_addresses": about.orders_addresses,
            });
            show(format!("{document}\n").as_bytes())
        }
        Err(why) => {
            show(format!("{}\n", json!({"error": why})).as_bytes());
            Exit::Failed
        }
    }
}

/// Has that done, and prints it for people.
pub(super) fn check(library: &str) -> Exit {
    match ask(library) {
        Ok(about) => show(describe(&about).as_bytes()),
        Err(why) => fail(&format!("{library}: {why}")),
    }
}

fn ask(library: &str) -> Result<Value, String> {
    let program = std::env::current_exe().map_err(|e| format!("cannot find the program's own file: {e}"))?;
    let out = Command::new(program)
        .args(["module-about", "--", library])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cannot start a process to load it in: {e}"))?;
    if let Some(signal) = out.status.signal() {
        return Err(format!("loading it ended the process by signal {signal}"));
    }
    // A library may write to standard output as it is loaded; what counts is the last line.
    let text = String::from_utf8_lossy(&out.stdout);
    let last = text.lines().last().unwrap_or_default();
    match serde_json::from_str::<Value>(last) {
        Ok(about) => match about["error"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(about),
        },
        Err(_) => Err("loading it ended the process before it could say what it is".to_owned()),
    }
}

fn describe(about: &Value) -> String {
    let text = |key: &str| about[key].as_str().unwrap_or_default();
    let hooks: Vec<&str> = about["hooks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let flags: Vec<&str> = ["blocking", "single", "only_looks", "orders_addresses"]
        .into_iter()
        .filter(|flag| about[flag] == true)
        .collect();
    let or_none = |words: &[&str]| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
    let timer = match about["timer"].as_f64() {
        Some(seconds) => format!("every {seconds} s"),
        None => "none".to_owned(),
    };
    format!(
        "name:    {}\nversion: {}\nhooks:   {}\nflags:   {}\ntimer:   {timer}\n",
        text("name"),
        text("version"),
        or_none(&hooks),
        or_none(&flags),
    )
}
