//! The two MACs of handshake messages, and the cookies that keep a flood of them cheap.
//!
//! MAC1 proves that the sender knows our public key; it is checked before anything that costs. Under load a
//! message must also carry MAC2, keyed with a cookie that we sent to its source address and port before, so
//! that only somebody who really receives there can make us compute (paper, sections 5.4.4 and 5.4.7).
//!
//! **Invariant:** nothing here is stored per source. A cookie is recomputed from a secret of ours and the
//! source itself, so a flood leaves no trace in memory.

use std::time::Duration;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use ringmesh_wire::keys::PublicKey;
use ringmesh_wire::message::{COOKIE_REPLY_LEN, CookieReply, TAG_LEN};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::hash::{self, HASH_LEN, MAC_LEN};
use crate::limits::COOKIE_LIFETIME;
use crate::random::Random;

const LABEL_MAC1: &[u8] = b"mac1----";
const LABEL_COOKIE: &[u8] = b"cookie--";
/// A sender stops using a cookie this much before its maker would, so that none expires on its way.
const COOKIE_LATENCY: Duration = Duration::from_secs(5);

/// The receiving side: checks what comes to our public key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Checker {
    mac1_key: [u8; HASH_LEN],
    cookie_key: [u8; HASH_LEN],
    secret: [u8; HASH_LEN],
    /// When the secret was drawn; `None` before its first use.
    #[zeroize(skip)]
    drawn: Option<Duration>,
}

impl Checker {
    pub(crate) fn new(public: &PublicKey) -> Self {
        Self {
            mac1_key: key(LABEL_MAC1, public),
            cookie_key: key(LABEL_COOKIE, public),
            secret: [0; HASH_LEN],
            drawn: None,
        }
    }

    /// Whether the message was made by somebody who knows our public key.
    pub(crate) fn has_mac1(&self, message: &[u8]) -> bool {
        let Some((body, mac1, _)) = parts(message) else { return false };
        hash::mac(&self.mac1_key, &[body]).ct_eq(mac1).into()
    }

    /// Whether the message was made by somebody who got our cookie at `source`, not too long ago.
    pub(crate) fn has_mac2(&mut self, message: &[u8], source: &[u8], now: Duration) -> bool {
        let Some((body, mac1, mac2)) = parts(message) else { return false };
        if self.secret_expired(now) {
            return false;
        }
        hash::mac(&self.cookie(source), &[body, mac1]).ct_eq(mac2).into()
    }

    /// The cookie reply to a handshake message that came from `source` and names its index `sender`.
    pub(crate) fn reply(
        &mut self,
        message: &[u8],
        sender: u32,
        source: &[u8],
        now: Duration,
        random: &mut Random,
    ) -> Option<[u8; COOKIE_REPLY_LEN]> {
        let (_, mac1, _) = parts(message)?;
        if self.secret_expired(now) {
            random.fill(&mut self.secret);
            self.drawn = Some(now);
        }
        let nonce = random.array();
        let mut sealed = [0; MAC_LEN + TAG_LEN];
        let (text, tag) = sealed.split_at_mut(MAC_LEN);
        text.copy_from_slice(&self.cookie(source));
        let made = cipher(&self.cookie_key).encrypt_inout_detached(&XNonce::from(nonce), mac1, text.into());
        tag.copy_from_slice(&made.ok()?);
        Some(CookieReply::emit(sender, &nonce, &sealed))
    }

    fn cookie(&self, source: &[u8]) -> [u8; MAC_LEN] {
        hash::mac(&self.secret, &[source])
    }

    fn secret_expired(&self, now: Duration) -> bool {
        self.drawn.is_none_or(|drawn| now.saturating_sub(drawn) >= COOKIE_LIFETIME)
    }
}

/// The sending side: what we know about one peer's cookies.
#[derive(Default)]
pub(crate) struct Jar {
    /// The MAC1 of our last message, which a cookie reply is bound to. Each is good for one reply.
    last_mac1: Option<[u8; MAC_LEN]>,
    /// The newest cookie and when it came.
    cookie: Option<([u8; MAC_LEN], Duration)>,
}

impl Jar {
    /// Writes both MACs of a handshake message to `peer`. Without a fresh cookie MAC2 stays zero.
    pub(crate) fn sign(&mut self, message: &mut [u8], peer: &PublicKey, now: Duration) {
        let macs = message.len() - 2 * MAC_LEN;
        let mac1 = hash::mac(&key(LABEL_MAC1, peer), &[&message[..macs]]);
        message[macs..][..MAC_LEN].copy_from_slice(&mac1);
        self.last_mac1 = Some(mac1);
        if let Some((cookie, _)) = self.cookie.filter(|(_, came)| is_fresh(*came, now)) {
            let mac2 = hash::mac(&cookie, &[&message[..macs + MAC_LEN]]);
            message[macs + MAC_LEN..].copy_from_slice(&mac2);
        }
    }

    /// Keeps the cookie of a reply, for the messages to come. `false` when the reply answers nothing of ours
    /// or is not from `peer`.
    pub(crate) fn accept(&mut self, reply: CookieReply<'_>, peer: &PublicKey, now: Duration) -> bool {
        let Some(mac1) = self.last_mac1 else { return false };
        let (text, tag) = reply.sealed_cookie().split_at(MAC_LEN);
        let Ok(tag) = Tag::try_from(tag) else { return false };
        let mut cookie = [0; MAC_LEN];
        cookie.copy_from_slice(text);
        let opened = cipher(&key(LABEL_COOKIE, peer)).decrypt_inout_detached(
            &XNonce::from(*reply.nonce()),
            &mac1,
            cookie.as_mut_slice().into(),
            &tag,
        );
        if opened.is_ok() {
            self.last_mac1 = None;
            self.cookie = Some((cookie, now));
        }
        opened.is_ok()
    }
}

/// Whether a cookie that came at `came` is still taken by its maker when a message arrives there.
fn is_fresh(came: Duration, now: Duration) -> bool {
    now.saturating_sub(came) < COOKIE_LIFETIME - COOKIE_LATENCY
}

/// Splits a handshake message into what MAC1 covers, MAC1 and MAC2.
fn parts(message: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (rest, mac2) = message.split_at_checked(message.len().checked_sub(MAC_LEN)?)?;
    let (body, mac1) = rest.split_at_checked(rest.len().checked_sub(MAC_LEN)?)?;
    Some((body, mac1, mac2))
}

fn key(label: &[u8], public: &PublicKey) -> [u8; HASH_LEN] {
    hash::hash(&[label, &public.0])
}

fn cipher(key: &[u8; HASH_LEN]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

#[cfg(test)]
mod tests;
