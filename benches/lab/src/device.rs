//! One device of a circle, steered by the commands that a person types.

use crate::namespaces::Namespace;
use crate::{Error, Executables, Result};
use serde_json::Value;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A device in a network of its own. Dropping it ends its processes and removes its files.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) host: Namespace,
    /// What it is called in the circle.
    pub(crate) name: &'static str,
    ringmesh: PathBuf,
}

impl Device {
    /// The device that a host is from now on; nothing runs on it yet.
    ///
    /// # Errors
    /// When its directory cannot be made, or there is no `ringmesh` to run.
    pub(crate) fn create(name: &'static str, host: Namespace, files: &Executables) -> Result<Self> {
        let ringmesh = files.ringmesh()?.to_owned();
        // Ours alone, and new: names in the directory of temporary files can be guessed.
        let made = DirBuilder::new().mode(0o700).create(host.dir());
        let made = made.and_then(|()| std::fs::create_dir(host.dir().join("etc")));
        made.map_err(|error| Error::io(host.dir().display().to_string(), error))?;
        Ok(Self { host, name, ringmesh })
    }

    /// Runs a command of `ringmesh`, feeding it `input`; gives its answer.
    ///
    /// # Errors
    /// With the one line that it said.
    pub(crate) fn ask(&self, line: &str, input: &str) -> Result<Value> {
        let output = self.output(line, input)?;
        let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        if output.status.success() { Ok(answer) } else { Err(self.failed(line, &output)) }
    }

    /// The same for a question that may be answered with no.
    pub(crate) fn output(&self, line: &str, input: &str) -> Result<Output> {
        let failed = |error| Error::io(format!("cannot run ringmesh {line}"), error);
        let mut command = Command::new(&self.ringmesh);
        command.args(line.split(' ')).arg("--json");
        command.env("RINGMESH_STATE", self.host.dir().join("state"));
        command.env("RINGMESH_RUN", self.host.dir().join("run"));
        // Names of the circle are for its devices; the machine that they all are keeps its own.
        command.env("RINGMESH_ETC", self.host.dir().join("etc"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.host.spawn(&mut command)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that wants no input may have ended already.
            let _closed_early = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output().map_err(failed)
    }

    fn failed(&self, line: &str, output: &Output) -> Error {
        let said = String::from_utf8_lossy(&output.stderr);
        let answer = said.lines().last().unwrap_or("it said nothing").to_owned();
        Error::Command { command: format!("ringmesh {line} (on {})", self.name), answer }
    }
}
