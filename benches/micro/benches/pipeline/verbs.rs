//! Which verb of a packet's journey an instruction belongs to, by the names in the executable's debug information.
//!
//! Most verbs are inlined into the turn, so an address is looked up with all functions that were inlined there, and
//! the innermost that names a verb counts. What names none (a copy, a table's look-up) belongs to whoever called
//! it: the nearest caller on the stack that does.

use std::collections::BTreeMap;
use std::io;

use addr2line::Loader;

use crate::stepper::Step;

/// Verbs in the order of the journey, and what else a turn does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Verb {
    Route,
    Stage,
    Seal,
    Send,
    Classify,
    Open,
    Admit,
    Write,
    /// ChaCha20-Poly1305 inside seal and open.
    Aead,
    /// Waiting, clocks, mail, buffers, counters: what a turn costs besides its packets. Also read and recv, whose
    /// work is the port's.
    Turn,
    /// The simulated network, which stands for the kernel.
    World,
}

impl Verb {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Stage => "stage",
            Self::Seal => "seal",
            Self::Send => "send",
            Self::Classify => "classify",
            Self::Open => "open",
            Self::Admit => "admit",
            Self::Write => "write",
            Self::Aead => "AEAD",
            Self::Turn => "turn",
            Self::World => "simulation",
        }
    }

    /// What a function in a file of the tree belongs to.
    fn of(file: &str, function: &str) -> Option<Self> {
        let table = [
            ("dataplane/io/src/sim/", "", Self::World),
            ("dataplane/crypto/src/", "", Self::Aead),
            ("dataplane/worker/src/tx.rs", "transmit", Self::Route),
            ("dataplane/worker/src/tx.rs", "stage", Self::Stage),
            ("dataplane/worker/src/tx.rs", "seal_some", Self::Seal),
            ("dataplane/worker/src/tx.rs", "flush_run", Self::Send),
            ("dataplane/worker/src/rx.rs", "datagrams", Self::Classify),
            ("dataplane/worker/src/rx.rs", "open", Self::Open),
            ("dataplane/tunnel/src/session.rs", "admit", Self::Admit),
            ("dataplane/worker/src/rx.rs", "roam", Self::Admit),
            ("dataplane/worker/src/rx.rs", "deliver", Self::Admit),
            ("dataplane/io/src/join", "", Self::Write),
            ("dataplane/worker/src/turn.rs", "flush_joined", Self::Write),
            ("dataplane/worker/src/turn.rs", "turn", Self::Turn),
        ];
        let fits = |(place, name, _): &(&str, &str, Self)| {
            file.contains(place) && (name.is_empty() || *name == function)
        };
        table.iter().find(|row| fits(row)).map(|(_, _, verb)| *verb)
    }
}

/// Instructions by verb.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted(BTreeMap<Verb, u64>);

impl Counted {
    pub(crate) fn of(&self, verb: Verb) -> u64 {
        self.0.get(&verb).copied().unwrap_or(0)
    }

    /// All but the simulation's.
    pub(crate) fn ours(&self) -> u64 {
        self.0.iter().filter(|(verb, _)| **verb != Verb::World).map(|(_, count)| count).sum()
    }
}

/// This executable's functions.
pub(crate) struct Names {
    loader: Loader,
    /// Where the executable, which begins at 0 in its file, lies in memory.
    bias: u64,
    known: BTreeMap<u64, Option<Verb>>,
}

impl Names {
    pub(crate) fn load() -> io::Result<Self> {
        let file = std::env::current_exe()?;
        let loader = Loader::new(&file).map_err(|error| io::Error::other(error.to_string()))?;
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let first = maps.lines().find(|line| line.ends_with(&*file.to_string_lossy()));
        let start = first.and_then(|line| u64::from_str_radix(line.split('-').next()?, 16).ok());
        let bias = start.ok_or_else(|| io::Error::other("this executable is not in its own memory"))?;
        Ok(Self { loader, bias, known: BTreeMap::new() })
    }

    fn verb_at(&mut self, at: u64) -> Option<Verb> {
        if let Some(known) = self.known.get(&at) {
            return *known;
        }
        let verb = at.checked_sub(self.bias).and_then(|at| self.look_up(at));
        self.known.insert(at, verb);
        verb
    }

    fn look_up(&self, at: u64) -> Option<Verb> {
        let mut frames = self.loader.find_frames(at).ok()?;
        while let Some(frame) = frames.next().ok()? {
            let function = frame.function.as_ref().and_then(|function| function.demangle().ok());
            let file = frame.location.as_ref().and_then(|location| location.file);
            if let Some(verb) = Verb::of(file.unwrap_or_default(), &last_word(&function.unwrap_or_default()))
            {
                return Some(verb);
            }
        }
        None
    }
}

/// Counts a walk's steps.
pub(crate) struct Counter<'a> {
    names: &'a mut Names,
    /// Verbs of the callers, each with its stack pointer, which falls.
    callers: Vec<(u64, Verb)>,
    counted: Counted,
}

impl<'a> Counter<'a> {
    pub(crate) fn new(names: &'a mut Names) -> Self {
        Self { names, callers: Vec::new(), counted: Counted::default() }
    }

    pub(crate) fn see(&mut self, step: Step) {
        // A caller's stack pointer lies above that of all that it calls.
        while self.callers.last().is_some_and(|(stack, _)| *stack <= step.stack) {
            self.callers.pop();
        }
        let verb = self.names.verb_at(step.at);
        if let Some(verb) = verb {
            self.callers.push((step.stack, verb));
        }
        if let Some((_, verb)) = self.callers.last() {
            *self.counted.0.entry(*verb).or_default() += 1;
        }
    }

    pub(crate) fn counted(self) -> Counted {
        self.counted
    }
}

/// `transmit`, of `transmit<Port>` and of `crate::tx::<impl crate::turn::Worker<P>>::transmit`.
fn last_word(function: &str) -> String {
    let mut depth = 0_u32;
    let mut outside = String::new();
    for letter in function.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => outside.push(letter),
            _ => {}
        }
    }
    outside.rsplit("::").next().unwrap_or_default().to_owned()
}
