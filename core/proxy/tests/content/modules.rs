//! Modules that ask for more while they see transactions: what they ask for goes their own way, too.

use crate::support::{Fixture, Origin, answer, guard, settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use understudy_module::{
    About, Completion, Hook, Hooks, Host, Module, ObjectId, Operation, Transaction, Verdict,
};
use understudy_proxy::{Content, Matcher, Member, Modules};
use understudy_runtimes::{Environment, Kind, Library, Limits, Spec, load};

/// Prefetches `/style` when a client asks for `/page`, reads it when it is there, and marks what origins send.
#[derive(Debug, Clone)]
struct Prefetcher(mpsc::UnboundedSender<(u64, Completion)>);

const FETCHED: u64 = 7;
const READ: u64 = 8;

impl Module for Prefetcher {
    fn about(&self) -> About {
        let hooks = Hooks::of(&[Hook::RequestHead, Hook::ResponseHead]);
        About::new("prefetcher", "1", hooks)
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let name = String::from_utf8(tx.object().key().to_vec()).unwrap();
        if let Some(site) = name.strip_suffix("/page") {
            let style = ObjectId::of_key(format!("{site}/style").as_bytes());
            tx.host().submit(FETCHED, Operation::Fetch(style.clone()));
        }
        Verdict::Continue
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        tx.add("X-Marked", "yes").unwrap();
        Verdict::Continue
    }

    fn completed(&self, host: &Host, tag: u64, completion: Completion) {
        if let (FETCHED, Some(style)) = (tag, host.option("style")) {
            host.submit(READ, Operation::Read(ObjectId::of_key(style.as_bytes())));
        }
        self.0.send((tag, completion)).unwrap();
    }
}

impl Library for Prefetcher {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(self.clone()))
    }
}

async fn prefetches(kind: Kind) {
    let origin = Origin::start(|_| answer("200 OK", "Cache-Control: max-age=60\r\n", "body"));
    let style = format!("http://{}/style", origin.at);
    let (told, mut ends) = mpsc::unbounded_channel();
    let content = Content::new();
    let environment = Environment {
        services: content.clone(),
        mailboxes: content.mailboxes().clone(),
        program: "none".into(),
    };
    let spec = Spec {
        name: "prefetcher".into(),
        library: "builtin:prefetcher".to_owned(),
        kind,
        // Every call counts here: none meets it, however the machine stalls.
        limits: Limits {
            deadline: Duration::from_secs(600),
            ..Limits::default()
        },
        options: [("style".to_owned(), style)].into(),
    };
    let module = load(spec, Arc::new(Prefetcher(told)), 0, &environment);
    let mut settings = settings(origin.at);
    settings.modules = Modules {
        members: vec![Member {
            module: module.await.unwrap(),
            matcher: Matcher::default(),
        }],
        ..Modules::default()
    };
    let f = Fixture::of(origin, settings, content, None).await;
    f.get("/page").await;
    let fetched = Completion::Fetched {
        status: 200,
        stored: true,
    };
    let end = guard("the fetch's end", ends.recv()).await;
    assert_eq!(end, Some((FETCHED, fetched)));
    match guard("the read's end", ends.recv()).await {
        Some((READ, Completion::Object(style))) => {
            assert_eq!(&style.body()[..], b"body");
            let marks = style.fields().iter().filter(|(n, _)| n == b"X-Marked");
            assert_eq!(marks.count(), 1);
        }
        other => panic!("{other:?}"),
    }
    let got = f.get("/style").await;
    assert!(got.is_hit() && got.has("X-Marked: yes"), "{got:?}");
}

#[actix_rt::test]
async fn an_inline_module_prefetches_and_sees_what_it_prefetched() {
    prefetches(Kind::Inline).await;
}

#[actix_rt::test]
async fn a_module_in_threads_prefetches_and_sees_what_it_prefetched() {
    prefetches(Kind::Threads).await;
}
