//! A beacon as a process of its own, and devices that talk to it.
#![expect(clippy::wildcard_enum_match_arm, reason = "waits for one kind of news among all")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ringmesh_daemon::beacon::{BeaconConfig, Cursor, Handle, Heard, HowToEnter, Say, connect};
use ringmesh_lab::clock;
use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::beacon::{Entry, Standing};
use ringmesh_mesh::identity::{CircleId, DeviceId, SigningKey};
use tokio::sync::mpsc;

use crate::program::executable;

/// How long anything may take that should take a moment.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A running beacon; killed when dropped.
#[derive(Debug)]
pub struct Beacon {
    child: Child,
    /// What it printed: where it is, with its key.
    pub url: BeaconUrl,
}

/// A directory of its own for a test, removed when dropped.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// `/tmp/rm-NAME-PID`, not there yet.
    pub fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("rm-{name}-{}", std::process::id())))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Beacon {
    /// Starts one on `127.0.0.1`; port 0 takes a free one.
    pub fn start(directory: &Directory, port: u16) -> Self {
        let mut child = Self::command(directory, port).spawn().expect("the executable starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("the beacon prints its address");
        let url = line.parse().unwrap_or_else(|error| panic!("{line:?}: {error}"));
        Self { child, url }
    }

    /// The command line of it.
    pub fn command(directory: &Directory, port: u16) -> Command {
        let mut command = Command::new(executable());
        command.args(["beacon", "--name", "127.0.0.1", "--listen", &format!("127.0.0.1:{port}"), "--state"]);
        command.arg(directory.path()).env("RINGMESH_LOG", "warn").stdout(Stdio::piped());
        command
    }

    /// Ends it without a warning, at whatever it is doing.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end; gives its exit status, or none if it does not end in time.
    pub fn end(mut self) -> Option<ExitStatus> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        clock::until(LIMIT, || self.child.try_wait().expect("our own child"))
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A device of which one number is the secret.
pub fn device(number: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(&[number; 32]))
}

/// A circle of which nothing but the id is needed.
pub const CIRCLE: CircleId = CircleId([7; 32]);

/// One line of a roll.
pub fn entry(device: &SigningKey, standing: Standing) -> Entry {
    Entry { device: device.device(), standing }
}

/// A device that is connected, or tries to be.
#[derive(Debug)]
pub struct Device {
    /// To say something.
    pub handle: Handle,
    heard: mpsc::Receiver<(BeaconUrl, Heard)>,
}

impl Device {
    /// Connects as a member of the circle that `founder` founded.
    pub fn member(url: &BeaconUrl, key: Arc<SigningKey>, founder: DeviceId) -> Self {
        Self::enter(url, key, HowToEnter::Member { founder, proof: vec![] })
    }

    /// Connects as one that was invited.
    pub fn invited(url: &BeaconUrl, key: Arc<SigningKey>, invite: Arc<SigningKey>) -> Self {
        Self::enter(url, key, HowToEnter::Invited(invite))
    }

    fn enter(url: &BeaconUrl, key: Arc<SigningKey>, entry: HowToEnter) -> Self {
        let (sender, heard) = mpsc::channel(64);
        let config = BeaconConfig { url: url.clone(), entry, cursor: Cursor::default() };
        Self { handle: connect(config, key, CIRCLE, sender), heard }
    }

    /// Says something, which there is room for.
    pub fn say(&self, say: Say) {
        self.handle.say(say).expect("there is room for what a test says");
    }

    /// The first thing heard for which `want` gives something; what comes before it is passed over.
    pub async fn hear<T>(&mut self, what: &str, want: impl FnMut(Heard) -> Option<T>) -> T {
        let heard = self.listen(want);
        match tokio::time::timeout(LIMIT, heard).await {
            Ok(heard) => heard,
            Err(_) => panic!("not heard in time: {what}"),
        }
    }

    async fn listen<T>(&mut self, mut want: impl FnMut(Heard) -> Option<T>) -> T {
        loop {
            let (_, heard) = self.heard.recv().await.expect("the task lives");
            if let Some(wanted) = want(heard) {
                return wanted;
            }
        }
    }

    /// Waits until the beacon has let it in; whether as an admin.
    pub async fn online(&mut self) -> bool {
        self.hear("online", |heard| match heard {
            Heard::Online { admin, .. } => Some(admin),
            _ => None,
        })
        .await
    }

    /// Waits for a reason not to be connected that has this in it.
    pub async fn offline(&mut self, part: &str) -> String {
        let has = |heard| match heard {
            Heard::Offline { why } if why.contains(part) => Some(why),
            _ => None,
        };
        self.hear(part, has).await
    }

    /// Waits until something said is done.
    pub async fn done(&mut self, what: &'static str) {
        self.hear(what, |heard| {
            matches!(heard, Heard::Done { what: done, .. } if done == what).then_some(())
        })
        .await;
    }

    /// Reads the log until `count` entries of it have come.
    pub async fn entries(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut all = vec![];
        while all.len() < count {
            let entries = self.hear("entries", |heard| match heard {
                Heard::Records { entries, .. } => Some(entries),
                _ => None,
            });
            all.extend(entries.await.into_iter().map(|stored| stored.sealed));
        }
        all
    }
}
