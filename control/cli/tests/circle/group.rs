//! Who may ask the daemon: root, and the group `ringmesh` about all but what root alone decides.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::common::{RINGMESH, text, wait_for};
use super::stage::{Device, Lan};

/// Numbers that no user and no group of a machine has.
const USER: u32 = 64_321;
const GROUP: u32 = 64_322;

/// Where `ip netns exec` takes files from that stand for those of `/etc` in a namespace.
const NETNS_ETC: &str = "/etc/netns";

/// The group `ringmesh`, on one device only; it goes with this.
struct Group(PathBuf);

impl Group {
    fn on(device: &Device) -> Self {
        let dir = Path::new(NETNS_ETC).join(&device.net);
        std::fs::create_dir_all(&dir).expect("a directory");
        let own = Self(dir);
        let groups = std::fs::read_to_string("/etc/group").expect("a list of groups");
        let others: String = groups
            .lines()
            .filter(|line| !line.starts_with("ringmesh:"))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(own.0.join("group"), format!("{others}ringmesh:x:{GROUP}:\n")).expect("is written");
        own
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        // Fails where another namespace has files too.
        let _ = std::fs::remove_dir(NETNS_ETC);
    }
}

/// A user who is not root.
struct User<'a> {
    device: &'a Device,
    before: [String; 8],
}

impl<'a> User<'a> {
    /// In the group `ringmesh` or not.
    fn new(device: &'a Device, belongs: bool) -> Self {
        // The executable may lie where only its owner may look.
        let executable = device.dir.join("ringmesh");
        if !executable.exists() {
            let linked = std::fs::hard_link(RINGMESH, &executable);
            linked.or_else(|_| std::fs::copy(RINGMESH, &executable).map(drop)).expect("a copy");
        }
        let mode = std::fs::metadata(&executable).expect("is there").permissions().mode();
        assert_eq!(mode & 0o005, 0o005, "everybody may run it");
        let user = format!("--reuid={USER}");
        let own = format!("--regid={USER}");
        let groups = if belongs { format!("--groups={GROUP}") } else { "--clear-groups".to_owned() };
        let none = ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"].map(str::to_owned);
        let [inheritable, bounding, privileges] = none;
        let executable = executable.display().to_string();
        let before = ["setpriv".to_owned(), user, own, groups, inheritable, bounding, privileges, executable];
        Self { device, before }
    }

    fn output(&self, line: &str) -> Output {
        let before: Vec<&str> = self.before.iter().map(String::as_str).collect();
        self.device.command_as(&before, line).output().expect("runs")
    }

    fn says(&self, line: &str) -> String {
        let output = self.output(line);
        assert!(output.status.success(), "{line}: {}\n{}", text(&output.stderr), self.device.log());
        text(&output.stdout)
    }

    /// Refused for want of rights, in one sentence that tells who may.
    fn refused(&self, line: &str, why: &str) {
        let output = self.output(line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{line}: {said} {}", text(&output.stdout));
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        assert!(said.contains(why) && said.contains("sudo"), "{line}: {said}");
    }
}

#[test]
fn the_group_may_do_all_but_what_root_alone_decides() {
    let lan = Lan::new();
    let (mut a, b) = (lan.idle(), lan.device());
    let _group = Group::on(&a);
    a.start();
    let user = User::new(&a, true);
    user.says("up --name alpha --circle home --json");
    let code = a.invite("--guest");
    b.join(&code, "beta");
    user.says("wait beta");
    b.says("allow alpha reach");
    user.says("ping beta --timeout 20s");
    for line in [
        "status",
        "peers",
        "whois beta",
        "log --verify",
        "permissions",
        "can beta :22 --json",
        "invite --json",
    ] {
        // `can` answers with no, by its exit code.
        let output = user.output(line);
        assert!(matches!(output.status.code(), Some(0 | 10)), "{line}: {}", text(&output.stderr));
    }
    user.says("allow beta ssh --for 2h");
    assert_eq!(a.json("can beta :22")["allowed"], true);
    user.says("deny beta ssh");
    user.says("nickname beta box");
    user.says("rename desk");
    assert_eq!(a.names(), ["desk", "beta"]);
    for what in ["exit", "lan"] {
        user.refused(
            &format!("allow beta {what}"),
            "only root decides about who may use this device as exit",
        );
        user.refused(&format!("deny beta {what}"), "only root decides about who may use this device as exit");
    }
    let beacon = format!("up --beacon beacon://192.0.2.1/{}", "0".repeat(64));
    user.refused(&beacon, "only root decides about beacons");
    user.refused("key rotate --yes", "only root decides about the keys of this device");
    user.refused("down --daemon", "only root decides about the end of the daemon");
    assert!(a.has_link("rm-home"), "what was refused has changed nothing");
    user.says("remove beta --yes");
    user.says("down");
    assert!(!a.has_link("rm-home"));
    user.says("up");
    user.says("leave --yes");
}

#[test]
fn whoever_is_outside_of_the_group_is_refused_in_one_sentence() {
    let lan = Lan::new();
    let (mut a, b) = (lan.idle(), lan.device());
    let _group = Group::on(&a);
    a.start();
    // Also where there is no such group: then there is nobody but root.
    for device in [&a, &b] {
        device.up("--name alpha");
        let user = User::new(device, false);
        for line in
            ["peers", "up", "down", "invite --json", "allow beta ssh", "key rotate --yes", "log", "wait"]
        {
            user.refused(line, "only root and members of the group ringmesh may ask the daemon");
        }
        let socket = device.paths.socket();
        let mode = std::fs::metadata(&socket).expect("is there").permissions().mode();
        assert_eq!(mode & 0o007, 0, "the socket is nobody else's");
        assert!(device.has_link("rm-home"), "nothing has changed");
    }
    assert!(
        User::new(&b, true).output("peers").status.code() == Some(3),
        "a group that the machine does not know"
    );
}

#[test]
fn an_end_of_the_daemon_is_asked_for_by_root() {
    let lan = Lan::new();
    let device = lan.idle();
    assert!(device.fails("down --daemon", 6).contains("not running"));
    device.says("up --name alpha --json");
    let pid = device.json("status")["daemon"]["pid"].as_u64().expect("a number");
    assert!(
        device
            .says("down --daemon")
            .contains("The circle home is down on this device, and the daemon has ended")
    );
    // Of a process that nobody has asked for its exit code a row may be left, but no command line.
    let left = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(left.is_empty(), "when the command has ended, so has the daemon");
    assert!(!device.paths.socket().exists() && !device.has_link("rm-home"));
    assert!(device.fails("peers", 6).contains("not running"));
    // The circle stayed down when the daemon comes back by itself, and another daemon can be started at once.
    assert!(device.says("up").contains("home is up; this device is called alpha"));
    device.says("down");
    assert!(device.json("status")["daemon"].is_object(), "it stays when a circle is down");
    assert!(
        device.json("down --daemon")["sentence"]
            .as_str()
            .is_some_and(|said| said.contains("daemon has ended"))
    );
    wait_for("it is gone", || device.json("status")["daemon"].is_null().then_some(()));
    let device = lan.device();
    assert!(device.fails("down", 6).contains("no circle is up"), "and without the flag nothing ends");
    assert!(device.json("status")["daemon"].is_object());
}
