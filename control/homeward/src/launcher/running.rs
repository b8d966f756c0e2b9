//! One script, from its start to its end.

use std::{
    future::pending,
    io,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::PathBuf,
    process::{self, ExitStatus, Stdio},
    time::Duration,
};

use control::launcher::{Command, Outcome, VARIABLES};
use nix::unistd::{Gid, Pid, Uid, getpid};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::timeout,
};

use super::{
    family::{Family, kill_group},
    rules,
    start::PROGRAM,
};

/// All that a script finds programs in.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// So much of what is written is kept, in bytes.
const KEPT: usize = 256;
/// So much is read, in bytes: who writes more waits until its time is over.
const READ: usize = 65536;
/// How long it may take to read what was written before the end, and to be gone once killed.
const REST: Duration = Duration::from_millis(100);
const GONE: Duration = Duration::from_secs(1);

/// Where scripts are, and whom they run as.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub folder: PathBuf,
    /// Or why there is none.
    pub user: Result<(Uid, Gid), String>,
}

/// Runs it; the outcome, and what it wrote first.
pub(super) async fn run(command: &Command, place: &Place, family: &Family) -> (Outcome, String) {
    let limit = Duration::from_millis(command.limit.into());
    let mut child = match prepare(command, place)
        .and_then(|mut prepared| prepared.spawn().map_err(|error| error.to_string()))
    {
        Ok(child) => child,
        Err(why) => return (Outcome::NotStarted(why), String::new()),
    };
    let Some(script) = child.id().map(|id| Pid::from_raw(id as i32)) else {
        return (Outcome::NotStarted("it has no number".into()), String::new());
    };
    family.begin(script);
    let mut refusal = Collected::new(child.stderr.take());
    let mut output = Collected::new(child.stdout.take());
    let ended = tokio::select! {
        ended = timeout(limit, child.wait()) => ended,
        never = async { tokio::join!(refusal.read(), output.read()); pending().await } => never,
    };
    if ended.is_err() {
        kill_group(script);
        // One that does not go, in the midst of a system call, is left to the launcher's end.
        let _ = timeout(GONE, child.wait()).await;
    }
    family.end(script).await;
    let _ = timeout(REST, async { tokio::join!(refusal.read(), output.read()) }).await;
    let outcome = match ended {
        _ if !refusal.kept.is_empty() => Outcome::NotStarted(refusal.text()),
        Err(_) => Outcome::TimedOut,
        Ok(status) => outcome(status),
    };
    (outcome, output.first_line())
}

fn outcome(status: io::Result<ExitStatus>) -> Outcome {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Outcome::Exited(code),
            (None, signal) => Outcome::Signalled(signal.unwrap_or_default()),
        },
        Err(error) => Outcome::NotStarted(error.to_string()),
    }
}

/// A child that will become the script, or why not.
fn prepare(command: &Command, place: &Place) -> Result<tokio::process::Command, String> {
    let (uid, gid) = place.user.clone()?;
    if let Some(name) = command.environment.keys().find(|name| !is_variable(name)) {
        return Err(format!("{name:?} is no variable of a script"));
    }
    let file =
        rules::find(&place.folder, &command.script, uid.as_raw()).map_err(|refusal| refusal.to_string())?;
    let mut child = process::Command::new(PROGRAM);
    child.arg0("homeward").arg("launched").arg("--file").arg(file);
    let seconds = u64::from(command.limit).div_ceil(1000) + 1;
    for (option, number) in [
        ("--uid", u64::from(uid.as_raw())),
        ("--gid", u64::from(gid.as_raw())),
        ("--launcher", getpid().as_raw() as u64),
        ("--seconds", seconds),
    ] {
        child.arg(option).arg(number.to_string());
    }
    child.arg("--").args(&command.arguments);
    child.env_clear().env("PATH", PATH).envs(&command.environment);
    child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = tokio::process::Command::from(child);
    child.kill_on_drop(true);
    Ok(child)
}

/// Only ours: nothing that the loader or a shell heeds.
fn is_variable(name: &str) -> bool {
    name.starts_with(VARIABLES)
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The beginning of what comes through a pipe.
struct Collected<R> {
    pipe: Option<R>,
    kept: Vec<u8>,
    read: usize,
}

impl<R: AsyncRead + Unpin> Collected<R> {
    fn new(pipe: Option<R>) -> Self {
        Self { pipe, kept: Vec::new(), read: 0 }
    }

    /// Reads until it is closed, or enough was written. May be dropped, and called again.
    async fn read(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut bytes = [0; 4096];
        while self.read < READ {
            let Ok(length @ 1..) = pipe.read(&mut bytes).await else {
                self.pipe = None;
                return;
            };
            self.read += length;
            let room = KEPT - self.kept.len();
            self.kept.extend_from_slice(&bytes[..length.min(room)]);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).trim_end().to_owned()
    }

    fn first_line(&self) -> String {
        let line = self.kept.split(|byte| *byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_changes_how_programs_run_is_a_variable() {
        for name in ["HOMEWARD_SERVER", "HOMEWARD_", "HOMEWARD_X1"] {
            assert!(is_variable(name), "{name}");
        }
        for name in
            ["", "PATH", "LD_PRELOAD", "HOMEWARD", "XHOMEWARD_A", "HOMEWARD_a", "HOMEWARD_A=B", "HOMEWARD_\0"]
        {
            assert!(!is_variable(name), "{name:?}");
        }
    }

    #[tokio::test]
    async fn of_what_is_written_the_first_line_is_kept_and_not_all_is_read() {
        let mut short = Collected::new(Some(&b"first \r\nsecond\n"[..]));
        short.read().await;
        assert_eq!((short.first_line().as_str(), short.text().as_str()), ("first", "first \r\nsecond"));
        let long = vec![b'x'; 3 * READ];
        let mut flood = Collected::new(Some(&long[..]));
        flood.read().await;
        flood.read().await;
        assert_eq!((flood.first_line().len(), flood.read), (KEPT, READ));
        let mut bad = Collected::new(Some(&b"\xff\xfe"[..]));
        bad.read().await;
        assert_eq!(bad.first_line(), "\u{fffd}\u{fffd}");
    }
}
