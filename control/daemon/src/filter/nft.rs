//! The `nft` program, and what is told when it does not do what it should.
//!
//! **Invariant:** it is never waited for longer than [`PATIENCE`], and no more of it is kept than [`OUTPUT_MAX`].

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::ifname::IfName;

/// Where it is; distributions keep it where the search path of few users leads.
const PROGRAMS: &[&str] = &["nft", "/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft"];
/// Longest wait for it: a table with ten thousand members takes well under a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most that is read of what it prints, in bytes.
const OUTPUT_MAX: u64 = 64 << 20;
/// Most that is shown of an error, in characters.
const ERROR_CHARS_MAX: usize = 300;

/// Why the packet filter is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterProblem {
    /// The program is not there.
    #[error("the packet filter cannot be set because `nft` is not installed; install the package nftables")]
    Missing,
    /// It could not be run, or did not end in time.
    #[error("the packet filter cannot be set because `nft` does not run: {0}")]
    Run(#[from] io::Error),
    /// It refused.
    #[error(
        "the packet filter cannot be set, nft says `{0}`; it needs root and a kernel with nf_tables and connection \
         tracking (modules nf_tables, nft_ct, nft_reject_inet)"
    )]
    Refused(String),
    /// The interface that a table guards is there, so the table stays.
    #[error("the interface {0} is still there, so its packet filter stays")]
    InUse(IfName),
}

/// Runs nft with `input`; gives what it printed.
///
/// # Errors
/// [`FilterProblem`].
pub(super) async fn run(args: &[&str], input: &str) -> Result<String, FilterProblem> {
    let child = PROGRAMS.iter().find_map(|program| match spawn(program, args) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        started => Some(started),
    });
    let child = child.ok_or(FilterProblem::Missing)??;
    let talked = timeout(PATIENCE, talk(child, input)).await;
    let (ok, said, errors) = talked.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if ok { Ok(said) } else { Err(FilterProblem::Refused(first_line(&errors))) }
}

fn spawn(program: &str, args: &[&str]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn()
}

/// Both directions at once, or a long answer could wait for a long question.
async fn talk(mut child: Child, input: &str) -> io::Result<(bool, String, String)> {
    let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(stdin) = &mut stdin {
            // One that ends before it has read everything says why.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        drop(stdin.take());
        Ok(())
    };
    let ((), said, errors) = tokio::try_join!(write, read(stdout), read(stderr))?;
    Ok((child.wait().await?.success(), said, errors))
}

async fn read(from: Option<impl tokio::io::AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(OUTPUT_MAX).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What fits into a sentence.
fn first_line(errors: &str) -> String {
    let line = errors.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    let line = line.trim().trim_start_matches("/dev/stdin:");
    line.chars().take(ERROR_CHARS_MAX).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
