//! The kit finds what it is there to find: each of these modules misbehaves in one way, and the report names it.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use understudy_module::kit::{Bare, Case, Report, check};
use understudy_module::{About, Hook, Hooks, Module, Transaction, Verdict};

fn body_case() -> Case {
    Case::new("a short body", "GET", "http://example.org/a")
        .asks("Host", "example.org")
        .answers("Content-Length", "6")
        .gives(200, "abcdef")
}

fn report<M: Module>(make: impl Fn() -> M + Send + Sync + 'static, cases: &[Case]) -> Report {
    check(&[&Bare::new(make)], cases)
}

/// Hooks of an answer, in one function.
struct Hooked(&'static [Hook], fn(&mut Transaction<'_>) -> Verdict);

impl Module for Hooked {
    fn about(&self) -> About {
        About::new("hooked", "0", Hooks::of(self.0))
    }
    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1(tx)
    }
    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1(tx)
    }
    fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1(tx)
    }
}

fn of_body(hook: fn(&mut Transaction<'_>) -> Verdict) -> Report {
    report(move || Hooked(&[Hook::ResponseBody], hook), &[body_case()])
}

#[test]
fn a_module_that_marks_each_piece_is_named_with_the_chunking() {
    let report = of_body(|tx| Verdict::Replace([b"<", &**tx.piece()].concat().into()));
    let text = report.to_string();
    assert!(!report.is_ok());
    for part in [
        "case `a short body`, bare, response body",
        "stored body: at byte",
        "cut at [",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_module_that_misses_a_word_across_a_cut_is_named() {
    let report = of_body(|tx| {
        let text = String::from_utf8_lossy(tx.piece()).replace("cd", "");
        Verdict::Replace(text.into())
    });
    assert!(report.to_string().contains("expected `abef`"), "{report}");
    let cut_elsewhere = |run: &str| run.contains("cut at [1]") || run.contains("cut at [2]");
    assert!(!report.differences.iter().any(|one| cut_elsewhere(&one.run)));
}

#[test]
fn a_module_that_turns_pieces_round_is_named() {
    let report = of_body(|tx| {
        if !tx.is_last() {
            return Verdict::Hold;
        }
        let mut turned = tx.piece().to_vec();
        let held = tx.held().iter().rev();
        held.for_each(|held| turned.extend_from_slice(held));
        Verdict::Replace(turned.into())
    });
    assert!(!report.is_ok());
}

#[test]
fn a_module_that_loses_a_byte_of_each_later_piece_is_named() {
    let report = of_body(|tx| {
        let first = tx.opaque().is_none();
        tx.opaque().set(());
        if first || tx.piece().is_empty() {
            Verdict::Continue
        } else {
            Verdict::Replace(tx.piece().slice(1..))
        }
    });
    assert!(report.to_string().contains("(of 6, against"), "{report}");
}

#[test]
fn a_module_that_drops_an_end_that_comes_by_itself_is_named() {
    let report = of_body(|tx| match (tx.is_last(), tx.piece().is_empty()) {
        (true, true) => Verdict::Drop,
        (true, false) => Verdict::Continue,
        _ => Verdict::Hold,
    });
    let apart = |run: &str| run.contains("its end apart");
    assert!(!report.differences.is_empty(), "{report}");
    assert!(
        report.differences.iter().all(|one| apart(&one.run)),
        "{report}"
    );
}

#[test]
fn a_module_that_counts_transactions_is_named() {
    struct Counts(AtomicU64);
    impl Module for Counts {
        fn about(&self) -> About {
            About::new("counts", "0", Hooks::of(&[Hook::ResponseReturn]))
        }
        fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            tx.set("X-Count", count.to_string()).unwrap();
            Verdict::Continue
        }
    }
    let report = report(|| Counts(AtomicU64::new(0)), &[body_case()]);
    let text = report.to_string();
    assert!(text.contains("returned answer: at byte"), "{text}");
}

#[test]
fn a_module_that_mixes_up_transactions_is_named_by_the_interleaving_alone() {
    /// Keeps in itself what belongs into the opaque value: right as long as one runs at a time.
    struct Mixes(Mutex<Vec<u8>>);
    impl Module for Mixes {
        fn about(&self) -> About {
            let hooks = Hooks::of(&[Hook::RequestHead, Hook::ResponseReturn]);
            About::new("mixes", "0", hooks)
        }
        fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
            *self.0.lock().unwrap() = tx.url().to_vec();
            Verdict::Continue
        }
        fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
            let url = self.0.lock().unwrap().clone();
            tx.set("X-Url", url).unwrap();
            Verdict::Continue
        }
    }
    let other = Case::new("another", "GET", "http://example.org/b").gives(200, "x");
    let report = report(|| Mixes(Mutex::default()), &[body_case(), other]);
    assert!(!report.differences.is_empty());
    let among = |run: &str| run.contains("transactions at once");
    assert!(
        report.differences.iter().all(|one| among(&one.run)),
        "{report}"
    );
}

#[test]
fn what_is_expected_and_not_met_is_told() {
    let mut case = body_case();
    case.expect.returned.status = Some(404);
    let field = ("X-None".to_owned(), "1".to_owned());
    case.expect.returned.fields = [field].into();
    case.expect.stored.absent.push("Content-Length".to_owned());
    case.expect.stored.body = Some(b"abcDef".to_vec());
    case.expect.hooks = Some(vec!["log".to_owned()]);
    let pass = || Hooked(&[Hook::ResponseHead], |_| Verdict::Continue);
    let text = report(pass, &[case]).to_string();
    for part in [
        "returned: expected status 404, found 200",
        "returned: expected `X-None: 1` once, found []",
        "stored: there should be no `Content-Length`",
        "stored body: at byte 3 expected `abcDef`, found `abcdef`",
        "expected hooks `log`, found `response_head`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_panic_is_told_unless_it_is_expected() {
    let panics = || Hooked(&[Hook::ResponseHead], |_| panic!("on purpose"));
    let unexpected = report(panics, &[body_case()]).to_string();
    assert!(
        unexpected.contains("found `panic` (on purpose)"),
        "{unexpected}"
    );
    let mut case = body_case();
    case.expect.failure = Some("panic".to_owned());
    let expected = report(panics, &[case]);
    assert!(expected.is_ok(), "{expected}");
}

#[test]
fn a_promise_about_the_length_is_held_to() {
    let halves = || {
        Hooked(&[Hook::ResponseHead, Hook::ResponseBody], |tx| {
            if tx.hook() == Hook::ResponseHead {
                tx.keep_length().unwrap();
                return Verdict::Continue;
            }
            Verdict::Drop
        })
    };
    let text = report(halves, &[body_case()]).to_string();
    assert!(
        text.contains("promised to keep the body's length"),
        "{text}"
    );
}

#[test]
fn no_case_at_all_is_not_well() {
    let pass = || Hooked(&[Hook::ResponseHead], |_| Verdict::Continue);
    assert!(!report(pass, &[]).is_ok());
}
