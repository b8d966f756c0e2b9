//! Views of the machine part, from the running configuration, ports, the kernel and counters.

use std::sync::atomic::Ordering::Relaxed;

use common::{id::InterfaceId, slb::Balancer, verdict::Verdict};

use super::Machine;
use crate::{
    core::Core,
    host::apply::PROTOCOL,
    machine::{
        Interface,
        show::{
            arp::ArpView,
            dataplane::{DataplaneView, VerdictView, WorkerView},
            interface::{InterfaceView, PortView},
            memory::{MemoryView, PoolView, TableView},
            route::{RouteView, Source},
        },
    },
};

impl Core {
    /// All interfaces in the order of the configuration, or the one called `only`.
    pub(super) fn interface_views(&self, only: Option<&str>) -> Vec<InterfaceView> {
        let machine = &self.running.machine;
        let wanted =
            machine.interfaces.iter().filter(|at| only.is_none_or(|name| at.name.to_string() == name));
        wanted.map(|interface| self.interface_view(interface)).collect()
    }

    fn interface_view(&self, interface: &Interface) -> InterfaceView {
        let (machine, configuration) = (&self.machine, &self.running.machine);
        let id = machine.layout.id(&interface.name.to_string());
        let shown = id.and_then(|id| self.network.interfaces.get(id.index()));
        let link = id.and_then(|id| machine.host.links.get(&id));
        let carrier =
            shown.and_then(|at| self.network.ports.get(at.port.index())).is_none_or(|port| port.link_up);
        let up = shown.map_or(!interface.shutdown, |at| at.up);
        let port = interface.device.as_ref().and_then(|device| {
            let ports = machine.ports.as_ref()?;
            let id = configuration.port_of(interface)?;
            let info = ports.ports().into_iter().find(|info| info.id == id)?;
            Some(PortView {
                device: device.clone(),
                info,
                link: ports.link(id),
                counters: ports.counters(id),
                rates: machine.sampler.rates(id.index()),
            })
        });
        InterfaceView {
            name: interface.name.to_string(),
            admin_up: !interface.shutdown,
            line_up: up && carrier,
            description: interface.description.clone(),
            mac: shown.map(|at| at.mac),
            addresses: interface.addresses().collect(),
            mtu: interface.mtu,
            vlan: interface.vlan,
            shadow: link.map(|link| link.device.clone()),
            port,
        }
    }

    /// Neighbours on our interfaces, by interface and address, and our own addresses.
    pub(super) fn arp_views(&self) -> Vec<ArpView> {
        let machine = &self.machine;
        let own = self.network.interfaces.iter().flat_map(|interface| {
            interface.addresses.iter().map(|net| ArpView {
                address: net.addr(),
                mac: Some(interface.mac),
                state: "interface".into(),
                interface: interface.name.clone(),
            })
        });
        let known = machine.host.arp.iter().map(|entry| ArpView {
            address: entry.address,
            mac: entry.mac,
            state: format!("{:?}", entry.state).to_lowercase(),
            interface: self.interface_name(entry.interface).unwrap_or_default(),
        });
        let mut list: Vec<_> = own.chain(known).collect();
        list.sort_by_key(|entry| entry.address);
        list
    }

    /// Routes in use, by prefix.
    pub(super) fn route_views(&self) -> Vec<RouteView> {
        let machine = &self.machine;
        let in_use = machine.host.table.iter().filter(|route| route.best);
        in_use
            .map(|route| RouteView {
                prefix: route.prefix,
                source: Source::of(route.protocol, route.gateway.is_some(), PROTOCOL),
                distance: route.metric,
                gateway: route.gateway,
                interface: match route.interface.and_then(|id| self.interface_name(id)) {
                    Some(name) => name,
                    None if route.null => "Null0".into(),
                    None => route.device.clone().unwrap_or_default(),
                },
            })
            .collect()
    }

    fn interface_name(&self, id: InterfaceId) -> Option<String> {
        self.network.interfaces.get(id.index()).map(|interface| interface.name.clone())
    }

    /// Workers and verdicts.
    pub(super) fn dataplane_view(&self) -> DataplaneView {
        let names: Vec<String> =
            self.running.machine.ports().map(|(_, interface, _)| interface.name.to_string()).collect();
        let workers = self.stats.iter().enumerate().map(|(at, stats)| {
            let pace = self.machine.sampler.pace(at);
            let cpu = stats.cpu.load(Relaxed);
            WorkerView {
                worker: at as u8,
                cpu: cpu.checked_sub(1).map(|cpu| cpu as u16),
                ports: names.join(","),
                generation: stats.generation.load(Relaxed),
                mpps: pace.mpps,
                cycles_per_packet: pace.cycles,
                burst: pace.burst,
                busy_percent: pace.busy,
                received: stats.received.load(Relaxed),
                injected: stats.injected.load(Relaxed),
                inject_no_buffer: stats.inject_no_buffer.load(Relaxed),
                inject_tx_full: stats.inject_tx_full.load(Relaxed),
                inject_refused: stats.inject_refused.load(Relaxed),
                replicas: stats.replicas.load(Relaxed),
                replicas_dropped: stats.replicas_dropped.load(Relaxed),
                events_lost: stats.events_lost.load(Relaxed),
            }
        });
        let total = |verdict: Verdict| self.stats.iter().map(|stats| stats.verdict(verdict)).sum();
        let verdicts = Verdict::all().map(|verdict| VerdictView {
            verdict,
            class: verdict.class(),
            owner: verdict.owner(),
            packets: total(verdict),
        });
        DataplaneView {
            workers: workers.collect(),
            generation: self.publisher.generation(),
            received: self.stats.iter().map(|stats| stats.received.load(Relaxed)).sum(),
            verdict_sum: self.stats.iter().map(|stats| stats.verdict_sum()).sum(),
            verdicts: verdicts.collect(),
        }
    }

    /// Pools and tables.
    pub(super) fn memory_view(&self) -> MemoryView {
        MemoryView { pools: pools(&self.machine), tables: vec![table(&self.director)] }
    }
}

fn pools(machine: &Machine) -> Vec<PoolView> {
    let pools = machine.ports.as_ref().map(|ports| ports.pools()).unwrap_or_default();
    let view = |info: common::port::PoolInfo| PoolView {
        low_water: machine.sampler.low_water(&info.name).unwrap_or(info.free).min(info.free),
        info,
    };
    pools.into_iter().map(view).collect()
}

fn table(director: &Balancer) -> TableView {
    TableView {
        name: "sessions",
        capacity: director.capacity(),
        used: director.occupancy(),
        refused: director.refused(),
        bytes: director.bytes(),
        pages: director.backing().name(),
    }
}
