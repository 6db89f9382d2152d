//! What is known of a packet, and whether one condition of a rule fits it.
//!
//! **Invariant:** an answer is given only to what is understood as a whole.

use std::net::IpAddr;

use serde_json::Value;

use super::Ruleset;

/// A packet that comes in by our interface and begins something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) transport: Transport,
}

/// What it carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    /// TCP to a port; none for one that no rule names.
    Tcp(Option<u16>),
    /// The same with UDP.
    Udp(Option<u16>),
    /// An echo request.
    Echo,
}

/// One property of the packet.
#[derive(Clone, Debug)]
enum Fact<'a> {
    Text(&'a str),
    Number(u64),
    Address(IpAddr),
    /// A port that no rule names.
    Nameless,
    /// The packet has no such thing, so no condition on it fits.
    Absent,
}

/// Where a condition is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) ruleset: &'a Ruleset,
    /// The table that the rule is in: its sets are meant.
    pub(super) table: &'a str,
    pub(super) ifname: &'a str,
    pub(super) packet: &'a Packet,
}

impl Scene<'_> {
    /// Whether a `match` fits; none if that is not understood.
    pub(super) fn fits(&self, content: &Value) -> Option<bool> {
        let (left, right) = (content.get("left")?, content.get("right")?);
        let equal = match left.get("fib") {
            Some(fib) => self.fib(fib, right)?,
            None => {
                let fact = self.fact(left)?;
                if matches!(fact, Fact::Absent) {
                    return Some(false);
                }
                self.is(&fact, right)?
            }
        };
        match content.get("op")?.as_str()? {
            "==" | "in" => Some(equal),
            "!=" => Some(!equal),
            _ => None,
        }
    }

    /// The packet is for this machine, and the way back to its sender is by our interface.
    fn fib(&self, fib: &Value, right: &Value) -> Option<bool> {
        let flags = fib.get("flags")?;
        let about = |what: &str| {
            flags.as_str() == Some(what)
                || flags.as_array().is_some_and(|flags| flags.iter().any(|flag| flag == what))
        };
        match fib.get("result")?.as_str()? {
            "type" if about("daddr") => self.is(&Fact::Text("local"), right),
            "type" if about("saddr") => self.is(&Fact::Text("unicast"), right),
            // Whether there is a way back.
            "oif" if about("saddr") => right.as_bool(),
            _ => None,
        }
    }

    /// The property that `left` names.
    fn fact(&self, left: &Value) -> Option<Fact<'_>> {
        if let Some(meta) = left.get("meta") {
            return self.meta(meta.get("key")?.as_str()?);
        }
        if let Some(ct) = left.get("ct") {
            return match ct.get("key")?.as_str()? {
                "state" => Some(Fact::Text("new")),
                "direction" => Some(Fact::Text("original")),
                _ => None,
            };
        }
        let payload = left.get("payload")?;
        self.payload(payload.get("protocol")?.as_str()?, payload.get("field")?.as_str()?)
    }

    fn meta(&self, key: &str) -> Option<Fact<'_>> {
        Some(match key {
            "iifname" | "iif" => Fact::Text(self.ifname),
            "oifname" | "oif" => Fact::Absent,
            "l4proto" => Fact::Text(self.l4proto()),
            "nfproto" => Fact::Text(if self.packet.to.is_ipv4() { "ipv4" } else { "ipv6" }),
            "protocol" => Fact::Text(if self.packet.to.is_ipv4() { "ip" } else { "ip6" }),
            "pkttype" => Fact::Text("host"),
            "mark" => Fact::Number(0),
            _ => return None,
        })
    }

    const fn l4proto(&self) -> &'static str {
        match (self.packet.transport, self.packet.to.is_ipv4()) {
            (Transport::Tcp(_), _) => "tcp",
            (Transport::Udp(_), _) => "udp",
            (Transport::Echo, true) => "icmp",
            (Transport::Echo, false) => "ipv6-icmp",
        }
    }

    fn payload(&self, protocol: &str, field: &str) -> Option<Fact<'_>> {
        let packet = self.packet;
        let transport = match packet.transport {
            Transport::Tcp(port) => ("tcp", port),
            Transport::Udp(port) => ("udp", port),
            Transport::Echo => (if packet.to.is_ipv4() { "icmp" } else { "icmpv6" }, None),
        };
        match (protocol, field) {
            ("ip", _) if !packet.to.is_ipv4() => Some(Fact::Absent),
            ("ip6", _) if packet.to.is_ipv4() => Some(Fact::Absent),
            ("ip" | "ip6", "saddr") => Some(Fact::Address(packet.from)),
            ("ip" | "ip6", "daddr") => Some(Fact::Address(packet.to)),
            ("ip", "protocol") | ("ip6", "nexthdr") => Some(Fact::Text(self.l4proto())),
            ("tcp" | "udp" | "icmp" | "icmpv6" | "sctp" | "dccp" | "esp" | "ah", _)
                if protocol != transport.0 =>
            {
                Some(Fact::Absent)
            }
            ("icmp" | "icmpv6", "type") => Some(Fact::Text("echo-request")),
            ("tcp" | "udp" | "th", "dport") if packet.transport != Transport::Echo => {
                Some(transport.1.map_or(Fact::Nameless, |port| Fact::Number(port.into())))
            }
            _ => None,
        }
    }

    /// Whether a property is (one of) what stands on the right.
    fn is(&self, fact: &Fact<'_>, right: &Value) -> Option<bool> {
        if let Some(set) = right.as_str().and_then(|text| text.strip_prefix('@')) {
            return self.among(fact, self.ruleset.set(self.table, set)?);
        }
        if let Some(among) = right.get("set").or(Some(right)).and_then(Value::as_array) {
            return self.among(fact, among);
        }
        match fact {
            Fact::Text(text) => is_text(text, right),
            Fact::Number(number) => is_number(*number, right),
            Fact::Address(address) => is_address(*address, right),
            Fact::Nameless => (right.is_u64() || right.get("range").is_some()).then_some(false),
            Fact::Absent => Some(false),
        }
    }

    /// One that fits is enough; otherwise all must be understood.
    fn among(&self, fact: &Fact<'_>, elements: &[Value]) -> Option<bool> {
        let answers: Vec<Option<bool>> =
            elements.iter().map(|element| self.is(fact, value_of(element))).collect();
        if answers.contains(&Some(true)) {
            return Some(true);
        }
        answers.iter().all(Option::is_some).then_some(false)
    }

    /// What a verdict map gives; the outer none if that is not understood, the inner if nothing in it fits.
    pub(super) fn look_up<'v>(&'v self, content: &'v Value) -> Option<Option<&'v Value>> {
        let fact = self.fact(content.get("key")?)?;
        let data = content.get("data")?;
        let pairs = match data.as_str().and_then(|text| text.strip_prefix('@')) {
            Some(map) => self.ruleset.set(self.table, map)?,
            None => data.get("set")?.as_array()?,
        };
        for pair in pairs {
            let [key, verdict] = pair.as_array()?.as_slice() else { return None };
            if self.is(&fact, value_of(key))? {
                return Some(Some(verdict));
            }
        }
        Some(None)
    }
}

/// An element with a timeout, counter or comment has its value inside.
fn value_of(element: &Value) -> &Value {
    element.get("elem").and_then(|elem| elem.get("val")).unwrap_or(element)
}

fn is_text(text: &str, right: &Value) -> Option<bool> {
    let right = right.as_str()?;
    Some(match right.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => text == right || (text == "ipv6-icmp" && right == "icmpv6"),
    })
}

fn is_number(number: u64, right: &Value) -> Option<bool> {
    match right.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        Some([from, to]) => Some((from.as_u64()?..=to.as_u64()?).contains(&number)),
        Some(_) => None,
        None => Some(right.as_u64()? == number),
    }
}

fn is_address(address: IpAddr, right: &Value) -> Option<bool> {
    let read = |value: &Value| value.as_str()?.parse::<IpAddr>().ok();
    if let Some(prefix) = right.get("prefix") {
        let len = u32::try_from(prefix.get("len")?.as_u64()?).ok()?;
        return Some(bits(address, len)? == bits(read(prefix.get("addr")?)?, len)?);
    }
    match right.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        Some([from, to]) => Some((read(from)?..=read(to)?).contains(&address)),
        Some(_) => None,
        None => Some(read(right)? == address),
    }
}

/// The first bits of an address, and which family it is of; none if it has fewer.
fn bits(address: IpAddr, len: u32) -> Option<(bool, u128)> {
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let rest = u32::checked_sub(width, len)?;
    Some((address.is_ipv4(), bits.checked_shr(rest).unwrap_or(0)))
}
