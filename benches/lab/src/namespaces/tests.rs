use super::*;
use std::fs;

#[test]
fn names_carry_their_maker_and_fit() {
    let table = [
        ("ringmesh-lab-17-0a", Some(17)),
        ("ringmesh-lab-4194304-12b", Some(4_194_304)),
        ("ringmesh-lab-17-0c", None),
        ("ringmesh-lab-17-a", None),
        ("ringmesh-lab-x-0a", None),
        ("ringmesh-lab-", None),
        ("other-17-0a", None),
    ];
    for (name, pid) in table {
        assert_eq!(names::maker_of_namespace(name), pid, "{name}");
    }
    let table = [
        ("rl17a0", Some(17)),
        ("rl17b3.sock", Some(17)),
        ("rl4194304a9999.plane.sock", Some(4_194_304)),
        ("rl17c0", None),
        ("rla0", None),
        ("wg0.sock", None),
    ];
    for (name, pid) in table {
        assert_eq!(names::maker_of_interface(name), pid, "{name}");
    }
    let own = std::process::id();
    for side in [Side::A, Side::B] {
        assert_eq!(names::maker_of_namespace(&names::namespace(7, side)), Some(own));
        assert_eq!(names::maker_of_interface(&names::interface(123_456, side)), Some(own));
    }
    assert!("rl4194304a9999".len() <= 15);
}

/// Whether the machine allows namespaces; says so where it does not.
fn allowed() -> bool {
    let answer = crate::needs::check("cargo test");
    if let Err(why) = &answer {
        eprintln!("skipped: {why}");
    }
    answer.is_ok()
}

#[test]
fn a_link_carries_packets_and_leaves_nothing() {
    if !allowed() {
        return;
    }
    let link = Link::create(&LinkPlan::default()).expect("a link");
    let names = [link.side(Side::A).name().to_owned(), link.side(Side::B).name().to_owned()];
    for v6 in [false, true] {
        let there = (Link::address(Side::B, v6), 0);
        let listener =
            link.side(Side::B).enter(|| std::net::TcpListener::bind(there)).expect("entered").expect("bound");
        let address = listener.local_addr().expect("an address");
        let stream = link.side(Side::A).enter(|| std::net::TcpStream::connect(address)).expect("entered");
        stream.expect("connected");
    }
    let mut sleeper = link.side(Side::B).spawn(Command::new("sleep").arg("600")).expect("started");
    assert_eq!(link.side(Side::B).processes(), [sleeper.id()]);
    assert!(link.side(Side::A).processes().is_empty());
    drop(link);
    assert!(!sleeper.wait().expect("ended").success(), "it was killed");
    assert!(names.iter().all(|name| !path_of(name).exists()));
}

#[test]
fn a_wire_without_offload_says_so() {
    if !allowed() {
        return;
    }
    let link = Link::create(&LinkPlan { mtu: 1_300, offloads: false }).expect("a link");
    let out = Command::new("ip")
        .args(["-n", link.side(Side::A).name(), "-d", "link", "show", "wire"])
        .output()
        .expect("ip runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("gso_max_segs 1 ") && text.contains("mtu 1300"), "{text}");
}

#[test]
fn sweeping_takes_what_the_dead_left_and_nothing_else() {
    if !allowed() {
        return;
    }
    // A process that has ended and been waited for: its pid is dead (and not yet given again).
    let mut child = Command::new("true").spawn().expect("started");
    let dead = child.id();
    child.wait().expect("ended");
    let stale = format!("ringmesh-lab-{dead}-0a");
    ip(&["netns", "add", &stale], "").expect("made");
    let lost = Command::new("ip").args(["netns", "exec", &stale, "sleep", "600"]).spawn();
    let mut lost = lost.expect("started");
    let fresh = Namespace::create(names::namespace(names::next_number(), Side::A)).expect("made");
    fs::create_dir_all("/var/run/wireguard").expect("a directory");
    let socket = format!("/var/run/wireguard/rl{dead}a0.sock");
    fs::write(&socket, "").expect("written");

    assert!(sweep() >= 1);
    assert!(!path_of(&stale).exists(), "the stale namespace is gone");
    assert!(path_of(fresh.name()).exists(), "a living one stays");
    assert!(!Path::new(&socket).exists(), "the stale socket is gone");
    assert!(!lost.wait().expect("ended").success(), "the stale process was killed");
}
