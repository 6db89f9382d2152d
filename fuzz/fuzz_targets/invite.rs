//! Any text as a code: refused, or a code that says the same when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmesh_mesh::invite::Code;

fuzz_target!(|text: &str| {
    if let Ok(code) = text.parse::<Code>() {
        assert_eq!(code.text().parse(), Ok(code.clone()));
        assert_eq!(code.link().parse(), Ok(code));
    }
});
