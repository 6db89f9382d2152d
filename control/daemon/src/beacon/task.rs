//! The task of one beacon: connect, serve the connection, wait, connect again.
#![expect(clippy::wildcard_enum_match_arm, reason = "whatever is not about the connection is sent")]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::beacon::{
    Answer, Entry, PING_SECS, Page, Push, Refusal, Request, SILENCE_SECS_MAX, ToDevice, Welcome, frame, roll,
};
use ringmesh_mesh::identity::{BeaconId, CircleId, SigningKey};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::line::{self, Line, NoLine, read_frame};
use super::queue::{self, Queue, Wish};
use super::{BeaconConfig, Cursor, Heard, HowToEnter, Say};

/// The first and the longest pause between two attempts. Each is twice the one before, and a little longer or shorter by chance,
/// so that a beacon which comes back is not run over by everybody at once.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a write may take.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// Messages of the beacon that wait to be looked at.
const READ_AHEAD: usize = 4;

/// Everything that outlives a connection.
pub(super) struct Task {
    url: BeaconUrl,
    entry: HowToEnter,
    identity: Arc<SigningKey>,
    circle: CircleId,
    heard: mpsc::Sender<(BeaconUrl, Heard)>,
    cursor: Cursor,
    /// From where the log is to be read again, once no page is on its way.
    back: Option<Cursor>,
    queue: Queue,
    /// What the daemon said last about who belongs to the circle.
    roll: Option<Vec<Entry>>,
    /// What was told last about why there is no connection.
    told: Option<String>,
    pause: Duration,
    /// Whether the connection was ended by us, to come in as something else.
    enters_again: bool,
}

/// What holds for one connection.
struct Now {
    beacon: BeaconId,
    admin: bool,
    log: u64,
    /// The digest of the roll that the beacon has, or will have when it has done what it was sent.
    roll: [u8; 32],
    /// The end of its log, as far as told.
    end: u64,
    /// Whether a page was asked for and has not come.
    fetching: bool,
}

/// The daemon has ended.
struct Gone;

impl Task {
    pub(super) fn new(
        config: BeaconConfig,
        identity: Arc<SigningKey>,
        circle: CircleId,
        heard: mpsc::Sender<(BeaconUrl, Heard)>,
    ) -> Self {
        let BeaconConfig { url, entry, cursor } = config;
        let queue = Queue::default();
        let (back, roll, told, pause, enters_again) = (None, None, None, PAUSE_MIN, false);
        Self { url, entry, identity, circle, heard, cursor, back, queue, roll, told, pause, enters_again }
    }

    /// Goes back in the log if that was asked for.
    fn go_back(&mut self) {
        if let Some(back) = self.back.take().filter(|back| back.log == self.cursor.log) {
            self.cursor.position = self.cursor.position.min(back.position);
        }
    }

    async fn tell(&self, heard: Heard) -> Result<(), Gone> {
        self.heard.send((self.url.clone(), heard)).await.map_err(|_| Gone)
    }

    async fn tell_offline(&mut self, why: String) -> Result<(), Gone> {
        if self.told.as_ref() == Some(&why) {
            return Ok(());
        }
        self.told = Some(why.clone());
        self.tell(Heard::Offline { why }).await
    }
}

/// Runs until the daemon lets go of either channel.
pub(super) async fn run(mut task: Task, mut says: mpsc::Receiver<Say>) {
    loop {
        let Ok(why) = attempt(&mut task, &mut says).await else { return };
        task.queue.lost();
        // Our own wish: the beacon is there, so nobody hears that it is not, and nothing is waited for.
        if std::mem::take(&mut task.enters_again) {
            continue;
        }
        if task.tell_offline(why.to_string()).await.is_err() || wait(&mut task, &mut says).await.is_err() {
            return;
        }
    }
}

/// One connection from its beginning to its end.
async fn attempt(task: &mut Task, says: &mut mpsc::Receiver<Say>) -> Result<NoLine, Gone> {
    let opened = line::open(&task.url, &task.identity, task.circle, &task.entry).await;
    let line = match opened {
        Ok(line) => line,
        Err(why) => return Ok(why),
    };
    serve(task, line, says).await?;
    Ok(NoLine::Ended(task.url.authority()))
}

/// Waits before the next attempt. What is said meanwhile is kept; a new way to enter is tried at once.
async fn wait(task: &mut Task, says: &mut mpsc::Receiver<Say>) -> Result<(), Gone> {
    let chance = getrandom::u32().unwrap_or(0) % 512;
    let until = Instant::now() + task.pause * (768 + chance) / 1024;
    task.pause = (task.pause * 2).min(PAUSE_MAX);
    loop {
        let say = tokio::select! {
            () = sleep_until(until) => return Ok(()),
            say = says.recv() => say.ok_or(Gone)?,
        };
        let enters = matches!(say, Say::Enter(_));
        take(task, say, None).await?;
        if enters {
            return Ok(());
        }
    }
}

/// Takes in what the daemon says; with a connection, `now` says what the beacon has.
async fn take(task: &mut Task, say: Say, now: Option<&mut Now>) -> Result<(), Gone> {
    match say {
        Say::Roll(entries) => {
            task.roll = Some(entries);
            if let Some(now) = now {
                tell_roll(task, now).await?;
            }
        }
        Say::Enter(entry) => task.entry = entry,
        Say::Back(cursor) => task.back = Some(cursor),
        // A signal that finds nobody would be old when somebody is found.
        Say::Signal { .. } if now.is_none() => {}
        other => {
            let log = now.map_or(task.cursor.log, |now| now.log);
            put(task, queue::requests(other, Some(log))).await?;
        }
    }
    Ok(())
}

async fn put(task: &mut Task, wishes: Vec<Wish>) -> Result<(), Gone> {
    for dropped in task.queue.put(wishes) {
        task.tell(dropped).await?;
    }
    Ok(())
}

/// Sends the roll if the beacon has another one and would take ours. An admin that was away may know less than the beacon: then
/// telling it changes nothing, and once per change of ours is enough.
async fn tell_roll(task: &mut Task, now: &mut Now) -> Result<(), Gone> {
    let Some(entries) = task.roll.as_ref().filter(|_| now.admin) else { return Ok(()) };
    let digest = roll::digest(entries.iter().copied());
    if digest != now.roll {
        now.roll = digest;
        let wishes = queue::roll(entries);
        put(task, wishes).await?;
    }
    Ok(())
}

async fn serve(task: &mut Task, line: Line, says: &mut mpsc::Receiver<Say>) -> Result<(), Gone> {
    let Line { stream, greeting, welcome } = line;
    let Welcome { log, first, end, admin, roll } = welcome;
    task.told = None;
    let (key, seen, time) = (greeting.beacon, greeting.seen, greeting.time);
    let Ok(at) = stream.get_ref().0.peer_addr() else { return Ok(()) };
    task.tell(Heard::Online { key, seen, at, time, log, first, admin }).await?;
    if task.cursor.log != log {
        task.cursor = Cursor { log, position: 0 };
    }
    task.go_back();
    task.cursor.position = task.cursor.position.max(first).min(end);
    let mut now = Now { beacon: greeting.beacon, admin, log, roll, end, fetching: false };
    tell_roll(task, &mut now).await?;
    if task.cursor.position >= end {
        task.tell(Heard::Records { entries: vec![], cursor: task.cursor, all: true }).await?;
    }
    let (reading, mut writing) = tokio::io::split(stream);
    let (messages, mut incoming) = mpsc::channel(READ_AHEAD);
    // Reading goes on by itself, so that no frame is ever dropped half way; it ends with this function.
    let talk = talk(task, &mut now, says, &mut incoming, &mut writing);
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        () = listen(reading, messages) => {}
        done = &mut talk => return done,
    }
    // What was read before the end is still looked at; then `talk` sees the end too.
    talk.await
}

/// Reads frames until the connection ends, is silent for too long, or nobody wants them any more.
async fn listen(mut reading: impl AsyncRead + Unpin, messages: mpsc::Sender<Vec<u8>>) {
    let silence = Duration::from_secs(SILENCE_SECS_MAX);
    while let Ok(Ok(message)) = timeout(silence, read_frame(&mut reading)).await {
        if messages.send(message).await.is_err() {
            return;
        }
    }
}

async fn talk(
    task: &mut Task,
    now: &mut Now,
    says: &mut mpsc::Receiver<Say>,
    incoming: &mut mpsc::Receiver<Vec<u8>>,
    writing: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Gone> {
    let ping_every = Duration::from_secs(PING_SECS);
    let mut ping_at = Instant::now() + ping_every;
    loop {
        if !now.fetching {
            task.go_back();
        }
        if !now.fetching && task.cursor.position < now.end {
            now.fetching = true;
            let from = task.cursor.position;
            put(task, vec![Wish { what: "fetch", request: Request::Fetch { from } }]).await?;
        }
        while let Some(request) = task.queue.next() {
            if !write(writing, &request).await {
                return Ok(());
            }
        }
        tokio::select! {
            say = says.recv() => {
                let say = say.ok_or(Gone)?;
                let enters = matches!(say, Say::Enter(_));
                take(task, say, Some(now)).await?;
                if enters {
                    task.pause = PAUSE_MIN;
                    task.enters_again = true;
                    return Ok(());
                }
            }
            message = incoming.recv() => {
                let Some(message) = message else { return Ok(()) };
                if hear(task, now, &message).await?.is_break() {
                    return Ok(());
                }
                // A beacon that lets us in and does what it is asked is not one to wait for.
                task.pause = PAUSE_MIN;
            }
            () = sleep_until(ping_at) => {
                ping_at = Instant::now() + ping_every;
                put(task, vec![Wish { what: "ping", request: Request::Ping }]).await?;
            }
        }
    }
}

async fn write(writing: &mut (impl AsyncWrite + Unpin), request: &Request) -> bool {
    let bytes = frame(&request.to_bytes());
    let told = async {
        writing.write_all(&bytes).await?;
        writing.flush().await
    };
    matches!(timeout(WRITE_TIME, told).await, Ok(Ok(())))
}

/// Takes in one message of the beacon; breaks where it makes no sense.
async fn hear(task: &mut Task, now: &mut Now, message: &[u8]) -> Result<ControlFlow<()>, Gone> {
    let answer = match ToDevice::decode(message) {
        Ok(ToDevice::Answer(answer)) => answer,
        Ok(ToDevice::Push(push)) => {
            match push {
                Push::Grown { end } => now.end = now.end.max(end),
                Push::Parcel { from, bytes } => task.tell(Heard::Parcel { from, bytes }).await?,
                Push::Signal { from, sealed } => task.tell(Heard::Signal { from, sealed }).await?,
            }
            return Ok(ControlFlow::Continue(()));
        }
        Err(_) => return Ok(ControlFlow::Break(())),
    };
    let Some(wish) = task.queue.answered(&answer) else { return Ok(ControlFlow::Break(())) };
    match (answer, wish.request) {
        (Answer::Page(page), Request::Fetch { from }) => return turn(task, now, page, from).await,
        (Answer::Receipt(receipt), Request::Admission { record, .. }) => {
            let ours = receipt.beacon == now.beacon && receipt.holds(&task.circle, &record);
            if !ours {
                return Ok(ControlFlow::Break(()));
            }
            task.tell(Heard::Receipt(receipt)).await?;
        }
        (Answer::Done, Request::Ping) => {}
        (Answer::Done, Request::Fetch { .. } | Request::Admission { .. }) => {
            return Ok(ControlFlow::Break(()));
        }
        (Answer::Done, request) => task.tell(Heard::Done { what: wish.what, request }).await?,
        (Answer::Refused(why), _) => return refused(task, wish.what, why).await,
        (Answer::Welcome(_) | Answer::Page(_) | Answer::Receipt(_), _) => return Ok(ControlFlow::Break(())),
    }
    Ok(ControlFlow::Continue(()))
}

/// What cannot be done now is tried again with the next connection; what cannot be done at all is told.
async fn refused(task: &mut Task, what: &'static str, why: Refusal) -> Result<ControlFlow<()>, Gone> {
    if why.is_passing() || what == "fetch" {
        sleep(PAUSE_MIN).await;
        return Ok(ControlFlow::Break(()));
    }
    if what != "ping" {
        task.tell(Heard::Refused { what, why }).await?;
    }
    Ok(ControlFlow::Continue(()))
}

/// Takes in a page. One that leads nowhere ends the connection, so a beacon cannot keep us reading in circles.
async fn turn(task: &mut Task, now: &mut Now, page: Page, from: u64) -> Result<ControlFlow<()>, Gone> {
    let Page { entries, next, end } = page;
    let early = entries.first().is_some_and(|first| first.position < from);
    if next <= from || early {
        return Ok(ControlFlow::Break(()));
    }
    now.fetching = false;
    // What has grown since the page was made may have been told before the page came.
    now.end = now.end.max(end).max(next);
    task.cursor.position = next;
    let all = next >= now.end;
    task.tell(Heard::Records { entries, cursor: task.cursor, all }).await?;
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests;
