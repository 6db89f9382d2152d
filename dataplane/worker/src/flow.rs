//! Inner flows: what belongs together by addresses, protocol and ports.

use std::net::IpAddr;

use ringmesh_wire::ip::{self, IpPacket, TCP, UDP};

/// One direction of a flow. What has no ports is one flow for each pair of addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Flow {
    protocol: u8,
    from: (IpAddr, [u8; 2]),
    to: (IpAddr, [u8; 2]),
}

impl Flow {
    /// The flow of a packet of which at least the headers are there.
    pub(crate) fn of(packet: &[u8]) -> Option<Self> {
        let IpPacket { src, dst, header_len, protocol, .. } = ip::peek_head(packet)?;
        let ports = matches!(protocol, TCP | UDP).then(|| packet.get(header_len..header_len + 4)).flatten();
        let [a, b, c, d] = ports.and_then(|ports| ports.first_chunk().copied()).unwrap_or_default();
        Some(Self { protocol, from: (src, [a, b]), to: (dst, [c, d]) })
    }

    /// The same for both directions.
    pub(crate) fn both_ways(self) -> Self {
        let Self { protocol, from, to } = self;
        Self { protocol, from: from.min(to), to: from.max(to) }
    }
}

/// Whether this is a TCP segment that only acknowledges (RFC 9293, section 3.1).
pub(crate) fn is_acknowledgement(packet: &[u8]) -> bool {
    let Some(IpPacket { header_len, protocol: TCP, len, .. }) = ip::peek(packet) else { return false };
    let fields = packet.get(header_len + DATA_OFFSET_AT..);
    fields
        .and_then(|fields| fields.first_chunk())
        .is_some_and(|[offset, flags]| *flags == ACK && len == header_len + usize::from(offset >> 4) * 4)
}

/// Where in a TCP header the byte with the data offset is; the flags follow.
const DATA_OFFSET_AT: usize = 12;
const ACK: u8 = 0x10;

#[cfg(test)]
mod tests;
