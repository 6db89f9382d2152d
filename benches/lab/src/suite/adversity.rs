//! What a tunnel still does while far too much comes: datagrams of its own user, or strangers' handshakes.
//!
//! Whoever floods takes a core of this machine, and whatever a tunnel then lacks it may lack for that alone. So
//! each flood is sent once more where no tunnel sees it, to a closed port of the other host, and those numbers
//! stand beside: a tunnel is to blame for the difference.

use super::{Flooded, LOSS_MAX, Metric, PROBE_INTERVAL_US, Suite, expect_udp, senseless};
use crate::namespaces::Side;
use crate::pair::Pair;
use crate::table;
use crate::traffic::{
    CLOSED_PORT, Flood, FloodReport, Flooding, Outcome, Plan, Run, SPOOFED, Udp, UdpReport,
};
use crate::{Result, clock};
use std::net::SocketAddr;
use std::time::Duration;

/// Datagrams per second that no sender reaches.
const FAR_TOO_MANY_PPS: f64 = 4e6;
/// How long a flood goes on before anything is measured beside it, and at least after it.
const LEAD_MILLIS: u64 = 300;
/// How much longer the things beside it may take than planned.
const SLACK_MILLIS: u64 = 1_000;

impl Suite<'_> {
    /// Far more datagrams than the highest rate, then the highest rate beside as many that go elsewhere.
    pub(super) fn flooded(&mut self) -> Result<()> {
        let Some((size, rate)) = self.largest_rate()? else { return Ok(()) };
        self.screen.begin(format!("UDP, {size} B, far too many"));
        let flooded = self.numbered(size, FAR_TOO_MANY_PPS)?;
        self.keep(Metric::UdpFlooded(size), flooded.packets_per_sec() / rate);
        self.values.insert(Metric::FloodSent, flooded.sent as f64 / flooded.secs);
        self.screen.begin("the highest rate beside a flood to a closed port");
        let millis = self.plan.confirm_millis + 2 * LEAD_MILLIS;
        let flood = self.begin_flood(CLOSED_PORT, Flooding::Plain(size), millis)?;
        let beside = self.numbered(size, rate * (1.0 - LOSS_MAX))?;
        let sent = expect_flood(flood.finish(&mut |_| ())?)?;
        self.keep(Metric::UdpBesideClosed(size), beside.packets_per_sec() / rate);
        self.values.insert(Metric::FloodSentClosed, sent.packets_per_sec());
        Ok(())
    }

    fn numbered(&self, size: u32, rate_pps: f64) -> Result<UdpReport> {
        let (to, millis) = (Pair::address(Side::B, false), self.plan.confirm_millis);
        expect_udp(self.traffic(&Plan::Udp(Udp { to, size, rate_pps, millis, per_send: 1 }))?)
    }

    /// Round trips and a stream by themselves, then beside each kind of flood.
    pub(super) fn handshakes(&mut self) -> Result<()> {
        // Answers to strangers leave the flooded host as they would on the Internet.
        let (strangers, host) = (self.pair.endpoint(Side::A).ip(), self.pair.host(Side::B));
        host.ip(&format!("route replace {SPOOFED} via {strangers} dev wire\n"))?;
        self.screen.begin("round trips and TCP before a flood");
        let calm = self.traffic_beside()?;
        self.screen.end(&calm.text());
        for flooded in Flooded::ALL {
            self.screen.begin(flooded.title());
            let millis = self.plan.tcp_millis + self.probing_millis() + 2 * LEAD_MILLIS + SLACK_MILLIS;
            let flood = self.initiations(flooded, millis)?;
            let beside = self.traffic_beside()?;
            let sent = expect_flood(flood.finish(&mut |_| ())?)?.packets_per_sec();
            self.screen.end(&format!("{}, {} sent/s", beside.text(), table::count(sent)));
            self.values.insert(Metric::FloodTcp(flooded), beside.bits_per_sec / calm.bits_per_sec);
            if let (Some(beside), Some(calm)) = (beside.rtt_p99_us, calm.rtt_p99_us) {
                self.values.insert(Metric::FloodRtt(flooded), beside / calm);
            }
            self.values.insert(Metric::FloodRate(flooded), sent);
        }
        Ok(())
    }

    /// What comes through now; nothing is a result, too.
    fn traffic_beside(&self) -> Result<Traffic> {
        let Outcome::Ping(round_trips) = self.ping(self.plan.probes)?.finish(&mut |_| ())? else {
            return Err(senseless());
        };
        let Outcome::Tcp(tcp) = self.traffic(&Plan::Tcp(self.upload()))? else { return Err(senseless()) };
        let rtt_p99_us = (round_trips.received > 0).then_some(round_trips.delay.p99_us);
        Ok(Traffic {
            bits_per_sec: if tcp.failures.is_empty() { tcp.bits_per_sec() } else { 0.0 },
            rtt_p99_us,
        })
    }

    const fn probing_millis(&self) -> u64 {
        self.plan.probes as u64 * PROBE_INTERVAL_US / 1_000
    }

    fn initiations(&self, flooded: Flooded, millis: u64) -> Result<Run> {
        let responder = self.pair.public_key(Side::B);
        let (port, sound) = match flooded {
            Flooded::ClosedPort => (CLOSED_PORT, true),
            Flooded::Junk => (self.pair.endpoint(Side::B).port(), false),
            Flooded::Sound => (self.pair.endpoint(Side::B).port(), true),
        };
        self.begin_flood(port, Flooding::Initiations { responder, sound }, millis)
    }

    /// Starts a flood over the wire, past the tunnel, and waits until it goes on.
    fn begin_flood(&self, port: u16, what: Flooding, millis: u64) -> Result<Run> {
        let to = SocketAddr::new(self.pair.endpoint(Side::B).ip(), port);
        let run = self.pair.begin(Side::A, &Plan::Flood(Flood { to, what, millis }))?;
        clock::pause_until(clock::now() + Duration::from_millis(LEAD_MILLIS));
        Ok(run)
    }
}

/// What a user notices.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    bits_per_sec: f64,
    /// Nothing if no probe was answered.
    rtt_p99_us: Option<f64>,
}

impl Traffic {
    fn text(&self) -> String {
        let round_trip = self.rtt_p99_us.map_or_else(|| "none".to_owned(), table::micros);
        format!("TCP {}, round trip p99 {round_trip}", table::bits(self.bits_per_sec))
    }
}

fn expect_flood(outcome: Outcome) -> Result<FloodReport> {
    if let Outcome::Flood(report) = outcome { Ok(report) } else { Err(senseless()) }
}
