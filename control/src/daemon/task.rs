//! The loop: ticks, news from the kernel, and what the core wants done outside.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use common::port::{PortControl, PortInfo};
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{Director, announce::gratuitous_arp, dfp::Agents};
use crate::{
    core::{Effects, TICK},
    dfp::manager::io::{Clock, Manager},
    host::{Guard, Host, HostError, HostState, layout::PortState},
    machine::{LoggingLevel, Management},
    manage::operator::{Check, Shared, lock},
};

/// How often ports are looked at: link, rates, pools.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait for the kernel's first word on what it was given at start.
const SETTLE: Duration = Duration::from_millis(500);

/// Tasks that must live, by name.
#[derive(Debug, Default)]
pub(super) struct Tasks(Vec<(&'static str, JoinHandle<()>)>);

impl Tasks {
    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push((name, tokio::spawn(task)));
    }

    fn checks(&self) -> impl Iterator<Item = Check> {
        self.0.iter().map(|(name, task)| {
            let healthy = !task.is_finished();
            let reason = if healthy { "runs" } else { "has ended" };
            Check { name: (*name).into(), healthy, reason: reason.into() }
        })
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, task)| task.abort());
    }
}

/// What the loop holds.
pub(super) struct Task {
    pub core: Shared<Director>,
    pub host: Host,
    pub ports: Arc<dyn PortControl>,
    /// Of all ports, when the kernel was last told of them: shadows and network must know the same.
    pub port_states: Vec<PortState>,
    pub guards: Vec<Guard>,
    pub dfp_manager: Manager,
    pub clock: Clock,
    pub set_level: Box<dyn Fn(LoggingLevel) + Send>,
    pub alive: Box<dyn Fn() + Send>,
    pub management: Management,
    pub tasks: Tasks,
    pub dfp_agents: Agents,
}

impl Task {
    /// Runs until `stop`; management ends with it.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut state = self.host.state();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.dfp_agents.end().await,
                _ = ticks.tick() => self.tick().await,
                _ = looks.tick() => self.look().await,
                changed = state.changed() => {
                    if changed.is_err() {
                        tracing::error!("the host task has ended: addresses, routes and neighbours stand still");
                        return self.without_host(stop).await;
                    }
                    let host = state.borrow_and_update().clone();
                    self.host_changed(host);
                }
            }
        }
    }

    /// Goes on forwarding and managing without news from the kernel; health says so.
    async fn without_host(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        while !stop.is_cancelled() {
            ticks.tick().await;
            self.tick().await;
        }
        self.dfp_agents.end().await;
    }

    /// Waits for the kernel to take what it was given at start, so that the first snapshot workers see is whole.
    pub async fn settle(&mut self) {
        let mut state = self.host.state();
        let _ = tokio::time::timeout(SETTLE, state.wait_for(|state| state.generation > 0)).await;
        let host = state.borrow().clone();
        self.host_changed(host);
    }

    async fn tick(&mut self) {
        let effects = {
            let mut director = lock(&self.core);
            let core = director.core_mut();
            core.tick((self.clock)(), SystemTime::now());
            self.dfp_agents.tick(core);
            core.take_effects()
        };
        self.perform(effects).await;
    }

    async fn perform(&mut self, effects: Effects) {
        for announcement in effects.announcements {
            let (interface, address) = announcement.hop;
            self.host.inject(interface, gratuitous_arp(announcement.mac, address));
        }
        for (interface, address) in effects.resolve {
            self.host.resolve(interface, address);
        }
        if effects.machine_changed
            && let Err(error) = self.machine_changed().await
        {
            tracing::error!("{error}");
        }
        if effects.hops_changed {
            let hops = lock(&self.core).core_mut().next_hops().clone();
            self.host.want(hops);
        }
        if effects.dfp_changed {
            self.dfp_manager.configure();
        }
        self.dfp_manager.tell(effects.server_states);
    }

    /// Once a second: links, rates, pools, tasks.
    async fn look(&mut self) {
        let now = (self.clock)();
        let infos = self.ports.ports();
        let counters = infos.iter().map(|info| self.ports.counters(info.id)).collect();
        let pools = self.ports.pools();
        let healthy;
        let links_changed = {
            let mut director = lock(&self.core);
            let core = director.core_mut();
            let stats = core.worker_stats().to_vec();
            let machine = core.machine_mut();
            machine.sampler.sample(now, counters, &stats, &pools);
            machine.shadows = self.host.totals();
            let violations = self.guards.iter().flat_map(|guard| guard.violations(&machine.host));
            let wire = violations.map(|reason| Check { name: "one listener".into(), healthy: false, reason });
            let roles = self.dfp_agents.checks().chain(self.dfp_manager.check());
            machine.checks = self.tasks.checks().chain(wire).chain(roles).collect();
            healthy = core.health().healthy;
            let known = self.port_states.iter().map(|port| port.link_up);
            !known.eq(infos.iter().map(|info| self.ports.link(info.id).up))
        };
        if healthy {
            (self.alive)();
        }
        if links_changed && let Err(error) = self.machine_changed().await {
            tracing::error!("{error}");
        }
    }

    /// The machine part of the configuration, or a link, changed: ports, the kernel, logging.
    pub async fn machine_changed(&mut self) -> Result<(), HostError> {
        let running = Arc::clone(lock(&self.core).core_mut().running());
        let machine = &running.machine;
        (self.set_level)(machine.logging.level);
        lock(&self.core).core_mut().log().set_capacity(machine.logging.buffered as usize);
        if machine.management != self.management {
            tracing::warn!("management: socket and http take effect at the next start");
        }
        for (port, interface, _) in machine.ports() {
            for result in
                [self.ports.set_up(port, !interface.shutdown), self.ports.set_mtu(port, interface.mtu)]
            {
                if let Err(error) = result {
                    tracing::error!("{error}");
                }
            }
            if let Some(mac) = interface.mac
                && let Err(error) = self.ports.set_mac(port, mac)
            {
                tracing::error!("{error}");
            }
        }
        let state =
            |info: PortInfo| PortState { mac: info.mac, mtu: info.mtu, link_up: self.ports.link(info.id).up };
        self.port_states = self.ports.ports().into_iter().map(state).collect();
        let desired = {
            let mut director = lock(&self.core);
            let state = director.core_mut().machine_mut();
            state.desired = state.layout.desired(machine, &self.port_states);
            state.desired.clone()
        };
        for pending in self.host.apply(desired).await? {
            tracing::warn!("{pending}");
        }
        let host = self.host.state().borrow().clone();
        self.host_changed(host);
        Ok(())
    }

    fn host_changed(&self, host: HostState) {
        let mut director = lock(&self.core);
        let core = director.core_mut();
        let machine = core.machine_mut();
        let network = machine.layout.network(&machine.desired, &host, &self.port_states);
        machine.host = host;
        core.host_changed(network);
    }
}
