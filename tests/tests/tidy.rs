//! The rules of the tree: run over the tree, and over a table of trees that each break one rule.

use ringmesh_tests::tidy::{Source, arrows, ends, manifest, purity, rooms, shape, tree};
use serde_json::json;

/// Shipped files without tests of their own, and what tests them instead.
const TESTED_ELSEWHERE: &[rooms::Room] = &[
    ("control/api/src/status.rs", "types without code; the executable's own tests print them"),
    ("control/beacon/src/lib.rs", "the beacon's tests, as a process on real sockets"),
    ("control/beacon/src/problem.rs", "the beacon's tests of errors, as a process"),
    ("control/beacon/src/session.rs", "the beacon's tests, as a process on real sockets"),
    ("control/beacon/src/tls.rs", "the beacon's tests, as a process on real sockets"),
    ("control/cli/src/circle.rs", "the executable's own tests of circles: every command"),
    ("control/cli/src/circle/life.rs", "the executable's own tests of circles: every command"),
    ("control/cli/src/circle/members.rs", "the executable's own tests of circles: every command"),
    ("control/cli/src/circle/permit.rs", "the executable's own tests of circles: every command"),
    ("control/cli/src/circle/start.rs", "the executable's own tests of circles: a daemon that up starts"),
    ("control/cli/src/circle/terminal.rs", "the executable's own tests of circles, at a terminal"),
    ("control/cli/src/main.rs", "the executable's own tests"),
    ("control/cli/src/status.rs", "the executable's own tests"),
    ("control/mesh/src/limits.rs", "bounds without code; the tests of what they bound"),
    ("control/mesh/src/testing.rs", "a world for tests and nothing else"),
    ("control/daemon/src/beacon/", "the beacon's tests, with a beacon as a process"),
    ("control/daemon/src/circle/active/", "the executable's own tests of circles"),
    ("control/daemon/src/circle/active.rs", "the executable's own tests of circles"),
    ("control/daemon/src/circle/event.rs", "a closed list without code"),
    ("control/daemon/src/circle/lan.rs", "the executable's own tests of circles: two on one LAN"),
    ("control/daemon/src/circle/run.rs", "the executable's own tests of circles: daemons that are killed"),
    ("control/daemon/src/circle/tunnel.rs", "the executable's own tests of circles"),
    ("control/daemon/src/circle/tunnel/answer.rs", "the tests of changes read answers"),
    ("control/daemon/src/circle/verbs.rs", "the executable's own tests of circles"),
    ("control/daemon/src/circle/verbs/", "the executable's own tests of circles"),
    ("control/daemon/src/control/", "the executable's own tests, and the kill tests"),
    ("control/daemon/src/link/attach.rs", "the kill tests"),
    ("control/daemon/src/link/mod.rs", "the kill tests"),
    ("control/daemon/src/link/start.rs", "the kill tests"),
    ("control/daemon/src/local.rs", "the executable's own tests, by `ringmesh status`"),
    ("control/daemon/src/os/heap.rs", "one call; the scale bench shows what it is for"),
    ("control/daemon/src/os/interfaces.rs", "the executable's own tests of circles: addresses that are set"),
    ("control/daemon/src/os/links.rs", "the executable's own tests: links that move and go"),
    ("control/daemon/src/os/process.rs", "the executable's own tests: it turns into a daemon"),
    (
        "control/daemon/src/os/rules.rs",
        "the executable's own tests of permissions: a table that is deleted is back",
    ),
    ("control/daemon/src/os/tun.rs", "every test in a namespace opens a device"),
    ("control/daemon/src/names.rs", "the executable's tests of names"),
    ("control/daemon/src/names/resolved.rs", "the executable's tests of names, with a bus of their own"),
    ("control/daemon/src/names/wiring.rs", "the executable's tests of names"),
    ("control/daemon/src/os/routes.rs", "the executable's tests of doctor: a route that is in the way"),
    ("control/daemon/src/problem.rs", "the executable's own tests of errors"),
    ("dataplane/abi/src/bell.rs", "the tests of two processes over one memory"),
    ("dataplane/abi/src/claim.rs", "every codec's own tests refuse through it"),
    ("dataplane/abi/src/fields.rs", "every codec's own tests read and write through it"),
    ("dataplane/abi/src/samples.rs", "makes samples for tests and nothing else"),
    ("dataplane/crypto/src/arch.rs", "the crate's tests: every kernel against the judge"),
    ("dataplane/crypto/src/arch/", "the crate's tests: every kernel against the judge"),
    ("dataplane/crypto/src/batch.rs", "the crate's tests: every kernel against the judge"),
    ("dataplane/crypto/src/chacha.rs", "the crate's tests: every kernel against the judge"),
    ("dataplane/crypto/src/poly1305.rs", "the crate's tests: every kernel against the judge"),
    ("dataplane/io/src/headers.rs", "the tests of split and join"),
    ("dataplane/io/src/limits.rs", "constants, asserted at compile time"),
    ("dataplane/io/src/memory.rs", "every test of the ring works in it"),
    ("dataplane/io/src/packets.rs", "makes packets for tests and nothing else"),
    ("dataplane/io/src/port.rs", "a trait; each port has its tests"),
    ("dataplane/io/src/steer.rs", "the crate's tests with real sockets"),
    ("dataplane/io/src/tun.rs", "the crate's tests with a real device"),
    ("dataplane/io/src/udp.rs", "the crate's tests with real sockets"),
    ("dataplane/io/src/udp/", "the crate's tests with real sockets"),
    ("dataplane/io/src/uring.rs", "the crate's tests with a real ring"),
    ("dataplane/worker/src/pair.rs", "a world for tests and nothing else"),
    ("dataplane/worker/src/pair/", "packets for tests and nothing else"),
    ("dataplane/worker/src/pipeline.rs", "its bench, which first sees that no packet is lost"),
];

fn refuse(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn arrows_go_downward_only() {
    refuse(&arrows::check(&tree::metadata()));
}

#[test]
fn manifests_follow_the_workspace() {
    let manifests = tree::manifests();
    let members = manifests.iter().filter(|(path, _)| !path.starts_with("fuzz/"));
    refuse(&members.flat_map(|(path, text)| manifest::check(path, text)).collect::<Vec<_>>());
}

#[test]
fn pure_crates_are_pure() {
    refuse(&tree::sources().iter().flat_map(purity::check).collect::<Vec<_>>());
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    refuse(&rooms::check_unsafe(&tree::sources(), rooms::UNSAFE));
}

#[test]
fn clocks_are_read_in_their_rooms() {
    refuse(&rooms::check_clocks(&tree::sources(), rooms::CLOCKS));
}

#[test]
fn files_are_short_finished_and_say_what_they_are() {
    refuse(&tree::sources().iter().flat_map(shape::check).collect::<Vec<_>>());
}

#[test]
fn modules_have_tests_beside_them() {
    refuse(&shape::check_tested(&tree::sources(), TESTED_ELSEWHERE));
}

#[test]
fn every_end_of_a_packet_is_documented() {
    let sources = tree::sources();
    let drop = sources.iter().find(|source| source.path == "dataplane/tunnel/src/drop.rs");
    refuse(&ends::check(drop.expect("the file of the ends"), &tree::page("ARCHITECTURE.md")));
}

// --- each rule can fail ---------------------------------------------------------------------------

/// A complaint that contains `wanted`, or none at all when `wanted` is empty.
fn expect(case: &str, complaints: &[String], wanted: &str) {
    if wanted.is_empty() {
        assert!(complaints.is_empty(), "{case}: {complaints:?}");
    } else {
        assert!(complaints.iter().any(|complaint| complaint.contains(wanted)), "{case}: {complaints:?}");
    }
}

#[test]
fn a_wrong_arrow_is_seen() {
    let table = [
        ("ringmesh-worker", "ringmesh-tunnel", ""),
        ("ringmesh", "ringmesh-lab", ""),
        ("ringmesh-tests", "ringmesh-daemon", ""),
        ("ringmesh-io", "libc", ""),
        ("ringmesh-io", "ringmesh-tunnel", "ringmesh-io -> ringmesh-tunnel"),
        ("ringmesh-tunnel", "ringmesh-io", "ringmesh-tunnel -> ringmesh-io"),
        ("ringmesh-daemon", "ringmesh-io", "ringmesh-daemon -> ringmesh-io"),
        ("ringmesh-wire", "ringmesh", "ringmesh-wire -> ringmesh "),
        ("ringmesh-lab", "ringmesh-worker", "ringmesh-lab -> ringmesh-worker"),
        ("ringmesh-extra", "libc", "ringmesh-extra has no line"),
    ];
    for (from, to, wanted) in table {
        let metadata =
            json!({ "packages": [{ "name": from, "dependencies": [{ "name": to, "kind": "dev" }] }] });
        expect(from, &arrows::check(&metadata), wanted);
    }
    expect("nothing", &arrows::check(&json!({})), "no package");
}

#[test]
fn a_wrong_manifest_is_seen() {
    const PACKAGE: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n";
    const LINTS: &str = "[lints]\nworkspace = true\n";
    let table = [
        ("right", format!("{PACKAGE}{LINTS}[dependencies]\na.workspace = true # why\n"), ""),
        (
            "features",
            format!("{PACKAGE}{LINTS}[dependencies]\na = {{ workspace = true, features = [\"b\"] }}\n"),
            "",
        ),
        ("own version", format!("{PACKAGE}{LINTS}[dependencies]\na = \"1\"\n"), "`a` in [dependencies]"),
        (
            "own dev version",
            format!("{PACKAGE}{LINTS}[dev-dependencies]\nb = {{ version = \"1\" }}\n"),
            "`b` in [dev-",
        ),
        ("own section", format!("{PACKAGE}{LINTS}[dependencies.a]\nversion = \"1\"\n"), "[dependencies.a]"),
        (
            "own edition",
            format!("{}{LINTS}", PACKAGE.replace("edition.workspace = true", "edition = \"2021\"")),
            "edition",
        ),
        ("no lints", PACKAGE.to_owned(), "lints.workspace"),
        ("empty", String::new(), "package.version"),
    ];
    for (case, text, wanted) in table {
        expect(case, &manifest::check("x/Cargo.toml", &text), wanted);
    }
}

#[test]
fn an_impure_line_is_seen() {
    const WIRE: &str = "dataplane/wire/src/a.rs";
    let table = [
        (WIRE, "use std::net::SocketAddr; // no Instant, no File", ""),
        (WIRE, "fn at(now: std::time::Instant) {}", "`Instant`"),
        (WIRE, "use std::time::SystemTime;", "`SystemTime`"),
        (WIRE, "std::thread::spawn(f);", "`std::thread`"),
        (WIRE, "let s = UdpSocket::bind(a)?;", "`UdpSocket`"),
        (WIRE, "std::fs::read(path)?;", "`std::fs`"),
        (WIRE, "libc::getpid();", "`libc`"),
        ("dataplane/io/src/split.rs", "rustix::io::read(fd);", "`rustix`"),
        ("dataplane/io/src/join/flow.rs", "let t = Instant::now();", "`Instant`"),
        ("dataplane/io/src/ring.rs", "rustix::io::read(fd);", ""),
        ("dataplane/wire/src/tests.rs", "std::fs::read(path)?;", ""),
        ("dataplane/tunnel/src/lib.rs", "pub mod noise;", "does not forbid unsafe"),
        ("dataplane/tunnel/src/lib.rs", "#![forbid(unsafe_code)]", ""),
        ("dataplane/tunnel/src/lib.rs", "// #![forbid(unsafe_code)]", "does not forbid unsafe"),
    ];
    for (path, text, wanted) in table {
        expect(text, &purity::check(&Source::new(path, text)), wanted);
    }
}

#[test]
fn a_wrong_room_is_seen() {
    const ROOM: rooms::Room = ("a/src/ring.rs", "maps the rings of the kernel");
    let inside = Source::new("a/src/ring.rs", "#![allow(unsafe_code)]\nunsafe { x() }");
    let table: [(&str, Vec<Source>, &[rooms::Room], &str); 8] = [
        ("in its room", vec![inside.clone()], &[ROOM], ""),
        ("in a folder", vec![inside.clone()], &[("a/src/", "all of it is kernel")], ""),
        (
            "elsewhere",
            vec![inside.clone(), Source::new("b.rs", "unsafe { x() }")],
            &[ROOM],
            "b.rs:1: `unsafe`",
        ),
        ("opened", vec![inside.clone(), Source::new("b.rs", "\n#[allow(unsafe_code)]")], &[ROOM], "b.rs:2"),
        (
            "a word in text",
            vec![inside.clone(), Source::new("b.rs", "f(\"unsafe\"); // unsafe")],
            &[ROOM],
            "",
        ),
        ("forbidding it", vec![inside.clone(), Source::new("b.rs", "#![forbid(unsafe_code)]")], &[ROOM], ""),
        ("an empty room", vec![Source::new("a/src/ring.rs", "safe()")], &[ROOM], "has none"),
        ("no reason", vec![inside], &[("a/src/ring.rs", "speed")], "without a reason"),
    ];
    for (case, sources, rooms, wanted) in table {
        expect(case, &rooms::check_unsafe(&sources, rooms), wanted);
    }
    let clock = [Source::new("a.rs", "#[allow(clippy::disallowed_methods)]")];
    expect("clock", &rooms::check_clocks(&clock, &[]), "a.rs:1");
    expect("clock", &rooms::check_clocks(&clock, &[("a.rs", "the one clock of it")]), "");
}

#[test]
fn a_wrong_shape_is_seen() {
    let long = format!("//! Long.\n{}", "x();\n".repeat(shape::LINES_MAX));
    let table = [
        ("//! What it is.\nfn f() {} // todo!", "a/src/b.rs", ""),
        ("//! What.\nfn f() { todo!() }", "a/src/b.rs", "`todo!`"),
        ("//! What.\nfn f() { unimplemented!(\"x\") }", "a/src/b.rs", "`unimplemented!`"),
        ("//! What.\n#[ignore = \"slow\"]", "a/src/b.rs", "b.rs:2: `#[ignore`"),
        ("//! What.\n#[ignore = \"started by the test above\"]", "a/src/b.rs", ""),
        ("//! What.\n#[ignore] // \"started early\"", "a/src/b.rs", "`#[ignore`"),
        ("fn f() {}", "a/src/b.rs", "does not begin"),
        ("//! A crate.", "a/src/lib.rs", "**Invariant**"),
        ("//! A crate.\n//! **Invariant:** none.", "a/src/lib.rs", ""),
        (&long, "a/src/b.rs", "701 lines"),
    ];
    for (text, path, wanted) in table {
        expect(text.lines().next().unwrap_or(text), &shape::check(&Source::new(path, text)), wanted);
    }
}

#[test]
fn a_module_without_tests_is_seen() {
    let body = "x();\n".repeat(100);
    let plain = |path: &str| Source::new(path, body.clone());
    let tested = |path: &str| Source::new(path, format!("{body}#[cfg(test)]\nmod tests;"));
    let excuse: &[rooms::Room] = &[("a/src/b.rs", "the interop tests")];
    let table: [(&str, Vec<Source>, &[rooms::Room], &str); 8] = [
        ("tested", vec![tested("a/src/b.rs")], &[], ""),
        ("untested", vec![plain("a/src/b.rs")], &[], "a/src/b.rs: has no tests"),
        ("short", vec![Source::new("a/src/b.rs", "x();")], &[], ""),
        ("by its folder", vec![plain("a/src/b/c.rs"), plain("a/src/b/tests.rs")], &[], ""),
        ("not by the crate", vec![plain("a/src/b.rs"), plain("a/src/tests.rs")], &[], "has no tests"),
        ("excused", vec![plain("a/src/b.rs")], excuse, ""),
        ("excused for nothing", vec![tested("a/src/b.rs")], excuse, "excused from tests"),
        ("excused and gone", vec![tested("a/src/c.rs")], excuse, "excused from tests"),
    ];
    for (case, sources, excused, wanted) in table {
        expect(case, &shape::check_tested(&sources, excused), wanted);
    }
}

#[test]
fn an_end_without_a_word_is_seen() {
    let source =
        |body: &str| Source::new("drop.rs", format!("#[repr(u8)]\npub enum Drop {{\n{body}\n}}\n// `Late`"));
    let table = [
        ("    /// Not for us.\n    NoRoute,", "a row `NoRoute` of the table", ""),
        ("    /// Not for us.\n    NoRoute = 3,", "a row `NoRoute` of the table", ""),
        ("    NoRoute,", "`NoRoute`", "Drop::NoRoute has no doc comment"),
        ("    /// Not for us.\n    NoRoute,\n    Late,", "`NoRoute` `Late`", "Drop::Late has no doc"),
        ("    /// Not for us.\n    NoRoute,", "NoRouteAtAll", "does not mention `NoRoute`"),
        ("", "", "no `pub enum Drop`"),
    ];
    for (body, page, wanted) in table {
        expect(body, &ends::check(&source(body), page), wanted);
    }
}
