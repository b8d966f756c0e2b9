//! Which CPU runs what: one worker a CPU, and the main thread beside them where there is a CPU left.

use common::{config::DataplaneConfig, port::PortError};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// The CPUs of the process by use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cores {
    /// One CPU a worker.
    pub workers: Vec<usize>,
    /// The main thread's; that of worker 0 if there is no other.
    pub main: usize,
    /// CPUs that no worker has; all of them if workers have all.
    pub others: Vec<usize>,
}

impl Cores {
    /// Chooses by the configuration among the CPUs that the process may use.
    pub fn choose(config: &DataplaneConfig) -> Result<Self, PortError> {
        let set = sched_getaffinity(Pid::from_raw(0))
            .map_err(|error| PortError::Cores { reason: format!("sched_getaffinity: {error}") })?;
        let allowed: Vec<usize> =
            (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect();
        Self::among(config, &allowed)
    }

    fn among(config: &DataplaneConfig, allowed: &[usize]) -> Result<Self, PortError> {
        let count = usize::from(config.workers);
        let refuse = |reason: String| Err(PortError::Cores { reason });
        if count == 0 || count > allowed.len() {
            return refuse(format!(
                "{count} workers need a CPU each and the process may use {} ({allowed:?})",
                allowed.len()
            ));
        }
        let workers: Vec<usize> = if config.cores.is_empty() {
            allowed[allowed.len() - count..].to_vec()
        } else {
            config.cores.iter().map(|&cpu| usize::from(cpu)).collect()
        };
        if workers.len() != count {
            return refuse(format!("{count} workers and {} CPUs for them", workers.len()));
        }
        for (at, cpu) in workers.iter().enumerate() {
            if !allowed.contains(cpu) {
                return refuse(format!(
                    "CPU {cpu} is not among those that the process may use ({allowed:?})"
                ));
            }
            if workers[..at].contains(cpu) {
                return refuse(format!("CPU {cpu} is named twice"));
            }
        }
        let free: Vec<usize> = allowed.iter().copied().filter(|cpu| !workers.contains(cpu)).collect();
        let main = free.first().copied().unwrap_or(workers[0]);
        let others = if free.is_empty() { allowed.to_vec() } else { free };
        Ok(Self { workers, main, others })
    }

    /// True if worker 0 runs on the main thread.
    pub fn main_works(&self) -> bool {
        self.workers.contains(&self.main)
    }
}

/// Lets the calling thread run on `cpus`.
pub(super) fn allow(cpus: &[usize]) {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        if let Err(error) = set.set(cpu) {
            tracing::warn!("CPU {cpu}: {error}");
        }
    }
    if let Err(error) = sched_setaffinity(Pid::from_raw(0), &set) {
        tracing::warn!("sched_setaffinity {cpus:?}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::dpdk::tests::config;

    fn chosen(workers: u8, cores: &[u16], allowed: &[usize]) -> Result<Cores, String> {
        let mut config = config(&[]);
        config.workers = workers;
        config.cores = cores.to_vec();
        Cores::among(&config, allowed).map_err(|error| error.to_string())
    }

    #[test]
    fn workers_take_the_last_cpus_and_main_the_first_that_is_left() {
        let cores = chosen(2, &[], &[0, 1, 2, 5]).unwrap();
        assert_eq!(cores, Cores { workers: vec![2, 5], main: 0, others: vec![0, 1] });
        assert!(!cores.main_works());
    }

    #[test]
    fn workers_on_every_cpu_share_one_with_main() {
        let cores = chosen(2, &[], &[0, 1]).unwrap();
        assert_eq!(cores, Cores { workers: vec![0, 1], main: 0, others: vec![0, 1] });
        assert!(cores.main_works());
    }

    #[test]
    fn refuses_what_cannot_be_pinned() {
        for (workers, cores, part) in [
            (3, &[][..], "3 workers need a CPU each and the process may use 2"),
            (1, &[7], "CPU 7 is not among"),
            (2, &[1, 1], "CPU 1 is named twice"),
            (2, &[1], "2 workers and 1 CPUs"),
        ] {
            let text = chosen(workers, cores, &[0, 1]).unwrap_err();
            assert!(text.contains(part), "{text}");
        }
    }
}
