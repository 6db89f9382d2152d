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
//! # Faults, and the tests that they meet
//! Tests of this crate by module; those of the whole by the file in `control/cli/tests/circle` or the crate that they are in.
//!
//! | fault | test |
//! | --- | --- |
//! | forged, changed, truncated record | `record::nothing_that_was_changed_holds`, `record::a_batch_points_at_the_forged_ones` |
//! | oversized record; author without end | `record::whatever_is_longer_than_a_record_may_be_is_refused_unread`, `circle::a_guest_cannot_write_without_end` |
//! | replayed, duplicate, reordered | `circle::what_does_not_belong_is_refused_and_what_is_early_waits`; every script of `roster::tests` |
//! | from the future | `roster::a_record_from_the_future_makes_nobody_senior_and_no_clock_wait` |
//! | admin key used from a clone | `roster::an_admin_key_on_two_machines_is_frozen_until_somebody_decides` |
//! | stolen key that dates back | `roster::a_stolen_key_that_dates_back_changes_nothing` |
//! | race for the last use of an invite | `roster::a_race_for_the_last_use_lets_in_whom_the_admin_confirms`, `join.rs` |
//! | expired invite, clock set back | `roster::an_expired_invite_is_not_revived_by_the_joiners_clock`, `time::a_clock_that_is_set_back_is_overruled` |
//! | clock wrong by days | `sealed::signal::a_signal_opens_for_its_receiver_in_its_time`, `permission::a_permission_ends_by_itself_and_no_clock_revives_it` |
//! | mutual revocation | `roster::of_two_that_revoke_each_other_the_senior_wins`, `roster::revocations_in_a_circle_end_and_take_power_away` |
//! | last admin lost; recovery key | `roster::what_the_recovery_key_does_is_followed_record_by_record`, `members.rs` |
//! | beacon leaves something out | `sync::a_beacon_that_leaves_something_out_is_found_out_by_the_heads`, simulation in `circle::tests` |
//! | beacon replays an old state | `sync::a_beacon_that_replays_an_old_state_takes_nothing_back` |
//! | beacon serves two differently | `sync::two_members_to_whom_a_beacon_shows_different_things_find_out_and_agree` |
//! | beacon killed, emptied, one of two lost | `beacon.rs` |
//! | two devices join in one instant | `roster::two_that_join_in_the_same_second_both_come_in_and_stand_in_one_order`, `join.rs` |
//! | codes mistyped, used up, expired, foreign | `invite::what_was_mistyped_is_told_from_what_is_no_code`, `invite::why_a_code_lets_nobody_in`, `join.rs` |
//! | corrupt database, full disk, death at any write | `damage.rs`, `ringmesh-daemon` `circle::store::tests` |
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
