//! Asking the daemon, and what its refusals mean for a person and a script.
//!
//! **Invariant:** whatever goes wrong on the way becomes a [`Refusal`] too, so an error is told in one way only.

use std::io;
use std::time::Duration;

use ringmesh_api::circle::{Code, Refusal, Reply};
use ringmesh_daemon::circle::{Paths, Unanswered, ask};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::terminal;

/// How long the daemon may take for what it does at once, or beyond the time that it was given.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon of this device.
pub(super) struct Daemon {
    pub(super) paths: Paths,
}

impl Daemon {
    /// As the environment says.
    pub(super) fn here() -> Self {
        Self { paths: Paths::from_env() }
    }

    /// Asks about something that is done at once.
    pub(super) fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        verb: &str,
        question: &Q,
    ) -> Result<A, Refusal> {
        self.ask_within(verb, question, PATIENCE)
    }

    /// Asks about something that may take as long as `secs`, and shows at a terminal what is waited for.
    pub(super) fn ask_slowly<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        verb: &str,
        question: &Q,
        secs: u64,
        doing: &str,
    ) -> Result<A, Refusal> {
        let patience = PATIENCE.saturating_add(Duration::from_secs(secs));
        terminal::while_showing(doing, || self.ask_within(verb, question, patience))
    }

    fn ask_within<Q: Serialize, A: DeserializeOwned>(
        &self,
        verb: &str,
        question: &Q,
        patience: Duration,
    ) -> Result<A, Refusal> {
        match ask(&self.paths, verb, question, patience) {
            Ok(Reply::Ok(answer)) => Ok(answer),
            Ok(Reply::Error(refusal)) => Err(refusal),
            Err(unanswered) => Err(refusal(&unanswered)),
        }
    }
}

fn refusal(unanswered: &Unanswered) -> Refusal {
    let text = unanswered.to_string();
    match unanswered {
        Unanswered::NotRunning => Refusal::new(Code::NotRunning, text).fix("`sudo ringmesh up` starts it"),
        Unanswered::NotAllowed => {
            Refusal::new(Code::NotAllowed, text).fix("run it with sudo, or add yourself to that group")
        }
        Unanswered::TooLong => Refusal::new(Code::Usage, text),
        Unanswered::Io(error) if is_timeout(error) => {
            Refusal::new(Code::Timeout, "the daemon did not answer in time")
                .fix("`ringmesh status` tells more")
        }
        Unanswered::Io(_) => Refusal::new(Code::System, text),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What a script sees of a refusal.
pub(crate) const fn exit_code(code: Code) -> u8 {
    match code {
        Code::Storage | Code::System | Code::Declined => 1,
        Code::Usage => 2,
        Code::NotAllowed => 3,
        Code::Exists => 4,
        Code::NotRunning | Code::NotUp => 6,
        Code::Unknown => 7,
        Code::NotAdmin | Code::Invite => 8,
        Code::Timeout => 9,
    }
}

/// The exit code of a question that was answered with no.
pub(crate) const NO: u8 = 10;

/// A refusal as one line.
pub(crate) fn line(refusal: &Refusal) -> String {
    match &refusal.fix {
        Some(fix) => format!("{}; {fix}", refusal.message),
        None => refusal.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_told_with_what_to_do() {
        let table = [
            (Unanswered::NotRunning, Code::NotRunning, "ringmesh up"),
            (Unanswered::TooLong, Code::Usage, "65536 bytes"),
            (Unanswered::NotAllowed, Code::NotAllowed, "sudo"),
            (Unanswered::Io(io::ErrorKind::WouldBlock.into()), Code::Timeout, "in time"),
            (Unanswered::Io(io::ErrorKind::InvalidData.into()), Code::System, "does not answer"),
        ];
        for (unanswered, code, part) in table {
            let refusal = refusal(&unanswered);
            assert_eq!(refusal.code, code);
            assert!(line(&refusal).contains(part), "{refusal:?}");
        }
    }
}
