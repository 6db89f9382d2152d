//! What the daemon says about itself and its circle.

use ringmesh_api::circle::look::{CircleState, CircleStatus};

use super::{sentence, short};
use crate::render::span;

/// The whole.
pub(in crate::circle) fn status(status: &CircleStatus) -> String {
    let mut text = match &status.circle {
        Some(circle) => state(circle),
        None if status.down.is_empty() => {
            "This device belongs to no circle; `ringmesh up` founds one, `ringmesh join` joins one.\n"
                .to_owned()
        }
        None => String::new(),
    };
    for name in &status.down {
        text.push_str(&format!(
            "circle: {name}\n  state: down; `ringmesh up --circle {name}` takes it up again\n"
        ));
    }
    text.push_str(&format!(
        "daemon: process {}, version {}, for {}\n",
        status.pid,
        status.version,
        span(status.uptime_secs)
    ));
    text
}

fn state(circle: &CircleState) -> String {
    let mut text = format!("circle: {}\n", circle.name);
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name}: {value}\n"));
    let own = &circle.device;
    let standing = match circle.standing.as_str() {
        "member" => own.role.clone(),
        other => other.to_owned(),
    };
    line("this device", &format!("{} ({}), {standing}", own.name, own.full_name));
    line("addresses", &own.addresses.join(", "));
    let tunnel = if circle.tunnel { "" } else { ", its tunnel does not run" };
    line("interface", &format!("{}, udp port {}{tunnel}", circle.interface, circle.listen_port));
    if !circle.endpoints.is_empty() {
        line("reachable at", &circle.endpoints.join(", "));
    }
    line("devices", &circle.devices.to_string());
    line("records", &circle.records.to_string());
    for beacon in &circle.beacons {
        let online = if beacon.online { "answers" } else { "does not answer" };
        line("beacon", &format!("{} {online}: {}", beacon.address, beacon.detail));
    }
    for waiting in &circle.waiting {
        let name = waiting.name.as_deref().unwrap_or("a device without a name");
        line("waiting", &format!("{name} (key {}): {}", short(&waiting.key), waiting.reason));
    }
    for note in &circle.notes {
        line("note", &sentence(note));
    }
    text
}
