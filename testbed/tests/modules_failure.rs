//! A module in every kind of trouble: its transaction gets the policy, the others do not notice, and the counters tell.
//!
//! The module does what a request's path says, so good transactions run through it meanwhile. Where a child dies, those that were
//! in it at that moment get the policy too; that is told apart by the module's journal, a file that outlives the child.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    sync::mpsc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use understudy_testbed::{
    Client, Launch, Origin, PATIENCE, Proxy, Response, get,
    modules::{compiled, config, module},
    reply,
};

/// A proxy with the module, and the journal's place: in memory, for a module that waits for a disk is late.
struct Scene {
    proxy: Proxy,
    _origin: Origin,
    journal: TempDir,
}

fn scene(table: &str) -> Scene {
    let origin = Origin::answering(|r| {
        let mark = r.get("x-trouble").unwrap_or("passed").to_owned();
        reply(
            200,
            &["Cache-Control: no-store"],
            format!("{} {mark}", r.target),
        )
    });
    let (launch, journal) = (Launch::bare(), tempfile::tempdir_in("/dev/shm").unwrap());
    let library = compiled("trouble", launch.dir());
    let at = |name: &str| launch.dir().join(name).display().to_string();
    let table = format!(
        "[[module]]\nname = \"trouble\"\nlibrary = \"{}\"\n{table}[module.options]\n\
         journal = \"{}\"\nflag = \"{}\"\ndoom = \"{}\"\ngate = \"{}\"\n",
        library.display(),
        journal.path().join("journal").display(),
        at("flag"),
        at("doom"),
        at("gate"),
    );
    let proxy = launch.config(&config(&origin, &table)).start();
    Scene {
        proxy,
        _origin: origin,
        journal,
    }
}

impl Scene {
    fn ask(&self, path: &str) -> Response {
        get(self.proxy.addr(), path, "site.test", "")
    }

    /// (word, transaction, process) of each line of the journal.
    fn journal(&self) -> Vec<(String, u64, u32)> {
        let path = self.journal.path().join("journal");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // The last line may be read as it is written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|l| {
                let words: Vec<&str> = l.split(' ').collect();
                (
                    words[0].into(),
                    words[1].parse().unwrap(),
                    words[2].parse().unwrap(),
                )
            })
            .collect()
    }

    /// The counter of failures for this reason, in /metrics.
    fn failures(&self, reason: &str) -> u64 {
        self.metric(&format!(
            "understudy_module_failures_total{{module=\"trouble\",reason=\"{reason}\"}}"
        ))
    }

    /// A number its runtime tells of itself.
    fn gauge(&self, name: &str) -> u64 {
        self.metric(&format!(
            "understudy_module_runtime{{module=\"trouble\",gauge=\"{name}\"}}"
        ))
    }

    fn strays(&self) -> u64 {
        self.metric("understudy_module_stray_resumes_total{module=\"trouble\"}")
    }

    #[track_caller]
    fn metric(&self, name: &str) -> u64 {
        let text = self.proxy.admin("/metrics").expect(200).text();
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .trim()
            .parse()
            .unwrap()
    }

    /// Waits until this holds.
    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < end,
                "{what}; module: {}",
                module(&self.proxy, "trouble")
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// `free` came once for each transaction, or where its process died at most once.
    #[track_caller]
    fn each_is_freed_once(&self, dies: bool) {
        let owed = || {
            let journal = self.journal();
            // Only a process that still lives owes anything.
            let mut owing: HashMap<u32, bool> = HashMap::new();
            let mut counts: HashMap<u64, (usize, usize, bool)> = HashMap::new();
            for (word, id, pid) in &journal {
                let count = counts.entry(*id).or_default();
                assert_ne!(word, "wrong", "another opaque value: {journal:?}");
                if word == "head" {
                    count.0 += 1;
                    count.2 = *owing.entry(*pid).or_insert_with(|| !dies || lives(*pid));
                } else {
                    count.1 += 1;
                }
            }
            for (id, (heads, frees, _)) in &counts {
                assert_eq!(*heads, 1, "transaction {id} began {heads} times");
                assert!(*frees <= 1, "transaction {id} was freed {frees} times");
            }
            counts
                .values()
                .filter(|(_, frees, owes)| *owes && *frees == 0)
                .count()
        };
        self.until("free did not come for all", || owed() == 0);
    }

    /// What a troubled request must get.
    #[track_caller]
    fn expect_policy(&self, word: &str, open: bool) {
        let path = format!("/do/{word}/x");
        let response = self.ask(&path);
        if open {
            response.expect(200).expect_body(format!("{path} passed"));
        } else {
            let response = response.expect(502);
            assert!(
                response.head.text().contains("module-failed"),
                "{word}: {}",
                response.head.text()
            );
        }
    }
}

/// Whether this process lives; a zombie whose reaper has other things to do does not.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_some_and(|state| !state.starts_with('Z'))
}

/// All of these at once, for each waits for a deadline.
fn at_once<T: Sync>(rows: &[T], case: impl Fn(&T) + Sync) {
    std::thread::scope(|threads| {
        for row in rows {
            let case = &case;
            threads.spawn(move || case(row));
        }
    });
}

/// Twenty good transactions beside one in trouble, again and again until that is over; none of them may notice.
fn beside_good_ones(scene: &Scene, trouble: impl FnOnce()) {
    let (address, done) = (
        scene.proxy.addr(),
        std::sync::atomic::AtomicBool::new(false),
    );
    std::thread::scope(|threads| {
        let good: Vec<_> = (0..20)
            .map(|i| {
                let done = &done;
                threads.spawn(move || {
                    let (mut client, mut n) = (Client::to(address), 0);
                    while n < 5 || !done.load(std::sync::atomic::Ordering::SeqCst) {
                        let path = format!("/good/{i}/{n}");
                        client
                            .ask(format!("GET {path} HTTP/1.1\r\nHost: site.test\r\n\r\n"))
                            .expect(200)
                            .expect_body(format!("{path} none"));
                        n += 1;
                        // They are to be there all the while, and to leave the processor to others.
                        if n >= 5 {
                            std::thread::sleep(Duration::from_millis(20));
                        }
                    }
                })
            })
            .collect();
        // A failure in here must not leave the others going for ever.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(trouble));
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        for thread in good {
            thread.join().unwrap();
        }
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Twenty transactions at a time beside a death: each is answered right or by the policy. How many got the policy.
fn beside_struck_ones(scene: &Scene, open: bool, trouble: impl FnOnce()) -> u64 {
    let address = scene.proxy.addr();
    std::thread::scope(|threads| {
        let others: Vec<_> = (0..20)
            .map(|i| {
                threads.spawn(move || {
                    let mut struck = 0;
                    for n in 0..10 {
                        let path = format!("/good/{i}/{n}");
                        let response = get(address, &path, "site.test", "");
                        let (status, text) = (response.status, response.text());
                        match status {
                            200 if text == format!("{path} none") => {}
                            200 if open && text == format!("{path} passed") => struck += 1,
                            502 if !open => struck += 1,
                            _ => panic!("neither right nor the policy: {status} {text}"),
                        }
                    }
                    struck
                })
            })
            .collect();
        trouble();
        others.into_iter().map(|t| t.join().unwrap()).sum()
    })
}

const RUNTIMES: [&str; 3] = [
    "runtime = \"inline\"\n",
    "runtime = \"threads\"\nthreads = 4\n",
    "runtime = \"process\"\nthreads = 4\n",
];

/// One that is met, and that the good ones beside it keep on a loaded machine.
const DEADLINE: &str = "deadline = \"15s\"\n";

/// A trouble that costs no address space its life: policy, counter by this reason, nobody else notices.
fn fails(word: &str, reason: &str, more: &str) {
    let rows = RUNTIMES.map(|runtime| [false, true].map(|open| (runtime, open)));
    at_once(&rows.concat(), |&(runtime, open)| {
        let policy = if open { "open" } else { "closed" };
        let scene = scene(&format!("{runtime}{more}on_failure = \"{policy}\"\n"));
        beside_good_ones(&scene, || scene.expect_policy(word, open));
        assert_eq!(scene.failures(reason), 1, "{word} {runtime}");
        scene.each_is_freed_once(false);
    });
}

#[test]
fn a_module_that_fails_gets_its_policy() {
    fails("fail", "fail", "");
}

#[test]
fn a_module_that_panics_gets_its_policy_and_another_instance() {
    for runtime in RUNTIMES {
        for open in [false, true] {
            let policy = if open { "open" } else { "closed" };
            let scene = scene(&format!("{runtime}on_failure = \"{policy}\"\n"));
            beside_good_ones(&scene, || scene.expect_policy("panic", open));
            assert_eq!(scene.failures("panic"), 1, "{runtime}");
            scene.until("no other instance is told of", || {
                (scene.gauge("panics"), scene.gauge("rebuilt")) == (1, 1)
            });
            scene.ask("/good").expect(200).expect_body("/good none");
            // In a child that is no death of it, and the table for people says that something was made anew all the same.
            let restarts = &module(&scene.proxy, "trouble")["gauges"]["restarts"];
            assert!(restarts.is_null() || restarts == 0, "{restarts}");
            scene.each_is_freed_once(false);
        }
    }
}

#[test]
fn a_verdict_that_does_not_fit_is_a_failure() {
    fails("verdict", "fail", "");
}

#[test]
fn pending_without_the_token_is_a_failure() {
    fails("untaken", "fail", "");
}

#[test]
fn a_module_that_never_resumes_meets_its_deadline() {
    fails("never", "deadline", DEADLINE);
}

#[test]
fn a_late_resume_is_dropped_and_counted() {
    at_once(&RUNTIMES, |runtime| {
        let scene = scene(&format!("{runtime}{DEADLINE}"));
        beside_good_ones(&scene, || {
            scene.expect_policy("late", false);
            assert_eq!(scene.strays(), 0);
            scene.ask("/do/wake/x").expect(200);
            scene.until("the late resume was not counted", || scene.strays() == 1);
        });
        assert_eq!(scene.failures("deadline"), 1);
        scene.each_is_freed_once(false);
    });
}

#[test]
fn a_client_that_leaves_while_its_transaction_waits_for_a_resume_leaves_nothing_behind() {
    for runtime in RUNTIMES {
        let scene = scene(runtime);
        let mut leaving = Client::to(scene.proxy.addr());
        leaving.send("GET /do/late/x HTTP/1.1\r\nHost: site.test\r\n\r\n");
        scene.until("the module was not asked", || !scene.journal().is_empty());
        drop(leaving);
        beside_good_ones(&scene, || {
            // Whom it is for is gone, and it is the answer all the same.
            scene.ask("/do/wake/x").expect(200);
        });
        scene.each_is_freed_once(false);
        assert_eq!((scene.strays(), scene.failures("deadline")), (0, 0));
    }
}

#[test]
fn a_client_that_leaves_while_nobody_resumes_its_transaction_has_it_ended_at_the_deadline() {
    at_once(&RUNTIMES, |runtime| {
        let scene = scene(&format!("{runtime}{DEADLINE}"));
        let mut leaving = Client::to(scene.proxy.addr());
        leaving.send("GET /do/never/x HTTP/1.1\r\nHost: site.test\r\n\r\n");
        scene.until("the module was not asked", || !scene.journal().is_empty());
        drop(leaving);
        beside_good_ones(&scene, || {
            scene.until("the deadline does not come", || {
                scene.failures("deadline") == 1
            });
        });
        scene.each_is_freed_once(false);
        // Who waits for a resume does not hang: nothing was killed or given up for it.
        let gauges = &module(&scene.proxy, "trouble")["gauges"];
        for name in ["killed", "restarts", "abandoned"] {
            assert!(
                gauges[name].is_null() || gauges[name] == 0,
                "{runtime} {gauges}"
            );
        }
    });
}

/// A resume that is one too many: the transaction goes on with the first, and the other is counted.
fn strays(word: &str, count: u64) {
    for runtime in RUNTIMES {
        let scene = scene(runtime);
        let path = format!("/do/{word}/x");
        beside_good_ones(&scene, || {
            scene
                .ask(&path)
                .expect(200)
                .expect_body(format!("{path} passed"));
        });
        scene.until("the strays were not counted", || scene.strays() == count);
        scene.each_is_freed_once(false);
    }
}

#[test]
fn a_resume_before_the_hook_returned_counts_as_the_answer() {
    strays("before", 0);
}

#[test]
fn the_second_of_two_resumes_is_dropped_and_counted() {
    strays("twice", 1);
}

#[test]
fn an_unknown_resume_is_dropped_and_counted() {
    strays("unknown", 1);
}

/// A trouble that ends the child, which alone notices: the rest of its transactions get the policy, and another child is there.
fn dies(word: &str, reasons: &[&str], more: &str) {
    for open in [false, true] {
        dies_by(word, reasons, more, open);
    }
}

fn dies_by(word: &str, reasons: &[&str], more: &str, open: bool) {
    let policy = if open { "open" } else { "closed" };
    let scene = scene(&format!(
        "runtime = \"process\"\nthreads = 4\n{more}on_failure = \"{policy}\"\n"
    ));
    let before = scene.ask("/good").expect(200).expect_body("/good none");
    assert_eq!(before.status, 200);
    let first = scene.journal()[0].2;
    // Those that are in the child when it dies, or come before the next is there, get the policy as well: never anything else.
    let struck = beside_struck_ones(&scene, open, || scene.expect_policy(word, open));
    let failed: u64 = reasons
        .iter()
        .chain(&["unavailable", "broken"])
        .map(|r| scene.failures(r))
        .sum();
    assert_eq!(
        failed,
        1 + struck,
        "{word}: {}",
        module(&scene.proxy, "trouble")
    );
    assert!(reasons.iter().any(|r| scene.failures(r) > 0), "{word}");
    // Many connections meet both workers, each of which has a breaker that tries one transaction after a second.
    // A child of which one thread hangs serves with the others, until it is found to hang a deadline later.
    scene.until("no other child serves", || {
        scene.ask("/good/again");
        scene.gauge("restarts") >= 1
            && (0..64).all(|_| scene.ask("/good/again").text() == "/good/again none")
            && scene.journal().last().is_some_and(|last| last.2 != first)
    });
    let last = scene.journal().last().unwrap().2;
    assert_ne!(first, last, "{word}: the child lives on");
    // Now that there is a child again, nobody notices what was.
    beside_good_ones(&scene, || {});
    scene.each_is_freed_once(true);
}

#[test]
fn a_child_that_writes_to_address_0_is_replaced() {
    dies("segv", &["died"], "");
}

#[test]
fn a_child_that_aborts_is_replaced() {
    dies("abort", &["died"], "");
}

#[test]
fn a_child_that_exits_is_replaced() {
    dies("exit", &["died"], "");
}

#[test]
fn a_child_that_hangs_is_killed_at_the_deadline() {
    at_once(&[false, true], |&open| {
        dies_by("hang", &["deadline", "died"], DEADLINE, open);
    });
}

#[test]
fn a_child_that_leaks_dies_of_its_limit() {
    dies("leak", &["died", "panic"], "memory = \"1G\"\n");
}

#[test]
fn a_child_that_writes_garbage_is_killed() {
    dies("garbage", &["garbage", "died"], "");
}

#[test]
fn a_child_that_was_killed_is_back_by_itself() {
    let scene = scene("runtime = \"process\"\n");
    scene.ask("/good").expect(200);
    let first = scene.journal()[0].2;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(first as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    // Nobody asks for it; and the first who asks then is served by it.
    scene.until("no other child", || {
        scene.gauge("restarts") == 1 && scene.gauge("processes") == 1
    });
    scene.ask("/good").expect(200).expect_body("/good none");
    assert_ne!(scene.journal().last().unwrap().2, first);
    assert_eq!(scene.gauge("restarts"), 1);
}

#[test]
fn a_child_that_dies_at_its_starts_is_tried_ever_less_often_and_comes_back() {
    for open in [false, true] {
        a_child_that_dies_at_its_starts_comes_back(open);
    }
}

fn a_child_that_dies_at_its_starts_comes_back(open: bool) {
    let policy = if open { "open" } else { "closed" };
    let scene = scene(&format!(
        "runtime = \"process\"\non_failure = \"{policy}\"\n"
    ));
    scene.ask("/good").expect(200).expect_body("/good none");
    let doom = scene.proxy.dir().join("doom");
    std::fs::write(&doom, "").unwrap();
    let (begun, before) = (Instant::now(), scene.gauge("restarts"));
    scene.expect_policy("exit", open);
    scene.until("it is not tried again", || {
        scene.gauge("restarts") >= before + 4
    });
    // The first at once, the others 100, 200 and 400 ms behind each other.
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(700), "{took:?}");
    // Meanwhile its policy holds.
    if open {
        scene.ask("/good").expect(200).expect_body("/good passed");
    } else {
        scene.ask("/good").expect(502);
    }
    std::fs::remove_file(&doom).unwrap();
    scene.until("it does not come back", || {
        let good = scene.ask("/good");
        good.status == 200 && good.text() == "/good none"
    });
}

#[test]
fn beyond_a_full_queue_the_policy_holds_at_once() {
    for open in [false, true] {
        // What a thread works on is not in the queue any more; what a child has is one number.
        beyond_a_full_queue("threads", 2, open);
        beyond_a_full_queue("process", 1, open);
    }
}

/// Of eight transactions that find the only thread held so many find room in a queue of two.
fn beyond_a_full_queue(runtime: &str, room: usize, open: bool) {
    let policy = if open { "open" } else { "closed" };
    let scene = scene(&format!(
        "runtime = \"{runtime}\"\nthreads = 1\nqueue = 2\non_failure = \"{policy}\"\n"
    ));
    let mut held = Client::to(scene.proxy.addr());
    held.send("GET /do/gate/x HTTP/1.1\r\nHost: site.test\r\n\r\n");
    scene.until("the thread is not held", || !scene.journal().is_empty());
    let (tell, told) = mpsc::channel();
    for _ in 0..8 {
        let (mut client, tell) = (Client::to(scene.proxy.addr()), tell.clone());
        client.send("GET /good HTTP/1.1\r\nHost: site.test\r\n\r\n");
        std::thread::spawn(move || {
            let response = client.response();
            let marked = response.text() == "/good none";
            // The test may be over already when it failed.
            let _ = tell.send((response.status, marked));
        });
    }
    let answered = |n: usize| -> Vec<(u16, bool)> {
        let next = |_| told.recv_timeout(PATIENCE).expect("no answer came");
        (0..n).map(next).collect()
    };
    let refused = 8 - room;
    let without = (if open { 200 } else { 502 }, false);
    // The only thread is held all the while: nothing but the queue's end can answer these.
    assert_eq!(answered(refused), vec![without; refused], "{runtime}");
    assert_eq!(scene.failures("queue-full"), refused as u64);
    assert!(
        told.try_recv().is_err(),
        "more than {refused} were answered"
    );
    std::fs::write(scene.proxy.dir().join("gate"), "").unwrap();
    assert_eq!(answered(room), vec![(200, true); room], "{runtime}");
    held.response().expect(200);
    assert_eq!(scene.failures("queue-full"), refused as u64);
    scene.each_is_freed_once(false);
}

#[test]
fn a_thread_that_hangs_is_replaced_at_the_deadline() {
    at_once(&[false, true], |&open| {
        let policy = if open { "open" } else { "closed" };
        let scene = scene(&format!(
            "runtime = \"threads\"\nthreads = 1\n{DEADLINE}on_failure = \"{policy}\"\n"
        ));
        scene.expect_policy("hang", open);
        scene.until("it does not come back", || {
            scene.ask("/good").text() == "/good none"
        });
        assert_eq!(scene.gauge("abandoned"), 1);
    });
}

#[test]
fn inline_a_crash_restarts_the_proxy_with_the_module_demoted() {
    let scene = scene("runtime = \"inline\"\n");
    scene.ask("/good").expect(200).expect_body("/good none");
    let mut client = Client::to(scene.proxy.addr());
    client.send("GET /do/segv/x HTTP/1.1\r\nHost: site.test\r\n\r\n");
    client.expect_closed();
    scene.proxy.stderr.wait_count(|l| l == "ready", 2);
    let lines = scene.proxy.stderr.all();
    let told =
        |l: &String| l.contains("`trouble`") && l.contains("SIGSEGV") && l.contains("as a process");
    assert!(lines.iter().any(told), "{lines:#?}");
    let now = |name: &str| {
        let start = format!("listening {name} ");
        let line = lines.iter().rfind(|l| l.starts_with(&start)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    get(now("site"), "/good", "site.test", "")
        .expect(200)
        .expect_body("/good none");
    let status = get(now("admin"), "/status", "admin.test", "").expect(200);
    let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(status["modules"][0]["demoted"], true, "{status}");
    assert_eq!(status["modules"][0]["runtime"], "process");
    // The same trouble is the child's alone now.
    get(now("site"), "/do/segv/x", "site.test", "").expect(502);
}
