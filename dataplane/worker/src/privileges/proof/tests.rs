use super::*;

const UID: u32 = 2_000_000_001;

/// A confined process, as the kernel writes it.
const CONFINED: &str = "Name:\tringmesh
Uid:\t2000000001\t2000000001\t2000000001\t2000000001
Gid:\t2000000001\t2000000001\t2000000001\t2000000001
Groups:\t
VmLck:\t      64 kB
Threads:\t3
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t1
";

fn all_of_it() -> Hardening {
    of(&Status(CONFINED.to_owned()), UID, true, true)
}

#[test]
fn a_confined_process_has_everything_that_it_can_prove() {
    for (bit, name) in Hardening::ALL {
        let elsewhere = bit == Hardening::RESTRICTED_RINGS || bit == Hardening::MEMFD_SECRET;
        assert_eq!(all_of_it().holds(bit), !elsewhere, "{name}");
    }
}

/// One line is changed; exactly one promise is gone.
#[test]
fn each_line_is_believed_only_as_it_stands() {
    let cases = [
        ("CapInh:\t0000000000000000", "CapInh:\t0000000000000001", Hardening::NO_CAPABILITIES),
        ("CapPrm:\t0000000000000000", "CapPrm:\t0000000000001000", Hardening::NO_CAPABILITIES),
        ("CapEff:\t0000000000000000", "CapEff:\t8000000000000000", Hardening::NO_CAPABILITIES),
        ("CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff", Hardening::NO_CAPABILITIES),
        ("CapAmb:\t0000000000000000", "CapAmb:\tnonsense", Hardening::NO_CAPABILITIES),
        ("CapBnd:\t0000000000000000\n", "", Hardening::NO_CAPABILITIES),
        ("Uid:\t2000000001\t", "Uid:\t0\t", Hardening::OWN_UID),
        ("\t2000000001\nGid", "\t0\nGid", Hardening::OWN_UID),
        ("\t2000000001\nGid", "\nGid", Hardening::OWN_UID),
        ("Gid:\t2000000001", "Gid:\t0", Hardening::OWN_UID),
        ("Groups:\t", "Groups:\t27", Hardening::OWN_UID),
        ("NoNewPrivs:\t1", "NoNewPrivs:\t0", Hardening::NO_NEW_PRIVILEGES),
        ("Seccomp:\t2", "Seccomp:\t0", Hardening::SECCOMP),
        ("Seccomp:\t2\n", "", Hardening::SECCOMP),
        ("VmLck:\t      64 kB", "VmLck:\t       0 kB", Hardening::LOCKED_KEYS),
    ];
    for (from, to, lost) in cases {
        let text = CONFINED.replacen(from, to, 1);
        assert_ne!(text, CONFINED, "{from}");
        let left = of(&Status(text), UID, true, true);
        assert_eq!(left.bits(), all_of_it().bits() & !lost.bits(), "{from} -> {to}");
    }
}

#[test]
fn what_the_text_does_not_say_is_asked_for() {
    let status = Status(CONFINED.to_owned());
    assert!(!of(&status, UID, false, true).holds(Hardening::NOT_DUMPABLE));
    assert!(!of(&status, UID, true, false).holds(Hardening::LOCKED_KEYS));
    assert!(!of(&status, UID + 1, true, true).holds(Hardening::OWN_UID));
    assert!(!of(&Status(CONFINED.replace("2000000001", "0")), 0, true, true).holds(Hardening::OWN_UID));
}

#[test]
fn the_kernel_writes_what_is_read_here() {
    let file = File::open(STATUS).expect("a machine with /proc");
    let status = Status::read(&file).expect("readable");
    let lines = ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    assert!(lines.iter().all(|name| status.line(name).is_some()));
    assert!(["Threads", "NoNewPrivs", "Seccomp", "VmLck"].iter().all(|name| status.number(name).is_some()));
    let uid = rustix::process::getuid().as_raw();
    assert!(status.all_are("Uid", uid));
}
