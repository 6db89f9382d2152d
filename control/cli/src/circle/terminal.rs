//! The person at the terminal: asked, shown progress, and the only one who is shown a secret unasked.
//!
//! **Invariant:** questions and progress go to standard error; standard output holds the answer alone.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ringmesh_api::circle::{Code, Refusal};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// What takes less needs no progress.
const SHORT: Duration = Duration::from_millis(700);
/// How often the moving line turns.
const TICK: Duration = Duration::from_millis(120);
/// Longest secret that is read, in bytes.
const SECRET_LEN_MAX: u64 = 16 << 10;
/// What a person who does not want to go on types.
const CTRL_C: char = '\u{3}';

/// Whether what is printed goes to a person's eyes.
pub(super) fn shows() -> bool {
    io::stdout().is_terminal()
}

/// Does `work`, and tells a person what takes so long.
pub(super) fn while_showing<T>(doing: &str, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(SHORT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let bar = spinner(doing);
                // Ends when the sender is dropped.
                let _ = is_done.recv();
                bar.finish_and_clear();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

fn spinner(doing: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    // A template without a mistake; the default would do as well.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} … {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(doing.to_owned());
    bar.enable_steady_tick(TICK);
    bar
}

/// Says what will happen, and goes on only if the person agrees or has agreed already.
pub(super) fn agree(preview: &str, yes: bool) -> Result<(), Refusal> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let sentence = format!("this is not done unasked, and there is no terminal to ask at: {preview}");
        return Err(Refusal::new(Code::Usage, sentence).fix("say --yes to do it"));
    }
    say(&format!("{preview}. Do it? [y/N] "));
    let answer = read_line().unwrap_or_default();
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Refusal::new(Code::Declined, "nothing was done"))
    }
}

/// Reads a secret: a line at a terminal, everything elsewhere.
pub(super) fn secret(prompt: &str) -> Result<String, Refusal> {
    let told = |error: io::Error| Refusal::new(Code::System, format!("reading standard input: {error}"));
    if !io::stdin().is_terminal() {
        let mut text = String::new();
        io::stdin().take(SECRET_LEN_MAX).read_to_string(&mut text).map_err(told)?;
        return Ok(text);
    }
    say(prompt);
    let quiet = Quiet::begin();
    let line = read_line();
    drop(quiet);
    say("\n");
    let line = line.map_err(told)?;
    if line.contains(CTRL_C) { Err(Refusal::new(Code::Declined, "nothing was done")) } else { Ok(line) }
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line)
}

/// Tells a person something that is no answer.
pub(super) fn say(text: &str) {
    // When even standard error is closed there is nobody to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// While it lives, the terminal does not show what is typed. Signals wait too, or Ctrl-C would leave it so.
struct Quiet(Option<Termios>);

impl Quiet {
    fn begin() -> Self {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &quiet);
        }
        Self(before)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
