//! Sealing and opening of many packets at once by one of our own kernels.
//!
//! A group of packets shares the lanes: the first call makes every packet's Poly1305 key (block 0) and, in the lanes
//! that are left, the first blocks of key stream; from then on blocks are made in the packets' order, without a gap.
//! Key stream meets text on its way from source to target, so encrypting is the copy.
//!
//! **Invariant:** text is decrypted only after its tag has been found right.

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::{
    TAG_LEN,
    arch::{Arch, Blocks, LANES_MAX},
    chacha::{BLOCK_LEN, Lanes},
    poly1305::Input,
};

/// One packet to be sealed. `out` is text and tag; its text is `head`, `body`, then zeros.
pub(crate) struct Sealing<'a> {
    pub(crate) from: Item<'a>,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) out: &'a mut [u8],
}

/// One packet to be opened: ciphertext, and the tag that must fit.
pub(crate) struct Opening<'a> {
    pub(crate) from: Item<'a>,
    pub(crate) text: &'a mut [u8],
    pub(crate) tag: [u8; TAG_LEN],
    pub(crate) ok: &'a mut bool,
}

/// What key stream and tag of a packet depend on besides its text.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) key: &'a [u32; 8],
    pub(crate) nonce: [u32; 3],
    pub(crate) aad: &'a [u8],
    /// Length of the text, in bytes.
    pub(crate) len: usize,
}

impl<'a> Item<'a> {
    const fn input<'b>(&self, key: &'b [u8; KEY_LEN], text: &'b [u8]) -> Input<'b>
    where
        'a: 'b,
    {
        Input { key, aad: self.aad, text }
    }
}

/// Packets that share lanes. So many of full size, source and target, still fit a first-level cache.
pub(crate) const GROUP_MAX: usize = 8;

/// Seals a group of at most [`GROUP_MAX`].
#[inline(always)]
pub(crate) fn seal<A: Arch>(arch: A, group: &mut [Sealing<'_>]) {
    let items: Items<'_> = group.iter().map(|job| job.from).collect();
    let mut room = Room::new();
    let mut stream = Stream::default();
    // The first call may be all keys, so only later ones say by no runs that all is done.
    stream.start(arch, &items, &mut room);
    loop {
        for run in &stream.runs {
            if let Some(job) = group.get_mut(run.job) {
                encrypt(arch, job, run.bytes(job.from.len), room.stream(run));
            }
        }
        if !stream.next(arch, &items, &mut room) {
            break;
        }
    }
    let mut tags = [[0; TAG_LEN]; GROUP_MAX];
    {
        let sealed = group.iter().zip(&room.keys);
        let inputs = sealed.map(|(job, key)| job.from.input(key, &job.out[..job.from.len]));
        arch.tags(&inputs.collect::<Inputs<'_>>(), &mut tags);
    }
    for (job, tag) in group.iter_mut().zip(tags) {
        job.out[job.from.len..].copy_from_slice(&tag);
    }
    room.wipe();
}

/// Opens a group of at most [`GROUP_MAX`]: first all tags, then the text of those whose tag was right.
#[inline(always)]
pub(crate) fn open<A: Arch>(arch: A, group: &mut [Opening<'_>]) {
    let mut items: Items<'_> = group.iter().map(|job| job.from).collect();
    let mut room = Room::new();
    let mut stream = Stream::default();
    stream.start(arch, &items, &mut room);
    let mut tags = [[0; TAG_LEN]; GROUP_MAX];
    {
        let sealed = group.iter().zip(&room.keys);
        let inputs = sealed.map(|(job, key)| job.from.input(key, job.text));
        arch.tags(&inputs.collect::<Inputs<'_>>(), &mut tags);
    }
    for ((job, item), tag) in group.iter_mut().zip(&mut items).zip(tags) {
        *job.ok = same(&tag, &job.tag);
        if !*job.ok {
            item.len = 0;
        }
    }
    loop {
        for run in &stream.runs {
            let Some(job) = group.get_mut(run.job).filter(|job| *job.ok) else { continue };
            let bytes = run.bytes(job.from.len);
            if let Some(text) = job.text.get_mut(bytes) {
                arch.xor_in_place(text, room.stream(run));
            }
        }
        if !stream.next(arch, &items, &mut room) {
            break;
        }
    }
    room.wipe();
}

/// Encrypts the `bytes` of a text, which may lie in head, body and padding.
#[inline(always)]
fn encrypt<A: Arch>(arch: A, job: &mut Sealing<'_>, bytes: Range<usize>, stream: &[u8]) {
    let Some(out) = job.out.get_mut(bytes.clone()) else { return };
    let body_start = job.head.len();
    let padding_start = body_start + job.body.len();
    let cut = |at: usize| at.clamp(bytes.start, bytes.end) - bytes.start;
    let (head, rest) = out.split_at_mut(cut(body_start));
    let (body, padding) = rest.split_at_mut(cut(padding_start) - head.len());
    let (head_stream, rest) = stream.split_at(head.len());
    let (body_stream, rest) = rest.split_at(body.len());
    if !head.is_empty() {
        arch.xor_from(head, &job.head[bytes.start..], head_stream);
    }
    if !body.is_empty() {
        arch.xor_from(body, &job.body[bytes.start.max(body_start) - body_start..], body_stream);
    }
    if !padding.is_empty() {
        padding.copy_from_slice(&rest[..padding.len()]);
    }
}

/// Compares in a time that says nothing about where the two differ.
pub(crate) fn same(a: &[u8; TAG_LEN], b: &[u8; TAG_LEN]) -> bool {
    let difference = u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
    std::hint::black_box(difference) == 0
}

type Items<'a> = ArrayVec<Item<'a>, GROUP_MAX>;
type Inputs<'a> = ArrayVec<Input<'a>, GROUP_MAX>;
type Runs = ArrayVec<Run, LANES_MAX>;

/// Consecutive lanes that belong to consecutive blocks of one packet's text.
#[derive(Clone, Copy)]
struct Run {
    job: usize,
    /// Number of the first block of the text; the key stream's is one more.
    block: usize,
    lane: usize,
    count: usize,
}

impl Run {
    /// The part of a text of `len` bytes that this run is for.
    const fn bytes(&self, len: usize) -> Range<usize> {
        let end = (self.block + self.count) * BLOCK_LEN;
        self.block * BLOCK_LEN..if end < len { end } else { len }
    }
}

/// Where the next block of text lies, and whose blocks the last call made.
#[derive(Default)]
struct Stream {
    job: usize,
    block: usize,
    runs: Runs,
}

impl Stream {
    /// The first call: a Poly1305 key for each packet, and key stream with what lanes are left.
    #[inline(always)]
    fn start<A: Arch>(&mut self, arch: A, items: &Items<'_>, room: &mut Room) {
        let mut lanes = Lanes::new(arch);
        for (lane, item) in items.iter().enumerate() {
            lanes.run(lane, item.key, &item.nonce, 0);
        }
        let filled = self.fill::<A>(&mut lanes, items, items.len());
        lanes.blocks(filled, &mut room.blocks);
        for (key, block) in room.keys.iter_mut().zip(&room.blocks.0) {
            key.copy_from_slice(&block[..KEY_LEN]);
        }
    }

    /// The next blocks; `false` when there are none.
    #[inline(always)]
    fn next<A: Arch>(&mut self, arch: A, items: &Items<'_>, room: &mut Room) -> bool {
        let mut lanes = Lanes::new(arch);
        let filled = self.fill::<A>(&mut lanes, items, 0);
        if filled > 0 {
            lanes.blocks(filled, &mut room.blocks);
        }
        filled > 0
    }

    /// Gives the lanes from `lane` on to the next blocks; says how many lanes have got one.
    #[inline(always)]
    fn fill<A: Arch>(&mut self, lanes: &mut Lanes<A>, items: &Items<'_>, mut lane: usize) -> usize {
        self.runs.clear();
        while lane < A::LANES
            && let Some(item) = items.get(self.job)
        {
            let count = item.len.div_ceil(BLOCK_LEN).saturating_sub(self.block).min(A::LANES - lane);
            if count == 0 {
                self.job += 1;
                self.block = 0;
                continue;
            }
            lanes.run(lane, item.key, &item.nonce, self.block as u32 + 1);
            self.runs.push(Run { job: self.job, block: self.block, lane, count });
            self.block += count;
            lane += count;
        }
        lane
    }
}

/// Key stream and keys of one group.
struct Room {
    blocks: Blocks,
    keys: [[u8; KEY_LEN]; GROUP_MAX],
}

impl Room {
    const fn new() -> Self {
        Self { blocks: Blocks([[0; BLOCK_LEN]; LANES_MAX]), keys: [[0; KEY_LEN]; GROUP_MAX] }
    }

    fn stream(&self, run: &Run) -> &[u8] {
        self.blocks.0.as_flattened().get(run.lane * BLOCK_LEN..).unwrap_or_default()
    }

    /// A Poly1305 key forges its packet: it does not stay on the stack.
    fn wipe(&mut self) {
        *self = Self::new();
        std::hint::black_box(self);
    }
}

/// Length of a one-time Poly1305 key, in bytes.
const KEY_LEN: usize = 32;
