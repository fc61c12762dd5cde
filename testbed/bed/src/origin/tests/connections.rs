//! How long connections live.

use super::*;
use crate::workload::Distribution;

#[test]
fn a_connection_has_as_many_requests_as_were_drawn() {
    let bed = Bed::new(|workload| workload.connections.server = Distribution::Constant(3.0));
    let object = bed.object(TEXT, true);
    let mut client = bed.client();
    for number in 1..=3 {
        let answer = client.exchange(&bed.request("GET", object, number, ""));
        let closes = answer.has("connection") && answer.field("connection") == "close";
        assert_eq!(closes, number == 3, "{number}: {answer:?}");
    }
    assert_eq!(client.end(), b"");
    assert_eq!(bed.running.statistics().worn, 1);
}

#[test]
fn a_refusal_is_a_request_of_its_connection_too() {
    let bed = Bed::new(|workload| workload.connections.server = Distribution::Constant(1.0));
    let mut client = bed.client();
    let answer = client.exchange("GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((answer.status, answer.field("connection")), (404, "close"));
    assert_eq!(client.end(), b"");
}

#[test]
fn connections_differ_as_the_distribution_says() {
    let bed = Bed::new(|workload| {
        workload.connections.server = Distribution::Table(vec![(1.0, 1.0), (2.0, 1.0)]);
    });
    let object = bed.object(TEXT, true);
    let ones = (0..40)
        .filter(|_| {
            let mut client = bed.client();
            let answer = client.exchange(&bed.request("GET", object, 1, ""));
            answer.has("connection")
        })
        .count();
    assert!((5..=35).contains(&ones), "{ones} of 40");
}

#[test]
fn an_idle_connection_is_closed_and_no_longer_open() {
    let bed = Bed::new(|workload| workload.connections.server_idle = 0.3);
    let begin = std::time::Instant::now();
    let mut client = bed.client();
    // That it is counted as open until then is told where nothing closes it: here a test that is held up finds it closed already.
    client.exchange(&bed.request("GET", bed.object(TEXT, true), 1, ""));
    assert_eq!(client.end(), b"");
    // The origin counts from its last look at the clock, which was before the answer, and longer before on a machine that is busy.
    assert!(begin.elapsed() >= Duration::from_millis(150));
    let ended = std::time::Instant::now();
    while bed.running.statistics().open > 0 {
        assert!(
            ended.elapsed() < Duration::from_secs(60),
            "it is still counted as open"
        );
        std::thread::yield_now();
    }
    assert_eq!(bed.running.statistics().connections, 1);
}

#[test]
fn a_connection_is_not_idle_while_its_answer_is_on_its_way() {
    let bed = Bed::new(|workload| {
        workload.connections.server_idle = 0.05;
        workload.network.think = Distribution::Constant(0.3);
        workload.network.server_delay = 0.1;
    });
    let object = bed.object(LONG, true);
    let answer = bed.client().exchange(&bed.request("GET", object, 1, ""));
    assert_eq!(answer.body, bed.body(object, answer.reply()));
}

#[test]
fn requests_sent_together_are_answered_in_their_order() {
    let bed = Bed::new(|workload| {
        workload.network.think = Distribution::Table(vec![(0.0, 1.0), (0.02, 1.0)]);
    });
    let object = bed.object(TEXT, true);
    let mut client = bed.client();
    let requests: String = (1..=8)
        .map(|number| bed.request("GET", object, number, ""))
        .collect();
    client.send(requests);
    for number in 1..=8 {
        assert_eq!(client.answer("GET").reply().request, number);
    }
}

#[test]
fn many_connections_are_open_at_a_time() {
    let bed = Bed::new(|_| {});
    let object = bed.object(TEXT, true);
    let mut clients: Vec<_> = (0..200).map(|_| bed.client()).collect();
    for client in &mut clients {
        client.send(bed.request("GET", object, 1, ""));
    }
    for client in &mut clients {
        assert_eq!(client.answer("GET").status, 200);
    }
    assert_eq!(bed.running.statistics().open, 200);
}

#[test]
fn a_stopped_origin_closes_what_is_open() {
    // An address that nobody else listens at: its port is free again behind this.
    let own = |config: &mut Config| config.listen = vec![SocketAddr::from(([127, 0, 77, 1], 0))];
    let bed = Bed::configured(|_| {}, own);
    let mut client = bed.client();
    client.exchange(&bed.request("GET", bed.object(TEXT, true), 1, ""));
    let address = bed.address();
    bed.running.stop();
    assert_eq!(client.end(), b"");
    assert!(TcpStream::connect(address).is_err());
}
