use super::*;
use crate::names::zone::tests::home;

fn label(text: &str) -> Label {
    text.parse().expect("a name")
}

#[test]
fn the_hosts_file_is_read_as_programs_do() {
    let text = "127.0.0.1 localhost\n127.0.1.1\tdesk.lan desk # mine\n# 10.0.0.1 tv\n10.0.0.2 NAS nas.lan\n::1 ip6-localhost\nbad nas\n10.0.0.3 nas\n";
    for (name, expect) in [
        ("desk", &["127.0.1.1"][..]),
        ("nas", &["10.0.0.2", "10.0.0.3"]),
        ("nas.lan", &["10.0.0.2"]),
        ("tv", &[]),
        ("mine", &[]),
        ("ip6-localhost", &["::1"]),
    ] {
        let expect: Vec<IpAddr> = expect.iter().map(|ip| ip.parse().expect("an address")).collect();
        assert_eq!(in_hosts(text, name), expect, "{name}");
    }
}

#[test]
fn circles_that_read_like_public_domains_are_refused() {
    for name in ["com", "de", "test", "io"] {
        assert_eq!(circle(&label(name)), Err(Shadows::TopLevel(name.to_owned())), "{name}");
    }
    assert_eq!(circle(&label("ringmesh-tests-own-circle")), Ok(()));
}

#[tokio::test]
async fn what_this_machine_calls_itself_may_be_its_name() {
    let machine = Machine { own: BTreeSet::new(), hostname: "Desk.lan".to_owned() };
    assert_eq!(device(&label("desk"), Some(&home()), &machine, true).await, Ok(()));
    assert_eq!(device(&label("ringmesh-tests-own-device"), None, &machine, false).await, Ok(()));
}

#[test]
fn the_reasons_are_sentences() {
    for (reason, expect) in [
        (Shadows::HostsFile(IpAddr::from([10, 0, 0, 2])), "it stands for 10.0.0.2 in /etc/hosts"),
        (Shadows::Host(IpAddr::from([10, 0, 0, 2])), "it is the name of a host at 10.0.0.2"),
        (Shadows::TopLevel("com".to_owned()), "a name like nas.com would"),
        (Shadows::Domain("google.internal".to_owned()), "uses the domain google.internal itself"),
    ] {
        assert!(reason.to_string().contains(expect), "{reason}");
    }
}
