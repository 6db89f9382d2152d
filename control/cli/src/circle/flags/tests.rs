use clap::{Parser, Subcommand};

use super::Verb;
use crate::flags::Flags;

#[test]
fn commands_are_checked_before_anybody_is_asked() {
    let cases: &[(&str, bool)] = &[
        ("up", true),
        ("up --name desk --circle home --beacon a#b --beacon c#d --json", true),
        ("up now", false),
        ("invite", true),
        ("invite --guest --uses 3 --for 2h --qr", true),
        ("invite --uses -1", false),
        ("invite --uses 65536", false),
        ("invite --for 24", false),
        ("invite --qr --no-qr", false),
        ("cancel", false),
        ("cancel 3f9a51 --json", true),
        ("join", true),
        ("join -", true),
        ("join 01abc-23def 45ghi --name nas --wait 2min", true),
        ("join --wait soon", false),
        ("peers --json", true),
        ("peers nas", false),
        ("rename", false),
        ("rename a b", false),
        ("nickname nas box", true),
        ("nickname nas --clear", true),
        ("nickname nas", false),
        ("nickname nas box --clear", false),
        ("remove nas -y", true),
        ("remove nas --distrust-all --yes --json", true),
        ("remove", false),
        ("leave --force --yes", true),
        ("down", true),
        ("down --daemon --json", true),
        ("down home", false),
        ("whois fd00::1", true),
        ("ping nas --timeout 500", false),
        ("ping nas --timeout 2s", true),
        ("ping nas --timeout 2min", false),
        ("wait", true),
        ("wait --timeout 2h", false),
        ("wait nas --timeout 5min", true),
        ("log --verify --last 3", true),
        ("log --last -3", false),
        ("key", false),
        ("key rotate --yes", true),
        ("admin", false),
        ("admin add nas", true),
        ("admin add nas --yes", false),
        ("admin remove nas --yes", true),
        ("recover", true),
        ("recover --key-file key.txt --admin nas", true),
        ("recover --admin nas --remove desk", false),
        // A key would stand where everybody can read it.
        ("recover 00ff-00ff", false),
        ("confirm nas", true),
        ("allow nas tcp/445 --for 2h --preview", true),
        ("allow nas", false),
        ("allow nas ssh --for 0s", false),
        ("deny nas ssh", true),
        ("deny nas ssh --for 2h", false),
        ("can nas :22", true),
        ("can nas desk files", true),
        ("can nas", false),
        ("permissions --json", true),
    ];
    for (line, good) in cases {
        let words = std::iter::once("ringmesh").chain(line.split_whitespace());
        assert_eq!(Flags::try_parse_from(words).is_ok(), *good, "{line:?}");
    }
}

#[test]
fn every_command_shows_an_example() {
    let verbs = Verb::augment_subcommands(clap::Command::new("ringmesh"));
    for verb in verbs.get_subcommands() {
        let name = verb.get_name();
        let leaves: Vec<_> =
            if verb.has_subcommands() { verb.get_subcommands().collect() } else { vec![verb] };
        for leaf in leaves {
            let help = leaf.clone().render_long_help().to_string();
            assert!(help.contains("Example") && help.contains(&format!("ringmesh {name}")), "{name}: {help}");
            assert!(help.contains("--json"), "{name}: {help}");
        }
    }
}
