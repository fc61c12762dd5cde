//! The names of stored objects (the paper's ObjID functions).
#![allow(clippy::unwrap_used)]

use understudy_module::ObjectId;

#[test]
fn urls_that_mean_the_same_make_one_name() {
    let of = |url: &str| ObjectId::of_url(url);
    let name = of("http://www.example/a?b").unwrap();
    for same in ["http://WWW.example/a?b", "http://www.example:80/a?b"] {
        assert_eq!(of(same).as_ref(), Some(&name), "{same}");
    }
    for other in ["http://www.example/A?b", "http://www.example:81/a?b"] {
        assert_ne!(of(other).as_ref(), Some(&name), "{other}");
    }
    for none in ["/a", "www.example", "", "ftp://www.example/"] {
        assert_eq!(of(none), None, "{none}");
    }
}

#[test]
fn a_second_handle_is_the_same_name_and_shares_its_bytes() {
    let name = ObjectId::of_key(b"http://www.example/");
    let second = name.clone();
    assert_eq!(second, name);
    assert!(std::ptr::eq(second.key(), name.key()), "nothing was copied");
}

#[test]
fn a_name_lives_as_long_as_its_last_handle() {
    let name = ObjectId::of_key(b"http://www.example/");
    let second = name.clone();
    drop(name);
    assert_eq!(second.key(), b"http://www.example/");
}
