//! Waiting without a thread: 400 clients whose module asks a service that takes a second are answered in little more than one.
#![allow(clippy::unwrap_used)]

use socket2::{Domain, Socket, Type};
use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    time::{Duration, Instant},
};
use understudy_testbed::{
    Client, Launch, Origin, get,
    modules::{compiled, config, module},
    reply,
};

const CLIENTS: usize = 400;
const SERVICE: Duration = Duration::from_secs(1);
const BOUND: Duration = Duration::from_millis(1500);

/// A service that says "so" a second after each connection came.
fn service() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    // All may come at once; a full backlog would make some of them wait for a retransmission.
    socket.listen(2 * CLIENTS as i32).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let (put, take) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if put.send((Instant::now() + SERVICE, stream)).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        use std::io::Write;
        while let Ok((due, mut stream)) = take.recv() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // The proxy may be gone already when a test failed.
            let _ = stream.write_all(b"so");
        }
    });
    address
}

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

fn all_wait_together(runtime: &str) {
    let (origin, service) = (origin(), service());
    let launch = Launch::bare();
    let library = compiled("waits", launch.dir());
    let table = format!(
        "[[module]]\nname = \"waits\"\nlibrary = \"{}\"\n{runtime}[module.options]\nservice = {}\n",
        library.display(),
        service.port()
    );
    let proxy = launch.config(&config(&origin, &table)).start();
    let address = proxy.addr();
    get(address, "/hit", "site.test", "").expect_body("/hit not");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::to(address)).collect();
    let begun = Instant::now();
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /wait/{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
    }
    // The hits ask the module as well, which lets them pass while it waits for the others.
    let mut plain = Client::to(address);
    for _ in 0..50 {
        plain
            .ask("GET /hit HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect_hit()
            .expect_body("/hit not");
    }
    let hits = begun.elapsed();
    let workers_pool_and_a_few = 2 + 5 + 8;
    // The proxy may run below its supervisor: the threads of all of its processes are counted.
    let threads: usize = family(proxy.id()).into_iter().map(tasks).max().unwrap();
    for (i, client) in clients.iter_mut().enumerate() {
        client
            .response()
            .expect(200)
            .expect_body(format!("/wait/{i} so"));
    }
    let all = begun.elapsed();
    println!("{runtime:?}: hits {hits:?}, all {all:?}, threads {threads}");
    assert!(all >= SERVICE, "nobody waited: {all:?}");
    assert!(all < BOUND, "{CLIENTS} transactions took {all:?}");
    assert!(hits < SERVICE, "hits waited for others: {hits:?}");
    assert!(threads <= workers_pool_and_a_few, "{threads} threads");
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
fn on_five_threads_400_transactions_wait_a_second_together() {
    all_wait_together("runtime = \"threads\"\nthreads = 5\n");
}

#[test]
fn inline_400_transactions_wait_a_second_together() {
    all_wait_together("runtime = \"inline\"\n");
}

#[test]
fn in_a_child_with_one_thread_400_transactions_wait_a_second_together() {
    all_wait_together("runtime = \"process\"\nthreads = 1\n");
}
