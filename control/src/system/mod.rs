//! The system itself: ports, interfaces, addresses, routes, logging, management. It owns these settings with their lines
//! and checks, what the dataplane is built from, and the network's part of the snapshot.

mod access_lists;
mod addresses;
pub mod check;
mod claims;
pub mod command;
mod conditions;
mod config;
mod drops;
mod duplicates;
mod exec;
mod layout;
mod metrics;
pub mod print;
mod sampler;
pub mod show;
mod views;

use std::{sync::Arc, time::Duration};

use common::{net::Network, port::PortControl, snapshot::Snapshot, time::Nanos};

pub use self::config::{
    AccessListConfig, DataplaneSettings, InterfaceConfig, Logging, StaticNeighbour, StaticNextHop,
    StaticRoute, SystemConfig, Workers,
};
use self::{
    conditions::DROPS,
    drops::{Drops, Totals},
    duplicates::Duplicates,
    layout::Layout,
    sampler::Sampler,
};
use crate::{
    access_list::AccessLists,
    command::ConfigWriter,
    health::{Condition, Found, HealthSettings},
    host::{DesiredHost, HostState, PortState, address_check::VirtualAddressHeld},
    protocol::{
        Checked, Claims, Commands, Cx, Effect, Input, PortSettings, Protocol, Report, Settings, Shared,
    },
};

/// Time between two samples of counters.
const SAMPLE: Duration = Duration::from_secs(1);

/// The subsystem of ports, interfaces, routes and the process itself.
#[derive(Debug)]
pub struct System {
    layout: Layout,
    /// By port.
    ports: Vec<PortState>,
    /// What the kernel was last told to hold.
    desired: DesiredHost,
    /// What it holds.
    host: HostState,
    /// As last published, without what others claim.
    network: Network,
    /// Virtual addresses that the kernel holds too, as last found.
    held: Vec<VirtualAddressHeld>,
    /// For the rates of `show interfaces` and `show dataplane`.
    sampler: Sampler,
    drops: Drops,
    duplicates: Duplicates,
    /// As the others were last told.
    access_lists: AccessLists,
    sample: Nanos,
}

impl Protocol for System {
    const NAME: &'static str = "system";
    type Config = SystemConfig;
    type Message = ();
    type Order = ();

    fn new(shared: &Shared) -> Self {
        Self {
            layout: Layout::new(u8::try_from(shared.stats.len()).unwrap_or(u8::MAX)),
            ports: Vec::new(),
            desired: DesiredHost::default(),
            host: HostState::default(),
            network: Network::default(),
            held: Vec::new(),
            sampler: Sampler::default(),
            drops: Drops::default(),
            duplicates: Duplicates::default(),
            access_lists: AccessLists::default(),
            sample: shared.now,
        }
    }

    fn commands() -> Commands<Self> {
        Commands {
            configuration: command::commands()
                .map(|line| line.within(|config: &mut SystemConfig| config))
                .collect(),
            exec: exec::specs(),
            switches: Vec::new(),
        }
    }

    fn print(config: &SystemConfig, out: &mut ConfigWriter) {
        print::print(config, out);
    }

    fn claim(config: &SystemConfig, claims: &mut Claims) {
        config.subnets().into_iter().for_each(|subnet| claims.interface_address(subnet));
        config.access_lists.iter().for_each(|list| claims.access_list(list.name.clone(), list.kind));
    }

    fn check(config: &SystemConfig, _: &Claims) -> Checked {
        let errors = check::check(config);
        if errors.is_empty() { Ok(Vec::new()) } else { Err(errors) }
    }

    fn hostname(config: &SystemConfig) -> Option<&str> {
        Some(&config.hostname)
    }

    fn settings(config: &SystemConfig, settings: &mut Settings) {
        *settings = Settings {
            password_encryption: config.password_encryption,
            debug_milliseconds: config.debug_milliseconds,
            logging_level: config.logging.level,
            logging_lines: config.logging.buffered as usize,
            management: config.management.clone(),
            health: config.health.clone(),
        };
    }

    fn health_settings(config: &mut SystemConfig) -> Option<&mut HealthSettings> {
        Some(&mut config.health)
    }

    fn restart_needed(now: &SystemConfig, next: &SystemConfig) -> Vec<&'static str> {
        check::restart_needed(now, next)
    }

    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Configured(_) => {
                let settings = |interface: &InterfaceConfig| PortSettings {
                    up: !interface.shutdown,
                    mtu: cx.config.mtu(interface),
                    mac: interface.mac,
                };
                let ports = cx.config.ports().map(|(port, interface, _)| (port, settings(interface)));
                cx.act(Effect::Ports(ports.collect()));
                self.tell_access_lists(cx);
                self.keep_resolved(cx);
            }
            Input::Ports(ports) => {
                self.ports = ports.to_vec();
                self.keep_resolved(cx);
            }
            Input::Host(host) => {
                self.host = host.clone();
                cx.publish();
            }
            Input::Events(events) => self.watch_claims(events, cx),
            Input::Timer => {
                self.take_sample(cx);
                self.watch_addresses(cx);
            }
            Input::Repeated { .. }
            | Input::Network(_)
            | Input::Published { .. }
            | Input::Fact(_)
            | Input::Message(())
            | Input::TasksDied
            | Input::Debug
            | Input::Stop => {}
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        Some(self.sample)
    }

    fn publish(&mut self, next: &mut Snapshot, _: &mut Cx<'_, Self>) {
        let mut network = self.layout.network(&self.desired, &self.host, &self.ports);
        network.share_with(&self.network);
        let same_claims = Arc::ptr_eq(&network.interfaces, &self.network.interfaces)
            && Arc::ptr_eq(&network.owners, &self.network.owners);
        self.network = network.clone();
        if same_claims {
            // What others have claimed beside stays claimed.
            network.owners = Arc::clone(&next.net.owners);
        }
        network.share_with(&next.net);
        if !network.shares_all(&next.net) {
            next.net = Arc::new(network);
        }
    }

    fn conditions() -> Vec<&'static Condition> {
        conditions::all()
    }

    fn diagnose(&mut self, cx: &mut Cx<'_, Self>) -> Vec<Found> {
        self.found(cx)
    }

    fn report(&mut self, out: &mut Report, cx: &mut Cx<'_, Self>) {
        self.metrics(out, cx);
    }
}

impl System {
    /// Tells the kernel what to hold, and workers what the interfaces are.
    fn keep_resolved(&mut self, cx: &mut Cx<'_, Self>) {
        let desired = self.layout.desired(cx.config, &self.ports);
        if desired != self.desired {
            self.desired = desired.clone();
            cx.act(Effect::Host(desired));
        }
        cx.publish();
    }

    fn take_sample(&mut self, cx: &Cx<'_, Self>) {
        self.sample = cx.now().after(SAMPLE);
        let of = |ports: &Arc<dyn PortControl>| -> Vec<_> {
            ports.ports().iter().map(|info| ports.counters(info.id)).collect()
        };
        let counters = cx.shared.ports.as_ref().map(of).unwrap_or_default();
        let totals = Totals::new(cx.shared.stats.iter().map(AsRef::as_ref), &counters);
        self.drops.sample(totals, cx.shared.settings.health.above(&DROPS));
        if let Some(ports) = &cx.shared.ports {
            self.sampler.sample(cx.now(), counters, &cx.shared.stats, &ports.pools());
        }
    }
}

#[cfg(test)]
mod tests;
