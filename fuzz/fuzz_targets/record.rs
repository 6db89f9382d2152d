//! Any bytes as a record or a message of the exchange: refused, or the one encoding of what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmesh_mesh::record::Unverified;
use ringmesh_mesh::sync::Message;

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::decode(data) {
        assert_eq!(message.to_bytes(), data);
        let _ = message.records();
    }
    if let Ok(record) = Unverified::decode(data)
        && let Ok(record) = record.verify()
    {
        assert_eq!(record.to_bytes(), data);
    }
});
