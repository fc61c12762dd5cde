//! The kit runs modules by the rules of the interface: modules that keep them pass.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use understudy_module::kit::{self, Bare, Call, Case, Outcome, Report, Seated, Stage, check};
use understudy_module::{
    About, Answer, Bytes, Event, Hook, Hooks, Module, Response, Transaction, Verdict,
};

fn body_case() -> Case {
    Case::new("a short body", "GET", "http://example.org/a")
        .asks("Host", "example.org")
        .answers("Content-Length", "6")
        .gives(200, "abcdef")
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn report<M: Module>(make: impl Fn() -> M + Send + Sync + 'static, case: Case) -> Report {
    check(&[&Bare::new(make)], &[case])
}

#[test]
fn a_module_that_treats_bytes_one_by_one_passes_on_every_chunking() {
    struct Upper;
    impl Module for Upper {
        fn about(&self) -> About {
            About::new("upper", "0", Hooks::of(&[Hook::ResponseBody]))
        }
        fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
            Verdict::Replace(tx.piece().to_ascii_uppercase().into())
        }
    }
    let mut case = body_case();
    case.expect.stored.body = Some(b"ABCDEF".to_vec());
    case.expect.stored.absent.push("Content-Length".to_owned());
    let report = report(|| Upper, case);
    assert!(report.is_ok(), "{report}");
    // 32 ways of six bytes, and the rounds among others.
    assert!(report.runs > 32 + 3 * 32, "{report}");
}

#[test]
fn what_a_module_counts_is_told_by_the_stage() {
    struct Pieces;
    impl Module for Pieces {
        fn about(&self) -> About {
            About::new("pieces", "0", Hooks::of(&[Hook::ResponseHead]))
        }
        fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
            tx.count("heads", 2);
            tx.host().count("No Name", 1);
            Verdict::Continue
        }
    }
    let stage = Bare::new(|| Pieces);
    let report = check(&[&stage], &[body_case()]);
    assert!(report.is_ok(), "{report}");
    let counts: Vec<_> = stage.counts().into_iter().collect();
    assert!(
        matches!(&counts[..], [(name, n)] if name == "heads" && *n >= 2 * report.runs as u64),
        "{counts:?} {}",
        report.runs
    );
}

#[test]
fn what_is_held_is_given_whole_at_the_end() {
    struct Whole;
    impl Module for Whole {
        fn about(&self) -> About {
            About::new("whole", "0", Hooks::of(&[Hook::RequestBody]))
        }
        fn request_body(&self, tx: &mut Transaction<'_>) -> Verdict {
            if !tx.is_last() {
                return Verdict::Hold;
            }
            let text = String::from_utf8_lossy(&tx.whole()).replace("cd", "");
            Verdict::Replace(text.into())
        }
    }
    let mut case = body_case().sends("abcdef");
    case.expect.forwarded.body = Some(b"abef".to_vec());
    let report = report(|| Whole, case);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn hold_at_the_end_is_continue() {
    struct Holds;
    impl Module for Holds {
        fn about(&self) -> About {
            About::new("holds", "0", Hooks::of(&[Hook::ReturnBody]))
        }
        fn return_body(&self, _: &mut Transaction<'_>) -> Verdict {
            Verdict::Hold
        }
    }
    let mut case = body_case();
    case.expect.returned.body = Some(b"abcdef".to_vec());
    let report = report(|| Holds, case);
    assert!(report.is_ok(), "{report}");
}

/// Every hook, in order, with a word in each head.
struct Every;
impl Module for Every {
    fn about(&self) -> About {
        About::new("every", "0", Hooks::TRANSACTION)
    }
    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        tx.set_target("/b?c").unwrap();
        tx.set("X-Id", format!("{} {:x}", tx.id(), tx.id()))
            .unwrap();
        Verdict::Continue
    }
    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        let url = tx.url().to_vec();
        tx.set("X-Url", url).unwrap();
        Verdict::Continue
    }
    fn resolve(&self, tx: &mut Transaction<'_>) -> Verdict {
        let (name, port) = tx.host_name();
        let text = format!("{name}:{port}");
        tx.note("host", text).unwrap();
        Verdict::Continue
    }
    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        tx.set_status(404).unwrap();
        tx.delete("Server").unwrap();
        Verdict::Continue
    }
    fn log(&self, tx: &mut Transaction<'_>) {
        let status = tx.entry().unwrap().status;
        tx.note("status", status.to_string()).unwrap();
    }
}

#[test]
fn every_hook_is_called_in_its_order_and_sees_the_edits_before() {
    let mut case = body_case().answers("Server", "x").sends("q");
    let hooks = "request_head request_out resolve request_body response_head response_body \
                 response_return return_body log free";
    case.expect.hooks = Some(hooks.split_whitespace().map(str::to_owned).collect());
    case.expect.request.target = Some("http://example.org/b?c".to_owned());
    case.expect.forwarded.target = Some("/b?c".to_owned());
    case.expect.forwarded.fields = [
        pair("X-Url", "http://example.org:80/b?c"),
        pair("X-Id", "ID ID"),
    ]
    .into();
    case.expect.stored.status = Some(404);
    case.expect.stored.absent.push("Server".to_owned());
    case.expect.returned.status = Some(404);
    case.expect.notes = [pair("host", "example.org:80"), pair("status", "404")].into();
    let report = report(|| Every, case);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_hit_has_no_hook_towards_the_origin() {
    let mut case = body_case().cached();
    let hooks = "request_head response_return return_body log free";
    case.expect.hooks = Some(hooks.split(' ').map(str::to_owned).collect());
    case.expect.returned.status = Some(200);
    let report = report(|| Every, case);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_tunnel_sees_request_head_log_and_free() {
    let mut case = Case::new("a tunnel", "CONNECT", "example.org:443");
    let hooks = ["request_head", "log", "free"];
    case.expect.hooks = Some(hooks.map(str::to_owned).to_vec());
    struct Tunnel;
    impl Module for Tunnel {
        fn about(&self) -> About {
            About::new("tunnel", "0", Hooks::TRANSACTION)
        }
    }
    let report = report(|| Tunnel, case);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn done_ends_all_hooks_but_free_and_keeps_the_edits() {
    struct Leaves;
    impl Module for Leaves {
        fn about(&self) -> About {
            About::new("leaves", "0", Hooks::TRANSACTION)
        }
        fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
            tx.set("X-Left", "1").unwrap();
            Verdict::Done
        }
    }
    let mut case = body_case();
    case.expect.hooks = Some(vec!["request_head".to_owned(), "free".to_owned()]);
    case.expect.verdict = [pair("request_head", "done")].into();
    case.expect.forwarded.fields = [pair("X-Left", "1")].into();
    case.expect.returned.body = Some(b"abcdef".to_vec());
    case.expect.returned.fields = [pair("Content-Length", "6")].into();
    let report = report(|| Leaves, case);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn an_answer_of_the_module_ends_with_log_and_free() {
    struct Answers;
    impl Module for Answers {
        fn about(&self) -> About {
            About::new("answers", "0", Hooks::TRANSACTION)
        }
        fn request_out(&self, _: &mut Transaction<'_>) -> Verdict {
            Verdict::Respond(Box::new(Response::text(403, "no").unwrap()))
        }
    }
    let mut case = body_case();
    let hooks = ["request_head", "request_out", "log", "free"];
    case.expect.hooks = Some(hooks.map(str::to_owned).to_vec());
    case.expect.returned.status = Some(403);
    case.expect.returned.body = Some(b"no".to_vec());
    let report = report(|| Answers, case);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_pending_goes_on_when_it_is_resumed_from_another_thread() {
    struct Waits;
    impl Module for Waits {
        fn about(&self) -> About {
            let hooks = Hooks::of(&[Hook::ResponseHead, Hook::ResponseBody]);
            About::new("waits", "0", hooks)
        }
        fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
            let (token, host) = (tx.token(), tx.host());
            tx.set("X-Before", "1").unwrap();
            std::thread::spawn(move || {
                let mut answer = Answer::from(Verdict::Continue);
                answer.edits.set(b"X-Behind", b"2").unwrap();
                host.resume(token, answer);
                // A second one is dropped.
                host.resume(token, Verdict::Done);
            });
            Verdict::Pending
        }
        fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
            let (token, host, piece) = (tx.token(), tx.host(), tx.piece().clone());
            host.resume(token, Verdict::Replace(piece.to_ascii_uppercase().into()));
            Verdict::Pending
        }
    }
    let mut case = body_case();
    case.expect.stored.fields = [pair("X-Before", "1"), pair("X-Behind", "2")].into();
    case.expect.stored.body = Some(b"ABCDEF".to_vec());
    let report = report(|| Waits, case);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn injected_bytes_are_seen() {
    struct Injects;
    impl Module for Injects {
        fn about(&self) -> About {
            About::new("injects", "0", Hooks::of(&[Hook::ReturnBody]))
        }
        fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
            if tx.is_last() {
                tx.host().inject(tx.id(), Bytes::from_static(b"more"));
            }
            Verdict::Continue
        }
    }
    let mut case = body_case();
    case.expect.injected = Some(b"more".to_vec());
    let report = report(|| Injects, case);
    assert!(report.is_ok(), "{report}");
}

/// The bare stage, where the module hears something else of the end of a transaction.
struct Ends(&'static [Hook]);

struct Seat(Box<dyn Seated>, &'static [Hook]);

impl Stage for Ends {
    fn name(&self) -> String {
        "odd".to_owned()
    }
    fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn Seated>, String> {
        let seated = Bare::new(|| Every).open(options)?;
        Ok(Box::new(Seat(seated, self.0)))
    }
}

impl Seated for Seat {
    fn about(&self) -> &About {
        self.0.about()
    }
    fn call(&mut self, event: &Event<'_>) -> Call {
        self.0.call(event)
    }
    fn wait(&mut self) -> Option<(u64, Outcome)> {
        self.0.wait()
    }
    fn answering(&mut self, transaction: u64) {
        self.0.answering(transaction);
    }
    fn answered(&mut self, transaction: u64) -> Vec<Bytes> {
        self.0.answered(transaction)
    }
    fn free(&mut self, transaction: u64) {
        self.0.free(transaction);
    }
    fn ends(&mut self, transactions: &[u64]) -> Vec<Vec<Hook>> {
        transactions.iter().map(|_| self.1.to_vec()).collect()
    }
}

#[test]
fn a_stage_on_which_the_end_of_a_transaction_is_another_is_named() {
    let checked = |ends| check(&[&Bare::new(|| Every), &Ends(ends)], &[body_case()]);
    assert!(checked(&[Hook::Free]).is_ok());
    for ends in [&[][..], &[Hook::Free, Hook::Free], &[Hook::Free, Hook::Log]] {
        let report = checked(ends);
        let odd =
            |one: &kit::Difference| one.stage == "odd" && one.what.starts_with("order of hooks");
        assert!(!report.differences.is_empty(), "{report}");
        assert!(report.differences.iter().all(odd), "{report}");
    }
}

#[test]
fn a_stage_on_which_a_module_that_is_done_in_a_body_is_not_freed_is_named() {
    #[derive(Default)]
    struct Done;
    impl Module for Done {
        fn about(&self) -> About {
            let hooks = Hooks::of(&[Hook::ResponseBody, Hook::Free]);
            About::new("done", "0", hooks)
        }
        fn response_body(&self, _: &mut Transaction<'_>) -> Verdict {
            Verdict::Done
        }
    }
    struct Lost;
    impl Stage for Lost {
        fn name(&self) -> String {
            "odd".to_owned()
        }
        fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn Seated>, String> {
            Ok(Box::new(Seat(Bare::new(Done::default).open(options)?, &[])))
        }
    }
    let report = check(&[&Bare::new(Done::default), &Lost], &[body_case()]);
    let odd = |one: &kit::Difference| one.stage == "odd" && one.what.starts_with("end");
    assert!(!report.differences.is_empty(), "{report}");
    assert!(report.differences.iter().all(odd), "{report}");
}

#[test]
fn a_watched_module_tells_what_it_hears_of_the_end() {
    use understudy_module::Opaque;
    let stage =
        Bare::made_by(|| std::sync::Arc::new(kit::Watched::new(std::sync::Arc::new(Every))));
    let report = check(&[&Bare::new(|| Every), &stage], &[body_case()]);
    assert!(report.is_ok(), "{report}");
    let watched = kit::Watched::new(std::sync::Arc::new(Every));
    assert_eq!(watched.about(), Every.about());
    // Without a host there is nobody to tell.
    watched.free(1, Opaque::None);
}
