use super::*;

fn filled(pool: &Pool, text: &[u8]) -> Box<Parcel> {
    let mut parcel = pool.take().expect("a free parcel");
    assert!(parcel.fill(Load::Packet { vnet: VnetHdr::NONE }, text));
    parcel
}

#[test]
fn a_queue_keeps_order_and_its_limit() {
    let pool = Pool::new(4);
    let mut queue = Queue::default();
    for text in [b"a", b"b", b"c"] {
        assert!(queue.push(filled(&pool, text), 3).is_none());
    }
    let oldest = queue.push(filled(&pool, b"d"), 3).expect("the fourth is over the limit");
    assert_eq!(oldest.bytes(), b"a");
    pool.give(oldest);
    assert_eq!(queue.len(), 3);
    for text in [b"b", b"c", b"d"] {
        let parcel = queue.pop().expect("three wait");
        assert_eq!(parcel.bytes(), text);
        pool.give(parcel);
    }
    assert!(queue.len() == 0 && queue.pop().is_none());
    assert_eq!(pool.len(), 4, "every parcel went home");
}

#[test]
fn an_empty_pool_gives_nothing_and_takes_its_own_back() {
    let pool = Pool::new(1);
    let only = pool.take().expect("one");
    assert!(pool.take().is_none());
    pool.give(only);
    assert!(pool.take().is_some());
}

#[test]
fn a_parcel_refuses_what_does_not_fit_and_keeps_what_it_had() {
    let pool = Pool::new(1);
    let mut parcel = filled(&pool, &[7; PARCEL_LEN - 1]);
    assert!(!parcel.append(&[8; 2]));
    assert!(parcel.append(&[8; 1]));
    assert_eq!(parcel.bytes().len(), PARCEL_LEN);
    assert!(!parcel.fill(Load::Packet { vnet: VnetHdr::NONE }, &[0; PARCEL_LEN + 1]));
    assert!(parcel.bytes().is_empty(), "what does not fit leaves nothing behind");
}

#[test]
fn what_was_given_back_last_is_taken_first() {
    let pool = Pool::new(3);
    let (first, second) = (filled(&pool, b"first"), filled(&pool, b"second"));
    pool.give(first);
    pool.give(second);
    assert_eq!(pool.take().map(|parcel| parcel.bytes().to_vec()).as_deref(), Some(&b"second"[..]));
    assert_eq!(pool.take().map(|parcel| parcel.bytes().to_vec()).as_deref(), Some(&b"first"[..]));
    assert!(Pool::new(0).take().is_none());
}

/// Several threads take and give; no parcel is ever in two hands, and none is lost.
#[test]
fn threads_share_one_pool() {
    let pool = Pool::new(8);
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..5_000_u32 {
                    let held: Vec<_> = (0..round % 4).filter_map(|_| pool.take()).collect();
                    let mark = |n: usize| [thread, n as u8, round as u8];
                    let held = (0..).zip(held).map(|(n, mut parcel)| {
                        assert!(parcel.fill(Load::Packet { vnet: VnetHdr::NONE }, &mark(n)));
                        parcel
                    });
                    let held: Vec<_> = held.collect();
                    for (n, parcel) in (0..).zip(held) {
                        assert_eq!(parcel.bytes(), mark(n), "somebody else wrote into it");
                        pool.give(parcel);
                    }
                }
            });
        }
    });
    let all: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
    assert_eq!(all.len(), 8);
}
