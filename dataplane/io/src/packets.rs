//! Packets for the tests of splitting and joining, built field by field from the RFCs and without any of the
//! code that they test.

/// A TCP or UDP packet; change what matters and [`Packet::build`] it.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) v6: bool,
    pub(crate) udp: bool,
    /// Last byte of the source address: tells hosts apart.
    pub(crate) host: u8,
    /// Source port: tells flows apart.
    pub(crate) port: u16,
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    pub(crate) id: u16,
    /// The IPv4 fragment word.
    pub(crate) fragment: u16,
    /// The IPv6 flow label.
    pub(crate) label: u32,
    /// IPv4 options or IPv6 extension headers; of the latter the first is always destination options.
    pub(crate) extra: Vec<u8>,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    /// What stands beside the header length: reserved bits, and one that Accurate ECN has taken.
    pub(crate) reserved: u8,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    /// TCP options.
    pub(crate) options: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const ACK: u8 = 0x10;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const FIN: u8 = 0x01;
pub(crate) const CWR: u8 = 0x80;
pub(crate) const DF: u16 = 0x4000;

/// Timestamps, padded as everyone does.
pub(crate) const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4];

/// Destination options with nothing in them; the next header is filled in.
pub(crate) const DESTINATION_OPTIONS: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];

impl Packet {
    pub(crate) fn tcp(v6: bool) -> Self {
        Self {
            v6,
            udp: false,
            host: 1,
            port: 40_000,
            tos: 0,
            ttl: 64,
            id: 7,
            fragment: DF,
            label: 0x4_2a17,
            extra: Vec::new(),
            seq: 1_000,
            ack: 77,
            reserved: 0,
            flags: ACK,
            window: 501,
            urgent: 0,
            options: TIMESTAMPS.to_vec(),
            payload: Vec::new(),
        }
    }

    pub(crate) fn udp(v6: bool) -> Self {
        Self { udp: true, ..Self::tcp(v6) }
    }

    /// The whole packet with its checksums.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut transport = if self.udp { self.udp_header() } else { self.tcp_header() };
        let at = if self.udp { 6 } else { 16 };
        transport.extend(&self.payload);
        let sum = naive(&[self.pseudo(transport.len()), transport.clone()].concat());
        let check = if self.udp && sum == 0xffff { 0xffff } else { !sum };
        transport[at..at + 2].copy_from_slice(&check.to_be_bytes());
        let mut packet =
            if self.v6 { self.v6_header(transport.len()) } else { self.v4_header(transport.len()) };
        packet.extend(transport);
        packet
    }

    fn protocol(&self) -> u8 {
        if self.udp { 17 } else { 6 }
    }

    fn tcp_header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend(self.port.to_be_bytes());
        header.extend(443_u16.to_be_bytes());
        header.extend(self.seq.to_be_bytes());
        header.extend(self.ack.to_be_bytes());
        header.push(((20 + self.options.len()) * 4) as u8 | self.reserved);
        header.push(self.flags);
        header.extend(self.window.to_be_bytes());
        header.extend([0; 2]);
        header.extend(self.urgent.to_be_bytes());
        header.extend(&self.options);
        header
    }

    fn udp_header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend(self.port.to_be_bytes());
        header.extend(443_u16.to_be_bytes());
        header.extend((8 + self.payload.len() as u16).to_be_bytes());
        header.extend([0; 2]);
        header
    }

    fn v4_header(&self, transport_len: usize) -> Vec<u8> {
        let len = 20 + self.extra.len();
        let mut header = vec![0x40 | (len / 4) as u8, self.tos];
        header.extend(((len + transport_len) as u16).to_be_bytes());
        header.extend(self.id.to_be_bytes());
        header.extend(self.fragment.to_be_bytes());
        header.extend([self.ttl, self.protocol(), 0, 0]);
        header.extend(self.addresses());
        header.extend(&self.extra);
        let check = !naive(&header);
        header[10..12].copy_from_slice(&check.to_be_bytes());
        header
    }

    fn v6_header(&self, transport_len: usize) -> Vec<u8> {
        let mut header = (6 << 28 | u32::from(self.tos) << 20 | self.label).to_be_bytes().to_vec();
        header.extend(((self.extra.len() + transport_len) as u16).to_be_bytes());
        header.push(if self.extra.is_empty() { self.protocol() } else { 60 });
        header.push(self.ttl);
        header.extend(self.addresses());
        header.extend(&self.extra);
        if !self.extra.is_empty() {
            header[40] = self.protocol();
        }
        header
    }

    fn addresses(&self) -> Vec<u8> {
        if self.v6 {
            [[0xfd; 15].as_slice(), &[self.host], &[0xfe; 16]].concat()
        } else {
            vec![10, 0, 0, self.host, 10, 9, 9, 9]
        }
    }

    fn pseudo(&self, transport_len: usize) -> Vec<u8> {
        let mut pseudo = self.addresses();
        pseudo.extend([0, self.protocol()]);
        pseudo.extend((transport_len as u16).to_be_bytes());
        pseudo
    }

    /// Where the transport header begins.
    pub(crate) fn transport(&self) -> usize {
        self.extra.len() + if self.v6 { 40 } else { 20 }
    }

    /// The length of all headers.
    pub(crate) fn head_len(&self) -> usize {
        self.transport() + if self.udp { 8 } else { 20 + self.options.len() }
    }

    /// The same packet with its checksum left open: the field holds the pseudo-header's sum (virtio 1.3, 5.1.6.2).
    pub(crate) fn build_open(&self) -> Vec<u8> {
        let mut packet = self.build();
        let at = self.transport() + if self.udp { 6 } else { 16 };
        let sum = naive(&self.pseudo(packet.len() - self.transport()));
        packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        packet
    }
}

/// RFC 1071 as it is written.
pub(crate) fn naive(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Bytes without a pattern; the same for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
