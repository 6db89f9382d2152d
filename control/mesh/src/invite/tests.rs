//! Codes as people pass them on, and what each mistake is called.

use super::{BadCode, BadWish, Beacon, CannotJoin, Code, LINK, Wanted};
use crate::identity::CircleId;
use crate::limits::{INVITE_SECS_MAX, INVITE_USES_MAX};
use crate::record::{Body, Role};
use crate::testing::{FOUNDER, START, World, id, key};

fn beacon(number: u16) -> Beacon {
    Beacon { key: key(number).beacon(), address: format!("beacon{number}.example:8443").into() }
}

fn wanted() -> Wanted {
    Wanted { guest: true, uses: 3, expires: START + 3600, beacons: vec![beacon(2), beacon(1)] }
}

fn code_of(wanted: Wanted) -> Result<Code, BadWish> {
    Code::new([9; 16], CircleId([5; 32]), "home".parse().expect("a name"), id(FOUNDER), START, wanted)
}

#[test]
fn a_code_comes_back_however_it_was_passed_on() {
    let code = code_of(wanted()).expect("a sound wish");
    let (text, link) = (code.text(), code.link());
    let spaced: String = text.chars().flat_map(|c| [c, if c == '-' { '\n' } else { ' ' }]).collect();
    let shown = text.replace('0', "O").replace('1', "l");
    for form in [
        &*text,
        &*link,
        &text.to_uppercase(),
        &spaced,
        &shown,
        &link.to_uppercase(),
        &format!("  {} ", *text),
    ] {
        assert_eq!(form.parse().as_ref(), Ok(&code), "{form}");
    }
    assert!(link.starts_with(LINK));
    assert!(!format!("{code:?}").contains(&hex::encode([9; 16])));
    let read: Code = text.parse().expect("our own");
    assert_eq!((read.circle(), read.inviter(), read.uses()), (CircleId([5; 32]), id(FOUNDER), 3));
    assert_eq!((read.is_guest(), read.expires(), read.beacons().len()), (true, START + 3600, 2));
}

#[test]
fn what_was_mistyped_is_told_from_what_is_no_code() {
    let text = code_of(wanted()).expect("a sound wish").text();
    for at in (0..text.len()).filter(|at| text.as_bytes()[*at] != b'-') {
        let mut typed = text.to_string();
        let other = if &typed[at..=at] == "z" { "y" } else { "z" };
        typed.replace_range(at..=at, other);
        assert_eq!(typed.parse::<Code>(), Err(BadCode::Mistyped), "{at}");
    }
    for len in 1..text.len() {
        assert_eq!(text[..len].parse::<Code>(), Err(BadCode::Mistyped), "{len}");
    }
    assert_eq!(text[..text.len() - 12].parse::<Code>(), Err(BadCode::Mistyped));
    assert_eq!("please let me in!".parse::<Code>(), Err(BadCode::NotACode));
    assert_eq!("z".repeat(9000).parse::<Code>(), Err(BadCode::NotACode));
}

#[test]
fn a_code_of_a_later_version_says_so() {
    let code = code_of(wanted()).expect("a sound wish");
    let bytes = code.encode();
    let mut payload = bytes[..bytes.len() - super::CHECK_LEN].to_vec();
    payload[0] = 2;
    let check = super::CHECK.hash(&[&payload]);
    payload.extend_from_slice(&check[..super::CHECK_LEN]);
    assert_eq!(super::base32::plain(&payload).parse::<Code>(), Err(BadCode::Newer));
}

#[test]
fn invites_have_bounds() {
    let table = [
        (Wanted { uses: 0, ..wanted() }, BadWish::Uses),
        (Wanted { uses: INVITE_USES_MAX + 1, ..wanted() }, BadWish::Uses),
        (Wanted { expires: START, ..wanted() }, BadWish::Expires),
        (Wanted { expires: START + INVITE_SECS_MAX + 1, ..wanted() }, BadWish::Expires),
        (Wanted { beacons: (0..5).map(beacon).collect(), ..wanted() }, BadWish::Beacons),
        (Wanted { beacons: vec![beacon(1), beacon(1)], ..wanted() }, BadWish::Beacons),
        (
            Wanted { beacons: vec![Beacon { address: "a b".into(), ..beacon(1) }], ..wanted() },
            BadWish::Beacons,
        ),
        (Wanted { beacons: vec![Beacon { address: "".into(), ..beacon(1) }], ..wanted() }, BadWish::Beacons),
    ];
    for (wanted, why) in table {
        assert_eq!(code_of(wanted), Err(why));
    }
}

#[test]
fn why_a_code_lets_nobody_in() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let code = world.invite(FOUNDER, 1, false, 1, &[]);
    let home = || code.name().clone();
    let check = |world: &World, device: u16, now| code.check(&id(device), Some(world.circle.roster()), now);
    assert_eq!(code.check(&id(3), None, code.expires()), Ok(()));
    assert_eq!(code.check(&id(3), None, code.expires() + 1), Err(CannotJoin::Expired(code.expires())));
    assert_eq!(check(&world, 3, world.now), Ok(()));
    assert_eq!(check(&world, 1, world.now), Err(CannotJoin::Member(home())));
    let other = code_of(wanted()).expect("a sound wish");
    let ours = Some(world.circle.roster());
    assert!(matches!(other.check(&id(3), ours, world.now), Err(CannotJoin::OtherCircle { .. })));
    world.remove(FOUNDER, 1);
    assert_eq!(check(&world, 1, world.now), Err(CannotJoin::Removed(home())));
    let join = world.join(&code, 3);
    world.witness(FOUNDER, &join);
    assert_eq!(check(&world, 4, world.now), Err(CannotJoin::UsedUp(1)));
    assert_eq!(
        CannotJoin::UsedUp(1).to_string(),
        "the invite was used up: it was for 1 device(s); ask for a new one"
    );
    world.write(FOUNDER, Body::Revoke(crate::record::Revoke::Invite(code.id())));
    assert_eq!(check(&world, 4, world.now), Err(CannotJoin::Cancelled));
}
