//! A core with the test's list, a shell and a clock.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use common::{
    config::Hugepages,
    link::{WorkerEnd, link},
    net::Owner,
    slb::{Balancer, SessionKey},
    snapshot::Snapshot,
    tables::Tables,
    time::Nanos,
};
use control::{
    command::{Shell, load},
    core::{Core, CoreLink},
    manage::log::LogBook,
};

use crate::{TestConfiguration, TestList, kernel};

/// A virtual server in service at 10.1.1.10.
pub const BALANCER: &str = "ip slb serverfarm F\n real 10.1.1.51\n  inservice\n!\nip slb vserver V\n virtual 10.1.1.10 udp 434 \
                            service ipmobile\n serverfarm F\n inservice\n!\n";

pub struct Harness {
    pub core: Core<TestList>,
    pub worker: WorkerEnd,
    pub shell: Shell<Core<TestList>>,
    pub now: Nanos,
}

impl Harness {
    /// One with an empty configuration; the kernel has Ethernet0.
    pub fn empty() -> Self {
        let balancer = Balancer::new(4096, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
        let (mut workers, end) = link(1, 1, Tables::new(balancer));
        let (core_link, _, _) = CoreLink::split(end);
        let now = Nanos(1_000_000_000);
        let mut core = Core::new(core_link, None, LogBook::new(1000), now);
        core.ports_changed(&[kernel::PORT]);
        core.host_changed(&kernel::state());
        let shell = Core::shell(Arc::new(Core::commands()), true);
        Self { core, worker: workers.remove(0), shell, now }
    }

    /// One that runs `text`, with Ethernet0.
    pub fn new(text: &str) -> Self {
        let mut harness = Self::empty();
        harness.load(&format!("{}{text}", kernel::INTERFACE));
        harness
    }

    /// Takes a whole file.
    pub fn load(&mut self, text: &str) {
        let loaded = load::<TestConfiguration>("test.conf", text);
        let loaded = loaded.unwrap_or_else(|errors| {
            panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
        self.core.apply_loaded(loaded).unwrap();
    }

    /// Runs lines; what they print.
    pub fn run(&mut self, lines: &str) -> String {
        lines.lines().map(|line| self.core.execute(&mut self.shell, line).finish().text).collect()
    }

    /// Runs lines in configuration mode; what they print.
    pub fn configure(&mut self, lines: &str) -> String {
        self.run("configure terminal");
        let text = self.run(lines);
        self.run("end");
        text
    }

    pub fn json(&mut self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.run(&format!("{line} | json"))).unwrap()
    }

    /// What workers read.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.core.shared().snapshot()
    }

    pub fn owner(&self, last: u8) -> Option<Owner> {
        self.snapshot().net.owners.get(&[10, 1, 1, last].into()).cloned()
    }

    /// Lets the core's deadlines come one after the other, for `time`; when each came.
    pub fn pass(&mut self, time: Duration) -> Vec<Nanos> {
        let end = self.now.after(time);
        let mut times = Vec::new();
        loop {
            let due = self.core.deadline();
            self.now = due.min(end);
            self.core.set_time(self.now, SystemTime::UNIX_EPOCH);
            self.core.advance();
            if due > end {
                return times;
            }
            times.push(due);
        }
    }

    pub fn log_lines(&self) -> Vec<String> {
        self.core.shared().log.view().lines.iter().map(ToString::to_string).collect()
    }
}
