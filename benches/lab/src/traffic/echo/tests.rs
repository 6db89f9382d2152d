use super::*;

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn answer(number: u64, times: [u64; 3]) -> Vec<u8> {
    let mut answer = vec![0; 64];
    let fields = [Field::Sent, Field::Arrived, Field::Answered];
    put(&mut answer, Field::Number, number);
    fields.into_iter().zip(times).for_each(|(field, time)| put(&mut answer, field, nanos(micros(time))));
    answer
}

#[test]
fn both_ways_count_and_what_the_programs_waited_does_not() {
    let mut answers =
        Answers { watch: Stopwatch::new(), tunnel: Stopwatch::new(), seen: vec![false; 3], missing: 3 };
    let one = answer(1, [1_000, 1_100, 5_000]);
    let table = [
        (one.clone(), Some(()), "sent at 1000, there at 1100, answered at 5000, back at 5200, read at 9000"),
        (one, None, "once more"),
        (answer(3, [1_000, 1_100, 5_000]), None, "a number that was never sent"),
        (answer(0, [1_000; 3])[..31].to_vec(), None, "too short for its times"),
        (vec![], None, "nothing"),
    ];
    for (bytes, taken, what) in table {
        assert_eq!(answers.take(&bytes, micros(5_200), micros(9_000)), taken, "{what}");
    }
    let report = answers.report(&[Duration::ZERO; 3]);
    assert_eq!((report.sent, report.received, report.lost_at_millis.len()), (3, 1, 2));
    assert!((report.delay.p50_us - 8_000.0).abs() < 10.0, "{:?}", report.delay);
    assert!((report.tunnel.p50_us - 300.0).abs() < 1.0, "{:?}", report.tunnel);
}

#[test]
fn a_datagram_knows_when_it_came_however_late_it_is_read() {
    let here = UdpSocket::bind("127.0.0.1:0").expect("a port");
    sockets::stamp(&here).expect("stamps");
    let there = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut buffer = [0; 64];
    let late = Duration::from_millis(20);
    // The kernel begins to stamp a moment after it was asked to.
    let told = clock::until(Duration::from_secs(10), || {
        let sent = clock::now();
        there.send_to(b"seven b", here.local_addr().ok()?).ok()?;
        let delivered = clock::now();
        clock::pause_until(delivered + late);
        let received = sockets::receive(&here, &mut buffer).ok()?;
        assert_eq!(
            (received.len, &buffer[..7], received.from),
            (7, &b"seven b"[..], there.local_addr().ok())
        );
        // The two clocks are read one after the other, and this thread may have to wait between.
        let slack = late / 2;
        (received.arrived + slack > sent && received.arrived < delivered + slack).then_some(())
    });
    assert_eq!(told, Some(()), "each seemed to come when it was read");
}
