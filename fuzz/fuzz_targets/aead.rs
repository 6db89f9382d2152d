//! Batches of any shape, keys mixed, some tags forged: every kernel of this processor against the portable one.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringmesh_crypto::{KEY_LEN, Kernel, Key, Open, Seal, TAG_LEN, open, seal};

#[derive(Arbitrary, Debug)]
struct Packet {
    key: u8,
    counter: u64,
    head: u8,
    body: u16,
    padding: u8,
    /// What the text is made from.
    seed: u8,
    /// A bit that changes on the way, if any.
    flip: Option<u16>,
}

impl Packet {
    fn head(&self) -> Vec<u8> {
        (0..self.head).map(|at| at.wrapping_mul(self.seed)).collect()
    }

    fn body(&self) -> Vec<u8> {
        (0..self.body % 2_048).map(|at| (at as u8).wrapping_mul(self.seed) ^ (at >> 8) as u8).collect()
    }

    fn padding(&self) -> usize {
        usize::from(self.padding % 33)
    }
}

/// The keys of one kernel; those that a process takes by itself when `kernel` is `None`.
fn keys(kernel: Option<Kernel>) -> [Key; 3] {
    [0, 0x5a, 0xff].map(|byte| {
        let bytes = [byte; KEY_LEN];
        kernel.map_or_else(|| Key::new(&bytes), |kernel| Key::for_kernel(kernel, &bytes))
    })
}

fn key<'a>(keys: &'a [Key; 3], packet: &Packet) -> &'a Key {
    &keys[usize::from(packet.key) % keys.len()]
}

fn sealed(keys: &[Key; 3], packets: &[Packet]) -> Vec<Vec<u8>> {
    let parts: Vec<_> = packets.iter().map(|packet| (packet.head(), packet.body())).collect();
    let room = |(packet, (head, body)): (&Packet, &(Vec<u8>, Vec<u8>))| {
        vec![0xee; head.len() + body.len() + packet.padding() + TAG_LEN]
    };
    let mut outs: Vec<Vec<u8>> = packets.iter().zip(&parts).map(room).collect();
    let jobs = packets.iter().zip(&parts).zip(&mut outs);
    let mut jobs: Vec<Seal<'_>> = jobs
        .map(|((packet, (head, body)), out)| Seal {
            key: key(keys, packet),
            counter: packet.counter,
            head,
            body,
            out,
        })
        .collect();
    seal(&mut jobs);
    outs
}

fuzz_target!(|packets: Vec<Packet>| {
    let expected = sealed(&keys(Some(Kernel::Portable)), &packets);
    let mut sent = expected.clone();
    for (packet, text) in packets.iter().zip(&mut sent) {
        if let Some(bit) = packet.flip.map(|bit| usize::from(bit) % (8 * text.len())) {
            text[bit / 8] ^= 1 << (bit % 8);
        }
    }
    for kernel in Kernel::available().map(Some).chain([None]) {
        let keys = keys(kernel);
        assert_eq!(sealed(&keys, &packets), expected, "{kernel:?}");
        let mut texts = sent.clone();
        let jobs = packets.iter().zip(&mut texts);
        let mut jobs: Vec<Open<'_>> = jobs
            .map(|(packet, text)| Open { key: key(&keys, packet), counter: packet.counter, text, ok: false })
            .collect();
        open(&mut jobs);
        let ok: Vec<bool> = jobs.iter().map(|job| job.ok).collect();
        for (at, packet) in packets.iter().enumerate() {
            assert_eq!(ok[at], packet.flip.is_none(), "{kernel:?}, packet {at}");
            let (text, len) = (&texts[at], sent[at].len() - TAG_LEN);
            if ok[at] {
                let plain = [packet.head(), packet.body(), vec![0; packet.padding()]].concat();
                assert_eq!(text[..len], plain[..], "{kernel:?}, packet {at}");
            } else {
                let is_wiped = text[..len].iter().all(|&byte| byte == 0);
                assert!(is_wiped || text[..len] == sent[at][..len], "{kernel:?}, packet {at} leaks");
            }
        }
    }
});
