//! Live progress: a moving line at a terminal, plain lines elsewhere, nothing for machines.
//!
//! Everything goes to standard error, so that standard output holds the result alone.

use crate::table::{bits, count};
use crate::traffic::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// How often the moving line turns while nothing is heard.
const TICK: Duration = Duration::from_millis(120);

/// Where progress is shown.
#[derive(Debug)]
pub struct Screen {
    bar: Option<ProgressBar>,
    quiet: bool,
    stage: String,
}

impl Screen {
    /// A screen for people, or one that shows nothing.
    pub fn new(quiet: bool) -> Self {
        let moving = !quiet && std::io::stderr().is_terminal();
        let bar = moving.then(|| {
            let bar = ProgressBar::new_spinner();
            // A template without a mistake; the default would do as well.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, quiet, stage: String::new() }
    }

    /// Something begins.
    pub fn begin(&mut self, stage: impl Into<String>) {
        self.stage = stage.into();
        match &self.bar {
            Some(bar) => bar.set_message(format!("{} …", self.stage)),
            None => self.line(&format!("{} …", self.stage)),
        }
    }

    /// It goes on; only a terminal sees it.
    pub fn update(&self, progress: &Progress) {
        let Some(bar) = &self.bar else { return };
        let packets = match progress.packets_per_sec {
            none if none <= 0.0 => String::new(),
            some => format!(", {} packets/s", count(some)),
        };
        bar.set_message(format!(
            "{} … {:.1} s: {}{packets}",
            self.stage,
            progress.secs,
            bits(progress.bits_per_sec)
        ));
    }

    /// Something about what goes on; only a terminal sees it.
    pub fn note(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} … {text}", self.stage));
        }
    }

    /// It has come to this.
    pub fn end(&self, result: &str) {
        self.line(&format!("{}: {result}", self.stage));
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if self.quiet => {}
            None => {
                // Nobody listens: nothing to be done about it.
                let _closed = writeln!(std::io::stderr(), "{text}");
            }
        }
    }

    /// What removes the moving line, also from another thread.
    pub fn eraser(&self) -> impl FnOnce() + Send + 'static {
        let bar = self.bar.clone();
        move || {
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.eraser()();
    }
}
