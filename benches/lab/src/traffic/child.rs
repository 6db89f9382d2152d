//! A traffic process from the outside.

use super::SUBCOMMAND;
use super::plan::Plan;
use super::report::{Line, Outcome, Progress};
use crate::namespaces::Namespace;
use crate::{Error, Result};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running traffic process; dropping it ends it.
#[derive(Debug)]
pub struct Run {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// Open as long as we live: the child ends when it closes.
    _stdin: Option<ChildStdin>,
}

impl Run {
    /// Starts `executable lab-traffic PLAN` inside a namespace.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(executable: &Path, namespace: &Namespace, plan: &Plan) -> Result<Self> {
        let text = serde_json::to_string(plan).map_err(|error| Error::Traffic(error.to_string()))?;
        let mut command = Command::new(executable);
        command.arg(SUBCOMMAND).arg(text).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let stdin = child.stdin.take();
        let Some(stdout) = child.stdout.take() else {
            return Err(Error::Traffic("a traffic process has no output".to_owned()));
        };
        Ok(Self { child, lines: BufReader::new(stdout), _stdin: stdin })
    }

    /// Waits until a sink listens.
    ///
    /// # Errors
    /// When it ends instead.
    pub fn wait_ready(&mut self) -> Result<()> {
        match self.next_line()? {
            Line::Ready => Ok(()),
            Line::Failed(why) => Err(Error::Traffic(why)),
            Line::Progress(_) | Line::Done(_) => Err(Error::Traffic("a sink said something else".to_owned())),
        }
    }

    /// Waits for the result, passing on the progress.
    ///
    /// # Errors
    /// What the process says went wrong, or that it ended without a word.
    pub fn finish(mut self, on_progress: &mut dyn FnMut(&Progress)) -> Result<Outcome> {
        loop {
            match self.next_line()? {
                Line::Ready => {}
                Line::Progress(progress) => on_progress(&progress),
                Line::Done(outcome) => return Ok(outcome),
                Line::Failed(why) => return Err(Error::Traffic(why)),
            }
        }
    }

    fn next_line(&mut self) -> Result<Line> {
        let mut text = String::new();
        let len =
            self.lines.read_line(&mut text).map_err(|error| Error::io("a traffic process' output", error))?;
        if len == 0 {
            return Err(Error::Traffic("a traffic process ended without a result".to_owned()));
        }
        serde_json::from_str(&text)
            .map_err(|error| Error::Traffic(format!("a traffic process said {text:?}: {error}")))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}
