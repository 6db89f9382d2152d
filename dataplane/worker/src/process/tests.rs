use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};

use ringmesh_abi::ControlSide;

use super::*;

#[test]
fn offloads_are_on_only_when_both_families_have_them() {
    const CSUM: u32 = libc::TUN_F_CSUM;
    let table = [
        // bits, checksums, TCP, UDP
        (0, false, false, false),
        (CSUM, true, false, false),
        (CSUM | libc::TUN_F_TSO4, true, false, false),
        (CSUM | libc::TUN_F_TSO6, true, false, false),
        (CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6, true, true, false),
        (CSUM | libc::TUN_F_USO4, true, false, false),
        (CSUM | libc::TUN_F_USO4 | libc::TUN_F_USO6, true, false, true),
        (u32::MAX, true, true, true),
    ];
    for (bits, csum, tso, uso) in table {
        let on = switched_on(bits);
        assert_eq!((on.tun_csum, on.tun_tso, on.tun_uso), (csum, tso, uso), "{bits:#x}");
        assert!(on.udp_gso && on.udp_gro, "tried, and given up when refused");
        assert_eq!(usize::from(on.vnet_len), VnetHdr::LEN);
    }
}

#[test]
fn names_are_as_many_as_counters_and_all_different() {
    for names in [drop_names(), feature_names()] {
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }
    assert_eq!(drop_names().len(), ringmesh_tunnel::Drop::COUNT);
    assert_eq!(drop_names()[ringmesh_tunnel::Drop::Replay as usize], "replay");
    let last = ringmesh_io::Features { gather: true, ..Default::default() };
    assert_eq!(feature_names()[last.bits().trailing_zeros() as usize], "gather");
}

/// What a data plane answers that is started like this, and how it ends.
fn started(message: &ToPlane, fds: &[BorrowedFd<'_>]) -> String {
    let (ours, theirs) = Link::pair().expect("a pair");
    ours.send(message, fds).expect("sent");
    let code = run_dataplane(OwnedFd::from(theirs).into_raw_fd());
    assert_eq!(code, ExitCode::FAILURE);
    match ours.try_recv::<FromPlane>() {
        Ok(Some((FromPlane::Failed { text }, _))) => text,
        other => panic!("no reason was given: {other:?}"),
    }
}

#[test]
fn a_bad_start_is_told_before_anything_is_given_up() {
    let start = |workers, sockets, generation| ToPlane::Start {
        generation,
        ifname: "ring0".to_owned(),
        workers,
        sockets,
        offloads: 0,
        uid: 0,
    };
    assert_eq!(started(&ToPlane::Dump, &[]), "the first message of control was not the start");
    assert_eq!(started(&ToPlane::Stop, &[]), "the first message of control was not the start");

    let (control, memory) = ControlSide::create(1).expect("shared memory");
    let (_other, other_memory) = ControlSide::create(1).expect("shared memory");
    let bells = [0, 1].map(|_| Bell::new().expect("an eventfd"));
    let [tun, socket, listener] = [0, 1, 2].map(|_| Bell::new().expect("an eventfd"));
    let fds = |tun: &[&Bell], sockets: &[&Bell], memory: &OwnedFd| {
        let files = tun.iter().chain(sockets).map(|file| file.as_fd().try_clone_to_owned());
        let rest = [memory.as_fd(), bells[0].as_fd(), bells[1].as_fd(), listener.as_fd()];
        files.chain(rest.map(|fd| fd.try_clone_to_owned())).collect::<Result<Vec<_>, _>>().expect("copies")
    };
    let cases = [
        (
            "memory of another generation",
            1,
            2,
            control.generation() ^ 2,
            fds(&[&tun, &tun], &[&socket, &tun], &memory),
        ),
        ("another memory", 1, 2, control.generation(), fds(&[&tun, &tun], &[&socket, &tun], &other_memory)),
        ("no memory at all", 1, 2, control.generation(), {
            let file = Bell::new().expect("an eventfd").as_fd().try_clone_to_owned().expect("a copy");
            fds(&[&tun, &tun], &[&socket, &tun], &file)
        }),
        ("no socket for letters", 1, 1, control.generation(), fds(&[&tun, &tun], &[&socket], &memory)),
        (
            "files that are no sockets",
            1,
            2,
            control.generation(),
            fds(&[&tun, &tun], &[&socket, &tun], &memory),
        ),
    ];
    for (what, workers, sockets, generation, fds) in cases {
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let text = started(&start(workers, sockets, generation), &fds);
        assert!(!text.is_empty() && !text.contains('\n'), "{what}: {text:?}");
    }
}
