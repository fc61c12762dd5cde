//! What must never get into the store by way of a module, or of a validation.

use crate::scripted::{Scripted, everywhere, proxy};
use crate::support::answer;
use understudy_module::{Hook, Verdict};

/// What an origin says that knows its object by `"a"`: the whole once, then these lines with a 304.
fn validating(lines: &'static str) -> impl Fn(&str) -> String + Send + 'static {
    move |head| {
        if head.contains("If-None-Match") {
            format!("HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"a\"\r\n{lines}\r\n")
        } else {
            answer(
                "200 OK",
                "Cache-Control: max-age=0\r\nETag: \"a\"\r\n",
                "abc",
            )
        }
    }
}

#[test]
fn what_a_module_says_of_a_validation_not_to_be_stored_is_not_stored() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            if tx.status() == 304 {
                tx.no_store().unwrap();
            }
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], validating("Cache-Control: max-age=60\r\n")).await;
        for _ in 0..3 {
            let got = f.get("/").await;
            assert_eq!(got.body, b"abc", "{}", got.head);
            assert!(!got.is_hit(), "{}", got.head);
        }
    });
}

#[test]
fn a_validation_gives_one_clients_cookie_to_no_other() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            if tx.status() == 304 {
                tx.add("Set-Cookie", "id=1").unwrap();
            }
            Verdict::Continue
        });
        for (modules, lines) in [
            (&[&m][..], "Cache-Control: max-age=60\r\n"),
            (&[], "Cache-Control: max-age=60\r\nSet-Cookie: id=1\r\n"),
        ] {
            let f = proxy(kind, modules, validating(lines)).await;
            f.get("/").await;
            f.get("/").await;
            let got = f.get("/").await;
            assert!(
                !got.is_hit() || !got.head.contains("Set-Cookie"),
                "{}",
                got.head
            );
        }
    });
}

#[test]
fn a_validation_that_makes_an_answer_private_takes_it_from_the_store() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            if tx.status() == 304 {
                tx.set("Cache-Control", "private, max-age=60").unwrap();
            }
            Verdict::Continue
        });
        for (modules, lines) in [
            (&[&m][..], "Cache-Control: max-age=60\r\n"),
            (&[], "Cache-Control: private, max-age=60\r\n"),
            (&[], "Cache-Control: no-store, max-age=60\r\n"),
        ] {
            let f = proxy(kind, modules, validating(lines)).await;
            for _ in 0..3 {
                let got = f.get("/").await;
                assert_eq!(got.body, b"abc");
                assert!(!got.is_hit(), "{}", got.head);
            }
        }
    });
}

#[test]
fn an_answer_to_credentials_that_a_module_sent_is_for_nobody_else() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestOut], |tx| {
            tx.set("Authorization", "Bearer mine").unwrap();
            Verdict::Continue
        });
        for (lines, hit) in [
            ("Cache-Control: max-age=60\r\n", false),
            ("Cache-Control: public, max-age=60\r\n", true),
        ] {
            let f = proxy(kind, &[&m], move |_| answer("200 OK", lines, "abc")).await;
            f.get("/").await;
            assert_eq!(f.get("/").await.is_hit(), hit);
        }
    });
}
