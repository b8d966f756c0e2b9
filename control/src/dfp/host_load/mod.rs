//! How much CPU and memory this program may still use: the least of what the host and its control groups leave.
//!
//! Reads `/proc` and the control groups (version 1, 2 or both) that the kernel names there; never writes. A limit of
//! any group above the own one counts, since it binds as hard as a machine's end does.

mod cgroup;
mod fuzz;
mod parse;
pub mod weight;

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use common::time::Nanos;
use serde::{Deserialize, Serialize};

use cgroup::{CpuGroup, Groups};
pub use fuzz::fuzz_host_files;

/// Largest file that is read.
const LONGEST: u64 = 1 << 20;

/// The score of what is idle.
const BEST_SCORE: u32 = 16;

/// Thousandths left of what is idle.
const IDLE: u32 = 875;

/// A share in thousandths, 0 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PerMille(u16);

impl PerMille {
    pub const ALL: Self = Self(1000);
    pub const NONE: Self = Self(0);

    /// `part` of `whole`, at most all; all of nothing.
    pub fn of(part: u64, whole: u64) -> Self {
        if whole == 0 {
            return Self::ALL;
        }
        let share = u128::from(part.min(whole)) * 1000 / u128::from(whole);
        Self(u16::try_from(share).unwrap_or(1000))
    }

    /// The score of the home agent's weight: 0 to 16, 16 is idle. No machine is ever idle in full: the kernel, daemons
    /// and whoever measures use some of it. So a host of which at most an eighth is in use is idle, and what
    /// is left is counted in sixteenths of the other seven eighths, truncated.
    pub fn score(self) -> u32 {
        (u32::from(self.0) * BEST_SCORE / IDLE).min(BEST_SCORE)
    }
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLoad {
    /// CPU time that was idle and allowed since the sample before.
    pub cpu: PerMille,
    /// Memory that is available and allowed.
    pub memory: PerMille,
}

/// Measures again and again.
#[derive(Clone, Debug)]
pub struct Sampler {
    root: PathBuf,
    last: Option<Sample>,
}

/// The counters of CPU time at one moment.
#[derive(Clone, Debug)]
struct Sample {
    at: Nanos,
    idle: u64,
    total: u64,
    groups: Vec<CpuGroup>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::at(Path::new("/"))
    }
}

impl Sampler {
    /// A sampler of the machine whose files lie under `root`.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), last: None }
    }

    /// What is left at `now`. CPU time is that since the sample before; so the first sample gives nothing.
    ///
    /// # Errors
    /// `/proc` cannot be read, or not as it should be.
    pub fn sample(&mut self, now: Nanos) -> io::Result<Option<HostLoad>> {
        let groups = Groups::find(&self.root);
        let allowed = parse::allowed_cpus(&self.read("proc/self/status")?);
        let (idle, total) = parse::cpu_times(&self.read("proc/stat")?, &allowed)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/stat"))?;
        let sample = Sample { at: now, idle, total, groups: groups.cpu() };
        let cpu = self.last.as_ref().map(|last| sample.idle_since(last));
        self.last = Some(sample);
        let (available, whole) = parse::memory(&self.read("proc/meminfo")?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/meminfo"))?;
        let of_groups = groups.memory().into_iter().map(|(left, limit)| PerMille::of(left, limit));
        let memory = of_groups.fold(PerMille::of(available, whole), PerMille::min);
        Ok(cpu.map(|cpu| HostLoad { cpu, memory }))
    }

    fn read(&self, path: &str) -> io::Result<String> {
        read(&self.root.join(path))
    }
}

/// The start of a file.
fn read(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

impl Sample {
    fn idle_since(&self, last: &Self) -> PerMille {
        let whole = self.total.saturating_sub(last.total);
        let host = PerMille::of(self.idle.saturating_sub(last.idle), whole);
        let time = self.at.since(last.at);
        let groups = self.groups.iter().filter_map(|group| {
            let before = last.groups.iter().find(|before| before.path == group.path)?;
            Some(group.left_since(before, time))
        });
        groups.fold(host, PerMille::min)
    }
}

impl CpuGroup {
    /// What the group's quota left of the time since `before`.
    fn left_since(&self, before: &Self, time: Duration) -> PerMille {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let allowed = u128::from(time) * u128::from(self.quota) / u128::from(self.period.max(1));
        let allowed = u64::try_from(allowed).unwrap_or(u64::MAX);
        let used = self.used.saturating_sub(before.used);
        PerMille::of(allowed.saturating_sub(used), allowed)
    }
}
