use proptest::prelude::*;

use super::{PAGE, Paged};

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(u16),
    Set(usize, u16),
    Copy,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<u16>().prop_map(Step::Push),
        4 => (0..3 * PAGE, any::<u16>()).prop_map(|(at, value)| Step::Set(at, value)),
        1 => Just(Step::Copy),
    ]
}

proptest! {
    /// Every copy stays as the vector beside it was when both were copied.
    #[test]
    fn agrees_with_a_vector_and_copies_stand_still(script in prop::collection::vec(steps(), 1..1_200)) {
        let (mut paged, mut judge) = (Paged::default(), Vec::new());
        let mut copies = Vec::new();
        for step in script {
            match step {
                Step::Push(value) => {
                    paged.push(value);
                    judge.push(value);
                }
                Step::Set(at, value) => {
                    let both = (paged.get_mut(at), judge.get_mut(at));
                    prop_assert_eq!(both.0.is_some(), both.1.is_some());
                    if let (Some(ours), Some(theirs)) = both {
                        (*ours, *theirs) = (value, value);
                    }
                }
                Step::Copy => copies.push((paged.clone(), judge.clone())),
            }
        }
        copies.push((paged, judge));
        for (paged, judge) in copies {
            prop_assert_eq!(paged.len(), judge.len());
            prop_assert!(paged.iter().eq(judge.iter()));
            prop_assert_eq!(paged.get(judge.len()), None);
            prop_assert!((0..judge.len()).all(|at| paged.get(at) == judge.get(at)));
        }
    }
}

#[test]
fn a_filled_one_has_its_length_and_no_more() {
    for len in [0, 1, PAGE - 1, PAGE, PAGE + 1] {
        let paged = Paged::filled(7_u8, len);
        assert_eq!((paged.len(), paged.iter().count()), (len, len));
        assert_eq!(paged.get(len), None);
    }
}
