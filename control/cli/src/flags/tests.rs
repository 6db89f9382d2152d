use clap::{CommandFactory, Parser};

use super::{Command, Flags, WgFlags};

#[test]
fn the_definition_is_consistent() {
    Flags::command().debug_assert();
    WgFlags::command().debug_assert();
}

#[test]
fn flags_are_checked_before_anything_is_done() {
    let cases: &[(&str, bool)] = &[
        ("tunnel wg0", true),
        ("tunnel wg0 --foreground --workers 4 --mtu 9000 --stun", true),
        ("tunnel -f wg0", true),
        ("tunnel", false),
        ("tunnel wg0 wg1", false),
        ("tunnel wg0 --mtu 67", false),
        ("tunnel wg0 --mtu 68", true),
        ("tunnel wg0 --mtu 65455", true),
        ("tunnel wg0 --mtu 65456", false),
        ("tunnel wg0 --mtu 70000", false),
        ("tunnel wg0 --mtu -1", false),
        ("tunnel wg0 --mtu big", false),
        ("tunnel wg0 --workers 0", false),
        ("tunnel wg0 --workers 64", true),
        ("tunnel wg0 --workers 65", false),
        ("tunnel wg0 --colour", false),
        ("status", true),
        ("status wg0 --json", true),
        ("beacon", true),
        ("beacon --listen [::1]:0 --state ./beacon --name nas.example.org", true),
        ("beacon --listen nowhere", false),
        ("beacon --certificate chain.pem", false),
        ("beacon --certificate chain.pem --certificate-key key.pem", true),
        ("beacon --circles 0", false),
        ("beacon --circle-megabytes 5000", false),
        ("completion bash", true),
        ("completion tcsh", false),
        ("man", true),
        ("dataplane --link-fd 3", true),
        ("dataplane --link-fd -1", false),
        ("dataplane", false),
        ("fly", false),
        ("", false),
    ];
    for (line, good) in cases {
        let words = std::iter::once("ringmesh").chain(line.split_whitespace());
        assert_eq!(Flags::try_parse_from(words).is_ok(), *good, "{line:?}");
    }
}

#[test]
fn wg_quick_gives_a_name_and_gets_a_daemon() {
    let tunnel = WgFlags::try_parse_from(["ringmesh-wg", "wg0"]).expect("good").tunnel();
    assert_eq!((tunnel.ifname.as_str(), tunnel.foreground, tunnel.daemon), ("wg0", false, false));
    assert!(WgFlags::try_parse_from(["ringmesh-wg", "-f", "wg0"]).expect("good").tunnel().foreground);
    assert!(WgFlags::try_parse_from(["ringmesh-wg"]).is_err());
}

#[test]
fn what_only_we_start_is_not_advertised() {
    let help = Flags::command().render_long_help().to_string();
    assert!(help.contains("tunnel") && !help.contains("dataplane"), "{help}");
    let daemon = Flags::try_parse_from(["ringmesh", "tunnel", "wg0", "--daemon"]).expect("it is there");
    assert!(matches!(daemon.command, Command::Tunnel(flags) if flags.daemon));
}
