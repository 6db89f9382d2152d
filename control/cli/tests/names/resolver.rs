//! Names are answered, to this machine alone.

use serde_json::json;

use super::common::{run, wait_for};
use super::stage::{Lan, answers, answers_by_tcp};

#[test]
fn devices_are_found_by_name_and_by_address() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("alpha");
    b.join(&a, "beta");
    wait_for("the other one is named", || a.finds("beta.home.internal"));
    let (v4, v6) = (a.addresses_of("beta")[0].to_string(), a.addresses_of("beta")[1].to_string());
    for name in ["beta.home.internal", "BETA.Home.internal", "beta"] {
        let found = a.finds(name).unwrap_or_else(|| panic!("{name}\n{}", a.log()));
        assert!(found.contains(&v4) && found.contains(&v6), "{name}: {found}");
    }
    assert!(b.finds("alpha").is_some() && a.finds("alpha").is_some());
    for ip in [&v4, &v6] {
        assert!(a.name_of(ip).contains("beta.home.internal"), "{ip}: {}", a.name_of(ip));
    }
    for line in ["ping -c 1 -W 5 beta", "ping -c 1 -W 5 beta.home.internal", "ping -6 -c 1 -W 5 beta"] {
        let output = a.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
    }
    assert_eq!(a.finds("gamma.home.internal"), None);
    // Names change at once.
    a.ask("nickname", json!({"peer": "beta", "nickname": "box"}));
    assert!(a.finds("box").is_some_and(|found| found.contains(&v4)));
    assert_eq!(b.finds("box"), None, "a nickname is this device's own");
    b.ask("rename", json!({"name": "nas"}));
    wait_for("the new name is found", || a.finds("nas"));
    assert_eq!(a.finds("beta"), None);
    a.ask("remove", json!({"peer": "nas"}));
    assert_eq!((a.finds("nas"), a.finds("box")), (None, None));
    assert!(!a.name_of(&v4).contains("internal"));
}

#[test]
fn only_this_machine_is_answered() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("alpha");
    b.join(&a, "beta");
    b.ask("wait", json!({"peer": "alpha"}));
    // A host on the LAN that knows where our addresses are.
    for (family, at, way) in [("-4", "0", "via 192.168.78.1"), ("-6", "1", "dev switch")] {
        let ip = a.addresses_of("alpha")[at.parse::<usize>().expect("a number")];
        let output = run(&format!("ip {family} -n {} route add {ip} {way}", lan.net()));
        assert!(output.status.success(), "{output:?}");
    }
    for ip in a.addresses_of("alpha") {
        wait_for("we ourselves are answered", || answers(&a.net, ip).then_some(()));
        assert!(answers_by_tcp(&a.net, ip), "we ourselves are answered at {ip} by TCP");
        assert!(b.run(&format!("ping -c 1 -W 5 {ip}")).status.success(), "the mesh works");
        assert!(!answers(&b.net, ip), "a peer was answered at {ip}");
        assert!(!answers_by_tcp(&b.net, ip), "a peer was answered at {ip} by TCP");
        assert!(!answers(lan.net(), ip), "a host on the LAN was answered at {ip}");
    }
    let lan_ip = "192.168.78.1".parse().expect("an address");
    assert!(!answers(&b.net, lan_ip), "nobody listens on other addresses");
}

#[test]
fn other_names_are_the_networks_business() {
    let lan = Lan::new();
    let a = lan.device();
    a.up("alpha");
    let ours = a.addresses_of("alpha")[0].to_string();
    let server = lan.server();
    server.learn("www.example.org.", "192.0.2.80");
    server.learn("printer.lan.", "192.168.78.99");
    server.learn("evil.example.org.", &ours);
    server.learn("secret.work.internal.", "192.0.2.66");
    assert!(a.finds("www.example.org").is_some_and(|found| found.contains("192.0.2.80")), "{}", a.log());
    assert!(
        a.finds("printer").is_some_and(|found| found.contains("192.168.78.99")),
        "its search domains go on"
    );
    // A public name that points into the mesh.
    assert_eq!(a.finds("evil.example.org"), None);
    assert!(a.log().contains("evil.example.org"), "it is told");
    // Nothing under `internal` is asked of anybody.
    for name in ["secret.work.internal", "alpha.home.internal", "nobody.home.internal", "internal"] {
        assert_eq!(a.finds(name).is_some(), name == "alpha.home.internal", "{name}");
    }
    let asked = server.asked();
    assert!(asked.contains(&"www.example.org.".to_owned()), "{asked:?}");
    let leaked = |name: &&String| name.trim_end_matches('.').rsplit('.').next() == Some("internal");
    assert_eq!(asked.iter().find(leaked), None);
}

#[test]
fn a_name_that_hides_a_real_host_is_refused() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    lan.server().learn("printer.lan.", "192.168.78.99");
    for (question, reason) in [
        (json!({"name": "scanner", "circle": "home"}), "192.168.78.77 in /etc/hosts"),
        (json!({"name": "printer", "circle": "home"}), "a host at 192.168.78.99"),
        (json!({"name": "alpha", "circle": "com"}), "top-level domain"),
        (json!({"name": "localhost", "circle": "home"}), "meaning of its own"),
    ] {
        let refusal = a.refused("up", question.clone());
        assert!(refusal.message.contains(reason), "{question}: {refusal:?}");
    }
    assert_eq!(a.resolv_conf(), super::stage::before(), "nothing was begun");
    a.up("alpha");
    b.join(&a, "beta");
    for (verb, question) in [
        ("rename", json!({"name": "printer"})),
        ("rename", json!({"name": "scanner"})),
        ("nickname", json!({"peer": "beta", "nickname": "printer"})),
        ("up", json!({"name": "scanner"})),
    ] {
        wait_for("the other one is known", || a.finds("beta"));
        let refusal = a.refused(verb, question.clone());
        assert!(refusal.message.contains("192.168.78."), "{verb} {question}: {refusal:?}");
        assert!(refusal.fix.is_some_and(|fix| fix.contains("another name")));
    }
    assert!(a.finds("printer").is_some_and(|found| found.contains("192.168.78.99")));
}
