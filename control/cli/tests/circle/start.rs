//! Nobody has to start the daemon by hand.

use super::common::{run, text, wait_for};
use super::stage::Lan;

#[test]
fn up_starts_the_daemon_and_says_so() {
    let lan = Lan::new();
    let device = lan.idle();
    let output = device.output("up --name alpha --json");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("was started as process") && said.contains("daemon.log"), "{said}");
    let pid = device.json("status")["daemon"]["pid"].as_u64().expect("a number");
    assert!(said.contains(&format!("process {pid} ")), "{said}");
    // Not of this session, so it stays when the terminal goes.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let session = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
    assert_eq!(session, Some(pid.to_string().as_str()));
    assert!(device.paths.log().exists());
    // Again: nothing is started any more.
    let output = device.output("up");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    // Killed and started again it goes on with its circle, and with its tunnel.
    let tunnel = device.json("status")["tunnels"][0]["plane"]["pid"].clone();
    run(&format!("kill -9 {pid}"));
    wait_for("it is gone", || device.json("status")["daemon"].is_null().then_some(()));
    let output = device.output("up");
    assert!(text(&output.stdout).contains("home is up; this device is called alpha"), "{output:?}");
    assert_eq!(device.json("status")["tunnels"][0]["plane"]["pid"], tunnel);
}

#[test]
fn two_that_start_it_in_the_same_instant_get_one() {
    let lan = Lan::new();
    let device = lan.idle();
    std::thread::scope(|scope| {
        let ups = [1, 2].map(|_| scope.spawn(|| device.output("up --name alpha --json")));
        for up in ups {
            let output = up.join().expect("ends");
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
    });
    assert_eq!(device.names(), ["alpha"]);
}

#[test]
fn join_starts_the_daemon_too() {
    let lan = Lan::new();
    let (a, idle) = (lan.device(), lan.idle());
    a.up("--name alpha");
    idle.join(&a.invite(""), "beta");
    assert_eq!(idle.names(), ["beta", "alpha"]);
}

#[test]
fn a_daemon_that_cannot_start_says_why() {
    let lan = Lan::new();
    let device = lan.idle();
    std::fs::create_dir_all(&device.paths.state).expect("a directory");
    run(&format!("chmod 755 {}", device.paths.state.display()));
    let said = device.fails("up", 1);
    assert!(said.contains("the daemon did not start") && said.contains("chmod 700"), "{said}");
}
