use super::*;
use crate::samples;
use crate::sync::AtomicU64;
use proptest::prelude::*;

fn words() -> Vec<AtomicU64> {
    (0..DATAGRAM_WORDS).map(|_| AtomicU64::new(u64::MAX)).collect()
}

proptest! {
    #[test]
    fn datagrams_survive_the_slot(
        endpoint in samples::endpoint(), payload in proptest::collection::vec(any::<u8>(), 0..=DATAGRAM_MAX),
    ) {
        let words = words();
        Datagram::write(Slot::over(&words), &endpoint, &payload);
        let read = Datagram::read(Slot::over(&words)).expect("what was written");
        prop_assert_eq!((read.endpoint, read.payload()), (endpoint, payload.as_slice()));
    }
}

#[test]
fn the_longest_payload_fits_and_a_longer_claim_is_refused() {
    let words = words();
    Datagram::write(Slot::over(&words), &Endpoint::None, &[7; DATAGRAM_MAX]);
    assert_eq!(Datagram::read(Slot::over(&words)).map(|datagram| datagram.payload().len()), Ok(DATAGRAM_MAX));
    for alleged in [DATAGRAM_MAX as u64 + 1, 1 << 32, u64::MAX] {
        Slot::over(&words).write(0, &alleged.to_le_bytes());
        assert_eq!(Datagram::read(Slot::over(&words)).err(), Some(Refused::Field("datagram length")));
    }
}
