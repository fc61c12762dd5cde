//! The ICAP client between real peers: c-icap with its echo, url_check and virus services, pyicap, and servers of our own that do what
//! no server should. Each in every runtime.
#![allow(clippy::unwrap_used)]

#[path = "icap_client/c_icap.rs"]
mod c_icap;
#[path = "icap_client/crossings.rs"]
mod crossings;
#[path = "icap_client/groups.rs"]
mod groups;
#[path = "icap_client/hostile.rs"]
mod hostile;
#[path = "icap_client/py_icap.rs"]
mod py_icap;
#[path = "icap_client/server.rs"]
mod server;

use understudy_testbed::{Launch, Origin, Proxy};

/// The runtimes, as the configuration says them.
const RUNTIMES: [&str; 3] = [
    "runtime = \"inline\"\n",
    "runtime = \"threads\"\n",
    "runtime = \"process\"\n",
];

/// A proxy before this origin with the module in this runtime and these options. No time of the module's ends what only waits for a
/// busy machine, but where a test says one of its own.
fn proxy(origin: &Origin, runtime: &str, options: &str) -> Proxy {
    let long = |said: &str, key: &str| match said.lines().any(|line| line.starts_with(key)) {
        true => String::new(),
        false => format!("{key} = \"60s\"\n"),
    };
    let table = format!(
        "[[module]]\nname = \"icap\"\nlibrary = \"builtin:icap-client\"\n{runtime}{}[module.options]\n{options}\n{}{}",
        long(runtime, "deadline"),
        long(options, "timeout"),
        long(options, "connect_timeout"),
    );
    let config = understudy_testbed::modules::config(origin, &table);
    let config = format!("{config}[log]\naccess = \"-\"\nformat = \"json\"\n");
    Launch::bare().config(&config).start()
}

/// What the module has counted under this name.
fn counted(proxy: &Proxy, name: &str) -> u64 {
    let module = understudy_testbed::modules::module(proxy, "icap");
    module["counts"][name].as_u64().unwrap_or(0)
}
