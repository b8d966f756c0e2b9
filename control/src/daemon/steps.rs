//! The loop: deadlines, news of ports and the kernel, and what the core wants done outside.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    id::PortId,
    net::NextHop,
    port::{PortControl, PortInfo},
};
use tokio::{sync::Notify, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    Clock, Operated, StartError, descriptors::Descriptors, devices::Devices, host_applier::HostApplier,
    tasks::Tasks,
};
use crate::{
    health::{DESCRIPTORS, Found, LAUNCHER_ENDED},
    host::{Host, HostState, PortState},
    launcher::Launcher,
    manage::operator::{Check, SharedOperator, lock},
    protocol::{Effect, LoggingLevel, Management, PortSettings, Protocols},
};

/// How often links and devices are looked at: not every driver tells of a change.
const LINKS: Duration = Duration::from_millis(100);
/// Of these, one after which tasks and health are looked at: once a second.
const ROUNDS: u32 = 10;
/// Longest wait for the kernel's first word on what it was given at start.
const KERNEL_WAIT: Duration = Duration::from_millis(500);

/// What the loop holds.
pub(super) struct Steps<L: Protocols> {
    pub core: SharedOperator<Operated<L>>,
    /// Something has happened that may have moved a deadline, or left effects.
    pub wake: Arc<Notify>,
    pub host: Host,
    pub ports: Arc<dyn PortControl>,
    /// Of all ports, as the core was last told.
    pub port_states: Vec<PortState>,
    /// As they were last set.
    pub port_settings: BTreeMap<PortId, PortSettings>,
    pub host_applier: HostApplier,
    pub devices: Devices,
    pub clock: Clock,
    pub set_level: Box<dyn Fn(LoggingLevel) + Send>,
    pub level: Option<LoggingLevel>,
    /// Capacity that the log was given last.
    pub log_lines: Option<usize>,
    pub alive: Box<dyn Fn() + Send>,
    pub management: Management,
    pub tasks: Tasks,
    pub launcher: Launcher,
}

impl<L: Protocols> Steps<L> {
    /// Runs until `stop`; then the subsystems' tasks end, and management with them. The devices are left as they are: workers
    /// still have them.
    pub async fn run(mut self, stop: CancellationToken) -> Devices {
        let mut state = self.host.state();
        let mut host_lives = true;
        let links = Arc::new(Notify::new());
        let told = Arc::clone(&links);
        self.ports.on_event(Box::new(move || told.notify_one()));
        let mut polls = tokio::time::interval(LINKS);
        polls.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut rounds = (0..ROUNDS).cycle();
        loop {
            let wait = self.step();
            tokio::select! {
                () = stop.cancelled() => {
                    self.tasks.end(&self.core).await;
                    return self.devices;
                }
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
                () = links.notified() => self.look_at_links(),
                _ = polls.tick() => {
                    self.look_at_links();
                    if rounds.next() == Some(0) {
                        self.poll();
                    }
                }
                changed = state.changed(), if host_lives => {
                    host_lives = changed.is_ok();
                    if host_lives {
                        let host = state.borrow_and_update().clone();
                        self.host_changed(&host);
                    } else {
                        // Forwarding and managing go on; health says so.
                        tracing::error!("the host task has ended: addresses, routes and neighbours stand still");
                    }
                }
            }
        }
    }

    /// Waits for the kernel to take what it was given at start, so that the first snapshot that workers see is whole.
    pub async fn wait_for_kernel(&mut self) -> Result<(), StartError> {
        if let Err(error) = self.host_applier.done().await {
            return Err(Arc::into_inner(error).map_or_else(
                || StartError::Refused("the kernel refuses what the configuration wants of it".into()),
                StartError::Host,
            ));
        }
        let mut state = self.host.state();
        let _ = tokio::time::timeout(KERNEL_WAIT, state.wait_for(|state| state.generation > 0)).await;
        let host = state.borrow().clone();
        self.host_changed(&host);
        self.perform();
        Ok(())
    }

    /// Does what is due; returns how long to sleep.
    fn step(&mut self) -> Duration {
        lock(&self.core).core_mut().advance();
        self.perform();
        let deadline = lock(&self.core).core_mut().deadline();
        deadline.since((self.clock)())
    }

    /// Does outside what the core has left to be done, in its order.
    pub fn perform(&mut self) {
        // Ports that were set are other ones, and the kernel is to hold what goes with them: it is told once, of both.
        loop {
            let effects = self.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::Send(interface, frame) => self.host.inject(interface, frame),
                    Effect::Resolve(NextHop { interface, address }) => self.host.resolve(interface, address),
                    Effect::NextHops(next_hops) => self.host.keep_resolved(next_hops),
                    Effect::Ports(settings) => {
                        self.set_ports(&settings);
                        self.poll_ports();
                    }
                    Effect::Host(desired) => self.host_applier.set_host(desired),
                    Effect::Prefixes(prefixes) => self.host_applier.set_prefixes(prefixes),
                }
            }
        }
    }

    fn take_effects(&mut self) -> Vec<Effect> {
        let mut operated = lock(&self.core);
        let core = operated.core_mut();
        let (level, lines) = (core.shared().settings.logging_level, core.shared().settings.logging_lines);
        if self.level.replace(level) != Some(level) {
            (self.set_level)(level);
        }
        if self.log_lines.replace(lines) != Some(lines) {
            core.shared().log.set_capacity(lines);
        }
        if core.shared().settings.management != self.management {
            self.management = core.shared().settings.management.clone();
            tracing::warn!("management: socket and http take effect at the next start");
        }
        core.take_effects()
    }

    /// Sets the ports whose settings are others than they were set to last.
    fn set_ports(&mut self, settings: &BTreeMap<PortId, PortSettings>) {
        for (port, wanted) in settings {
            if self.port_settings.insert(*port, *wanted) == Some(*wanted) {
                continue;
            }
            let mac = wanted.mac.map(|mac| self.ports.set_mac(*port, mac));
            let up = self.ports.set_up(*port, wanted.up);
            for result in [up, self.ports.set_mtu(*port, wanted.mtu)].into_iter().chain(mac) {
                if let Err(error) = result {
                    tracing::error!("{error}");
                }
            }
        }
    }

    fn host_changed(&self, host: &HostState) {
        lock(&self.core).core_mut().host_changed(host);
    }

    /// Tells the core what the ports are, if that is another thing.
    pub fn poll_ports(&mut self) {
        let state =
            |info: PortInfo| PortState { mac: info.mac, mtu: info.mtu, link_up: self.ports.link(info.id).up };
        let states: Vec<_> = self.ports.ports().into_iter().map(state).collect();
        if states != self.port_states {
            lock(&self.core).core_mut().ports_changed(&states);
            self.port_states = states;
        }
    }

    /// Has devices opened again that can be; one that was has to be set as the one before. Then looks at the links of all.
    fn look_at_links(&mut self) {
        for port in self.devices.look(&self.ports, Instant::now()) {
            if let Some(wanted) = self.port_settings.remove(&port) {
                self.set_ports(&BTreeMap::from([(port, wanted)]));
            }
        }
        self.poll_ports();
    }

    /// Once a second: tasks, health.
    fn poll(&mut self) {
        let host = self.host.state().borrow().clone();
        let mut found = self.devices.found(&host);
        if self.launcher.has_ended() {
            let reason = "it has ended: no script is started until Homeward is";
            found.push(Found::new(&LAUNCHER_ENDED, "launcher", reason));
        }
        let descriptors = Descriptors::look();
        let checks = self.tasks.checks().chain([self.host_check()]).collect();
        let live = {
            let mut operated = lock(&self.core);
            let core = operated.core_mut();
            found.extend(descriptors.found(core.shared_mut().settings.health.above(&DESCRIPTORS)));
            core.shared_mut().shadows = self.host.totals();
            (core.shared_mut().checks, core.shared_mut().found) = (checks, found);
            core.health().live
        };
        if live {
            (self.alive)();
        }
    }

    /// Whether the task lives that looks after the kernel.
    fn host_check(&self) -> Check {
        let healthy = self.host.state().has_changed().is_ok();
        let reason = if healthy { "runs" } else { "has ended: addresses, routes and neighbours stand still" };
        Check { name: "host".into(), healthy, reason: reason.into() }
    }
}
