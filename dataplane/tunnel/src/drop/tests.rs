use std::collections::BTreeSet;

use super::Drop;

#[test]
fn numbers_are_places_in_the_list() {
    for (place, drop) in Drop::ALL.into_iter().enumerate() {
        assert_eq!(drop as usize, place, "{drop}");
    }
}

#[test]
fn names_are_distinct_words_for_scripts() {
    let names: BTreeSet<&str> = Drop::ALL.into_iter().map(Drop::name).collect();
    assert_eq!(names.len(), Drop::COUNT);
    for name in names {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    }
}
