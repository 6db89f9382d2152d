//! Batches: layout, lengths, alignments and what is left of a forgery. The arithmetic is judged in `kernel`.

mod constant_time;

use proptest::prelude::*;

use super::*;

/// The plaintext of RFC 8439, section A.5.
pub(crate) const DRAFTS: &str = "Internet-Drafts are draft documents valid for a maximum of six months and may be \
    updated, replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as \
    reference material or to cite them other than as /“work in progress./”";
/// The same, sealed with the additional data of the RFC.
pub(crate) const DRAFTS_SEALED: &str = "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2\
    4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b9481\
    14ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4\
    b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a\
    0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10\
    49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b\
    eead9d67890cbb22392336fea1851f38";

/// Lengths up to a little more than 64 blocks, the widest step of any kernel that we know, twice.
const LEN_MAX: usize = 4_200;

/// A key for each kernel, alone and with the library beside it; the judge's are the last.
fn keys(bytes: [u8; KEY_LEN]) -> Vec<Key> {
    let both = |kernel| [Key(kernel::Prepared::new(kernel, &bytes)), Key::for_kernel(kernel, &bytes)];
    Kernel::available().flat_map(both).collect()
}

fn noise(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add((at >> 8) as u8 ^ seed)).collect()
}

fn sealed(key: &Key, counter: u64, plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0; plain.len() + TAG_LEN];
    seal(&mut [Seal { key, counter, head: &[], body: plain, out: &mut out }]);
    out
}

fn opened(key: &Key, counter: u64, text: &mut [u8]) -> bool {
    let mut job = [Open { key, counter, text, ok: false }];
    open(&mut job);
    job[0].ok
}

/// The nonce of section A.5 is one that a counter can say, and additional data changes the tag only.
#[test]
fn the_counter_is_a_little_endian_nonce() {
    let text = hex::decode(DRAFTS_SEALED).expect("hexadecimal digits");
    let key = hex::decode("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
    for key in keys(*key.expect("hexadecimal digits").as_array().expect("32 bytes")) {
        let ours = sealed(&key, 0x0807_0605_0403_0201, DRAFTS.as_bytes());
        assert_eq!(ours[..DRAFTS.len()], text[..DRAFTS.len()]);
    }
}

/// Every length, at alignments that go through all residues of 64: same ciphertext, and each opens the other's.
#[test]
fn kernels_agree_on_all_lengths_and_alignments() {
    let keys = keys([7; KEY_LEN]);
    let (judge, others) = keys.split_last().expect("the portable kernel is always there");
    let plain = noise(LEN_MAX, 0);
    let mut room = vec![0; LEN_MAX + TAG_LEN + 64];
    for len in 0..=LEN_MAX {
        let counter = len as u64;
        let expected = sealed(judge, counter, &plain[..len]);
        for key in others {
            for shift in [len * 7 % 64, (len * 5 + 1) % 64, (len * 3 + 1) % 64, (len + 32) % 64] {
                let out = &mut room[shift..shift + len + TAG_LEN];
                // What lies there from before must not matter.
                out.fill(0xEE);
                let [seal_second, open_second] = &mut [vec![0; TAG_LEN], sealed(key, 9, &[])];
                // A packet that is alone may take another way than two.
                if len % 2 == shift % 2 {
                    seal(&mut [Seal { key, counter, head: &[], body: &plain[..len], out }]);
                } else {
                    seal(&mut [
                        Seal { key, counter, head: &[], body: &plain[..len], out },
                        Seal { key, counter: 8, head: &[], body: &[], out: seal_second },
                    ]);
                }
                assert_eq!(out, expected, "{len} bytes at {shift}, {:?}", key.0.kernel());
                if len % 2 == shift % 2 {
                    assert!(opened(key, counter, out), "{len} bytes at {shift}, {:?}", key.0.kernel());
                } else {
                    let mut jobs = [
                        Open { key, counter, text: out, ok: false },
                        Open { key, counter: 9, text: open_second, ok: false },
                    ];
                    open(&mut jobs);
                    assert!(jobs.iter().all(|job| job.ok), "{len} bytes at {shift}, {:?}", key.0.kernel());
                }
                assert_eq!(out[..len], plain[..len], "{len} bytes at {shift}");
            }
        }
        let mut text = expected;
        assert!(opened(judge, counter, &mut text), "{len} bytes");
        assert_eq!(text[..len], plain[..len], "{len} bytes");
    }
}

/// Nothing outside of the job's own slices is written, wherever they lie.
#[test]
fn neighbours_are_left_alone() {
    for key in keys([7; KEY_LEN]) {
        for len in [0, 1, 15, 16, 63, 64, 65, 1_420] {
            let mut room = vec![0xAA; len + TAG_LEN + 2];
            seal(&mut [Seal {
                key: &key,
                counter: 1,
                head: &[],
                body: &noise(len, 1),
                out: &mut room[1..len + 17],
            }]);
            assert_eq!((room[0], room[len + 17]), (0xAA, 0xAA), "{len} bytes sealed");
            assert!(opened(&key, 1, &mut room[1..len + 17]));
            assert_eq!((room[0], room[len + 17]), (0xAA, 0xAA), "{len} bytes opened");
        }
    }
}

/// One flipped bit anywhere, or another counter: not ok, and what is left is the ciphertext or nothing.
#[test]
fn tampered_text_leaves_no_plaintext() {
    for key in keys([9; KEY_LEN]) {
        for len in [0, 1, 16, 63, 64, 65, 130, 1_420] {
            let good = sealed(&key, 3, &noise(len, 2));
            let stride = if len > 200 { 37 } else { 1 };
            for at in (0..good.len()).step_by(stride) {
                let mut bad = good.clone();
                bad[at] ^= 1 << (at % 8);
                refuse(&key, 3, &bad, len);
            }
            refuse(&key, 4, &good, len);
        }
    }
}

fn refuse(key: &Key, counter: u64, bad: &[u8], len: usize) {
    let mut text = bad.to_vec();
    assert!(!opened(key, counter, &mut text), "{len} bytes");
    let wiped = text[..len].iter().all(|&byte| byte == 0);
    assert!(wiped || text[..len] == bad[..len], "{len} bytes: neither wiped nor ciphertext");
}

#[test]
fn text_shorter_than_a_tag_is_no_text() {
    for key in keys([9; KEY_LEN]) {
        for len in 0..TAG_LEN {
            let mut text = vec![0x55; len];
            assert!(!opened(&key, 0, &mut text), "{len} bytes");
        }
    }
}

/// A batch of several kernels, keys, lengths and one forgery: every job has its own end.
#[test]
fn jobs_do_not_touch_each_other() {
    let (some, others) = (keys([1; KEY_LEN]), keys([2; KEY_LEN]));
    let keys: Vec<&Key> = some.iter().flat_map(|key| [key, key, key]).chain(&others).collect();
    let count = 4 * keys.len();
    let key = |at: usize| keys[at % keys.len()];
    let mut texts: Vec<Vec<u8>> =
        (0..count).map(|at| sealed(key(at), at as u64, &noise(at * 37, 3))).collect();
    texts[4][0] ^= 1;
    let jobs = texts.iter_mut().enumerate();
    let mut jobs: Vec<Open<'_>> =
        jobs.map(|(at, text)| Open { key: key(at), counter: at as u64, text, ok: at == 4 }).collect();
    open(&mut jobs);
    for (at, job) in jobs.iter().enumerate() {
        assert_eq!(job.ok, at != 4, "job {at}");
        assert!(at == 4 || job.text[..at * 37] == noise(at * 37, 3), "job {at}");
    }
}

#[test]
fn batches_may_be_empty() {
    seal(&mut []);
    open(&mut []);
}

#[test]
fn nothing_prints_a_key() {
    for key in keys([0xAB; KEY_LEN]) {
        assert_eq!(format!("{key:?}"), "Key(secret)");
    }
}

proptest! {
    /// Head, body and padding are one plaintext, wherever it is cut.
    #[test]
    fn head_body_and_padding_are_one_plaintext(
        head in prop::collection::vec(any::<u8>(), 0..160),
        body in prop::collection::vec(any::<u8>(), 0..1_500),
        padding in 0_usize..48,
        counter in any::<u64>(),
    ) {
        let plain = [&head[..], &body[..], &vec![0; padding]].concat();
        for key in keys([3; KEY_LEN]) {
            let mut out = vec![0x77; plain.len() + TAG_LEN];
            seal(&mut [Seal { key: &key, counter, head: &head, body: &body, out: &mut out }]);
            prop_assert_eq!(&out, &sealed(&key, counter, &plain));
            prop_assert!(opened(&key, counter, &mut out));
            prop_assert_eq!(&out[..plain.len()], &plain[..]);
        }
    }

    /// Whatever comes from the network: an answer, and no plaintext without a right tag.
    #[test]
    fn any_bytes_get_an_answer(text in prop::collection::vec(any::<u8>(), 0..200), counter in any::<u64>()) {
        for key in keys([3; KEY_LEN]) {
            prop_assert!(!opened(&key, counter, &mut text.clone()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A batch of any shape is what its packets are alone, sealed by the judge.
    #[test]
    fn a_batch_is_its_packets(
        shapes in prop::collection::vec((0_usize..300, 0_usize..1_500, 0_usize..32, 0_u8..3), 0..40),
        forged in any::<u64>(),
    ) {
        let made_by = [kernel::Prepared::new, kernel::Prepared::alone];
        for (kernel, make) in Kernel::available().flat_map(|kernel| made_by.map(|make| (kernel, make))) {
            let keys = [1, 2, 3].map(|byte| Key(make(kernel, &[byte; KEY_LEN])));
            let judges = [1, 2, 3].map(|byte| Key::for_kernel(Kernel::Portable, &[byte; KEY_LEN]));
            let plains: Vec<(Vec<u8>, Vec<u8>)> =
                shapes.iter().map(|&(head, body, ..)| (noise(head, 5), noise(body, 6))).collect();
            let mut outs: Vec<Vec<u8>> = shapes
                .iter()
                .map(|&(head, body, padding, _)| vec![0x77; head + body + padding + TAG_LEN])
                .collect();
            let parts = shapes.iter().zip(&plains).zip(&mut outs).enumerate();
            let mut jobs: Vec<Seal<'_>> = parts
                .map(|(at, ((&(.., key), (head, body)), out))| {
                    Seal { key: &keys[usize::from(key)], counter: at as u64, head, body, out }
                })
                .collect();
            seal(&mut jobs);
            for (at, (&(_, _, padding, key), (head, body))) in shapes.iter().zip(&plains).enumerate() {
                let plain = [&head[..], body, &vec![0; padding]].concat();
                prop_assert_eq!(&outs[at], &sealed(&judges[usize::from(key)], at as u64, &plain));
            }
            let is_forged = |at: usize| forged >> (at % 64) & 1 == 1;
            for (at, out) in outs.iter_mut().enumerate() {
                *out.last_mut().expect("a tag") ^= u8::from(is_forged(at));
            }
            let before = outs.clone();
            let parts = shapes.iter().zip(&mut outs).enumerate();
            let mut jobs: Vec<Open<'_>> = parts
                .map(|(at, (&(.., key), text))| {
                    Open { key: &keys[usize::from(key)], counter: at as u64, text, ok: is_forged(at) }
                })
                .collect();
            open(&mut jobs);
            for (at, job) in jobs.iter().enumerate() {
                prop_assert_eq!(job.ok, !is_forged(at));
            }
            for (at, (head, body)) in plains.iter().enumerate() {
                let (text, sealed) = (&outs[at], &before[at]);
                let plain_len = sealed.len() - TAG_LEN;
                if is_forged(at) {
                    let wiped = text[..plain_len].iter().all(|&byte| byte == 0);
                    prop_assert!(wiped || text[..plain_len] == sealed[..plain_len]);
                } else {
                    prop_assert_eq!(&text[..head.len() + body.len()], &[&head[..], body].concat()[..]);
                    prop_assert!(text[head.len() + body.len()..plain_len].iter().all(|&byte| byte == 0));
                }
            }
        }
    }
}
