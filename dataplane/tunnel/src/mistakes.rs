//! What other implementations got wrong, and the test of ours that would notice.
//!
//! Each line was a real bug or complaint somewhere. The names are those of tests in this crate; what concerns
//! sockets, the TUN device or the threads is held by tests of `io`, `worker` and the interop suite.
//!
//! # Protocol
//!
//! - A datagram of any length or content panics or stops reception, also an empty one and one far above the
//!   MTU: `device::any_datagram_is_refused_without_a_trace`, `session::text_shorter_than_a_tag_is_malformed`,
//!   `session::one_bad_packet_does_not_stop_its_run`.
//! - The limits on messages are not enforced, or counters are narrower than 64 bits:
//!   `session::the_last_counter_is_used_and_none_after_it`, `session::many_messages_make_either_side_replace_it`,
//!   `replay::the_greatest_counters_work`.
//! - Replay is checked before authentication, so a forgery moves the window; duplicates within one batch
//!   pass: `session::a_forgery_leaves_no_trace`, `session::a_duplicate_in_one_run_is_admitted_once`,
//!   `replay::agrees_with_a_set_that_never_forgets`.
//! - The source check looks at one peer's ranges only, or forgets IPv6; moving a range leaves it with both:
//!   `allowed_ips::longest_prefix_wins_over_all_peers`, `allowed_ips::a_range_moves_whole_and_leaves_nothing_behind`,
//!   `allowed_ips::agrees_with_a_linear_table`.
//! - The endpoint does not follow an authenticated handshake, or follows a cookie reply, a replay or a
//!   forgery: `device::authenticated_handshakes_move_the_endpoint`,
//!   `device::a_cookie_reply_never_moves_the_endpoint`,
//!   `device::tampered_messages_move_nothing_and_spoil_nothing`,
//!   `device::a_captured_initiation_is_refused_after_a_restart`.
//! - Keepalives answer keepalives, and two idle peers talk for ever:
//!   `device::one_keepalive_answers_data_and_nothing_answers_a_keepalive`,
//!   `device::traffic_in_both_directions_needs_no_keepalives`.
//! - Retries come without jitter, never end, or end although packets still want to leave:
//!   `device::retries_have_jitter_and_stop_after_ninety_seconds`,
//!   `device::new_packets_lengthen_the_attempt_but_quicken_nothing`,
//!   `device::a_persistent_keepalive_never_gives_up_for_good`.
//! - Two sides that begin at once end with keys that only one of them has, or lose packets at each rekeying:
//!   `device::both_sides_may_begin_at_once`, `device::everybody_may_begin_with_everybody_at_once`,
//!   `device::handshakes_that_crossed_once_do_not_cross_for_ever`,
//!   `device::a_response_that_nobody_awaits_does_no_harm`, `keyring::sessions_move_as_handshakes_end`.
//! - A late response is matched with another initiation than it answers:
//!   `device::a_response_to_an_initiation_that_was_replaced_is_refused`.
//! - The initiator may send before the responder can receive:
//!   `device::the_response_leaves_when_the_owner_can_receive`.
//! - A session that only receives dies of age under traffic:
//!   `device::a_session_that_only_receives_is_replaced_in_time`,
//!   `device::a_session_under_load_is_replaced_every_two_minutes_and_nothing_is_lost`.
//! - A changed pre-shared key needs a restart, or panics:
//!   `device::a_new_psk_is_used_from_the_next_handshake_on`.
//! - Indices can be predicted or collide: `index::indices_are_unpredictable`,
//!   `index::a_collision_draws_again`, `index::agrees_with_a_map`.
//! - Peers that never finish a handshake leave something behind:
//!   `device::a_peer_that_never_finishes_leaves_nothing`,
//!   `device::strangers_and_old_messages_leave_nothing_behind`.
//! - A Diffie-Hellman result of zero is taken: `noise::zero_shared_secrets_are_rejected`,
//!   `device::a_peer_whose_key_is_of_low_order_is_given_up`.
//! - Keys outlive their sessions: `device::keys_are_wiped_when_a_peer_has_been_silent_for_nine_minutes`,
//!   `device::another_private_key_ends_every_session_and_the_same_none`, `session::age_ends_a_session_in_both_directions`.
//! - A wall clock that is unset or set back locks the initiator out:
//!   `device::a_clock_that_was_set_back_locks_nobody_out`,
//!   `tai64n::own_stamps_increase_whatever_the_wall_does`.
//! - A device that has itself as a peer talks to itself: `device::our_own_key_is_nobody_elses`.
//!
//! # Under attack
//!
//! - A curve operation comes before MAC1, or before the cookie under load:
//!   `device::mac1_and_cookie_come_before_any_curve_operation`.
//! - The cookie covers the address but not the port: `cookie::a_cookie_opens_the_door_for_its_source_only`.
//! - A cookie can be replayed or forged into a sender's state:
//!   `cookie::a_cookie_reply_answers_one_message_of_ours`, `cookie::secrets_and_cookies_end`.
//! - The limiter knows one source where there are many, never forgets, fills up, or lets one attacker starve
//!   all: `ratelimit::what_is_one_source_and_what_is_another`,
//!   `ratelimit::a_burst_then_the_rate_then_a_burst_again`, `ratelimit::a_full_table_refuses_no_newcomer`,
//!   `device::a_source_with_a_cookie_is_limited_alone`.
//! - A flood keeps honest peers out or delays established traffic:
//!   `device::a_flood_is_answered_with_cookies_and_honest_peers_come_through`,
//!   `device::two_devices_under_load_still_find_each_other`.
//!
//! # Many peers
//!
//! - Timers walk over all peers: `device::idle_peers_cost_nothing_and_due_ones_come_in_portions`,
//!   `timers::a_peer_is_watched_while_something_is_open_and_then_left_alone`,
//!   `wheel::a_hundred_thousand_deadlines_cost_each_as_much_as_one`.
//! - A stranger's receiver index, or one that was chosen, makes a look-up long:
//!   `index::any_index_costs_a_few_places_when_the_table_is_full`.
//! - Everything that a peer may ever need is made when it is configured:
//!   `peers::a_configured_peer_is_its_configuration_and_nothing_else`.
//! - The range table is slow or large with many peers: `allowed_ips::a_hundred_thousand_peers`.
//! - Changing one peer cuts the others for a moment: `device::changing_one_peer_cuts_no_other`,
//!   `device::no_script_breaks_a_device`.

#[cfg(test)]
mod tests;
