//! One running device of one implementation.

use super::{DeviceConfig, Implementation, Kind, Setting, Uapi};
use crate::namespaces::Namespace;
use crate::{Error, Result, clock};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a program may take until its socket answers.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long a program may take to end when asked; then it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// How much of a program's log an error shows.
const LOG_LINES_SHOWN: usize = 3;

/// A device in a namespace. Dropping it stops the program.
#[derive(Debug)]
pub struct Tunnel {
    implementation: Implementation,
    setting: Setting,
    interface: String,
    namespace: String,
    /// None for the kernel, which has no process.
    child: Option<Child>,
    log: File,
    uapi: Uapi,
}

impl Tunnel {
    /// Starts a device and waits until its configuration socket answers.
    ///
    /// # Errors
    /// When the program cannot be started, ends, or does not answer; with the end of its log.
    pub fn start(
        implementation: &Implementation,
        setting: &Setting,
        namespace: &Namespace,
        interface: &str,
    ) -> Result<Self> {
        let log = memory_file()?;
        let mut tunnel = Self {
            implementation: implementation.clone(),
            setting: setting.clone(),
            interface: interface.to_owned(),
            namespace: namespace.name().to_owned(),
            child: None,
            log,
            uapi: Uapi::of(interface),
        };
        if implementation.kind == Kind::Kernel {
            namespace.ip(&format!("link add {interface} type wireguard\n"))?;
        } else {
            tunnel.run(namespace)?;
        }
        Ok(tunnel)
    }

    /// Starts the program once more after it was killed, on the same interface name, and waits for its answer.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn run(&mut self, namespace: &Namespace) -> Result<()> {
        self.reap();
        self.child = Some(namespace.spawn(&mut self.command()?)?);
        self.wait_for_answer()
    }

    /// Configures the device: by its socket, or the kernel's by `wg setconf` with the text on standard input.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn configure(&self, config: &DeviceConfig) -> Result<()> {
        if self.implementation.kind != Kind::Kernel {
            return self.uapi.set(config);
        }
        let failed = |answer: String| Error::Command { command: "wg setconf".to_owned(), answer };
        let mut wg = Command::new("ip");
        wg.args(["netns", "exec", &self.namespace, "wg", "setconf", &self.interface, "/dev/stdin"]);
        let mut child = wg.stdin(Stdio::piped()).spawn().map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(config.to_wg().as_bytes()).map_err(|error| failed(error.to_string()))?;
        }
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
    }

    /// The interface's name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The configuration socket.
    pub const fn uapi(&self) -> &Uapi {
        &self.uapi
    }

    /// Which implementation runs here.
    pub const fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    /// The process that was started: for Ringmesh, the control process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills the process that was started, as hard as possible, and reaps it. [`Self::run`] starts it again.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            let _ended_already = child.kill();
        }
        self.reap();
    }

    /// The last lines that the program wrote.
    pub fn log_tail(&self) -> String {
        let mut text = String::new();
        let read = self.log.try_clone().and_then(|mut log| {
            log.rewind()?;
            log.read_to_string(&mut text)
        });
        if read.is_err() {
            return "its log cannot be read".to_owned();
        }
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join(" | ");
        if tail.is_empty() { "it wrote nothing".to_owned() } else { tail }
    }

    fn command(&self) -> Result<Command> {
        let clone = || self.log.try_clone().map_err(|error| Error::io("cannot share a log", error));
        let mut command = Command::new(&self.implementation.program);
        let mut arguments = self.implementation.kind.arguments(&self.interface);
        // Ours takes its options after the subcommand, the others before the name.
        let at = match self.implementation.kind {
            Kind::Ringmesh => arguments.len(),
            Kind::WireguardGo | Kind::BoringtunCli | Kind::Gotatun | Kind::Kernel => 0,
        };
        arguments.splice(at..at, self.setting.args.iter().cloned());
        command.args(arguments).envs(self.setting.env.iter().map(|(key, value)| (key, value)));
        command.env("LOG_LEVEL", "error").env("WG_PROCESS_FOREGROUND", "1");
        command.stdin(Stdio::null()).stdout(clone()?).stderr(clone()?);
        Ok(command)
    }

    fn wait_for_answer(&mut self) -> Result<()> {
        let name = self.implementation.kind.name();
        let (child, uapi) = (&mut self.child, &self.uapi);
        let answered = clock::until(START_LIMIT, || {
            let ended = child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            if ended { Some(false) } else { uapi.state().is_ok().then_some(true) }
        });
        match answered {
            Some(true) => Ok(()),
            Some(false) => Err(Error::Tunnel(format!("{name} ended at its start: {}", self.log_tail()))),
            None => Err(Error::Tunnel(format!("{name} does not answer: {}", self.log_tail()))),
        }
    }

    fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _killed_already = child.kill();
            let _status = child.wait();
        }
    }

    fn ask_to_end(&mut self) {
        let Some(child) = &mut self.child else { return };
        let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
        if kill_process(pid, Signal::TERM).is_ok() {
            clock::until(STOP_LIMIT, || (!matches!(child.try_wait(), Ok(None))).then_some(()));
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.ask_to_end();
        self.reap();
    }
}

/// A file without a name: no log stays behind.
fn memory_file() -> Result<File> {
    let fd = memfd_create("tunnel-log", MemfdFlags::CLOEXEC)
        .map_err(|errno| Error::io("cannot make a log", errno))?;
    Ok(File::from(fd))
}
