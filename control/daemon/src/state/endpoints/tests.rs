use ringmesh_abi::{Endpoint, LocalAddr, UdpPath};

use super::Endpoints;

fn udp(port: u16, socket: u8, local: bool) -> Endpoint {
    let local = local.then_some(LocalAddr { ip: [10, 0, 0, 1].into(), ifindex: 3 });
    Endpoint::Udp(UdpPath { remote: ([192, 0, 2, 1], port).into(), local, socket })
}

#[test]
fn whatever_goes_in_comes_out() {
    let none = Endpoint::None;
    let cases = [
        [none; 4],
        [udp(1, 0, false), none, none, none],
        [udp(1, 0, true), none, none, none],
        [udp(1, 2, false), none, none, none],
        [udp(1, 0, false), none, none, udp(2, 0, false)],
        [none, udp(1, 0, false), none, none],
        [Endpoint::Control { token: 7 }, none, none, none],
    ];
    for case in cases {
        let endpoints = Endpoints::from(case);
        assert_eq!((endpoints.all(), endpoints.first()), (case, case[0]));
        for first in [none, udp(5, 0, false), udp(6, 0, true)] {
            let mut moved = endpoints.clone();
            moved.set_first(first);
            let [_, others @ ..] = case;
            assert_eq!(moved.all()[1..], others);
            assert_eq!(moved.first(), first);
            // The way there makes no difference.
            assert_eq!(moved, Endpoints::from(moved.all()));
            moved.set_first(case[0]);
            assert_eq!(moved, endpoints);
        }
    }
}
