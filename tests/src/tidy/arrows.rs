//! Which crate may know which: arrows go downward only.

use serde_json::Value;

/// Each crate of ours and the crates of ours that it may depend on, for building, running or testing.
pub const ARROWS: &[(&str, &[&str])] = &[
    ("ringmesh", &["ringmesh-api", "ringmesh-daemon", "ringmesh-beacon", "ringmesh-worker", "ringmesh-lab"]),
    (
        "ringmesh-worker",
        &["ringmesh-tunnel", "ringmesh-crypto", "ringmesh-wire", "ringmesh-io", "ringmesh-abi"],
    ),
    (
        "ringmesh-daemon",
        &["ringmesh-mesh", "ringmesh-files", "ringmesh-api", "ringmesh-abi", "ringmesh-wire"],
    ),
    ("ringmesh-beacon", &["ringmesh-mesh", "ringmesh-wire"]),
    ("ringmesh-mesh", &["ringmesh-wire"]),
    ("ringmesh-tunnel", &["ringmesh-crypto", "ringmesh-wire"]),
    // The laboratory measures any implementation through its executable, so it knows none from inside.
    ("ringmesh-lab", &["ringmesh-wire"]),
    ("ringmesh-io", &[]),
    ("ringmesh-crypto", &[]),
    ("ringmesh-wire", &[]),
    ("ringmesh-abi", &[]),
    ("ringmesh-api", &[]),
    ("ringmesh-files", &[]),
];

/// Crates that nothing depends on, so they may look at everything.
pub const FREE: &[&str] = &["ringmesh-tests", "ringmesh-benches", "ringmesh-fuzz"];

/// Complaints about `cargo metadata --no-deps` (format version 1).
pub fn check(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    if packages.is_empty() {
        return vec!["cargo metadata names no package".into()];
    }
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let allowed = ARROWS.iter().find(|(from, _)| *from == name).map(|(_, to)| *to);
    let Some(allowed) = allowed else {
        let free = FREE.contains(&name);
        return if free { vec![] } else { vec![format!("{name} has no line in the table of arrows")] };
    };
    let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
    dependencies
        .iter()
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|to| is_ours(to) && *to != name && !allowed.contains(to))
        .map(|to| format!("{name} -> {to} is no arrow of the design"))
        .collect()
}

fn is_ours(name: &str) -> bool {
    name == "ringmesh" || name.starts_with("ringmesh-")
}
