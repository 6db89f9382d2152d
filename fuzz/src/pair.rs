//! Two devices that are each other's peer, and everything that they ever said.

use blake2::digest::{KeyInit, Mac, consts::U16};
use blake2::{Blake2s256, Blake2sMac, Digest};
use ringmesh_crypto::{Seal, TAG_LEN, seal};
use ringmesh_tunnel::PeerId;
use ringmesh_tunnel::device::{Device, Output, PeerConfig};
use ringmesh_tunnel::session::Session;
use ringmesh_tunnel::tai64n::Tai64N;
use ringmesh_wire::Endpoint;
use ringmesh_wire::keys::{PresharedKey, PrivateKey, PublicKey};
use std::time::Duration;

const PEER: PeerId = PeerId(7);

pub struct Pair {
    pub devices: [Device; 2],
    /// Messages that were ever sent: to whom, and their bytes.
    pub mail: Vec<(usize, Vec<u8>)>,
    sessions: [Option<Box<Session>>; 2],
    pub installed: [usize; 2],
    now: Duration,
}

fn endpoint(side: usize) -> Endpoint {
    Endpoint::udp(([192, 0, 2, side as u8 + 1], 51_820).into())
}

fn config(public_key: PublicKey, side: usize, preshared: u8, keepalive_secs: u8) -> PeerConfig {
    PeerConfig {
        id: PEER,
        public_key,
        preshared_key: PresharedKey::new([preshared; 32]),
        keepalive_secs: keepalive_secs.into(),
        endpoint: Some(endpoint(1 - side)),
        owner: side as u8,
    }
}

impl Pair {
    /// Two devices that have not spoken yet.
    pub fn new() -> Self {
        let devices = [1, 2].map(|seed| {
            let mut device = Device::new([seed; 32], Tai64N::default());
            device.set_private_key(Some(PrivateKey::new([seed; 32])));
            device
        });
        let now = Duration::from_secs(1_000);
        let mut pair = Self { devices, mail: Vec::new(), sessions: [None, None], installed: [0; 2], now };
        pair.set_peers(0, [0, 0]);
        pair
    }

    fn key(&self, side: usize) -> PublicKey {
        self.devices[side].public_key().expect("it has a key")
    }

    /// Configures both anew.
    pub fn set_peers(&mut self, preshared: u8, keepalive_secs: [u8; 2]) {
        for (side, keepalive) in keepalive_secs.into_iter().enumerate() {
            let config = config(self.key(1 - side), side, preshared, keepalive);
            self.devices[side].set_peer(config);
        }
    }

    fn wall(&self) -> Tai64N {
        Tai64N::from_unix(1_700_000_000 + self.now.as_secs(), self.now.subsec_nanos())
    }

    /// Hands a datagram over; says whether it was taken.
    pub fn deliver(&mut self, to: usize, mut bytes: Vec<u8>) -> bool {
        let wall = self.wall();
        let taken = self.devices[to].handle_handshake(&mut bytes, endpoint(1 - to), self.now, wall).is_ok();
        self.pump(to);
        taken
    }

    /// Traffic waits for a session.
    pub fn want(&mut self, side: usize) {
        self.devices[side].on_want_session(PEER, self.now);
        self.pump(side);
    }

    /// The first data has come on the newest session.
    pub fn confirm(&mut self, side: usize) {
        if let Some(session) = &self.sessions[side] {
            self.devices[side].on_confirmed(PEER, session.local_index(), self.now);
            self.pump(side);
        }
    }

    fn pump(&mut self, side: usize) {
        while let Some(output) = self.devices[side].poll_output() {
            match output {
                Output::Send { to, bytes, .. } => {
                    assert_eq!(to, endpoint(1 - side));
                    self.mail.push((1 - side, bytes.to_vec()));
                }
                Output::Install { session, .. } => {
                    self.devices[side].on_installed(PEER, session.local_index());
                    self.sessions[side] = Some(session);
                    self.installed[side] += 1;
                }
                Output::Forget { .. } | Output::Keepalive { .. } | Output::GiveUp { .. } => {}
            }
        }
    }

    /// Lets time pass, and both do what is due.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        for side in 0..2 {
            let wall = self.wall();
            self.devices[side].handle_timeout(self.now, wall);
            self.pump(side);
        }
    }

    /// Changes a byte; says whether the receiver must notice. MAC2 matters only under load, and the indices of a
    /// message that has a right MAC1 are not authenticated (the paper, section 5.4.2): whoever changes them only
    /// breaks the handshake.
    pub fn forge(&self, to: usize, bytes: &mut [u8], at: u8, flip: u8, mended: bool) -> bool {
        let at = usize::from(at) % bytes.len();
        bytes[at] ^= flip;
        let indices = match bytes[0] {
            2 => 4..12,
            _ => 4..8,
        };
        let body = bytes.len() - 32;
        if mended && bytes.len() > 64 {
            let key = Blake2s256::new().chain_update(b"mac1----").chain_update(self.key(to).0).finalize();
            let mut mac = Blake2sMac::<U16>::new_from_slice(&key).expect("32 bytes");
            Mac::update(&mut mac, &bytes[..body]);
            bytes[body..body + 16].copy_from_slice(&mac.finalize().into_bytes());
        }
        let is_cookie = bytes.len() == 64;
        let free = match (mended, is_cookie) {
            (_, true) => indices.contains(&at),
            (true, false) => indices.contains(&at) || at >= body,
            (false, false) => at >= body + 16,
        };
        flip != 0 && !free
    }

    /// After all that, time passes and the network is good: a handshake must come about.
    pub fn must_recover(&mut self) {
        self.devices.iter_mut().for_each(|device| device.set_cookie_pressure(false));
        self.set_peers(9, [0, 0]);
        self.wait(Duration::from_secs(1_000));
        self.mail.clear();
        let before = self.installed;
        self.want(0);
        for _ in 0..20 {
            for (to, bytes) in std::mem::take(&mut self.mail) {
                self.deliver(to, bytes);
            }
            if self.installed[0] > before[0] && self.installed[1] > before[1] {
                return self.must_agree();
            }
            self.wait(Duration::from_secs(1));
        }
        panic!("no handshake came about");
    }

    /// The two newest sessions belong together.
    fn must_agree(&mut self) {
        let [Some(ours), Some(theirs)] = &mut self.sessions else { panic!("both were installed") };
        assert_eq!((ours.local_index(), ours.remote_index()), (theirs.remote_index(), theirs.local_index()));
        for _ in 0..2 {
            let counter = ours.stage(1, self.now).expect("it is new");
            let mut text = [0; 3 + TAG_LEN];
            seal(&mut [Seal { key: ours.send_key(), counter, head: &[], body: b"hi!", out: &mut text }]);
            let opened = theirs.open(counter, &mut text, self.now).expect("the keys agree");
            assert_eq!((theirs.admit(opened), &text[..3]), (Ok(3), b"hi!".as_slice()));
            std::mem::swap(ours, theirs);
        }
    }
}
