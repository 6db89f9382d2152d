//! Any bytes as a sealed message, a parcel, and as what a sealed message holds when a member with the key lies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmesh_mesh::identity::{CircleId, DeviceId};
use ringmesh_mesh::sealed::parcel::Parcel;
use ringmesh_mesh::sealed::signal::Signal;
use ringmesh_mesh::sealed::{OVERHEAD, Purpose, SealKey};

fuzz_target!(|data: &[u8]| {
    let key = SealKey::new(CircleId([1; 32]), [2; 32]);
    assert!(key.open(Purpose::Records, data).is_err(), "nobody guesses a seal");
    if let Ok(parcel) = Parcel::decode(data) {
        assert_eq!(parcel.to_bytes(), data);
    }
    let _ = Signal::decode(data);
    if data.len() + OVERHEAD <= ringmesh_mesh::limits::SEALED_MAX {
        let sealed = key.seal(Purpose::Signal, [3; 24], data);
        assert_eq!(key.open(Purpose::Signal, &sealed).as_deref(), Ok(data));
        let _ = Signal::open(&key, Purpose::Signal, &DeviceId([4; 32]), 5, &sealed);
    }
});
