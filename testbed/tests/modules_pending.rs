//! Waiting without a thread: 400 clients whose module asks a service wait for it at once, and hits pass them meanwhile.
//!
//! The service answers nobody before all have asked it and the test lets it. Were a thread held for each that waits, or one
//! transaction waited for behind another, the last of them would never come to ask. How long it takes is for
//! `examples/promptness.rs` to say.
#![allow(clippy::unwrap_used)]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use understudy_testbed::{
    Client, Launch, Origin, Rendezvous, get,
    modules::{compiled, config, module},
    reply,
};

const CLIENTS: usize = 400;

fn origin() -> Origin {
    Origin::answering(|r| {
        let waited = r.get("x-waited").unwrap_or("not").to_owned();
        let life = if r.target == "/hit" {
            "max-age=600"
        } else {
            "no-store"
        };
        let field = format!("Cache-Control: {life}");
        reply(200, &[&field], format!("{} {waited}", r.target))
    })
}

fn tasks(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .count()
}

/// A test, its proxy and the service have a descriptor and more for each client: all that may be had are asked for, and inherited.
fn more_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, most).unwrap();
}

fn all_wait_together(runtime: &str) {
    more_descriptors();
    let (origin, service) = (origin(), Rendezvous::start());
    let launch = Launch::bare();
    let library = compiled("waits", launch.dir());
    let table = format!(
        "[[module]]\nname = \"waits\"\nlibrary = \"{}\"\n{runtime}deadline = \"10m\"\n\
         [module.options]\nservice = {}\n",
        library.display(),
        service.port()
    );
    let proxy = launch.config(&config(&origin, &table)).start();
    let address = proxy.addr();
    get(address, "/hit", "site.test", "").expect_body("/hit not");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::to(address)).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /wait/{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
    }
    service.wait_for(CLIENTS);
    // All of them wait now. The hits ask the module as well, which lets them pass meanwhile.
    let mut plain = Client::to(address);
    for _ in 0..50 {
        plain
            .ask("GET /hit HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect_hit()
            .expect_body("/hit not");
    }
    let workers_pool_and_a_few = 2 + 5 + 8;
    // The proxy may run below its supervisor: the threads of all of its processes are counted.
    let threads: usize = family(proxy.id()).into_iter().map(tasks).max().unwrap();
    assert!(threads <= workers_pool_and_a_few, "{threads} threads");
    service.open();
    for (i, client) in clients.iter_mut().enumerate() {
        client
            .response()
            .expect(200)
            .expect_body(format!("/wait/{i} so"));
    }
    assert_eq!(service.came(), CLIENTS);
    assert_eq!(module(&proxy, "waits")["state"], "running");
}

/// A process and all below it.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
    {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            all.extend(family(child.parse().unwrap()));
        }
    }
    all
}

#[test]
fn on_five_threads_400_transactions_wait_together() {
    all_wait_together("runtime = \"threads\"\nthreads = 5\n");
}

#[test]
fn inline_400_transactions_wait_together() {
    all_wait_together("runtime = \"inline\"\n");
}

#[test]
fn in_a_child_with_one_thread_400_transactions_wait_together() {
    all_wait_together("runtime = \"process\"\nthreads = 1\n");
}
