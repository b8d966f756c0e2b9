//! What happens with time: retry timers, the sweep over sessions, purges, changed states, the fill of the table, the load.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use common::{event::SessionEvent, id::PortId, slb::Alarm};

use super::{Slb, debug::SESSIONS, overload::Change};
use crate::protocol::Cx;

/// Time between two polls.
pub(super) const INTERVAL: Duration = Duration::from_millis(50);

/// Lines of the session table swept by one poll: all of a table for some 250 000 sessions.
const SWEEP_LINES: u32 = 1 << 16;

/// A large table is swept in about this many polls.
const SWEEP_POLLS: u32 = 64;

impl Slb {
    /// Does what is due.
    pub(super) fn poll(&mut self, cx: &mut Cx<'_, Self>) {
        self.polled = cx.now();
        self.run_retry_timers(cx);
        Self::sweep(cx);
        self.watch_reals();
        self.tell(cx);
        self.run_purges(cx);
        self.watch_table(cx);
        self.watch_load(cx);
    }

    /// FAILED becomes READY_TO_TEST.
    fn run_retry_timers(&mut self, cx: &Cx<'_, Self>) {
        for (_, _, entry) in self.state.reals.iter() {
            entry.live.retry_expired(cx.now().tick(), entry.retry);
        }
    }

    /// Ends what has expired, and what `failaction purge` wants gone.
    fn sweep(cx: &Cx<'_, Self>) {
        let snapshot = cx.shared.snapshot();
        let balancer = &cx.shared.tables.slb;
        let lines = SWEEP_LINES.max(balancer.lines() / SWEEP_POLLS);
        let wanted = cx.is_debugging(&SESSIONS);
        let mut ended = Vec::new();
        balancer.sweep(&snapshot, cx.now().tick(), lines, |end| {
            if wanted {
                ended.push(SessionEvent::from(end));
            }
        });
        for event in &ended {
            Self::print_session(&snapshot, event, cx);
        }
    }

    /// Logs each change of a real's state, and each failure that was not believed.
    pub(super) fn watch_reals(&mut self) {
        for (key, entry) in self.state.reals.iter_mut() {
            let doubted = entry.live.doubted();
            let noticed = entry.watch.observe(entry.live.state(), entry.live.failed_at(), doubted);
            if noticed.doubted {
                tracing::warn!(
                    mnemonic = "SLB-4-INBAND",
                    "Real {} ({}) leaves nodes without an answer, but has since told a DFP manager or a probe that it serves: it stays",
                    key.address,
                    key.farm
                );
            }
            let what = match noticed.state {
                Some(state) => format!("has changed state to {state}"),
                None if noticed.failed => "has failed its test".to_owned(),
                None => continue,
            };
            tracing::info!(mnemonic = "SLB-6-REAL", "Real {} ({}) {what}", key.address, key.farm);
        }
    }

    fn watch_table(&mut self, cx: &Cx<'_, Self>) {
        let balancer = &cx.shared.tables.slb;
        let alarm = balancer.alarm();
        if std::mem::replace(&mut self.alarm, alarm) == alarm {
            return;
        }
        let (used, capacity) = (balancer.occupancy(), balancer.capacity());
        match alarm {
            Alarm::Normal => {
                tracing::info!(
                    mnemonic = "SLB-6-SESSIONS",
                    "Session table has room again: {used} of {capacity}"
                );
            }
            Alarm::High | Alarm::Critical => {
                tracing::warn!(
                    mnemonic = "SLB-4-SESSIONS",
                    "Session table is filling up: {used} of {capacity}"
                );
            }
        }
    }

    /// Lets workers refuse new sessions while the dataplane is asked for more than it can do.
    fn watch_load(&mut self, cx: &Cx<'_, Self>) {
        let stats = &cx.shared.stats;
        let device = cx.shared.ports.as_ref();
        let lost_by = |port: usize| {
            let full = stats.iter().filter_map(|stats| stats.ports.get(port));
            let full: u64 = full.map(|cell| cell.tx_full.load(Relaxed)).sum();
            full + device.map_or(0, |device| device.lost(PortId(port as u16)))
        };
        let snapshot = cx.shared.snapshot();
        let ports = snapshot.net.ports.iter().enumerate();
        let lost = || ports.map(|(at, port)| port.link_up.then(|| lost_by(at))).collect();
        let change = self.overload.sample(cx.now(), stats, lost);
        cx.shared.tables.slb.shed(self.overload.share());
        match change {
            Some(Change::Begins(reason)) => {
                tracing::warn!(mnemonic = "SLB-4-OVERLOAD", "Overload, new sessions are refused: {reason}");
            }
            Some(Change::Ends) => {
                tracing::info!(mnemonic = "SLB-6-OVERLOAD", "Overload is over, every new session is begun");
            }
            None => {}
        }
    }
}
