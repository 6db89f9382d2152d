//! The circle as pure code: who belongs to it, and who may do what to whom.
//!
//! A circle is a set of devices that accept each other's signed statements. Nobody keeps it for them: each device holds all
//! statements, checks every signature, and works out the same roster. From the bytes to the packet filter:
//!
//! ```text
//! bytes ─ Unverified::decode ─► record::verify ─► Circle::ingest ─► Roster ─ effective(now) ─► can, table, Filter
//!         strict, bounded        in batches         any order         no clock      high-water mark
//! ```
//!
//! | to understand | read |
//! | --- | --- |
//! | what is signed | [`record`] |
//! | how records come to count | [`circle`], then `roster/authority.rs` and `roster/membership.rs` |
//! | who may do what | [`permission`] |
//! | how a device gets in | [`invite`] |
//! | what others can see | [`sealed`], [`sync`] |
//!
//! # What was decided
//! - **Restrictions before permissions.** Wherever records contradict each other (a key in two places, admins that revoke
//!   each other in a circle), revocations and denials hold and permissions wait. A wrong restriction costs an evening, a wrong
//!   permission a network.
//! - **Authority is heard, not ordered.** There is no time that all agree on. Admins are heard by rank: the recovery key, then by
//!   seniority; so of two that revoke each other the senior stays. Who holds a senior's stolen key is stopped with the recovery key.
//! - **A revocation names the last record that counts** and never reaches back past the record that made its author an admin.
//! - **A removed key stays removed**, and who was removed from the admins is not named one again under that key: two
//!   unordered records could not say which came last.
//! - **Invites are counted before they admit.** One use too many, and all who were not confirmed wait; admins confirm at once.
//! - **Clocks are claims.** In one chain they never go back; a joiner's counts for nothing; a witness can date an admission back no
//!   further than its invite.
//! - **One equation for signatures**, so that no crafted signature is good for half of the devices (`signature.rs`).
//!
//! **Invariant:** no socket, no file, no thread, no clock; time and randomness are arguments. Unsafe code is forbidden.
//! **Invariant:** the roster is a function of the set of records.

#![forbid(unsafe_code)]

pub mod address;
pub mod beacon;
pub mod circle;
mod codec;
mod hash;
pub mod history;
pub mod identity;
pub mod invite;
pub mod limits;
pub mod name;
pub mod permission;
pub mod record;
pub mod roster;
pub mod sealed;
mod signature;
pub mod stun;
pub mod sync;
#[cfg(test)]
mod testing;
pub mod time;

pub use codec::Malformed;
