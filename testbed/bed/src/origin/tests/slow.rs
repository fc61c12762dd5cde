//! Think time and the emulated network. Times have lower bounds only.

use super::*;
use crate::{
    origin::network::{INITIAL_WINDOW, SEGMENT},
    workload::Distribution,
};
use std::time::Instant;

fn slow(bed: &Bed, client: &mut Client, object: Object, number: u64) -> (Answer, Duration) {
    let begin = Instant::now();
    let answer = client.exchange(&bed.request("GET", object, number, ""));
    (answer, begin.elapsed())
}

#[test]
fn an_answer_takes_think_time_and_a_round_trip_and_one_more_on_a_new_connection() {
    let bed = Bed::new(|workload| {
        workload.network.think = Distribution::Constant(0.1);
        workload.network.server_delay = 0.05;
    });
    let object = bed.object(TEXT, true);
    let mut client = bed.client();
    for (number, least, thought) in [(1, 300, 250), (2, 200, 150)] {
        let sent = i64::try_from(now().as_millis()).unwrap();
        let (answer, time) = slow(&bed, &mut client, object, number);
        assert!(time >= Duration::from_millis(least), "{number}: {time:?}");
        // The answer is of the time when the origin had thought, before it travelled.
        let reply = answer.reply();
        assert!(reply.answered - sent >= thought, "{reply}, sent {sent}");
        let done = i64::try_from(now().as_millis()).unwrap();
        assert!(done - reply.answered >= 50, "{reply}, done {done}");
    }
}

#[test]
fn a_long_body_comes_in_windows_a_round_trip_apart() {
    let bed = Bed::new(|workload| workload.network.server_delay = 0.03);
    let object = bed.object(LONG, true);
    let mut client = bed.client();
    let begin = Instant::now();
    client.send(bed.request("GET", object, 1, ""));
    let answer = client.head();
    assert!(begin.elapsed() >= Duration::from_millis(120));
    let length: usize = answer.field("content-length").parse().unwrap();
    // 104 segments: windows of 10, 20, 40 and what is left.
    assert_eq!(length.div_ceil(SEGMENT as usize), 104);
    let first = (INITIAL_WINDOW * SEGMENT) as usize;
    let mut body = client.take(first);
    body.extend(client.take(1));
    assert!(begin.elapsed() >= Duration::from_millis(180));
    body.extend(client.take(length - first - 1));
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(body, bed.body(object, answer.reply()));
}

#[test]
fn each_loss_stalls_for_a_time_out() {
    let bed = Bed::new(|workload| workload.network.server_loss = 1.0);
    let object = bed.object(TEXT, true);
    let (answer, time) = slow(&bed, &mut bed.client(), object, 1);
    let segments = u32::try_from(answer.body.len().div_ceil(SEGMENT as usize)).unwrap();
    // SYN and SYN-ACK, the request, and each segment of the body.
    let least = Duration::from_secs(2) + Duration::from_millis(200) * (1 + segments);
    assert!(time >= least, "{time:?}, not {least:?}");
    assert_eq!(answer.body, bed.body(object, answer.reply()));
}

#[test]
fn the_same_number_thinks_the_same_time_and_others_another() {
    let bed = Bed::new(|workload| {
        workload.network.think = Distribution::Table(vec![(0.0, 1.0), (0.2, 1.0)]);
    });
    let object = bed.object(TEXT, true);
    let mut client = bed.client();
    let think = &bed.world.workload().network.think;
    let mut times = [0, 0];
    for number in (1..=8).chain(1..=8) {
        let words = crate::origin::drawn::of(crate::origin::drawn::THINK, number);
        let drawn = think.sample(&mut bed.world.seed().stream(&words));
        let (_, time) = slow(&bed, &mut client, object, number);
        assert!(time.as_secs_f64() >= drawn, "{number}: {time:?}");
        times[usize::from(drawn > 0.0)] += 1;
    }
    assert!(times[0] > 0 && times[1] > 0, "{times:?}");
}

#[test]
fn an_origin_tells_how_late_its_answers_left() {
    let bed = Bed::new(|workload| workload.network.think = Distribution::Constant(0.02));
    let object = bed.object(TEXT, true);
    let mut client = bed.client();
    let beyond: Duration = (1..=5)
        .map(|number| slow(&bed, &mut client, object, number).1 - Duration::from_millis(20))
        .sum();
    let statistics = bed.running.statistics();
    let (late, latest) = (statistics.late_micros, statistics.latest_micros);
    assert!(0 < latest && latest <= late, "{statistics:?}");
    // What it was late, the client waited.
    assert!(u128::from(late) <= beyond.as_micros(), "{late} {beyond:?}");
}
