//! A real systemd-resolved, in namespaces and on a bus of its own: it asks us for names of the circle, and others for the rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::common::{text, wait_for};
use super::stage::{Device, Lan, SERVER};

/// Names the directory that the Debian packages systemd-resolved and libsystemd-shared were unpacked in; `./test` fetches them.
const UNPACKED: &str = "RINGMESH_RESOLVED";

/// What a machine that boots with systemd has, made anew in a mount namespace: the directory in /run, the user, the configuration.
/// Arguments: the directory for its files, the network namespace, the executable.
const MACHINE: &str = r#"
mount --make-rprivate /
mkdir -p /run/systemd
mount -t tmpfs none /run/systemd
mkdir -p "$1/resolve" /run/systemd/resolve /run/systemd/resolved.conf.d
mount --bind "$1/resolve" /run/systemd/resolve
cp "$1/resolved.conf" /run/systemd/resolved.conf.d/
for table in passwd group; do
    cp /etc/$table "$1/$table"
    grep -q ^systemd-resolve: /etc/$table || cat "$1/$table.line" >>"$1/$table"
    mount --bind "$1/$table" /etc/$table
done
chown systemd-resolve: /run/systemd/resolve
exec ip netns exec "$2" "$3"
"#;

/// Where the executables and their library are.
struct Programs(PathBuf);

impl Programs {
    fn new() -> Self {
        Self(std::env::var_os(UNPACKED).map_or_else(|| PathBuf::from("/"), PathBuf::from))
    }

    fn find(&self, candidates: [&str; 2]) -> PathBuf {
        let found = candidates.iter().map(|path| self.0.join(path)).find(|path| path.exists());
        found.unwrap_or_else(|| panic!("no {candidates:?} in {}; {UNPACKED} names another", self.0.display()))
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>, bus: &str) -> Command {
        let architectures = fs::read_dir(self.0.join("usr/lib")).into_iter().flatten().flatten();
        let libraries: Vec<PathBuf> = architectures.map(|entry| entry.path().join("systemd")).collect();
        let libraries =
            std::env::join_paths(libraries.iter().filter(|path| path.is_dir())).expect("no colons");
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", libraries).env("DBUS_SYSTEM_BUS_ADDRESS", bus);
        command
    }
}

/// A system bus, and resolved on it.
struct Resolved {
    programs: Programs,
    dir: PathBuf,
    net: String,
    bus: String,
    dbus: Child,
    process: Option<Child>,
}

impl Resolved {
    /// Its files come to lie in `dir`; it lives in the network namespace `net`.
    fn new(dir: &Path, net: &str) -> Self {
        let bus = format!("unix:path={}", dir.join("bus").display());
        for (name, content) in [
            (
                "bus.conf",
                format!(
                    "<busconfig><type>system</type><listen>{bus}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
                 <allow user=\"*\"/><allow own=\"*\"/><allow eavesdrop=\"true\"/>\
                 <allow send_destination=\"*\" eavesdrop=\"true\"/></policy></busconfig>"
                ),
            ),
            ("resolved.conf", format!("[Resolve]\nDNS={SERVER}\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\n")),
            // The bus must know who that is, so it is somebody whom every machine has: nobody.
            ("passwd.line", "systemd-resolve:x:65534:65534::/:/usr/sbin/nologin\n".to_owned()),
            ("group.line", "systemd-resolve:x:65534:\n".to_owned()),
        ] {
            fs::write(dir.join(name), content).expect("writes");
        }
        let mut dbus = Command::new("dbus-daemon");
        dbus.arg(format!("--config-file={}", dir.join("bus.conf").display())).arg("--nofork");
        let dbus = dbus.stderr(Stdio::null()).spawn().expect("dbus-daemon starts");
        wait_for("the bus listens", || dir.join("bus").exists().then_some(()));
        let (dir, net) = (dir.to_owned(), net.to_owned());
        let mut resolved = Self { programs: Programs::new(), dir, net, bus, dbus, process: None };
        resolved.start();
        resolved
    }

    /// Starts it; when this returns it answers on the bus.
    fn start(&mut self) {
        let executable =
            self.programs.find(["usr/lib/systemd/systemd-resolved", "lib/systemd/systemd-resolved"]);
        let log = fs::File::create(self.dir.join("resolved.log")).expect("a file");
        let mut command = self.programs.command("unshare", &self.bus);
        command.args(["--mount", "sh", "-euc", MACHINE, "sh"]).arg(&self.dir).arg(&self.net).arg(executable);
        self.process = Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("starts"));
        wait_for("resolved answers", || self.domains());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kills");
            process.wait().expect("ends");
        }
    }

    /// What it tells of each link's domains; nothing while it does not run.
    fn domains(&self) -> Option<String> {
        let mut command = self.programs.command("ip", &self.bus);
        let program = self.programs.find(["usr/bin/resolvectl", "bin/resolvectl"]);
        let output =
            command.args(["netns", "exec", &self.net]).arg(program).arg("domain").output().expect("runs");
        output.status.success().then(|| text(&output.stdout))
    }

    /// What it writes for programs that read `resolv.conf`.
    fn stub(&self) -> PathBuf {
        self.dir.join("resolve/stub-resolv.conf")
    }
}

impl Drop for Resolved {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.dir.join("resolved.log")).unwrap_or_default());
        }
        self.kill();
        self.dbus.kill().expect("kills");
        self.dbus.wait().expect("ends");
    }
}

/// A device whose system asks resolved; `elsewhere`, one that lives in another network namespace.
fn device_with_resolved(lan: &Lan, elsewhere: bool) -> (Device, Resolved) {
    let mut device = lan.device();
    device.kill();
    let net = if elsewhere { lan.net() } else { &device.net };
    let resolved = Resolved::new(&device.dir, net);
    device.link_resolv_conf(&resolved.stub());
    device.bus = Some(resolved.bus.clone());
    device.start();
    (device, resolved)
}

#[test]
fn it_asks_us_for_names_of_the_circle_and_others_for_the_rest() {
    let lan = Lan::new();
    lan.server().learn("printer.lan.", "192.168.78.9");
    let ((mut a, mut resolved), b) = (device_with_resolved(&lan, false), lan.device());
    let printer_is_found =
        |a: &Device| a.finds("printer.lan").is_some_and(|found| found.contains("192.168.78.9"));
    assert!(printer_is_found(&a), "before a circle is up");
    a.ask("up", json!({"name": "alpha", "circle": "home"}));
    b.join(&a, "beta");
    let found = wait_for("the other one is found", || a.finds("beta.home.internal"));
    let ips = a.addresses_of("beta");
    assert!(ips.iter().all(|ip| found.contains(&ip.to_string())), "{found}");
    assert!(a.finds("beta").is_some(), "by its short name: {}", a.resolv_conf());
    assert!(ips.iter().all(|ip| a.name_of(&ip.to_string()).contains("beta.home.internal")));
    assert_eq!((a.finds("gamma.home.internal"), printer_is_found(&a)), (None, true));
    let asked = lan.server().asked();
    let ours = |name: &&String| name.contains("home.internal") || name.ends_with(".arpa.");
    assert_eq!(
        asked.iter().filter(ours).collect::<Vec<_>>(),
        [""; 0],
        "nobody else was asked for what is ours"
    );
    let domains = resolved.domains().expect("answers");
    let own = domains.split("(rm-home): ").nth(1).expect("our link");
    assert!(own.starts_with("home.internal ~") && own.matches(".arpa").count() == 2, "{domains}");

    // It begins anew and knows nothing of us.
    resolved.kill();
    resolved.start();
    wait_for("it is told again", || a.finds("beta.home.internal"));
    // Nobody answers for the circle any more; the rest is found as ever.
    a.kill();
    assert!(printer_is_found(&a));
    a.start();
    wait_for("the circle's names are back", || a.finds("beta.home.internal"));
    a.ask("down", json!({}));
    let is_forgotten = |resolved: &Resolved| {
        wait_for("our link is forgotten", || (!resolved.domains()?.contains("home.internal")).then_some(()));
    };
    is_forgotten(&resolved);
    assert_eq!((a.finds("beta.home.internal"), printer_is_found(&a)), (None, true));
    a.ask("up", json!({}));
    wait_for("the circle's names are back", || a.finds("beta.home.internal"));
    a.stop();
    is_forgotten(&resolved);
    assert!(printer_is_found(&a));
}

#[test]
fn one_of_another_namespace_is_not_told_anything() {
    let lan = Lan::new();
    let (device, resolved) = device_with_resolved(&lan, true);
    let before = device.resolv_conf();
    device.ask("up", json!({"name": "alpha", "circle": "home"}));
    wait_for("the user is told", || device.notes().contains("another network namespace").then_some(()));
    let domains = resolved.domains().expect("answers");
    assert!(!domains.contains("home.internal"), "{domains}");
    assert_eq!(device.resolv_conf(), before);
}
