//! What `ringmesh doctor --json` prints.

use serde::{Deserialize, Serialize};

/// How this machine is, check by check.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Version of ringmesh.
    pub version: String,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What, in a word or two. Scripts may rely on it.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// The same in a sentence, without a full stop.
    pub sentence: String,
    /// What to do about it; always there unless it is fine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Fine.
    Ok,
    /// It works, with less than there could be, or will not work for long.
    Warning,
    /// Something does not work.
    Problem,
}

impl Report {
    /// The worst of all verdicts.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok)
    }
}

impl Check {
    /// Something that is fine.
    pub fn ok(subject: &str, sentence: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), verdict: Verdict::Ok, sentence: sentence.into(), fix: None }
    }

    /// Something that could be better.
    pub fn warning(subject: &str, sentence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, fix: Some(fix.into()), ..Self::ok(subject, sentence) }
    }

    /// Something that does not work.
    pub fn problem(subject: &str, sentence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Problem, fix: Some(fix.into()), ..Self::ok(subject, sentence) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_scripts_expect() {
        let report = Report {
            version: "1".to_owned(),
            checks: vec![
                Check::ok("root", "this is root"),
                Check::problem("nft", "nft is missing", "install nftables"),
            ],
        };
        let text = serde_json::to_string(&report).expect("serializes");
        let expect = r#"{"version":"1","checks":[{"subject":"root","verdict":"ok","sentence":"this is root"},{"subject":"nft","verdict":"problem","sentence":"nft is missing","fix":"install nftables"}]}"#;
        assert_eq!(text, expect);
        assert_eq!(serde_json::from_str::<Report>(&text).expect("reads"), report);
        assert_eq!(report.worst(), Verdict::Problem);
        assert_eq!(Report { checks: vec![], ..report }.worst(), Verdict::Ok);
    }
}
