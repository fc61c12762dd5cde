//! Pages parse, and embed what the world says, in its order.

use crate::kit::{LIBRARY, WORLD, body, objects};
use lol_html::{HtmlRewriter, Settings, element};
use std::{cell::RefCell, rc::Rc};
use understudy_bed::world::Format;

/// The elements of a page that `selector` finds, by their attribute.
fn found(page: &[u8], selector: &str, attribute: &'static str) -> Vec<String> {
    let found = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&found);
    let handler = element!(selector, move |e| {
        sink.borrow_mut().extend(e.get_attribute(attribute));
        Ok(())
    });
    let settings = Settings::new().append_element_content_handler(handler);
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    rewriter.write(page).unwrap();
    rewriter.end().unwrap();
    found.take()
}

/// Every tag of a page is closed by its like; text has no stray `<`.
fn assert_balanced(page: &str) {
    let mut open = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').unwrap() + at;
        let tag = &rest[at + 1..end];
        let name = tag.split(' ').next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if ["img", "meta"].contains(&name) => {}
            None => open.push(name),
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn pages_embed_what_the_world_says_in_its_order() {
    for kind in ["html", "page"] {
        for object in objects(kind, Format::Html, 40) {
            let embedded = WORLD.embedded(object);
            let paths: Vec<String> = embedded.iter().map(|&o| WORLD.path(o)).collect();
            assert!(!paths.is_empty());
            let page = body(object);
            assert_eq!(found(&page, "body img", "src"), paths);
            let ads: Vec<String> = embedded
                .iter()
                .filter(|&&o| WORLD.ad(o))
                .map(|&o| WORLD.path(o))
                .collect();
            assert_eq!(found(&page, "a.ad > img", "src"), ads);
        }
    }
}

#[test]
fn pages_parse_and_nothing_in_them_is_left_open() {
    for object in objects("html", Format::Html, 40) {
        let page = String::from_utf8(body(object)).unwrap();
        assert_balanced(&page);
        assert_eq!(found(page.as_bytes(), "head > title", "class").len(), 0);
        for tag in ["<head>", "<title>", "<body>", "</html>"] {
            assert_eq!(page.matches(tag).count(), 1, "{tag}");
        }
    }
}

#[test]
fn links_of_pages_are_pages_of_the_world() {
    let links: Vec<String> = objects("page", Format::Html, 10)
        .into_iter()
        .flat_map(|object| found(&body(object), "nav a", "href"))
        .collect();
    assert_eq!(links.len(), 30);
    for link in links {
        assert_eq!(WORLD.format(WORLD.object(&link).unwrap()), Format::Html);
    }
}

#[test]
fn a_page_too_small_for_its_references_is_as_long_as_they_need() {
    let small: Vec<_> = objects("html", Format::Html, 3000)
        .into_iter()
        .filter(|&o| WORLD.size(o) < 150)
        .collect();
    assert!(!small.is_empty());
    for object in small {
        let page = body(object);
        assert_eq!(page.len() as u64, LIBRARY.length(&WORLD, object));
        assert!(page.len() as u64 > WORLD.size(object));
        assert_eq!(
            found(&page, "img", "src").len(),
            WORLD.embedded(object).len()
        );
        assert_balanced(std::str::from_utf8(&page).unwrap());
    }
}
