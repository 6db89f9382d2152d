use super::*;

#[test]
fn it_is_a_list_whose_entries_stay_where_they_are() {
    let mut shelf = Shelf::new();
    let mut plain = Vec::new();
    let mut first: Option<*const usize> = None;
    for number in 0..3 * BOARD + 1 {
        assert_eq!(shelf.len(), plain.len());
        shelf.push(number);
        plain.push(number);
        let here = std::ptr::from_ref(&shelf[0]);
        assert_eq!(here, *first.get_or_insert(here), "after {number}");
    }
    shelf[BOARD] = 7;
    plain[BOARD] = 7;
    assert!(shelf.iter().eq(&plain));
    assert!((0..plain.len()).all(|at| shelf[at] == plain[at]));
}

#[test]
fn a_copy_goes_on_by_itself() {
    let mut shelf = Shelf::new();
    (0..BOARD / 2).for_each(|number| shelf.push(number));
    let mut copy = shelf.clone();
    (0..BOARD).for_each(|number| copy.push(number));
    assert_eq!((shelf.len(), copy.len()), (BOARD / 2, BOARD / 2 + BOARD));
    assert_eq!(copy.iter().count(), copy.len());
}
