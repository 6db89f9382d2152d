//! `ringmesh doctor`: what is wrong with this machine, and the fix.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use ringmesh_api::doctor::{Report, Verdict};
use ringmesh_daemon::circle::Paths;

use crate::{fail, print};

/// Flags of `ringmesh doctor`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct DoctorFlags {
    /// Print JSON: an object with an array of checks.
    #[arg(long)]
    json: bool,
    /// Show only what is not fine.
    #[arg(short, long)]
    quiet: bool,
}

const HELP: &str = "\
Each line is a check: ok, warning or problem, a sentence, and what to do about it. Works without the daemon, and changes nothing. Run
it with sudo to have everything looked at.

Exit codes: 0 no problem (warnings are none), 1 there is one.

  sudo ringmesh doctor
  sudo ringmesh doctor --json | jq '.checks[] | select(.verdict != \"ok\")'";

/// Looks at everything and tells.
pub(crate) fn run(flags: &DoctorFlags) -> ExitCode {
    let report = ringmesh_daemon::doctor::examine(&Paths::from_env(), &ringmesh_worker::probe());
    let printed = if flags.json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => print(&(text + "\n")),
            Err(error) => return fail(1, &error),
        }
    } else {
        print(&text(&report, flags.quiet))
    };
    if report.worst() == Verdict::Problem { ExitCode::from(1) } else { printed }
}

fn text(report: &Report, quiet: bool) -> String {
    let mut text = String::new();
    for check in report.checks.iter().filter(|check| !quiet || check.verdict != Verdict::Ok) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<8} {}: {}", word(check.verdict), check.subject, check.sentence);
        if let Some(fix) = &check.fix {
            let _ = writeln!(text, "         fix: {fix}");
        }
    }
    let count = |verdict| report.checks.iter().filter(|check| check.verdict == verdict).count();
    let (warnings, problems) = (count(Verdict::Warning), count(Verdict::Problem));
    let _ = writeln!(text, "{} checks: {warnings} warnings, {problems} problems", report.checks.len());
    text
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Problem => "PROBLEM",
    }
}

#[cfg(test)]
mod tests {
    use ringmesh_api::doctor::Check;

    use super::*;

    #[test]
    fn a_report_reads_as_sentences() {
        let checks = vec![
            Check::ok("root", "this is root"),
            Check::warning("mtu", "packets do not fit ppp0", "lower it"),
            Check::problem("nftables", "nft is missing", "install nftables"),
        ];
        let report = Report { version: "1".to_owned(), checks };
        let expect = "\
ok       root: this is root
warning  mtu: packets do not fit ppp0
         fix: lower it
PROBLEM  nftables: nft is missing
         fix: install nftables
3 checks: 1 warnings, 1 problems
";
        assert_eq!(text(&report, false), expect);
        assert!(!text(&report, true).contains("root"));
    }
}
