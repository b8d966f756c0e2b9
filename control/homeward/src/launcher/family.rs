//! Processes that scripts leave behind. The launcher inherits all of them, whatever group they went to, and ends them.

use std::{
    collections::BTreeSet,
    fs, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::{Pid, getpgid, getpid},
};

/// Between two looks for what is left, and how many at most: one that dies leaves its own children.
const ROUND: Duration = Duration::from_millis(5);
const ROUNDS: usize = 200;

/// The scripts that run, each the leader of its group. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Family(Arc<Mutex<BTreeSet<Pid>>>);

impl Family {
    fn running(&self) -> MutexGuard<'_, BTreeSet<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One has begun. Called before anything else is done, so that it is not taken for a leftover.
    pub(super) fn begin(&self, script: Pid) {
        self.running().insert(script);
    }

    /// One is over and waited for: what it left is ended.
    pub(super) async fn end(&self, script: Pid) {
        self.running().remove(&script);
        self.sweep().await;
    }

    /// Ends everything.
    pub(super) async fn end_all(&self) {
        for script in std::mem::take(&mut *self.running()) {
            kill_group(script);
        }
        self.sweep().await;
    }

    /// Ends children that belong to no script that runs, until there is none.
    async fn sweep(&self) {
        for _ in 0..ROUNDS {
            if !self.sweep_once() {
                return;
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// True if there was one.
    fn sweep_once(&self) -> bool {
        let running = self.running();
        let mut found = false;
        for child in children().unwrap_or_default() {
            let group = getpgid(Some(child)).unwrap_or(child);
            if running.contains(&child) || running.contains(&group) {
                continue;
            }
            found = true;
            // It may be dead already, and its end is waited for in the next round if it is not there yet.
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, Some(WaitPidFlag::WNOHANG));
        }
        found
    }
}

/// Kills a script that is not yet waited for, with its group.
pub(super) fn kill_group(script: Pid) {
    if killpg(script, Signal::SIGKILL) == Err(Errno::ESRCH) {
        let _ = kill(script, Signal::SIGKILL);
    }
}

/// The children of this process, also those that are dead and not waited for.
fn children() -> io::Result<Vec<Pid>> {
    // Not every kernel has this one; the other way does not see what `ProtectProc` hides.
    children_by_thread().or_else(|_| children_by_parent(getpid()))
}

fn children_by_thread() -> io::Result<Vec<Pid>> {
    let mut out = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("children"))?;
        out.extend(text.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw));
    }
    Ok(out)
}

fn children_by_parent(me: Pid) -> io::Result<Vec<Pid>> {
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ends meanwhile is none.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if parent(&stat) == Some(me.as_raw()) {
            out.push(Pid::from_raw(pid));
        }
    }
    Ok(out)
}

/// The fourth field of `/proc/PID/stat`; the second, in brackets, may have anything in it.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent("30654 (cat) R 30643 30643 21735 0"), Some(30643));
        assert_eq!(parent("7 (a) b) S 1 (x) 9) Z 12 3"), Some(12));
        for bad in ["", "7 (a", "7 (a) S", "7 (a) S x"] {
            assert_eq!(parent(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn children_are_seen_dead_or_alive() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        let seen = || [children(), children_by_parent(getpid())].map(|all| all.unwrap().contains(&pid));
        assert_eq!(seen(), [true; 2]);
        child.kill().unwrap();
        assert_eq!(seen(), [true; 2]);
        child.wait().unwrap();
        assert_eq!(seen(), [false; 2]);
    }
}
