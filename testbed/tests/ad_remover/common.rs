//! What the tests of ad-remover share: a forward and a reverse listener with the module, and short words for asking.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]

use std::time::{Duration, Instant};
use understudy_testbed::{Client, Launch, Origin, PATIENCE, Proxy, Request, Response, get, reply};

pub const RUNTIMES: [&str; 3] = ["inline", "threads", "process"];

/// A page's own things and its advertisements come from the same origin: paths tell them apart.
pub fn answer(r: &Request) -> Vec<u8> {
    reply(
        200,
        &["Cache-Control: max-age=60"],
        format!("own {}", r.target),
    )
}

/// A proxy with the module in this runtime, and with these options. `{dir}` in them is the proxy's own directory.
#[track_caller]
pub fn proxy(origin: &Origin, runtime: &str, options: &str) -> Proxy {
    let launch = Launch::bare();
    let dir = launch.dir().display().to_string();
    let options = options.replace("{dir}", &dir);
    launch
        .config(&format!(
            "workers = 2\n[admin]\naddress = \"127.0.0.1:0\"\n[access]\nallow_to = [\"loopback\"]\n\
             [[listen]]\nname = \"forward\"\naddress = \"127.0.0.1:0\"\n\
             [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\npurge = [\"loopback\"]\n\
             [[listen]]\nname = \"set\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\nhost = \"set:own.test\"\n\
             [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n\
             [[module]]\nname = \"ads\"\nlibrary = \"builtin:ad-remover\"\nruntime = \"{runtime}\"\ndeadline = \"30s\"\n\
             [module.options]\n{options}\n",
            origin.addr
        ))
        .start()
}

/// A GET of a URL through the forward listener.
#[track_caller]
pub fn ask(proxy: &Proxy, url: &str, fields: &str) -> Response {
    let host = url.split('/').nth(2).unwrap();
    get(proxy.listener("forward"), url, host, fields)
}

/// A whole request through the forward listener.
#[track_caller]
pub fn send(proxy: &Proxy, request: &str) -> Response {
    Client::to(proxy.listener("forward")).ask(request)
}

/// Asks until the answer is as wanted: what a module submits, and what it fetches, is done a little later.
#[track_caller]
pub fn until(
    what: &str,
    mut ask: impl FnMut() -> Response,
    wanted: impl Fn(&Response) -> bool,
) -> Response {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: {}", answer.head.text());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A counter of the module; 0 while it was not counted.
#[track_caller]
pub fn count(proxy: &Proxy, name: &str) -> u64 {
    let line = format!("understudy_module_count_total{{module=\"ads\",count=\"{name}\"}} ");
    let metrics = proxy.admin("/metrics").expect(200).text();
    let found = metrics.lines().find_map(|l| l.strip_prefix(&line));
    found.map_or(0, |n| n.parse::<f64>().unwrap() as u64)
}

/// Waits until a counter is as wanted.
#[track_caller]
pub fn until_count(proxy: &Proxy, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
    let end = Instant::now() + PATIENCE;
    loop {
        let n = count(proxy, name);
        if wanted(n) {
            return n;
        }
        assert!(
            Instant::now() < end,
            "{name} is {n}\n{}",
            proxy.stderr.text()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
