//! Runs the command of a source, for a bounded time and with bounded output.

use std::{process::Stdio, time::Duration};

use nix::{sys::signal, unistd::Pid};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
};

use super::weight_source::SourceError;

/// Longest run of a command.
pub const LONGEST: Duration = Duration::from_secs(5);

/// Bytes of its output that are read.
const OUTPUT: u64 = 4096;

/// The process group of a command; whatever is left of it is killed at the end, even if the caller gives up.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = signal::killpg(group, signal::Signal::SIGKILL);
        }
    }
}

/// Runs `command` by `/bin/sh -c` in a process group of its own, without input, at most for `longest`, and gives
/// what it prints.
///
/// # Errors
/// It cannot be started, fails or takes too long.
pub async fn run(command: &str, longest: Duration) -> Result<Vec<u8>, SourceError> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let _group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    match tokio::time::timeout(longest, finish(&mut child)).await {
        Ok(done) => done,
        Err(_) => Err(SourceError::Slow(longest)),
    }
}

async fn finish(child: &mut Child) -> Result<Vec<u8>, SourceError> {
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // Closing the pipe after that ends a command that prints without end.
        stdout.take(OUTPUT).read_to_end(&mut output).await?;
    }
    let status = child.wait().await?;
    if !status.success() {
        return Err(SourceError::Status(status));
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_gives_what_it_prints() {
        assert_eq!(run("echo $((20 + 4)) weight", LONGEST).await.unwrap(), b"24 weight\n");
    }

    #[tokio::test]
    async fn a_command_that_fails_gives_nothing_whatever_it_printed() {
        assert!(matches!(run("echo 5; exit 3", LONGEST).await, Err(SourceError::Status(_))));
        assert!(matches!(
            run("no-such-command-here 2>/dev/null", LONGEST).await,
            Err(SourceError::Status(_))
        ));
        assert_eq!(run("cat", LONGEST).await.unwrap(), b"", "there is no input to wait for");
    }

    #[tokio::test]
    async fn a_command_that_does_not_end_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let command = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let outcome = run(&command, Duration::from_secs(2)).await;
        assert!(matches!(outcome, Err(SourceError::Slow(_))), "{outcome:?}");
        let child: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        // Gone, or dead and not yet waited for by its new parent.
        let gone = || match std::fs::read_to_string(format!("/proc/{child}/stat")) {
            Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
            Err(_) => true,
        };
        let until = std::time::Instant::now() + LONGEST;
        while !gone() && std::time::Instant::now() < until {
            tokio::task::yield_now().await;
        }
        assert!(gone(), "process {child} still runs");
    }

    #[tokio::test]
    async fn output_without_end_is_cut() {
        let outcome = run("yes 1", LONGEST).await;
        assert!(matches!(outcome, Err(SourceError::Status(_))), "{outcome:?}");
    }
}
