//! An origin on another machine, as robots there see it.

use super::*;
use crate::origin::{
    Wall, ceiling,
    remote::{Error, Remote},
};

#[test]
fn an_origin_that_waits_answers_503_until_a_run_begins() {
    let bed = Bed::configured(
        |_| {},
        |config| {
            config.wait = true;
            config.digest = Some(5);
            config.workload_text = "the text".into();
        },
    );
    let remote = Remote::new(bed.address());
    let (object, mut client) = (bed.object(TEXT, true), bed.client());
    let request = bed.request("GET", object, 1, "");
    assert_eq!(client.exchange(&request).status, 503);
    let hello = remote.hello().unwrap();
    assert_eq!(
        (hello.seed, hello.epoch, &hello.workload[..]),
        (7, None, "the text")
    );
    assert_eq!(hello.library, Some(5));
    assert_eq!(hello.addresses, bed.running.addresses());

    remote.begin(bed.world.epoch()).unwrap();
    assert_eq!(remote.hello().unwrap().epoch, Some(bed.world.epoch()));
    let answer = client.exchange(&request);
    assert_eq!(answer.body, bed.body(object, answer.reply()));
    let statistics = remote.statistics().unwrap();
    assert_eq!((statistics.requests, statistics.objects), (1, 1));
    // What its machine's processor had to do for it, only it can tell.
    assert!(statistics.processor_micros > 0);
    // Questions of control came on others.
    assert_eq!(statistics.connections, 1);

    // Another run counts from nothing; what is open stays open.
    remote.begin(bed.world.epoch() + 1).unwrap();
    let statistics = remote.statistics().unwrap();
    assert_eq!((statistics.requests, statistics.objects), (0, 0));
    assert!(statistics.open >= 1, "{statistics:?}");
    client.exchange(&request);
    assert_eq!(remote.statistics().unwrap().objects, 1);
}

#[test]
fn an_origin_of_several_workers_tells_the_mean_of_their_time() {
    let bed = Bed::configured(|_| {}, |config| config.workers = 4);
    let told = Remote::new(bed.address()).statistics().unwrap();
    let program = crate::origin::statistics::processor_micros(1);
    // What is told of the program rises while it is asked.
    assert!(told.processor_micros > 0);
    assert!(told.processor_micros <= program / 4, "{told:?} {program}");
}

#[test]
fn its_clock_is_told_within_the_error_also_after_it_was_set() {
    let wall = Wall::default();
    let clock = wall.clone();
    let bed = Bed::configured(|_| {}, |config| config.wall = clock);
    let remote = Remote::new(bed.address());
    for ahead in [0, 7_000_000, -7_000_000] {
        wall.set_ahead(ahead);
        let before = wall.microseconds();
        let read = remote.clock(4).unwrap();
        let since = i64::try_from(read.at.elapsed().as_micros()).unwrap();
        let after = wall.microseconds();
        // What it said then, and the time since, is now: between these two, as far as it is known.
        let (earliest, latest) = (read.unix - read.error, read.unix + read.error);
        assert!(earliest <= after && latest >= before, "{read:?}");
        assert!(earliest + since <= after + 1000, "{read:?}");
    }
    // Answers are dated by it.
    let (object, mut client) = (bed.object(TEXT, true), bed.client());
    let answer = client.exchange(&bed.request("GET", object, 1, ""));
    let late = wall.microseconds() / 1000 - answer.reply().answered;
    assert!((0..60_000).contains(&late), "{late}");
}

#[test]
fn control_refuses_what_it_does_not_know() {
    let bed = Bed::new(|_| {});
    let mut client = bed.client();
    for (request, status) in [
        ("GET /.bed/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("GET /.bed/other HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("GET /.bed/begin HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("DELETE /.bed/hello HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (
            "POST /.bed/begin HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
            400,
        ),
        ("POST /.bed/begin HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ] {
        assert_eq!(client.exchange(request).status, status, "{request}");
    }
    assert_eq!(bed.running.statistics().requests, 0);
}

#[test]
fn what_is_no_origin_is_told_from_one_that_is_not_there() {
    // An address that nobody else listens at: its port is free again in the end.
    let listener = std::net::TcpListener::bind("127.0.77.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        for answer in [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nnull",
            "HTTP/1.1 404 No\r\n\r\n",
            "",
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for _ in 0..4 {
        let found = Remote::new(address).statistics();
        assert!(matches!(found, Err(Error::Answer(..))), "{found:?}");
    }
    peer.join().unwrap();
    let found = Remote::new(address).statistics();
    assert!(matches!(found, Err(Error::Io(..))), "{found:?}");
}

#[test]
fn the_ceiling_counts_what_was_answered() {
    let workload = Workload::parse(WORKLOAD).unwrap();
    let options = ceiling::Options {
        connections: 4,
        time: Duration::from_millis(200),
        requests: 10,
    };
    let library = Arc::new(Library::lazy(Seed(7)));
    let found = ceiling::measure(&workload, Seed(7), library, &options).unwrap();
    assert!(found.requests > 0 && found.bytes > 5000 * found.requests);
    assert!(found.seconds >= 0.2);
}
