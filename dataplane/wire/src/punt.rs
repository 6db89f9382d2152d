//! What else arrives on the tunnel's socket: the data plane only tells it apart, control reads it.
//!
//! STUN, ChannelData and WireGuard share one socket, so that a punched hole is the hole that carries
//! the data. Their first bytes do not overlap (RFC 7983, section 7).
//!
//! **Invariant:** only datagrams that are no WireGuard message come here.

/// What a datagram that is not WireGuard seems to be.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Punted {
    /// A STUN message (RFC 8489, section 5): magic cookie and a length that fits exactly.
    Stun,
    /// TURN ChannelData (RFC 8656, section 12.4): a channel number of 0x4000 to 0x4FFF and a length that fits.
    ChannelData,
    /// Anything else.
    Other,
}

/// Tells what `datagram` seems to be.
#[must_use]
pub fn classify_punt(datagram: &[u8]) -> Punted {
    let Some(&[high, _, len_high, len_low]) = datagram.first_chunk() else { return Punted::Other };
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    match high {
        0x00..=0x3F if is_stun(datagram, len) => Punted::Stun,
        // Over UDP the padding to four bytes may be there or not.
        0x40..=0x4F if (len..=len.next_multiple_of(4)).contains(&(datagram.len() - CHANNEL_HEADER_LEN)) => {
            Punted::ChannelData
        }
        _ => Punted::Other,
    }
}

fn is_stun(datagram: &[u8], len: usize) -> bool {
    len.is_multiple_of(4) && datagram.len() == STUN_HEADER_LEN + len && datagram[4..8] == MAGIC_COOKIE
}

const MAGIC_COOKIE: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
const STUN_HEADER_LEN: usize = 20;
const CHANNEL_HEADER_LEN: usize = 4;

#[cfg(test)]
mod tests;
