//! What a completion was for: the 64 bits that travel with each request.
//!
//! **Invariant:** a token holds indices, never pointers, and each index is checked against its table by
//! whoever uses it.
#![forbid(unsafe_code)]

use crate::Queue;

/// The request that a completion answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Token {
    /// A read of a TUN queue; `lane` tells single requests apart.
    Read { queue: Queue, lane: u8 },
    /// A receive. `generation` tells a replaced socket's last completions from its successor's.
    Recv { socket: u8, lane: u8, generation: u8 },
    /// A read of the eventfd.
    Wake,
    /// The write in this place of its table.
    Write(u16),
    /// The message in this place of its table.
    Send(u16),
    /// The cancellation of something; tells nothing.
    Cancel,
}

impl Token {
    pub(crate) fn encode(self) -> u64 {
        let (kind, index, [a, b, c]) = match self {
            Self::Read { queue, lane } => (READ, 0, [lane, queue as u8, 0]),
            Self::Recv { socket, lane, generation } => (RECV, 0, [socket, lane, generation]),
            Self::Wake => (WAKE, 0, [0; 3]),
            Self::Write(index) => (WRITE, index, [0; 3]),
            Self::Send(index) => (SEND, index, [0; 3]),
            Self::Cancel => (CANCEL, 0, [0; 3]),
        };
        let [low, high] = index.to_le_bytes();
        u64::from_le_bytes([kind, a, b, c, low, high, 0, 0])
    }

    pub(crate) fn decode(value: u64) -> Option<Self> {
        let [kind, a, b, c, low, high, 0, 0] = value.to_le_bytes() else {
            return None;
        };
        let index = u16::from_le_bytes([low, high]);
        match kind {
            READ => Queue::ALL.get(usize::from(b)).map(|&queue| Self::Read { queue, lane: a }),
            RECV => Some(Self::Recv { socket: a, lane: b, generation: c }),
            WAKE => Some(Self::Wake),
            WRITE => Some(Self::Write(index)),
            SEND => Some(Self::Send(index)),
            CANCEL => Some(Self::Cancel),
            _ => None,
        }
    }
}

const READ: u8 = 1;
const RECV: u8 = 2;
const WAKE: u8 = 3;
const WRITE: u8 = 4;
const SEND: u8 = 5;
const CANCEL: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        let all = [
            Token::Read { queue: Queue::Bulk, lane: 3 },
            Token::Read { queue: Queue::Quick, lane: 0 },
            Token::Recv { socket: 31, lane: u8::MAX, generation: 200 },
            Token::Wake,
            Token::Write(u16::MAX),
            Token::Send(127),
            Token::Cancel,
        ];
        for token in all {
            assert_eq!(Token::decode(token.encode()), Some(token));
        }
        for stranger in [0, 7, u64::MAX, u64::from(READ) | 2 << 16, Token::Wake.encode() | 1 << 63] {
            assert_eq!(Token::decode(stranger), None);
        }
    }
}
