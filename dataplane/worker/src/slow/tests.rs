use super::*;

#[test]
fn handshakes_are_taken_in_portions_that_one_turn_can_bear() {
    assert!(HANDSHAKES_PER_TURN <= COOKIE_DEPTH, "a queue that one turn empties is no load");
}
