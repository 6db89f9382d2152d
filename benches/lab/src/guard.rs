//! Nothing stays behind: every namespace is known here, and a signal removes them all.
//!
//! A signal handler itself may hardly do anything, so a thread waits for the signals and cleans up
//! as an ordinary program would. It keeps the lock until the process has ended: whoever wants to make or remove
//! something meanwhile waits for ever, and no half-made experiment can slip through.

use crate::clock;
use crate::namespaces::{Kept, is_namespace, kill_children, remove_namespace, remove_sockets};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;
use std::{process, thread};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long removing may take.
const CLEAR_LIMIT: Duration = Duration::from_secs(10);
/// After so many looks that find nothing, nothing more comes.
const CLEAN_LOOKS: u32 = 5;

static HELD: Mutex<Held> = Mutex::new(Held { namespaces: BTreeSet::new(), interfaces: BTreeSet::new() });

struct Held {
    namespaces: BTreeSet<String>,
    interfaces: BTreeSet<String>,
}

/// From now on SIGINT, SIGTERM and SIGHUP remove everything, run `farewell` and end the process with 128 + the
/// signal's number. Later calls change nothing.
pub fn on_signals(farewell: impl FnOnce() + Send + 'static) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        thread::spawn(|| {
            if let Some(number) = wait_for_signal() {
                let held = lock();
                clear(&held);
                farewell();
                // Still holding the lock: see above.
                process::exit(128 + number);
            }
        });
    });
}

pub(crate) fn hold_namespace(name: &str) {
    lock().namespaces.insert(name.to_owned());
}

pub(crate) fn release_namespace(name: &str) {
    lock().namespaces.remove(name);
}

pub(crate) fn hold_interface(name: &str) {
    lock().interfaces.insert(name.to_owned());
}

/// Also removes the socket files that bear the interface's name.
pub(crate) fn release_interface(name: &str) {
    let mut held = lock();
    held.interfaces.remove(name);
    remove_sockets(|file| belongs_to(file, name));
}

/// Again and again, until nothing more comes: what was begun before the lock was taken may still make something.
fn clear(held: &Held) {
    let mut clean = 0;
    // A process that comes late keeps its namespace alive without its name, so that is kept as well.
    let mut kept = BTreeMap::<&str, Kept>::new();
    clock::until(CLEAR_LIMIT, || {
        let begun = kill_children();
        let made = held.namespaces.iter().any(|name| is_namespace(name));
        let found = held.namespaces.iter().filter_map(|name| Some((name.as_str(), Kept::of(name)?)));
        kept.extend(found);
        held.namespaces.iter().for_each(|name| remove_namespace(name));
        let late = kept.values().filter(|namespace| namespace.kill_inside()).count();
        clean = if begun || made || late > 0 { 0 } else { clean + 1 };
        (clean >= CLEAN_LOOKS).then_some(())
    });
    remove_sockets(|file| held.interfaces.iter().any(|name| belongs_to(file, name)));
}

/// Whether a file is `NAME` itself or `NAME.something`.
fn belongs_to(file: &str, interface: &str) -> bool {
    file.strip_prefix(interface).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn lock() -> MutexGuard<'static, Held> {
    // The sets stay true whatever a panicking holder did.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks until one of the three signals has come; `None` if they cannot be listened to.
fn wait_for_signal() -> Option<i32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().ok()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).ok()?;
        let mut terminate = signal(SignalKind::terminate()).ok()?;
        let mut hangup = signal(SignalKind::hangup()).ok()?;
        tokio::select! {
            came = next(&mut interrupt, SignalKind::interrupt()) => came,
            came = next(&mut terminate, SignalKind::terminate()) => came,
            came = next(&mut hangup, SignalKind::hangup()) => came,
        }
    })
}

async fn next(signal: &mut Signal, kind: SignalKind) -> Option<i32> {
    signal.recv().await.map(|()| kind.as_raw_value())
}
