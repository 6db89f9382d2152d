//! The laboratory with a real implementation: a tunnel, every kind of traffic, and nothing left behind however it ends.
//!
//! Without root or without wireguard-go there is nothing to try; each test then says so and passes.

use ringmesh_lab::implementations::{Implementation, Kind, Setting};
use ringmesh_lab::namespaces::Side;
use ringmesh_lab::pair::{Choice, Pair, PairPlan};
use ringmesh_lab::progress::Screen;
use ringmesh_lab::suite::{self, Flooded, FlowNumber, Metric, Profile, Stage, SuitePlan};
use ringmesh_lab::traffic::{Limit, Outcome, Ping, Plan, Sweep, Tcp, Udp};
use ringmesh_lab::{Executables, clock, needs};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LAB: &str = env!("CARGO_BIN_EXE_ringmesh-lab");

fn executables() -> Executables {
    Executables { traffic: PathBuf::from(LAB), ringmesh: None }
}

/// wireguard-go, if everything that it takes is here.
fn wireguard_go() -> Option<Choice> {
    let implementation = Implementation::find(Kind::WireguardGo, None);
    if let (Ok(()), Some(implementation)) = (needs::check("cargo test"), implementation) {
        return Some(Choice { implementation, setting: Setting::default() });
    }
    eprintln!("skipped: needs root and wireguard-go");
    None
}

fn ignore() -> impl FnMut(&ringmesh_lab::traffic::Progress) {
    |_| ()
}

#[test]
fn every_kind_of_traffic_crosses_a_tunnel() {
    let Some(choice) = wireguard_go() else { return };
    for (outer_v6, preshared) in [(false, true), (true, false)] {
        let plan = PairPlan { outer_v6, preshared, ..PairPlan::of(&choice) };
        let pair = Pair::start(&plan, &executables()).expect("a tunnel");
        for v6 in [false, true] {
            let to = Pair::address(Side::B, v6);
            for reverse in [false, true] {
                let tcp = Tcp { streams: 2, reverse, limit: Limit::Bytes(3_000_000), ..Tcp::upload(to, 0) };
                let Ok(Outcome::Tcp(report)) = pair.run(Side::A, &Plan::Tcp(tcp), &mut ignore()) else {
                    panic!("no report");
                };
                assert_eq!((report.completed, report.bytes), (2, 6_000_000), "{:?}", report.failures);
            }
            let sizes =
                Tcp { limit: Limit::Bytes(200_000), write_sizes: Some((1, 1_420)), ..Tcp::upload(to, 0) };
            let Ok(Outcome::Tcp(report)) = pair.run(Side::A, &Plan::Tcp(sizes), &mut ignore()) else {
                panic!("no report");
            };
            assert_eq!((report.completed, report.bytes), (1, 200_000), "{:?}", report.failures);

            let largest = if v6 { 1_420 - 48 } else { 1_420 - 28 };
            let sweep = Sweep { to, from_size: 1, to_size: largest };
            let Ok(Outcome::Sweep(report)) = pair.run(Side::A, &Plan::Sweep(sweep), &mut ignore()) else {
                panic!("no report");
            };
            assert_eq!((report.lost.as_slice(), report.damaged.as_slice()), ([].as_slice(), [].as_slice()));
            assert_eq!(report.tried, largest);
        }
        let to = Pair::address(Side::A, false);
        for per_send in [1, 10] {
            let udp = Udp { to, size: 1_000, rate_pps: 500.0, millis: 300, per_send };
            let Ok(Outcome::Udp(report)) = pair.run(Side::B, &Plan::Udp(udp), &mut ignore()) else {
                panic!("no report");
            };
            assert!((140..=160).contains(&report.sent), "{report:?}");
            assert_eq!((report.received, report.duplicates), (report.sent, 0), "{report:?}");
            assert_eq!(report.slots.iter().map(|slot| u64::from(slot.sent)).sum::<u64>(), report.sent);
        }
        let ping = Ping { to, interval_us: 5_000, count: 40, size: 64, until_first: false };
        let Ok(Outcome::Ping(report)) = pair.run(Side::B, &Plan::Ping(ping), &mut ignore()) else {
            panic!("no report");
        };
        assert_eq!((report.sent, report.received), (40, 40), "{report:?}");
        assert!(report.delay.p50_us > 1.0 && report.delay.p50_us <= report.delay.p99_us);
        assert!(report.tunnel.p50_us > 1.0 && report.tunnel.p50_us <= report.delay.p50_us);
        assert_eq!(pair.processes(Side::A).len(), 1, "traffic does not count as the tunnel's");
        assert!(pair.usage().cpu_secs() > 0.0 && pair.usage().pss_bytes > 1e6);
    }
}

#[test]
fn a_call_is_watched_alone_and_beside_streams() {
    let Some(choice) = wireguard_go() else { return };
    let pair = Pair::start(&PairPlan::of(&choice), &executables()).expect("a tunnel");
    let mut plan = Profile::Voip.plan(1.0);
    plan.flow.millis = 600;
    let values = suite::run(&pair, &plan, &mut Screen::new(true)).expect("all stages");
    for beside in [false, true] {
        let number = |what| values.get(&Metric::Flow { what, beside }).copied().expect("measured");
        assert!(number(FlowNumber::RttP50) > 1.0 && number(FlowNumber::RttP50) <= number(FlowNumber::RttP99));
        assert!((0.5..=1.0).contains(&number(FlowNumber::Delivered)));
    }
    assert!(values[&Metric::TcpBeside] > 1e6, "both streams ran beside it");
    assert!(!values.contains_key(&Metric::TcpUp), "nothing else was asked for");
}

#[test]
fn what_is_left_beside_floods_is_measured() {
    let Some(choice) = wireguard_go() else { return };
    let pair = Pair::start(&PairPlan::of(&choice), &executables()).expect("a tunnel");
    let plan = SuitePlan {
        tcp_millis: 300,
        probes: 40,
        trial_millis: 100,
        confirm_millis: 200,
        ..SuitePlan::quick()
    };
    let plan = plan.only(&[Stage::Flood, Stage::Handshakes, Stage::Yield]);
    let values = suite::run(&pair, &plan, &mut Screen::new(true)).expect("all stages");
    for flooded in Flooded::ALL {
        assert!(values[&Metric::FloodRate(flooded)] > 1_000.0, "{values:?}");
        assert!((0.0..2.0).contains(&values[&Metric::FloodTcp(flooded)]), "{values:?}");
    }
    assert!(
        values[&Metric::FloodSent] > values[&Metric::UdpRate(1_372)],
        "past the highest rate: {values:?}"
    );
    assert!((0.0..2.0).contains(&values[&Metric::UdpFlooded(1_372)]), "{values:?}");
    assert!((0.2..5.0).contains(&values[&Metric::TcpProbed]), "{values:?}");
}

#[test]
fn losses_are_seen() {
    let Some(choice) = wireguard_go() else { return };
    let pair = Pair::start(&PairPlan::of(&choice), &executables()).expect("a tunnel");
    // A wire that is cut for a while: what was sent meanwhile is missing, and nothing else.
    let udp =
        Udp { to: Pair::address(Side::B, false), size: 64, rate_pps: 1_000.0, millis: 1_500, per_send: 1 };
    let run = pair.begin(Side::A, &Plan::Udp(udp)).expect("begun");
    let start = clock::now();
    clock::pause_until(start + Duration::from_millis(600));
    pair.host(Side::B).ip("link set wire down\n").expect("cut");
    clock::pause_until(clock::now() + Duration::from_millis(300));
    pair.host(Side::B).ip("link set wire up\n").expect("mended");
    let Ok(Outcome::Udp(report)) = run.finish(&mut ignore()) else { panic!("no report") };
    assert!((0.1..0.6).contains(&report.loss()), "{report:?}");
    let lossy = report.slots.iter().filter(|slot| slot.received < slot.sent).count();
    assert!((2..=9).contains(&lossy), "{:?}", report.slots);
}

fn demo() -> Child {
    let mut command = Command::new(LAB);
    command.args(["demo", "--implementation", "wireguard-go"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
}

/// Namespaces and sockets whose names carry this pid.
fn left_by(pid: u32) -> Vec<String> {
    let names = |dir: &str| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let namespaces =
        names("/run/netns").into_iter().filter(|name| name.starts_with(&format!("ringmesh-lab-{pid}-")));
    let sockets = names("/var/run/wireguard").into_iter();
    namespaces.chain(sockets.filter(|name| name.starts_with(&format!("rl{pid}a")))).collect()
}

fn wait_until_running(pid: u32) {
    let both = clock::until(Duration::from_secs(20), || (left_by(pid).len() >= 3).then_some(()));
    both.expect("the demonstration begins");
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().expect("a pid")).expect("not zero");
    rustix::process::kill_process(pid, signal).expect("alive");
}

#[test]
fn a_signal_leaves_nothing_behind() {
    if wireguard_go().is_none() {
        return;
    }
    for (kind, number) in [(rustix::process::Signal::INT, 2), (rustix::process::Signal::TERM, 15)] {
        let child = demo();
        let pid = child.id();
        wait_until_running(pid);
        signal(pid, kind);
        let output = child.wait_with_output().expect("ended");
        assert_eq!(output.status.code(), Some(128 + number), "{output:?}");
        assert_eq!(left_by(pid), Vec::<String>::new());
        assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
    }
}

#[test]
fn what_a_killed_run_left_is_swept() {
    if wireguard_go().is_none() {
        return;
    }
    let mut child = demo();
    let pid = child.id();
    wait_until_running(pid);
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(!left_by(pid).is_empty(), "a killed run cannot clean up");
    ringmesh_lab::namespaces::sweep();
    assert_eq!(left_by(pid), Vec::<String>::new());
}

#[test]
fn without_root_it_says_what_it_needs() {
    if needs::check("cargo test").is_err() {
        return;
    }
    // The executable may lie where nobody else can reach it; nobody starts a copy.
    let copy = std::env::temp_dir().join(format!("ringmesh-lab-copy-{}", std::process::id()));
    fs::copy(LAB, &copy).expect("copied");
    for subcommand in ["demo", "bench"] {
        let output = Command::new(&copy).arg(subcommand).uid(65_534).gid(65_534).output().expect("started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("root") && said.contains(&format!("sudo ringmesh {subcommand}")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    fs::remove_file(copy).expect("removed");
}
