//! Either process dies at each of its steps: the state is what was last acknowledged.
//!
//! The executable under test is one with fault points. Every point of the table is provoked by what leads past it, and a
//! point that nobody passes fails.

use std::collections::BTreeSet;
use std::io;

use ringmesh_abi::fault::{Point, Switch};
use ringmesh_lab::clock;
use ringmesh_lab::namespaces::Side;
use ringmesh_tests::process;
use ringmesh_tests::program::Program::{Faulty, WireguardGo};
use ringmesh_tests::program::{Device, START_LIMIT, executable, has_fault_points};
use ringmesh_tests::tunnel::{PORT, Plan, Tunnel, public_hex};
use ringmesh_tests::uapi;

/// What leads past a point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// A request of `wg` that adds peers.
    Set,
    /// A request of `wg` that changes the port as well.
    Port,
    /// A control process that attaches to a running data plane.
    Attach,
    /// A data plane that takes the place of a dead one.
    Start,
}

/// Whoever adds a point says here how to get there.
const fn way(point: Point) -> Way {
    match point {
        Point::ControlSubmitting
        | Point::ControlSubmitted
        | Point::ControlRung
        | Point::ControlCompletionRead
        | Point::ControlAnswering
        | Point::ControlAnswered
        | Point::PlaneSlotRead
        | Point::PlaneClaimed
        | Point::PlaneApplied
        | Point::PlanePublished
        | Point::PlaneCompleted
        | Point::PlaneRung => Way::Set,
        Point::ControlSocketsOpen
        | Point::ControlSocketsSent
        | Point::PlaneSocketsTaken
        | Point::PlaneSocketsOrdered => Way::Port,
        Point::ControlAttachAsked
        | Point::ControlAttachGreeted
        | Point::ControlAttachSent
        | Point::ControlAttachHalf
        | Point::ControlAttachHeard
        | Point::PlaneAttachAsked
        | Point::PlaneAttachGreeted
        | Point::PlaneAttachTaken
        | Point::PlaneAttachHalf
        | Point::PlaneAttachTold => Way::Attach,
        Point::ControlStartSpawned
        | Point::ControlStartSent
        | Point::ControlStartReady
        | Point::PlaneStartBegun
        | Point::PlaneStartHeard
        | Point::PlaneStartRings
        | Point::PlaneStartUnprivileged
        | Point::PlaneStartWorkers
        | Point::PlaneStartConfined
        | Point::PlaneStartReady => Way::Start,
    }
}

/// Whether it is the control process that dies there.
fn is_control(point: Point) -> bool {
    format!("{point:?}").starts_with("Control")
}

fn points(way_wanted: Way, control: bool) -> impl Iterator<Item = Point> {
    Point::ALL.into_iter().filter(move |point| way(*point) == way_wanted && is_control(*point) == control)
}

/// A tunnel whose side B can be made to die, and what it was told last.
struct Stage {
    tunnel: Tunnel,
    switch: Switch,
    /// Requests so far: each has peers of its own.
    told: u32,
    port: u16,
}

impl Stage {
    fn new() -> Self {
        let switch = Switch::new().expect("a switch");
        let tunnel = Tunnel::connected(Plan::new(WireguardGo, Faulty { switch: switch.fd() }));
        Self { tunnel, switch, told: 0, port: PORT }
    }

    /// Other peers are wanted next, and another port where the point is about one.
    fn next_request(&mut self, point: Point) {
        self.told += 1;
        if way(point) == Way::Port {
            self.port += 1;
        }
    }

    fn interface(&self) -> &str {
        &self.tunnel.device(Side::B).interface
    }

    /// Says what is wanted next; a request with a port moves both sides to it.
    fn tell(&self) -> io::Result<i32> {
        let port = if self.port == PORT { String::new() } else { format!("listen_port={}\n", self.port) };
        uapi::try_set(self.interface(), &format!("{port}{}", request(self.told)))
    }

    /// Says it, and if need be something more about the same peers until somebody has died of it: a bell is only rung for
    /// somebody who sleeps, and on a busy machine nobody may for the length of a request.
    fn tell_to_death(&self, point: Point) -> io::Result<i32> {
        let mut answer = self.tell();
        let key: String = keys(self.told).take(1).collect();
        for interval in 1..=TELLINGS_MAX {
            if !is_by_chance(point) || !matches!(answer, Ok(0)) || !self.switch.is_armed() {
                break;
            }
            let more =
                format!("public_key={key}\nupdate_only=true\npersistent_keepalive_interval={interval}\n");
            answer = uapi::try_set(self.interface(), &more);
        }
        answer
    }

    fn peers(&self) -> BTreeSet<String> {
        let dump = uapi::get(self.interface()).expect("an answer");
        let keys = (0..dump.peers.len()).filter_map(|peer| dump.of_peer(peer, "public_key"));
        keys.map(str::to_owned).collect()
    }

    fn listen_port(&self) -> String {
        uapi::get(self.interface()).expect("an answer").value("listen_port").expect("a port").to_owned()
    }

    /// A waits at the port where B listens.
    fn follow_port(&self) {
        let endpoint = std::net::SocketAddr::new(self.tunnel.endpoint(Side::B).ip(), self.port);
        let lines = format!("public_key={}\nupdate_only=true\nendpoint={endpoint}\n", public_hex(2));
        uapi::set(&self.tunnel.device(Side::A).interface, &lines);
    }

    fn wait_for_death(&self, point: Point) {
        let died = clock::until(START_LIMIT, || (!self.switch.is_armed()).then_some(()));
        assert!(died.is_some(), "nobody came to {point:?}");
    }

    fn wait_for_end_of_control(&mut self, point: Point) {
        self.wait_for_death(point);
        self.tunnel.device_mut(Side::B).wait_for_end(START_LIMIT);
    }

    fn wait_for_another_plane(&self, before: u32, point: Point) {
        let another = clock::until(START_LIMIT, || {
            let known = |pid: &u32| *pid != before && uapi::get(self.interface()).is_ok();
            process::data_plane(self.tunnel.host(Side::B)).filter(known)
        });
        assert!(another.is_some(), "no other data plane after {point:?}");
    }

    /// Nothing of the tunnel is left: neither process, nor the interface.
    fn wait_for_nothing(&self, point: Point) {
        let gone = clock::until(START_LIMIT, || {
            let processes = process::data_plane(self.tunnel.host(Side::B));
            (processes.is_none() && !self.has_interface()).then_some(())
        });
        assert!(gone.is_some(), "something is left after {point:?}");
    }

    fn has_interface(&self) -> bool {
        let mut command = std::process::Command::new("ip");
        let namespace = self.tunnel.host(Side::B).name();
        let output = command.args(["-n", namespace, "link", "show", self.interface()]).output();
        output.expect("ip can be run").status.success()
    }

    /// Both have died, so nothing is known; it starts as the first time.
    fn begin_anew(&mut self) {
        self.tunnel.start_again(Side::B);
        self.set_up();
    }

    /// Configures a device that knows nothing.
    fn set_up(&mut self) {
        assert_eq!(self.peers(), BTreeSet::new(), "half of a state is none");
        self.tunnel.configure(Side::B);
        self.tunnel.address(Side::B);
        self.port = PORT;
        // A would try its dead session for 15 seconds more.
        self.tunnel.configure(Side::A);
    }

    /// Starts a control process without waiting for anything.
    fn start_control(&mut self) {
        let old = self.tunnel.device(Side::B);
        let device = Device::start(self.tunnel.host(Side::B), old.program, &old.interface);
        *self.tunnel.device_mut(Side::B) = device;
    }

    /// A new control process has no memory of early deaths, so that the next one is not waited for.
    fn refresh_control(&mut self) {
        self.tunnel.device_mut(Side::B).kill();
        self.tunnel.start_again(Side::B);
    }

    /// What is left after one process has died in a request and the other one was killed: nothing.
    fn both_are_dead(&mut self, point: Point) {
        self.wait_for_nothing(point);
        self.begin_anew();
        self.tunnel.wait_for_ping("after both had died");
    }
}

/// Replaces the peers of the requests before, but for A.
fn request(number: u32) -> String {
    let gone = number.checked_sub(1).into_iter().flat_map(keys);
    let gone = gone.map(|key| format!("public_key={key}\nremove=true\n"));
    let new = keys(number).zip(1..).map(|(key, at)| {
        let [_, _, a, b] = number.to_be_bytes();
        format!("public_key={key}\nallowed_ip=11.{a}.{b}.{at}/32\n")
    });
    gone.chain(new).collect()
}

/// Public keys that belong to nobody.
fn keys(number: u32) -> impl Iterator<Item = String> {
    (0..3).map(move |at| format!("{number:08x}{at:08x}{:048x}", 1))
}

fn wanted(number: u32) -> BTreeSet<String> {
    keys(number).chain([public_hex(1)]).collect()
}

/// Points of a request, with how often they are passed before the death.
fn moments(control: bool) -> Vec<(Point, u32)> {
    let once = points(Way::Set, control).chain(points(Way::Port, control)).map(|point| (point, 0));
    let later = points(Way::Set, control).filter(|point| is_per_command(*point)).map(|point| (point, 4));
    once.chain(later).collect()
}

/// A request is several commands.
const fn is_per_command(point: Point) -> bool {
    matches!(
        point,
        Point::ControlSubmitting
            | Point::ControlSubmitted
            | Point::ControlCompletionRead
            | Point::PlaneSlotRead
            | Point::PlaneClaimed
            | Point::PlaneApplied
            | Point::PlanePublished
            | Point::PlaneCompleted
    )
}

/// Whether a request may be answered without passing it.
const fn is_by_chance(point: Point) -> bool {
    matches!(point, Point::ControlRung | Point::PlaneRung)
}

/// How many more requests may find nobody asleep.
const TELLINGS_MAX: usize = 100;

#[test]
fn control_dies_at_each_step_of_a_request() {
    let mut stage = Stage::new();
    let plane = stage.tunnel.data_plane(Side::B);
    for (point, times) in moments(true) {
        stage.next_request(point);
        stage.switch.arm(point, times);
        let answer = stage.tell_to_death(point);
        stage.wait_for_end_of_control(point);
        stage.tunnel.start_again(Side::B);
        let (known, before) = (stage.peers(), wanted(stage.told - 1));
        if let Ok(0) = answer {
            assert_eq!(known, wanted(stage.told), "acknowledged before {point:?}");
        } else {
            let either = before.union(&wanted(stage.told)).cloned().collect();
            assert!(known.is_subset(&either) && known.contains(&public_hex(1)), "{point:?}: {known:?}");
        }
        assert_eq!(stage.tell().expect("an answer"), 0, "said again after {point:?}");
        assert_eq!(stage.peers(), wanted(stage.told), "said again after {point:?}");
        assert_eq!(stage.listen_port(), stage.port.to_string(), "{point:?}");
        stage.follow_port();
        stage.tunnel.wait_for_ping("after control died in a request");
    }
    assert_eq!(stage.tunnel.data_plane(Side::B), plane, "the data plane has lived through all of it");
}

#[test]
fn the_data_plane_dies_at_each_step_of_a_request() {
    let mut stage = Stage::new();
    for (point, times) in moments(false) {
        stage.next_request(point);
        let before = stage.tunnel.data_plane(Side::B);
        stage.switch.arm(point, times);
        assert_eq!(stage.tell_to_death(point).expect("an answer"), 0, "{point:?}");
        stage.wait_for_death(point);
        stage.wait_for_another_plane(before, point);
        assert_eq!(stage.peers(), wanted(stage.told), "{point:?}");
        assert_eq!(stage.listen_port(), stage.port.to_string(), "{point:?}");
        stage.follow_port();
        stage.tunnel.wait_for_ping("after the data plane died in a request");
        stage.refresh_control();
        assert_eq!(stage.peers(), wanted(stage.told), "{point:?}");
    }
}

#[test]
fn both_die_at_each_step_of_a_request() {
    let mut stage = Stage::new();
    for (point, times) in moments(true) {
        stage.next_request(point);
        let plane = stage.tunnel.data_plane(Side::B);
        stage.switch.arm(point, times);
        // Whatever it answers.
        let _answer = stage.tell_to_death(point);
        stage.wait_for_end_of_control(point);
        process::kill(plane);
        stage.both_are_dead(point);
    }
    for (point, times) in moments(false) {
        stage.next_request(point);
        stage.switch.arm(point, times);
        std::thread::scope(|scope| {
            let told = scope.spawn(|| stage.tell_to_death(point));
            stage.wait_for_death(point);
            process::kill(stage.tunnel.device(Side::B).pid());
            let _answer = told.join().expect("no panic while telling");
        });
        stage.tunnel.device_mut(Side::B).wait_for_end(START_LIMIT);
        stage.both_are_dead(point);
    }
}

#[test]
fn either_dies_at_each_step_of_attaching() {
    let mut stage = Stage::new();
    for control in [true, false] {
        for point in points(Way::Attach, control) {
            stage.next_request(point);
            assert_eq!(stage.tell().expect("an answer"), 0);
            let plane = stage.tunnel.data_plane(Side::B);
            stage.tunnel.device_mut(Side::B).kill();
            stage.switch.arm(point, 0);
            stage.start_control();
            stage.wait_for_death(point);
            let ended = clock::until(START_LIMIT, || match stage.tunnel.device_mut(Side::B).has_ended() {
                true => Some(true),
                false => uapi::get(stage.interface()).is_ok().then_some(false),
            });
            match (control, ended.expect("it ends or answers")) {
                (true, ended) => {
                    assert!(ended, "{point:?}");
                    stage.tunnel.start_again(Side::B);
                    assert_eq!(stage.tunnel.data_plane(Side::B), plane, "{point:?}");
                }
                (false, true) => {
                    assert_ne!(point, Point::PlaneAttachTold, "control knew everything, and gave up");
                    stage.wait_for_nothing(point);
                    stage.begin_anew();
                    stage.tell().expect("an answer");
                }
                (false, false) => {}
            }
            assert_eq!(stage.peers(), wanted(stage.told), "{point:?}");
            stage.tunnel.wait_for_ping("after a death while attaching");
        }
    }
}

#[test]
fn the_data_plane_dies_at_each_step_of_its_start() {
    let mut stage = Stage::new();
    for point in points(Way::Start, false) {
        stage.next_request(point);
        assert_eq!(stage.tell().expect("an answer"), 0);
        let before = stage.tunnel.data_plane(Side::B);
        stage.switch.arm(point, 0);
        process::kill(before);
        stage.wait_for_death(point);
        stage.wait_for_another_plane(before, point);
        stage.tunnel.wait_for_ping("after the data plane died while it started");
        assert_eq!(stage.peers(), wanted(stage.told), "{point:?}");
        stage.refresh_control();
    }
}

/// Control dies with a data plane that is not yet what was acknowledged: that one must not pass for it.
#[test]
fn control_dies_at_each_step_of_starting_another_data_plane() {
    let mut stage = Stage::new();
    let rebuilding =
        [(Point::ControlSubmitted, 0), (Point::ControlSubmitted, 2), (Point::ControlCompletionRead, 1)];
    for (point, times) in points(Way::Start, true).map(|point| (point, 0)).chain(rebuilding) {
        stage.next_request(point);
        assert_eq!(stage.tell().expect("an answer"), 0);
        stage.switch.arm(point, times);
        process::kill(stage.tunnel.data_plane(Side::B));
        stage.wait_for_end_of_control(point);
        stage.both_are_dead(point);
    }
}

#[test]
fn either_dies_at_each_step_of_the_first_start() {
    let mut stage = Stage::new();
    for point in points(Way::Start, true).chain(points(Way::Start, false)) {
        let plane = stage.tunnel.data_plane(Side::B);
        stage.tunnel.device_mut(Side::B).kill();
        process::kill(plane);
        stage.wait_for_nothing(point);
        stage.switch.arm(point, 0);
        stage.start_control();
        stage.wait_for_death(point);
        if point == Point::PlaneStartReady {
            // Control has heard that it was ready, and starts another one.
            stage.tunnel.device_mut(Side::B).ready();
            stage.set_up();
            stage.tunnel.wait_for_ping("after the first data plane died");
            continue;
        }
        stage.tunnel.device_mut(Side::B).wait_for_end(START_LIMIT);
        stage.both_are_dead(point);
    }
}

#[test]
fn what_people_install_has_no_fault_points() {
    assert!(!has_fault_points(executable()));
}
