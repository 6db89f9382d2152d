//! Rules of iptables-legacy: those before nftables, which `nft` does not list.
//!
//! The kernel says which tables of that kind it has, and nothing more that could be read here. A table that is there may be empty, so
//! this is told as what may be, with the command that shows it.

use std::fmt::Write;

use crate::ifname::IfName;

/// The table that drops packets; the others change or mark them.
const TABLE: &str = "filter";

/// What the user should know about rules that nobody can read here, if there may be some.
pub(crate) fn unread(ifname: &IfName) -> Option<String> {
    // A kernel without such tables has no such files.
    let names = |file: &str| std::fs::read_to_string(format!("/proc/self/net/{file}")).unwrap_or_default();
    sentence(&names("ip_tables_names"), &names("ip6_tables_names"), ifname)
}

/// `v4` and `v6` are the kernel's lists of tables, a name on each line.
fn sentence(v4: &str, v6: &str, ifname: &IfName) -> Option<String> {
    let has = |names: &str| names.lines().any(|name| name.trim() == TABLE);
    let (programs, families) = match (has(v4), has(v6)) {
        (false, false) => return None,
        (true, false) => (&["iptables-legacy"][..], "IPv4"),
        (false, true) => (&["ip6tables-legacy"][..], "IPv6"),
        (true, true) => (&["iptables-legacy", "ip6tables-legacy"][..], "IPv4 and IPv6"),
    };
    let mut text = format!(
        "this machine has a packet filter of iptables-legacy ({families}), whose rules cannot be read from here; "
    );
    let command = |rest: &str| {
        let each: Vec<_> = programs.iter().map(|program| format!("`{program} {rest}`")).collect();
        each.join(" and ")
    };
    let lets_in = command(&format!("-I INPUT -i {ifname} -j ACCEPT"));
    let s = if programs.len() == 1 { "s" } else { "" };
    let look = command("-S");
    // Writing to a string does not fail.
    let _ =
        write!(text, "{look} show{s} them, and if one drops what comes by {ifname}, {lets_in} let{s} it in");
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_nft_does_not_list_are_named_with_how_to_look() {
        let ifname = IfName::new("rm-home").expect("a name");
        let table: [(&str, &str, &[&str]); 7] = [
            ("", "", &[]),
            ("nat\nmangle\n", "raw\n", &[]),
            ("filters\nmyfilter\n", "", &[]),
            (
                "filter\n",
                "",
                &[
                    "(IPv4)",
                    "`iptables-legacy -S` shows",
                    "`iptables-legacy -I INPUT -i rm-home -j ACCEPT` lets",
                ],
            ),
            ("nat\nfilter\n", "mangle\n", &["(IPv4)"]),
            ("", "filter\n", &["(IPv6)", "`ip6tables-legacy -S` shows"]),
            (
                "filter\n",
                "nat\nfilter\n",
                &["(IPv4 and IPv6)", "`iptables-legacy -S` and `ip6tables-legacy -S` show"],
            ),
        ];
        for (v4, v6, parts) in table {
            let said = sentence(v4, v6, &ifname);
            assert_eq!(said.is_some(), !parts.is_empty(), "{v4:?} {v6:?}: {said:?}");
            let said = said.unwrap_or_default();
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }
}
