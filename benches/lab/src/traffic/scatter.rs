//! Datagrams to very many addresses in turn. Nobody takes them: what counts is what sending them costs.

use super::plan::Scatter;
use super::report::UdpReport;
use crate::{Error, Result, clock};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// The discard port.
const PORT: u16 = 9;
/// Datagrams between two pauses.
const BURST: u32 = 16;
/// Spreads numbers: neighbours in time are far from each other.
const STEP: u32 = 2_654_435_761;

/// Sends as planned; arrival is not looked at.
pub(super) fn send(plan: &Scatter) -> Result<UdpReport> {
    let failed = |error| Error::io("cannot send datagrams", error);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(failed)?;
    let datagram = vec![0x5a; plan.size as usize];
    let begun = clock::now();
    let mut report = UdpReport { size: plan.size, ..UdpReport::default() };
    for number in 0..plan.packets {
        let address = number.wrapping_mul(STEP) % plan.addresses.max(1);
        let to = Ipv4Addr::from_bits(plan.first.to_bits().wrapping_add(address));
        match socket.send_to(&datagram, (to, PORT)) {
            Ok(_) => report.sent += 1,
            Err(_) => report.refused += 1,
        }
        if number % BURST == BURST - 1 {
            clock::pause_until(begun + Duration::from_secs_f64(f64::from(number) / plan.rate_pps.max(1.0)));
        }
    }
    report.secs = clock::now().saturating_sub(begun).as_secs_f64();
    Ok(report)
}
