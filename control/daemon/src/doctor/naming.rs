//! Whether names are answered, and whether the system asks us.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use ringmesh_api::circle::look::{CircleState, CircleStatus};
use ringmesh_api::doctor::Check;

use super::{PATIENCE, network};
use crate::names::{etc, resolv_conf};

/// Longest wait for our resolver, which has nobody to ask about its own names.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(2);
const PORT: u16 = 53;

/// All checks of this file.
pub(super) fn checks(status: Option<&CircleStatus>) -> Vec<Check> {
    let circle = status.and_then(|status| status.circle.as_ref());
    let Some(circle) = circle.filter(|circle| circle.standing == "member") else { return vec![] };
    let own = network::addresses(circle);
    let name = &circle.device.full_name;
    let resolver = resolver(name, &own);
    // With no resolver there is nothing that the system could find.
    if resolver.verdict != ringmesh_api::doctor::Verdict::Ok {
        return vec![resolver];
    }
    let found = found(name.clone());
    vec![resolver, system(circle, &own, found.as_deref())]
}

/// Asks our resolver for this device's own name at each of its addresses.
fn resolver(name: &str, own: &[IpAddr]) -> Check {
    let subject = "resolver";
    let silent = own.iter().find_map(|ip| match ask(name, *ip) {
        Ok(answer) if own.iter().any(|own| answer.contains(own)) => None,
        Ok(_) => Some((ip, "it does not know this device".to_owned())),
        Err(error) => Some((ip, error.to_string())),
    });
    match silent {
        None => Check::ok(subject, format!("the resolver knows {name}")),
        Some((ip, why)) => Check::problem(
            subject,
            format!("the resolver does not answer at {ip}: {why}"),
            "`ringmesh status` says why; another name server that listens on all addresses must leave this one alone (dnsmasq: bind-dynamic)",
        ),
    }
}

fn ask(name: &str, at: IpAddr) -> io::Result<Vec<IpAddr>> {
    // A socket on the very address that is asked: what the system does too.
    let socket = UdpSocket::bind((at, 0))?;
    socket.set_read_timeout(Some(RESOLVER_PATIENCE))?;
    socket.connect(SocketAddr::new(at, PORT))?;
    let question = address_question(name, at.is_ipv6()).ok_or(io::ErrorKind::InvalidInput)?;
    socket.send(&question)?;
    let mut buffer = [0; 1500];
    let len = loop {
        match socket.recv(&mut buffer) {
            // The ring that an earlier check has closed may still make itself heard.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answered => break answered?,
        }
    };
    Ok(addresses_in(&buffer[..len]))
}

/// The question for a name's addresses of one family, as any program would ask it.
fn address_question(name: &str, v6: bool) -> Option<Vec<u8>> {
    let kind = if v6 { RecordType::AAAA } else { RecordType::A };
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_ascii(format!("{name}.")).ok()?, kind));
    question.to_vec().ok()
}

/// The addresses in an answer.
fn addresses_in(answer: &[u8]) -> Vec<IpAddr> {
    let answers = Message::from_vec(answer).map(|answer| answer.answers).unwrap_or_default();
    answers.iter().filter_map(|record| record.data.ip_addr()).collect()
}

/// What the system finds under a name; none if it takes too long. A look-up cannot be called back, so it ends with this process.
fn found(name: String) -> Option<Vec<IpAddr>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|at| at.ip()).collect());
        // Nobody may wait any more.
        let _ = sender.send(found.unwrap_or_default());
    });
    receiver.recv_timeout(PATIENCE).ok()
}

/// Whether the system found what our resolver says.
fn system(circle: &CircleState, own: &[IpAddr], found: Option<&[IpAddr]>) -> Check {
    let subject = "names";
    let name = &circle.device.full_name;
    if found.is_some_and(|found| found.iter().any(|ip| own.contains(ip))) {
        return Check::ok(subject, format!("programs on this machine find {name}"));
    }
    let path = etc("resolv.conf");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let link = std::fs::read_link(&path).ok().map(|to| to.to_string_lossy().into_owned());
    let keeper = resolv_conf::keeper(&text, link.as_deref());
    let path = path.display();
    let by = keeper.map_or_else(String::new, |keeper| format!(", which {keeper} looks after"));
    let what = match found {
        None => "the system's resolver does not answer in time",
        Some([]) => "the system does not ask the resolver of the circle",
        Some(_) => "the system finds something else",
    };
    Check::problem(
        subject,
        format!("programs on this machine do not find {name}: {what} ({path}{by})"),
        format!(
            "`ringmesh status` says why; `ringmesh down` and `ringmesh up` wire it anew; by hand: `nameserver {}`",
            own.first().map_or_else(String::new, ToString::to_string)
        ),
    )
}

#[cfg(test)]
mod tests;
