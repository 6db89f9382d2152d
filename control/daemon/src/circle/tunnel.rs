//! The tunnel of a circle: a `ringmesh tunnel` of its own, steered as any user could, through the `wg` interface.
//!
//! It is started once and lives on: whatever becomes of the daemon, packets flow. So every look begins with what *is*, and only
//! differences are said; a peer that stays as it is notices nothing.
//!
//! **Invariant:** nothing here waits longer than [`PATIENCE`] for another process.

mod answer;
mod change;

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use ringmesh_api::{Answer, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

pub(super) use answer::{Seen, SeenPeer};
pub(super) use change::{Wanted, WantedPeer};

use crate::filter::FilterProblem;
use crate::ifname::IfName;
use crate::os::clock::boottime;
use crate::os::interfaces;
use crate::os::process::{SELF_EXE, SHOWN_NAME};
use crate::problem::NAME_TAKEN;

/// Longest wait for the tunnel's control process to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest wait for a tunnel to start: it may find an old one ending, and takes rings and locked memory.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// Between looks at a tunnel that somebody else has begun.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Longest answer about how it looks from outside, in bytes.
const OUTSIDE_LEN_MAX: u64 = 64 << 10;
/// Longest answer, in bytes: a tunnel with every peer that it may have.
const ANSWER_LEN_MAX: usize = 64 << 20;

/// Why the tunnel does not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelProblem {
    /// It could not be started.
    #[error("the tunnel did not start: {0}")]
    Start(String),
    /// It does not answer.
    #[error("the tunnel does not answer: {0}")]
    Silent(#[from] io::Error),
    /// It refused a change.
    #[error("the tunnel refused a change (errno {0})")]
    Refused(i32),
    /// Nobody may be a peer, since nothing would hold them to what they may.
    #[error(transparent)]
    Filter(#[from] FilterProblem),
}

/// One tunnel, by its name.
#[derive(Clone, Debug)]
pub(super) struct Tunnel {
    name: IfName,
}

impl Tunnel {
    /// The tunnel of this name, whether it runs or not.
    pub(super) const fn new(name: IfName) -> Self {
        Self { name }
    }

    /// Its interface.
    pub(super) const fn name(&self) -> &IfName {
        &self.name
    }

    /// Whether its control process answers.
    pub(super) async fn runs(&self) -> bool {
        matches!(timeout(PATIENCE, UnixStream::connect(self.name.wg_socket())).await, Ok(Ok(_)))
    }

    /// Starts it unless it runs. A data plane that lost its control process is taken over with all its sessions.
    pub(super) async fn start(&self) -> Result<(), TunnelProblem> {
        let begun = boottime();
        let mut waits = false;
        while !self.runs().await {
            let Err((problem, taken)) = self.spawn().await else { break };
            // A tunnel that has the name and does not answer may be one that a daemon before us began, and was killed; or one that
            // ends. The lock is its first file and its last.
            if !taken || !self.name.lock_file().exists() || boottime() > begun + START_PATIENCE {
                return Err(problem);
            }
            if !std::mem::replace(&mut waits, true) {
                tracing::warn!(interface = %self.name, "another tunnel has the name and does not answer yet; it is waited for");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Starts it; if that fails, says whether somebody else has the name.
    async fn spawn(&self) -> Result<(), (TunnelProblem, bool)> {
        let mut command = Command::new(SELF_EXE);
        command.arg0(SHOWN_NAME).arg("tunnel").arg("--").arg(self.name.as_str());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let fail = |error: &dyn std::fmt::Display| (TunnelProblem::Start(error.to_string()), false);
        let child = command.spawn().map_err(|error| fail(&error))?;
        let output = timeout(START_PATIENCE, child.wait_with_output()).await.map_err(|error| fail(&error))?;
        let output = output.map_err(|error| fail(&error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().last().unwrap_or("it gave no reason").trim_start_matches("ringmesh: ");
        let problem = TunnelProblem::Start(line.chars().take(400).collect());
        Err((problem, output.status.code() == Some(NAME_TAKEN.into())))
    }

    /// What it is now.
    pub(super) async fn look(&self) -> Result<Seen, TunnelProblem> {
        let answer = self.ask(b"get=1\n\n").await?;
        let (seen, errno) = answer::read(&answer);
        if errno == 0 { Ok(seen) } else { Err(TunnelProblem::Refused(errno)) }
    }

    /// Makes it what it should be; says nothing if it is that already. Gives what was seen before.
    pub(super) async fn steer(&self, wanted: &Wanted) -> Result<Seen, TunnelProblem> {
        let seen = self.look().await?;
        if let Some(request) = change::request(&seen, wanted) {
            let answer = self.ask(request.as_bytes()).await?;
            let (_, errno) = answer::read(&answer);
            if errno != 0 {
                return Err(TunnelProblem::Refused(errno));
            }
        }
        Ok(seen)
    }

    /// Has it ask these STUN servers how its port looks from there; gives what they have answered so far.
    pub(super) async fn ask_outside(
        &self,
        servers: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, TunnelProblem> {
        let converse = async {
            let mut stream = UnixStream::connect(self.name.api_socket()).await?;
            let mut question = serde_json::to_vec(&Request::Stun { servers })?;
            question.push(b'\n');
            stream.write_all(&question).await?;
            let mut answer = Vec::new();
            stream.take(OUTSIDE_LEN_MAX).read_to_end(&mut answer).await?;
            Ok::<_, io::Error>(serde_json::from_slice(&answer)?)
        };
        match timeout(PATIENCE, converse).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))? {
            Answer::Stun(seen) => Ok(seen.into_iter().map(|seen| seen.address).collect()),
            Answer::Status(_) | Answer::Error(_) => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        }
    }

    /// Ends it: interface, sockets and both processes. Returns when they are gone, or do not go in time.
    pub(super) async fn end(&self) {
        // What ends a tunnel of ours, as it would any of wireguard-go's.
        let _ = std::fs::remove_file(self.name.wg_socket());
        // The lock is the last file of it to go. The kernel takes the interface a moment later: rings let go of their files
        // when nobody waits for that any more.
        let name = self.name.to_string();
        let gone = async {
            while self.name.lock_file().exists() || interfaces::exists(&name) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(PATIENCE, gone).await.is_err() {
            tracing::warn!(interface = %self.name, "the tunnel does not end");
        }
    }

    async fn ask(&self, request: &[u8]) -> io::Result<Zeroizing<String>> {
        timeout(PATIENCE, self.converse(request))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn converse(&self, request: &[u8]) -> io::Result<Zeroizing<String>> {
        let mut stream = UnixStream::connect(self.name.wg_socket()).await?;
        stream.write_all(request).await?;
        // Large enough for a circle of a few hundred, so that the key in it is not copied about by growing.
        let mut answer = Zeroizing::new(Vec::with_capacity(256 << 10));
        while !answer.ends_with(b"\n\n") && answer.len() < ANSWER_LEN_MAX {
            if stream.read_buf(&mut *answer).await? == 0 {
                break;
            }
        }
        let text = std::str::from_utf8(&answer).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}
