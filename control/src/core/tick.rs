//! What happens with time: retry timers, the session sweep, purges, news from workers, the watch over workers.

use std::{
    net::Ipv4Addr,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, SystemTime},
};

use common::{
    event::{Event, SessionEvent},
    id::PortId,
    slb::Alarm,
    snapshot::Snapshot,
    time::Nanos,
};

use super::Core;
use crate::{
    manage::log::stamp,
    overload::Change,
    slb::{
        debug::{Clock, SessionLine},
        state::RealKey,
    },
};

/// How often [`Core::tick`] should be called.
pub const TICK: Duration = Duration::from_millis(50);

/// Lines of the session table swept by one tick: all of a table for some 250 000 sessions.
const SWEEP_LINES: u32 = 1 << 16;

/// A large table is swept in about this many ticks.
const SWEEP_TICKS: u32 = 64;

/// News taken from one worker by one tick.
const EVENTS: usize = 4096;

impl Core {
    /// Does what is due at `now`; `wall` is the time of day, for the stamps of debug lines only. To be called about
    /// every [`TICK`].
    pub fn tick(&mut self, now: Nanos, wall: SystemTime) {
        self.now = now;
        self.wall = wall;
        self.supervisor.poll(&self.stats, self.publisher.generation(), now);
        self.take_events();
        self.run_retry_timers();
        self.sweep();
        self.watch_reals();
        self.watch_dfp();
        self.run_purges();
        self.watch_table();
        self.watch_load();
        self.publisher.reap();
    }

    fn take_events(&mut self) {
        let mut sessions = Vec::new();
        for ring in &mut self.events {
            for _ in 0..EVENTS {
                match ring.pop() {
                    Ok(Event::Session(event)) => sessions.push(event),
                    Ok(Event::Resolve { interface, address }) => {
                        self.effects.resolve.insert((interface, address));
                    }
                    Err(_) => break,
                }
            }
        }
        if self.debug_sessions && !sessions.is_empty() {
            let snapshot = self.publisher.current();
            for event in &sessions {
                self.print_session(&snapshot, event);
            }
        }
    }

    /// FAILED becomes READY_TO_TEST.
    fn run_retry_timers(&mut self) {
        for farm in &self.running.slb.farms {
            for real in &farm.reals {
                let key = RealKey { farm: farm.name.clone(), address: real.address, port: real.port };
                if let Some((_, entry)) = self.slb.reals.get(&key) {
                    entry.live.retry_expired(self.now.tick(), Duration::from_secs(real.retry.into()));
                }
            }
        }
    }

    /// Ends what has expired, and what `failaction purge` wants gone.
    fn sweep(&mut self) {
        let snapshot = self.publisher.current();
        let lines = SWEEP_LINES.max(self.director.lines() / SWEEP_TICKS);
        let wanted = self.debug_sessions;
        let mut ended = Vec::new();
        self.director.sweep(&snapshot, self.now.tick(), lines, |end| {
            if wanted {
                ended.push(SessionEvent::from(end));
            }
        });
        for event in &ended {
            self.print_session(&snapshot, event);
        }
    }

    /// Logs each change of a real's state.
    fn watch_reals(&mut self) {
        for (key, entry) in self.slb.reals.iter_mut() {
            let noticed = entry.watch.look(entry.live.state(), entry.live.failed_at());
            if let Some(state) = noticed.state {
                tracing::info!(
                    mnemonic = "SLB-6-REAL",
                    "Real {} ({}) has changed state to {state}",
                    key.address,
                    key.farm
                );
            } else if noticed.failed {
                tracing::info!(
                    mnemonic = "SLB-6-REAL",
                    "Real {} ({}) has failed its test",
                    key.address,
                    key.farm
                );
            }
        }
    }

    fn watch_table(&mut self) {
        let alarm = self.director.alarm();
        if alarm == self.alarm {
            return;
        }
        let (used, capacity) = (self.director.occupancy(), self.director.capacity());
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
        self.alarm = alarm;
    }

    /// Lets workers refuse new sessions while the dataplane is asked for more than it can do.
    fn watch_load(&mut self) {
        let ports = &self.network.ports;
        let device = self.machine.ports.as_ref();
        let lost_by = |port: usize| {
            let full = self.stats.iter().filter_map(|stats| stats.ports.get(port));
            let full: u64 = full.map(|cell| cell.tx_full.load(Relaxed)).sum();
            full + device.map_or(0, |device| device.lost(PortId(port as u16)))
        };
        let lost = || ports.iter().enumerate().map(|(at, port)| port.link_up.then(|| lost_by(at))).collect();
        let change = self.overload.look(self.now, &self.stats, lost);
        self.director.shed(self.overload.share());
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

    /// Writes the lines of `debug ip slb sessions ipmobile` for one event.
    pub(super) fn print_session(&self, snapshot: &Snapshot, event: &SessionEvent) {
        let vserver = snapshot.vserver(event.vserver);
        let real = snapshot.real(event.real);
        let Some(vserver) = vserver else { return };
        let line = SessionLine {
            change: event.change,
            virtual_address: vserver.address,
            virtual_port: vserver.port,
            v_index: vserver.v_index,
            // A real that was deleted has left nothing but its sessions.
            real: real.map_or(Ipv4Addr::UNSPECIFIED, |real| real.address),
            nat_server: real.and_then(|real| snapshot.farm(real.farm)).is_some_and(|farm| farm.nat_server),
            client: event.client,
            client_port: event.client_port,
            hash: event.display_hash,
            nai: &event.nai,
        };
        let stamp = stamp(self.wall, self.running.machine.debug_milliseconds);
        for text in line.lines(Clock { stamp: &stamp, synchronised: false }) {
            self.log.push(&text);
        }
    }
}
