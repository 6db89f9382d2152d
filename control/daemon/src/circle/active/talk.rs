//! What is said and heard through the mesh: whose chains end where, the records that are missing, and the circle key.

use ringmesh_mesh::identity::{DeviceId, RecordHash};
use ringmesh_mesh::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};
use ringmesh_mesh::record::Record;
use ringmesh_mesh::sealed::KeyId;
use ringmesh_mesh::sync::Message;

use super::{Active, Brought, LINKS_MAX, Link};
use crate::circle::exchange::{Frame, News};
use crate::os::clock::boottime;

/// A connection to one device is begun no more often than this.
const DIAL_EVERY: std::time::Duration = std::time::Duration::from_millis(700);
/// Connections with one device.
const LINKS_PER_DEVICE_MAX: usize = 3;

impl Active {
    /// Something happened on a connection.
    pub(in crate::circle) async fn on_news(&mut self, news: News) {
        match news {
            News::Opened { link, peer, out } => self.on_opened(link, peer, out),
            News::Closed { link, peer } => {
                self.dialing.remove(&link);
                self.links.remove(&link);
                tracing::debug!(%peer, "a connection has ended");
            }
            News::Said { link, frame } => {
                let Some(device) = self.links.get(&link).map(|link| link.device) else { return };
                match frame {
                    Frame::Sync(message) => self.on_message(link, &message).await,
                    Frame::Key(theirs) => self.on_key(link, &device, theirs),
                    Frame::Parcel(parcel) => match self.membership.open_parcel(&parcel) {
                        Ok(true) => {
                            self.on_new_key();
                            self.hear_again().await;
                        }
                        Ok(false) => {}
                        Err(problem) => self.note_store(Err(problem)),
                    },
                }
            }
        }
    }

    fn on_opened(&mut self, link: u64, peer: std::net::Ipv6Addr, out: tokio::sync::mpsc::Sender<Frame>) {
        self.dialing.remove(&link);
        // Dropping `out` ends the connection.
        let Some(device) = self.device_at(peer) else { return };
        let same = self.links.values().filter(|link| link.device == device).count();
        if self.links.len() >= LINKS_MAX || same >= LINKS_PER_DEVICE_MAX {
            return;
        }
        self.links.insert(link, Link { device, out, brought: Brought::default(), summary: None });
        self.greet(link);
    }

    /// Says what we have: to somebody new, and again when there is something new.
    pub(super) fn greet(&mut self, link: u64) {
        let greeting = match &self.membership.circle {
            Some(circle) => Some(Message::greeting(circle)),
            None => empty_greeting(),
        };
        if let Some(greeting) = greeting {
            self.send(link, Frame::Sync(greeting));
        }
        self.send(link, Frame::Key(self.current_key()));
    }

    fn current_key(&self) -> Option<(KeyId, u32)> {
        self.membership.ring.current().map(|(key, removals)| (key.id(), removals))
    }

    /// Puts a frame into a connection's queue; where that is full the other side does not read, and the connection ends.
    pub(super) fn send(&mut self, link: u64, frame: Frame) {
        let Some(open) = self.links.get(&link) else { return };
        if open.out.try_send(frame).is_err() {
            self.links.remove(&link);
        }
    }

    async fn on_message(&mut self, link: u64, message: &Message) {
        if let (Message::Summary(_), true) = (message, self.membership.is_restoring()) {
            self.links.entry(link).and_modify(|link| link.summary = Some(message.clone()));
            self.look_whether_restored();
        }
        if let Message::Records(_) = message {
            if self.take(message.records(), Some(link)).await {
                self.look_whether_restored();
                // There may be more than one batch holds.
                self.greet(link);
            }
            return;
        }
        let answers = match (&self.membership.circle, message) {
            (Some(circle), message) => message.answer(circle),
            (None, Message::Heads(heads)) => {
                let wants = heads.iter().map(|(author, _)| (*author, 0)).collect();
                vec![Message::Want(wants)]
            }
            (None, _) => vec![],
        };
        for answer in answers {
            self.send(link, Frame::Sync(answer));
        }
    }

    /// While the records of others are being restored: whether we hold what some member holds.
    fn look_whether_restored(&mut self) {
        let Some(circle) = &self.membership.circle else { return };
        let mut summaries = self.links.values().filter_map(|link| link.summary.as_ref());
        if self.membership.is_restoring() && summaries.any(|theirs| theirs.answer(circle).is_empty()) {
            self.links.values_mut().for_each(|link| link.summary = None);
            self.restored();
        }
    }

    /// A member says which circle key it has: an older one than ours is replaced, a newer one asked for by saying ours.
    fn on_key(&mut self, link: u64, device: &DeviceId, theirs: Option<(KeyId, u32)>) {
        let rank = |key: Option<(KeyId, u32)>| key.map(|(id, removals)| (removals, id));
        let ours = self.current_key();
        if rank(theirs) > rank(ours) {
            self.send(link, Frame::Key(ours));
        } else if rank(theirs) < rank(ours) {
            let member = self.membership.roster().and_then(|roster| roster.members.get(device));
            let parcel = member.and_then(|member| self.membership.parcel(&member.wireguard?));
            if let Some(parcel) = parcel {
                self.send(link, Frame::Parcel(parcel));
            }
        }
    }

    /// We have another circle key now: whoever is connected hears of it.
    pub(super) fn on_new_key(&mut self) {
        let links: Vec<u64> = self.links.keys().copied().collect();
        for link in links {
            self.send(link, Frame::Key(self.current_key()));
        }
        self.announce_soon();
        self.read_again();
        self.publish();
        self.signal_beacons();
    }

    /// Begins a connection with a device, unless there is one.
    pub(super) fn meet(&mut self, device: DeviceId) {
        let connected = self.links.values().any(|link| link.device == device);
        let dialing = self.dialing.values().any(|other| *other == device);
        let now = boottime();
        let recent = self.dialed.get(&device).is_some_and(|at| now < *at + DIAL_EVERY);
        if connected || dialing || recent || self.links.len() + self.dialing.len() >= LINKS_MAX {
            return;
        }
        if let Some(exchange) = &mut self.exchange {
            let address = ringmesh_mesh::address::ipv6_of(&self.membership.id, &device);
            let link = exchange.connect(address);
            self.dialing.insert(link, device);
            self.dialed.insert(device, now);
        }
    }

    /// Passes new records on to everybody who is connected, but for those that the connection has brought itself.
    pub(super) fn push(&mut self, records: &[RecordHash]) {
        let links: Vec<u64> = self.links.keys().copied().collect();
        for link in links {
            for batch in self.batches_for(link, records) {
                self.send(link, Frame::Sync(Message::Records(batch)));
            }
        }
    }

    fn batches_for(&self, link: u64, records: &[RecordHash]) -> Vec<Vec<Vec<u8>>> {
        let Some((circle, link)) = self.membership.circle.as_ref().zip(self.links.get(&link)) else {
            return vec![];
        };
        let lacks = link.brought.lacks(records).filter_map(|hash| circle.record(hash));
        batches(lacks.map(Record::to_bytes))
    }
}

/// What a device says that has nothing yet: digests that fit no author.
fn empty_greeting() -> Option<Message> {
    let mut bytes = vec![0; 2 + 256 * 8];
    bytes[..2].copy_from_slice(&[1, 1]);
    Message::decode(&bytes).ok()
}

fn batches(records: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut batches: Vec<Vec<Vec<u8>>> = vec![];
    let mut room = 0;
    for record in records {
        if batches.last().is_none_or(|batch| batch.len() == BATCH_RECORDS_MAX || record.len() > room) {
            batches.push(vec![]);
            room = BATCH_BYTES_MAX;
        }
        room -= record.len();
        if let Some(batch) = batches.last_mut() {
            batch.push(record);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_of_a_device_without_records_is_one() {
        assert!(matches!(empty_greeting(), Some(Message::Summary(_))));
    }

    #[test]
    fn batches_are_bounded_and_lose_nothing() {
        for (count, len, expect) in [(0, 300, 0), (3, 300, 1), (600, 100, 3), (100, 4000, 9)] {
            let batches = batches(std::iter::repeat_n(vec![7; len], count));
            assert_eq!(batches.len(), expect, "{count} of {len}");
            assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), count);
            let most = batches.iter().map(|batch| batch.iter().map(Vec::len).sum::<usize>()).max();
            assert!(most.unwrap_or(0) <= BATCH_BYTES_MAX);
        }
    }
}
