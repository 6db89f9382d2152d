//! `ringmesh demo`: shows what it promises, and leaves nothing behind, whatever ends it.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::common::{RINGMESH, run, text, wait_for};

fn demo() -> Child {
    let mut command = Command::new(RINGMESH);
    command.args(["demo", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("starts")
}

/// Namespaces and directories whose names carry this pid.
fn left_by(pid: u32) -> Vec<String> {
    let names = |dir: &str| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let temp = std::env::temp_dir().display().to_string();
    let all = names("/run/netns").into_iter().chain(names(&temp));
    all.filter(|name| name.starts_with(&format!("ringmesh-lab-{pid}-"))).collect()
}

#[test]
fn it_shows_a_circle_and_its_traffic() {
    let child = demo();
    let pid = child.id();
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let steps: Vec<_> = found["circle"].as_array().expect("steps").iter().map(Value::to_string).collect();
    for part in
        ["beacon", "up --name desk", "invite", "nas: `ringmesh join`", "laptop: `ringmesh join`", "remove"]
    {
        assert!(steps.iter().any(|step| step.contains(part)), "{part}: {steps:?}");
    }
    assert!(found["values"].as_object().is_some_and(|values| values.len() > 5), "{found}");
    assert_eq!(left_by(pid), Vec::<String>::new());
}

#[test]
fn interrupted_among_its_devices_it_removes_them() {
    for signal in ["INT", "TERM"] {
        let child = demo();
        let pid = child.id();
        // The router and three devices, of which some have daemons and tunnels by now.
        wait_for("devices are there", || (left_by(pid).len() >= 6).then_some(()));
        run(&format!("kill -{signal} {pid}"));
        let output = child.wait_with_output().expect("ends");
        assert!(text(&output.stderr).contains("interrupted"), "{output:?}");
        assert_eq!(left_by(pid), Vec::<String>::new());
        let mark = format!("ringmesh-lab-{pid}-");
        // One that was killed may still be on its way out.
        wait_for("no daemon and no tunnel goes on", || {
            let processes = std::fs::read_dir("/proc").expect("the kernel's directory").flatten();
            let mut environments =
                processes.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
            (!environments.any(|environment| text(&environment).contains(&mark))).then_some(())
        });
    }
}
