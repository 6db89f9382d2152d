//! Permissions hold, with real packets: refused is refused, replies pass, what ends ends, and nothing of it depends on the daemon.

mod faults;
mod foreign;
mod traffic;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::common::wait_for;
use super::stage::{Device, Lan};
use traffic::{Flow, echo, reaches, sends, wall_secs};

/// An own device, a guest, and echo servers on the former: TCP and UDP on three ports.
fn own_device_and_guest(lan: &Lan) -> (Device, Device) {
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite("--guest"), "guest");
    a.ask("wait", json!({"peer": "guest"}));
    echo(&a, &[445, 446, 22]);
    (a, b)
}

#[test]
fn a_guest_may_do_what_was_allowed_and_nothing_else() {
    let lan = Lan::new();
    let (a, b) = own_device_and_guest(&lan);
    let (alphas, guests) = (b.addresses_of("alpha"), b.addresses_of("guest"));
    for alpha in &alphas {
        assert!(!reaches(&b, alpha, 445) && !sends(&b, alpha, 445) && !b.pings(alpha), "{alpha}");
    }
    let said = a.ask("allow", json!({"peer": "guest", "what": "tcp/445"}));
    assert_eq!(said["made"], true);
    assert!(
        said["preview"].as_str().expect("a sentence").contains("guest will be able to reach alpha"),
        "{said}"
    );
    a.ask("allow", json!({"peer": "guest", "what": "udp/446"}));
    for alpha in &alphas {
        assert!(reaches(&b, alpha, 445) && sends(&b, alpha, 446), "{alpha}");
        assert!(!reaches(&b, alpha, 446) && !sends(&b, alpha, 445) && !b.pings(alpha), "{alpha}");
    }
    let can = a.ask("can", json!({"from": "guest", "target": ":445"}));
    assert_eq!((&can["allowed"], &can["blocked"]), (&json!(true), &json!([])), "{can}");
    // The other direction is the guest's to allow, and its replies need no permission of ours.
    for guest in &guests {
        assert!(!a.pings(guest), "{guest}");
    }
    b.ask("allow", json!({"peer": "alpha", "what": "reach"}));
    echo(&b, &[80]);
    for guest in &guests {
        assert!(a.pings(guest) && reaches(&a, guest, 80) && sends(&a, guest, 80), "{guest}");
    }
    // Reach is everything, but for what is denied by itself.
    a.ask("allow", json!({"peer": "guest", "what": "reach"}));
    a.ask("deny", json!({"peer": "guest", "what": "ssh"}));
    for alpha in &alphas {
        assert!(b.pings(alpha) && reaches(&b, alpha, 446) && !reaches(&b, alpha, 22), "{alpha}");
    }
    a.ask("deny", json!({"peer": "guest", "what": "reach"}));
    for alpha in &alphas {
        assert!(!b.pings(alpha) && !reaches(&b, alpha, 446) && reaches(&b, alpha, 445), "{alpha}");
    }
}

#[test]
fn own_devices_reach_each_other_until_one_is_denied() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    echo(&a, &[445]);
    let alphas = b.addresses_of("alpha");
    for alpha in &alphas {
        assert!(b.pings(alpha) && reaches(&b, alpha, 445) && sends(&b, alpha, 445), "{alpha}");
        // The resolver listens there, for the device itself: a connection is made.
        let resolver = std::net::SocketAddr::new(alpha.parse().expect("an address"), 53);
        assert!(
            a.inside(|| TcpStream::connect_timeout(&resolver, Duration::from_secs(5)).is_ok()),
            "{alpha}"
        );
        assert!(!reaches(&b, alpha, 53) && !sends(&b, alpha, 53), "{alpha}");
    }
    let can = a.ask("can", json!({"from": "beta", "target": ":53"}));
    assert!(can["blocked"][0].as_str().is_some_and(|why| why.contains("resolver")), "{can}");
    let mut running = Flow::open(&b, &alphas[0], 445).expect("connects");
    a.ask("deny", json!({"peer": "beta", "what": "tcp/445"}));
    assert!(!running.answers(), "a flow that runs is cut");
    for alpha in &alphas {
        assert!(b.pings(alpha) && !reaches(&b, alpha, 445), "{alpha}");
    }
    // Records still come: a change of name arrives.
    b.ask("rename", json!({"name": "nas"}));
    wait_for("the new name arrives", || a.names().contains(&"nas".to_owned()).then_some(()));
}

/// The kernel ends it, whether the daemon lives or not.
#[test]
fn a_permission_ends_by_itself_and_cuts_the_flow() {
    for kill in [false, true] {
        let lan = Lan::new();
        let (mut a, b) = own_device_and_guest(&lan);
        a.ask("allow", json!({"peer": "guest", "what": "tcp/445", "for_secs": 8}));
        let can = a.ask("can", json!({"from": "guest", "target": ":445"}));
        let until = can["until_secs"].as_u64().expect("it ends");
        let mut flows: Vec<Flow> = b
            .addresses_of("alpha")
            .iter()
            .map(|alpha| Flow::open(&b, alpha, 445).expect("connects while it holds"))
            .collect();
        if kill {
            a.kill();
        }
        let last_answers: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                flows.iter_mut().map(|flow| scope.spawn(move || flow.last_answer(until + 10))).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        for last in last_answers {
            assert!((until - 2..=until + 1).contains(&last), "until {until}, last at {last}, killed: {kill}");
        }
        for alpha in b.addresses_of("alpha") {
            assert!(!reaches(&b, &alpha, 445), "a new one is refused");
        }
        if kill {
            a.start();
            assert_eq!(a.ask("can", json!({"from": "guest", "target": ":445"}))["allowed"], false);
        }
        assert!(wall_secs() > until);
    }
}

/// Connection tracking forgets who began a flow that is silent for long. What we send on it then must not make it one that we began,
/// whose replies pass: the permission has ended.
#[test]
fn a_flow_that_was_cut_does_not_come_back_by_what_we_send() {
    let lan = Lan::new();
    let (a, b) = own_device_and_guest(&lan);
    let alpha = b.addresses_of("alpha")[0].clone();
    a.ask("allow", json!({"peer": "guest", "what": "tcp/7000"}));
    let server = a.inside(|| TcpListener::bind("[::]:7000").expect("tcp"));
    let mut theirs = Flow::open(&b, &alpha, 7000).expect("connects");
    let (mut ours, _) = server.accept().expect("a connection");
    a.ask("deny", json!({"peer": "guest", "what": "tcp/7000"}));
    assert!(a.run("sysctl -q net.netfilter.nf_conntrack_tcp_timeout_established=1").status.success());
    // The shorter time counts from the next packet on.
    ours.write_all(b"!").expect("sends");
    theirs.expect(b"!");
    wait_for("the connection is forgotten", || {
        let known = a.run("cat /proc/net/nf_conntrack").stdout;
        (!String::from_utf8_lossy(&known).contains("dport=7000")).then_some(())
    });
    ours.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
    let _ = ours.write_all(b"!");
    theirs.send();
    assert!(!matches!(ours.read(&mut [0; 8]), Ok(1..)), "the guest is back");
}
