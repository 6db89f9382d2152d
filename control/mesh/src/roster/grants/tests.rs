use super::*;
use crate::record::{Effect, Proto};
use crate::testing::id;

fn said() -> BTreeMap<(DeviceId, What), Granted> {
    let whats = [What::Lan, What::Reach, What::Port(Proto::Udp, 7), What::Ssh];
    let keys = (0..5_u16)
        .flat_map(|number| whats.into_iter().take(usize::from(number)).map(move |what| (id(number), what)));
    let granted = |at: usize| Granted {
        effect: Effect::Allow { until: Some(at as u64) },
        record: crate::identity::RecordHash::NONE,
    };
    keys.enumerate().map(|(at, key)| (key, granted(at))).collect()
}

#[test]
fn it_says_what_a_map_says() {
    let map = said();
    let grants = Grants::from(map.clone());
    assert_eq!(grants.iter().count(), 10);
    assert!(grants.iter().map(|(to, what, granted)| ((to, what), *granted)).eq(map.clone()));
    for number in 0..7 {
        let about: Vec<_> = grants.about(&id(number)).map(|(what, granted)| (what, *granted)).collect();
        let wanted: Vec<_> = map
            .iter()
            .filter(|((to, _), _)| *to == id(number))
            .map(|((_, what), granted)| (*what, *granted))
            .collect();
        assert_eq!(about, wanted, "about {number}");
        for what in [What::Reach, What::Ssh, What::Lan, What::Exit, What::Port(Proto::Tcp, 7)] {
            assert_eq!(grants.get(&id(number), what), map.get(&(id(number), what)), "{number} {what:?}");
        }
    }
    assert!(Grants::default().iter().next().is_none() && Grants::default().about(&id(0)).next().is_none());
}
