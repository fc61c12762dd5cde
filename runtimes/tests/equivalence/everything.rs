//! A module that makes use of everything a runtime could carry wrongly, and behaves.
//!
//! What it does is asked for by the path of the request, one thing a path.

use std::sync::atomic::{AtomicBool, Ordering};
use understudy_module::kit::Case;
use understudy_module::{
    About, Answer, Bytes, Completion, Hooks, Host, Module, Operation, Refused, Response, Token,
    Transaction, Verdict,
};

#[derive(Default)]
pub(crate) struct Everything {
    marked: AtomicBool,
}

/// What it keeps of a transaction.
#[derive(Default)]
struct Kept {
    what: String,
    seen: u64,
    hooks: u32,
    rest: Vec<u8>,
}

fn outcome(done: Result<(), Refused>, verdict: Verdict) -> Verdict {
    match done {
        Ok(()) => verdict,
        Err(refused) => Verdict::fail(refused.to_string()),
    }
}

fn kept<'a>(tx: &'a mut Transaction<'_>) -> &'a mut Kept {
    let kept = tx.opaque().get_or_insert_with(Kept::default);
    kept.hooks += 1;
    kept
}

/// Resumes from another thread, with an edit.
fn later(host: Host, token: Token, verdict: Verdict, edit: bool) {
    std::thread::spawn(move || {
        let mut answer = Answer::from(verdict);
        if edit && answer.edits.set(b"X-Later", b"yes").is_err() {
            answer.verdict = Verdict::fail("no edit");
        }
        host.resume(token, answer);
    });
}

impl Module for Everything {
    fn about(&self) -> About {
        About {
            orders_addresses: true,
            ..About::new("everything", "0", Hooks::TRANSACTION)
        }
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        let marked = host.option("marked").is_some();
        self.marked.store(marked, Ordering::Relaxed);
        Ok(())
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let target = String::from_utf8_lossy(tx.target()).into_owned();
        let what = target.rsplit('/').next().unwrap_or_default().to_owned();
        kept(tx).what.clone_from(&what);
        let lines: Vec<String> = tx
            .lines()
            .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()))
            .collect();
        let all: Vec<String> = tx
            .find_all("accept")
            .map(|value| value.escape_ascii().to_string())
            .collect();
        let text = format!("{} {} {}", tx.client(), lines.join(";"), all.join("|"));
        if let Err(refused) = tx.note("seen", text) {
            return Verdict::fail(refused.to_string());
        }
        match &*what {
            "rewrite" => outcome(tx.set_target("/other?x=1"), Verdict::Continue),
            "elsewhere" => outcome(
                tx.set_target("http://example.com:8080/there"),
                Verdict::Continue,
            ),
            "done" => outcome(tx.add("X-Done", "1"), Verdict::Done),
            "respond" => match Response::text(403, "not here") {
                Ok(page) => Verdict::Respond(Box::new(page)),
                Err(refused) => Verdict::fail(refused.to_string()),
            },
            "fail" => {
                let _ = tx.set("X-Undone", "1");
                Verdict::fail("on purpose")
            }
            "panic" => panic!("on purpose"),
            "refused" => {
                let all = [
                    tx.add("Content-Length", "1"),
                    tx.add("X A", "1"),
                    tx.add("X", "a\r\nb"),
                    tx.set_status(200),
                    tx.set_target("ftp://x/"),
                ];
                let why: Vec<String> = all
                    .iter()
                    .map(|done| done.map_or_else(|why| why.to_string(), |()| "no".to_owned()))
                    .collect();
                outcome(tx.note("refused", why.join("; ")), Verdict::Continue)
            }
            _ => {
                let done = tx
                    .delete("Accept")
                    .and_then(|()| tx.add("X-One", "a"))
                    .and_then(|()| tx.add("X-One", "b"))
                    .and_then(|()| tx.set("Host", "www.example.org"));
                outcome(done, Verdict::Continue)
            }
        }
    }

    fn request_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        kept(tx).hooks -= 1;
        let turned: Vec<u8> = tx.piece().iter().map(|b| b ^ 0x20).collect();
        Verdict::Replace(turned.into())
    }

    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        let what = kept(tx).what.clone();
        let url = tx.url().escape_ascii().to_string();
        if let Err(refused) = tx.note("url", url) {
            return Verdict::fail(refused.to_string());
        }
        match &*what {
            "pending" => {
                let (host, token) = (tx.host(), tx.token());
                let done = tx.set("X-Now", "yes");
                later(host, token, Verdict::Continue, true);
                outcome(done, Verdict::Pending)
            }
            "at-once" => {
                // The resume may overtake the Pending it answers.
                let (host, token) = (tx.host(), tx.token());
                host.resume(token, Verdict::Continue);
                host.resume(token, Verdict::Done);
                Verdict::Pending
            }
            "pending-respond" => {
                let (host, token) = (tx.host(), tx.token());
                match Response::new(503, Bytes::from_static(b"later")) {
                    Ok(page) => later(host, token, Verdict::Respond(Box::new(page)), false),
                    Err(refused) => return Verdict::fail(refused.to_string()),
                }
                Verdict::Pending
            }
            "submit" => {
                // The object's absence is told in `completed`, which resumes.
                let (host, token) = (tx.host(), tx.token());
                let object = tx.object();
                let tag = token.transaction;
                WAITING
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push((tag, token));
                host.submit(tag, Operation::Query(object));
                Verdict::Pending
            }
            "no-token" => Verdict::Pending,
            _ => Verdict::Continue,
        }
    }

    fn resolve(&self, tx: &mut Transaction<'_>) -> Verdict {
        let what = kept(tx).what.clone();
        let (name, port) = tx.host_name();
        let text = format!("{name}:{port} {:?}", tx.addresses());
        let mut turned = tx.addresses().to_vec();
        turned.reverse();
        let done = tx.note("host", text);
        for address in turned {
            let _ = tx.add_address(address);
        }
        if what == "named" {
            let _ = tx.add_address([203, 0, 113, 9].into());
        }
        outcome(done, Verdict::Continue)
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let what = kept(tx).what.clone();
        let done = match &*what {
            "status" => tx.set_status(418),
            "late" | "late-answer" => tx.withhold_head(),
            "store" => tx.no_store(),
            "fresh" => tx.set_freshness(60),
            "sealed" => {
                tx.headers_done();
                match tx.add("X-Late", "1") {
                    Err(Refused::Sealed) => Ok(()),
                    _ => Err(Refused::Place),
                }
            }
            _ => tx.delete("Server"),
        };
        let kept = tx.keep_length();
        outcome(done.and(kept), Verdict::Continue)
    }

    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        let kept = kept(tx);
        kept.hooks -= 1;
        let what = kept.what.clone();
        match &*what {
            "hold" | "late" | "late-answer" if !tx.is_last() => Verdict::Hold,
            "late" => outcome(
                tx.set_status(203)
                    .and_then(|()| tx.set("X-Late", "1"))
                    .and_then(|()| tx.delete("Server"))
                    .and_then(|()| tx.set_freshness(5)),
                Verdict::Continue,
            ),
            "late-answer" => match Response::text(403, "not here") {
                Ok(page) => Verdict::Respond(Box::new(page)),
                Err(refused) => Verdict::fail(refused.to_string()),
            },
            "hold" => {
                let mut whole = tx.whole().to_vec();
                whole.reverse();
                Verdict::Replace(whole.into())
            }
            "first" => {
                let kept = tx.opaque().get_or_insert_with(Kept::default);
                let mut all = std::mem::take(&mut kept.rest);
                all.extend(tx.piece().to_ascii_uppercase());
                if tx.piece().is_empty() {
                    return Verdict::Replace(all.into());
                }
                let rest = all.split_off(all.len() / 2);
                tx.opaque().get_or_insert_with(Kept::default).rest = rest;
                Verdict::First(all.into())
            }
            "drop" => Verdict::Drop,
            "body-pending" => {
                let (host, token) = (tx.host(), tx.token());
                let upper = tx.piece().to_ascii_uppercase();
                later(host, token, Verdict::Replace(upper.into()), false);
                Verdict::Pending
            }
            _ => Verdict::Continue,
        }
    }

    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        let status = tx.status().to_string();
        let hooks = kept(tx).hooks.to_string();
        let done = tx
            .set("X-Status", status)
            .and_then(|()| tx.set("X-Hooks", hooks));
        let marked = self.marked.load(Ordering::Relaxed);
        let done = done.and_then(|()| {
            if marked {
                tx.set("X-Marked", "1")
            } else {
                Ok(())
            }
        });
        outcome(done, Verdict::Continue)
    }

    fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        let (length, last) = (tx.piece().len() as u64, tx.is_last());
        let kept = kept(tx);
        kept.seen += length;
        let text = format!("{} of {}", kept.seen, kept.what);
        if last {
            tx.host().inject(tx.id(), text.into());
        }
        Verdict::Continue
    }

    fn log(&self, tx: &mut Transaction<'_>) {
        if let Some(entry) = tx.entry() {
            let text = format!("{entry:?}");
            let _ = tx.note("entry", text);
        }
    }

    fn completed(&self, host: &Host, tag: u64, completion: Completion) {
        let mut waiting = WAITING
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = waiting.iter().position(|(of, _)| *of == tag);
        if let Some(at) = at {
            let (_, token) = waiting.swap_remove(at);
            let mut answer = Answer::from(Verdict::Continue);
            let text = format!("{completion:?}");
            if answer.edits.set(b"X-Found", text.as_bytes()).is_ok() {
                host.resume(token, answer);
            }
        }
    }
}

/// Calls that wait for an operation: its tag, and their token.
static WAITING: std::sync::Mutex<Vec<(u64, Token)>> = std::sync::Mutex::new(Vec::new());

/// A case for each path, with what it leads to where that is not plain.
pub(crate) fn cases() -> Vec<Case> {
    let case = |what: &str| {
        Case::new(what, "POST", &format!("http://example.org/a/{what}"))
            .asks("Host", "example.org")
            .asks("Accept", "text/html")
            .asks("ACCEPT", "text/plain; q=0.5")
            .asks("X-Empty", "")
            .sends("a=1")
            .answers("Server", "origin")
            .answers("Content-Length", "4")
            .gives(200, "abcd")
    };
    let mut cases: Vec<Case> = [
        "plain",
        "rewrite",
        "elsewhere",
        "done",
        "refused",
        "pending",
        "at-once",
        "submit",
        "named",
        "status",
        "store",
        "fresh",
        "sealed",
        "hold",
        "late",
        "late-answer",
        "body-pending",
        "first",
    ]
    .map(case)
    .into();
    for (what, failure) in [
        ("fail", "fail"),
        ("panic", "panic"),
        ("no-token", "fail"),
        // It promised to keep the length.
        ("drop", "fail"),
    ] {
        let mut case = case(what);
        case.expect.failure = Some(failure.to_owned());
        cases.push(case);
    }
    for (what, status) in [("respond", "403"), ("pending-respond", "503")] {
        let mut case = case(what);
        case.expect.returned.status = status.parse().ok();
        cases.push(case);
    }
    let fields = [
        ("pending", "X-Now", "yes"),
        ("pending", "X-Later", "yes"),
        ("submit", "X-Found", "Absent"),
    ];
    for (what, name, value) in fields {
        for case in cases.iter_mut().filter(|case| case.name == what) {
            let line = (name.to_owned(), value.to_owned());
            case.expect.forwarded.fields.extend([line]);
        }
    }
    for (what, body) in [
        ("hold", "dcba"),
        ("body-pending", "ABCD"),
        ("first", "ABCD"),
    ] {
        for case in cases.iter_mut().filter(|case| case.name == what) {
            case.expect.stored.body = Some(body.into());
        }
    }
    let mut two = case("two-addresses");
    two.addresses.push([192, 0, 2, 81].into());
    cases.push(two);
    cases.push(case("marked").option("marked", "1"));
    cases.push(case("hit").cached());
    let tunnel = Case::new("tunnel", "CONNECT", "example.org:443");
    cases.push(tunnel);
    let long: String = (0..3000).map(|n| format!("{n} ")).collect();
    let mut long = case("hold").gives(200, long);
    long.name = "a long body".to_owned();
    cases.push(long);
    cases
}
