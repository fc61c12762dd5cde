//! Several listeners of one process share its cache without lending each other's objects under a false name.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Launch, Origin, Proxy, Request, get, reply};

fn named(name: &'static str) -> Origin {
    Origin::answering(move |r: &Request| {
        reply(
            200,
            &["Cache-Control: max-age=60"],
            format!("{name} {}", r.target),
        )
    })
}

/// A forward listener and reverse ones of these origins (`r0`, `r1`, ...).
fn proxy(origins: &[&Origin]) -> Proxy {
    let mut config =
        "[[listen]]\nname = \"out\"\nmode = \"forward\"\naddress = \"127.0.0.1:0\"\n".to_owned();
    for (i, origin) in origins.iter().enumerate() {
        config += &format!(
            "[[listen]]\nname = \"r{i}\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o{i}\"\n\
             [[upstream]]\nname = \"o{i}\"\nservers = [\"{}\"]\n",
            origin.addr
        );
    }
    Launch::bare()
        .config(&(config + "[access]\nallow_to = [\"loopback\"]\n"))
        .start()
}

#[test]
fn two_reverse_listeners_with_one_host_each_answer_for_their_own_origin() {
    let (a, b) = (named("a"), named("b"));
    let proxy = proxy(&[&a, &b]);
    for _ in 0..2 {
        get(proxy.listener("r0"), "/x", "site.test", "").expect_body("a /x");
        get(proxy.listener("r1"), "/x", "site.test", "").expect_body("b /x");
    }
    assert_eq!((a.count(), b.count()), (1, 1), "each is stored for itself");
}

#[test]
fn what_a_reverse_listener_stores_is_not_what_a_forward_client_asks_for() {
    let (inner, outer) = (named("reverse"), named("the real one"));
    let proxy = proxy(&[&inner]);
    // A client of the reverse listener may name any host; it must not become that host for others.
    let host = outer.addr.to_string();
    get(proxy.listener("r0"), "/x", &host, "").expect_body("reverse /x");
    get(
        proxy.listener("out"),
        &format!("http://{host}/x"),
        &host,
        "",
    )
    .expect_body("the real one /x");
    get(proxy.listener("r0"), "/x", &host, "").expect_body("reverse /x");
}

#[test]
fn an_invalidation_stays_with_its_listener_s_origin() {
    let (a, b) = (named("a"), named("b"));
    let proxy = proxy(&[&a, &b]);
    get(proxy.listener("r0"), "/x", "site.test", "");
    get(proxy.listener("r1"), "/x", "site.test", "");
    understudy_testbed::Client::to(proxy.listener("r1"))
        .ask("POST /x HTTP/1.1\r\nHost: site.test\r\nContent-Length: 0\r\n\r\n");
    get(proxy.listener("r0"), "/x", "site.test", "").expect_hit();
    get(proxy.listener("r1"), "/x", "site.test", "").expect_fwd("uri-miss");
}

#[test]
fn two_listeners_of_one_origin_share_its_objects() {
    let a = named("a");
    let config = format!(
        "[[listen]]\nname = \"one\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         [[listen]]\nname = \"two\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
        a.addr
    );
    let proxy = Launch::bare().config(&config).start();
    get(proxy.listener("one"), "/x", "site.test", "").expect_body("a /x");
    get(proxy.listener("two"), "/x", "site.test", "").expect_body("a /x");
    assert_eq!(a.count(), 1);
}
