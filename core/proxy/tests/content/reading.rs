//! Reading, whole and in pieces.

use crate::support::{Fixture, OWNER, answer, body, perform, response};
use understudy_module::{Completion, ObjectId, Operation, Response};
use understudy_runtimes::Services;

fn origin(_: &str) -> String {
    answer(
        "200 OK",
        "Cache-Control: max-age=60\r\nContent-Type: text/css\r\nX-Kept: yes\r\n",
        "fetched",
    )
}

fn object(completion: Completion) -> Response {
    match completion {
        Completion::Object(response) => *response,
        other => panic!("no object: {other:?}"),
    }
}

fn field<'a>(response: &'a Response, name: &str) -> Option<&'a [u8]> {
    let mut fields = response.fields().iter();
    let found = fields.find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, value)| &value[..])
}

/// Reads to the last piece.
async fn rest(f: &Fixture, number: u64, most: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match f.perform(Operation::ReadPart(number, most)).await {
            Completion::Part(piece, last) => {
                assert!(piece.len() <= most);
                all.extend_from_slice(&piece);
                if last {
                    return all;
                }
            }
            other => panic!("no part: {other:?}"),
        }
    }
}

async fn inject(f: &Fixture, length: usize) -> ObjectId {
    let object = f.object("/a");
    let inject = Operation::Inject(object.clone(), response(body(length)));
    assert_eq!(f.perform(inject).await, Completion::Done);
    object
}

#[actix_rt::test]
async fn an_object_is_read_whole_with_the_fields_stored() {
    let f = Fixture::start(origin).await;
    f.get("/a").await;
    let read = object(f.perform(Operation::Read(f.object("/a"))).await);
    assert_eq!((read.status(), &read.body()[..]), (200, &b"fetched"[..]));
    assert_eq!(field(&read, "content-type"), Some(&b"text/css"[..]));
    assert_eq!(field(&read, "x-kept"), Some(&b"yes"[..]));
    assert_eq!(field(&read, "content-length"), None);
}

#[actix_rt::test]
async fn what_was_read_can_be_injected_elsewhere() {
    let f = Fixture::start(origin).await;
    f.get("/a").await;
    let read = object(f.perform(Operation::Read(f.object("/a"))).await);
    let inject = Operation::Inject(f.object("/b"), Box::new(read));
    assert_eq!(f.perform(inject).await, Completion::Done);
    let got = f.get("/b").await;
    assert!(got.is_hit() && got.has("X-Kept: yes") && got.body == b"fetched");
}

#[actix_rt::test]
async fn whole_and_parts_are_the_same_bytes() {
    let f = Fixture::start(origin).await;
    for length in [0, 1, 5000, 600_000] {
        let name = inject(&f, length).await;
        let read = object(f.perform(Operation::Read(name.clone())).await);
        assert!(read.body()[..] == body(length), "{length}");
        for (number, most) in [(1, 1000), (2, 4096), (3, usize::MAX)] {
            let start = Operation::ReadStart(name.clone(), number);
            let head = object(f.perform(start).await);
            assert!(head.body().is_empty() && field(&head, "X-Made").is_some());
            assert!(
                rest(&f, number, most).await == body(length),
                "{length} {most}"
            );
            f.tell(Operation::ReadDone(number));
        }
    }
}

#[actix_rt::test]
async fn what_is_absent_cannot_be_read() {
    let f = Fixture::start(origin).await;
    for operation in [
        Operation::Read(f.object("/a")),
        Operation::ReadStart(f.object("/a"), 1),
    ] {
        assert_eq!(f.perform(operation).await, Completion::Absent);
    }
    let part = f.perform(Operation::ReadPart(1, 10)).await;
    assert_eq!(part, Completion::Failed("no such reading".to_owned()));
}

#[actix_rt::test]
async fn a_reading_goes_on_over_a_removal_and_ends_with_it() {
    let f = Fixture::start(origin).await;
    let empty = f.proxy.cache().stats().bytes;
    let name = inject(&f, 100_000).await;
    f.perform(Operation::ReadStart(name.clone(), 1)).await;
    f.perform(Operation::Delete(name)).await;
    assert!(
        f.proxy.cache().stats().bytes > 100_000,
        "what is held is counted"
    );
    assert!(rest(&f, 1, 30_000).await == body(100_000));
    f.tell(Operation::ReadDone(1));
    f.settled(empty).await;
}

#[actix_rt::test]
async fn readings_are_bounded_and_an_owners_are_forgotten_with_it() {
    let f = Fixture::start(origin).await;
    let name = inject(&f, 10).await;
    // Even numbers are one worker's.
    let start = |number: u64| Operation::ReadStart(name.clone(), 2 * number);
    for number in 0..64 {
        object(f.perform(start(number)).await);
    }
    let refused = Completion::Failed("too many readings".to_owned());
    assert_eq!(f.perform(start(64)).await, refused);
    object(perform(&f.content, OWNER + 1, start(64)).await);
    f.content.forget(OWNER);
    object(f.perform(start(64)).await);
}
