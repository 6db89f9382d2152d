//! Any bytes as a message between a device and a beacon: refused, or exactly what is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::beacon::{Greeting, Hello, Request, ToDevice};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::decode(bytes) {
        assert!(request.fits());
        assert_eq!(request.to_bytes(), bytes);
    }
    if let Ok(message) = ToDevice::decode(bytes) {
        assert_eq!(message.to_bytes(), bytes);
    }
    if let Ok(hello) = Hello::decode(bytes) {
        assert_eq!(hello.to_bytes(), bytes);
    }
    if let Ok(greeting) = Greeting::decode(bytes) {
        assert_eq!(greeting.to_bytes(), bytes);
    }
    if let Ok(Ok(url)) = std::str::from_utf8(bytes).map(str::parse::<BeaconUrl>) {
        assert_eq!(url.to_string().parse(), Ok(url));
    }
});
