//! What the shows of the system print, from the configuration, ports, the kernel and counters.

use std::sync::atomic::Ordering::Relaxed;

use common::{id::InterfaceId, port::PoolInfo, snapshot::Snapshot, verdict::Verdict};

use super::{
    InterfaceConfig, System,
    duplicates::{Duplicate, Holder},
    show::{
        arp::ArpView,
        dataplane::{DataplaneView, VerdictView, WorkerView},
        duplicates::DuplicateView,
        interface::{DeviceView, InterfaceView, SourceCheckView},
        memory::{MemoryView, PoolView},
        route::{NextHopView, RouteView, Source},
    },
};
use crate::{
    host::{apply::PROTOCOL, view::HopEntry},
    protocol::Cx,
};

impl System {
    /// All interfaces in the order of the configuration, or the one called `only`.
    pub(super) fn interface_views(&self, only: Option<&str>, cx: &Cx<'_, Self>) -> Vec<InterfaceView> {
        let wanted =
            cx.config.interfaces.iter().filter(|at| only.is_none_or(|name| at.name.to_string() == name));
        wanted.map(|interface| self.interface_view(interface, cx)).collect()
    }

    fn interface_view(&self, interface: &InterfaceConfig, cx: &Cx<'_, Self>) -> InterfaceView {
        let snapshot = cx.shared.snapshot();
        let id = self.layout.id(&interface.name.to_string());
        let shown = id.and_then(|id| snapshot.net.interfaces.get(id.index()));
        let link = id.and_then(|id| self.host.links.get(&id));
        let carrier =
            shown.and_then(|at| snapshot.net.ports.get(at.port.index())).is_none_or(|port| port.link_up);
        let up = shown.map_or(!interface.shutdown, |at| at.up);
        let ports = cx.shared.ports.as_ref();
        let trouble = ports.and_then(|ports| ports.trouble(cx.config.port_of(interface)?));
        let port = interface.device.as_ref().and_then(|device| {
            let ports = cx.shared.ports.as_ref()?;
            let id = cx.config.port_of(interface)?;
            let info = ports.ports().into_iter().find(|info| info.id == id)?;
            Some(DeviceView {
                device: device.clone(),
                info,
                link: ports.link(id),
                counters: ports.counters(id),
                rates: self.sampler.rates(id.index()),
            })
        });
        InterfaceView {
            name: interface.name.to_string(),
            admin_up: !interface.shutdown,
            line_up: up && carrier,
            down_because: trouble.map(|trouble| trouble.reason),
            description: interface.description.clone(),
            mac: shown.map(|at| at.mac),
            addresses: interface.addresses().collect(),
            mtu: cx.config.mtu(interface),
            vlan: interface.vlan,
            source_check: self.layout.source_check(&interface.name.to_string()).map(SourceCheckView::from),
            shadow: link.map(|link| link.device.clone()),
            port,
        }
    }

    /// Neighbours on our interfaces, by interface and address, and our own addresses.
    pub(super) fn arp_views(&self, cx: &Cx<'_, Self>) -> Vec<ArpView> {
        let snapshot = cx.shared.snapshot();
        let own = snapshot.net.interfaces.iter().flat_map(|interface| {
            interface.addresses.iter().map(|net| ArpView {
                address: net.addr(),
                mac: Some(interface.mac),
                state: "interface".into(),
                interface: interface.name.clone(),
            })
        });
        let known = self.host.arp.iter().map(|entry| ArpView {
            address: entry.address,
            mac: entry.mac,
            state: format!("{:?}", entry.state).to_lowercase(),
            interface: interface_name(&snapshot, entry.interface).unwrap_or_default(),
        });
        let mut list: Vec<_> = own.chain(known).collect();
        list.sort_by_key(|entry| entry.address);
        list
    }

    /// Addresses that more than one station has, by interface and address.
    pub(super) fn duplicate_views(&self, cx: &Cx<'_, Self>) -> Vec<DuplicateView> {
        let (snapshot, now) = (cx.shared.snapshot(), cx.now());
        let view = |found: Duplicate| DuplicateView {
            address: found.at.address,
            interface: interface_name(&snapshot, found.at.interface).unwrap_or_default(),
            holder: match found.holder {
                Holder::Us => "us",
                Holder::Static => "static",
                Holder::Neighbour => "neighbour",
            },
            mac: found.mac,
            before: found.before,
            times: found.times,
            seconds_ago: now.since(found.last).as_secs(),
        };
        self.duplicates.shown(now).map(view).collect()
    }

    /// Routes in use, by prefix.
    pub(super) fn route_views(&self, cx: &Cx<'_, Self>) -> Vec<RouteView> {
        let snapshot = cx.shared.snapshot();
        let mut views: Vec<RouteView> = Vec::new();
        for route in self.host.route_entries().filter(|route| route.best) {
            let hop = |hop: &HopEntry| NextHopView {
                gateway: hop.gateway,
                interface: match hop.interface.and_then(|id| interface_name(&snapshot, id)) {
                    Some(name) => name,
                    None => hop.device.clone().unwrap_or_default(),
                },
                weight: hop.weight,
                unusable: hop.unusable,
            };
            let mut next_hops: Vec<_> = route.hops.iter().map(hop).collect();
            if route.null {
                let interface = "Null0".into();
                next_hops = vec![NextHopView { gateway: None, interface, weight: 1, unusable: None }];
            }
            let connected = next_hops.iter().all(|hop| hop.gateway.is_none());
            match views.last_mut().filter(|last| last.prefix == route.prefix) {
                // Of lines of one distance, which share the flows.
                Some(first) => first.next_hops.extend(next_hops),
                None => views.push(RouteView {
                    prefix: route.prefix,
                    source: Source::from_kernel(route.protocol, !connected, PROTOCOL),
                    distance: route.metric,
                    next_hops,
                    object: route.object,
                }),
            }
        }
        views
    }

    /// Workers and verdicts.
    pub(super) fn dataplane_view(&self, cx: &Cx<'_, Self>) -> DataplaneView {
        let names: Vec<String> =
            cx.config.ports().map(|(_, interface, _)| interface.name.to_string()).collect();
        let workers = cx.shared.stats.iter().enumerate().map(|(at, stats)| {
            let pace = self.sampler.pace(at);
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
                reassembled: stats.reassembled.load(Relaxed),
                reassembly_given_up: stats.reassembly_given_up.load(Relaxed),
                events_lost: stats.events_lost.load(Relaxed),
            }
        });
        let total = |verdict: Verdict| cx.shared.stats.iter().map(|stats| stats.verdict(verdict)).sum();
        let verdicts = Verdict::all().map(|verdict| VerdictView {
            verdict,
            class: verdict.class(),
            owner: verdict.owner(),
            packets: total(verdict),
        });
        DataplaneView {
            workers: workers.collect(),
            generation: cx.shared.publisher.generation(),
            received: cx.shared.stats.iter().map(|stats| stats.received.load(Relaxed)).sum(),
            verdict_sum: cx.shared.stats.iter().map(|stats| stats.verdict_sum()).sum(),
            verdicts: verdicts.collect(),
        }
    }

    /// Pools and tables.
    pub(super) fn memory_view(&self, cx: &Cx<'_, Self>) -> MemoryView {
        let pools = cx.shared.ports.as_ref().map(|ports| ports.pools()).unwrap_or_default();
        let view = |info: PoolInfo| PoolView {
            low_water: self.sampler.low_water(&info.name).unwrap_or(info.free).min(info.free),
            info,
        };
        MemoryView { pools: pools.into_iter().map(view).collect(), tables: cx.shared.tables.usage() }
    }
}

fn interface_name(snapshot: &Snapshot, id: InterfaceId) -> Option<String> {
    snapshot.net.interfaces.get(id.index()).map(|interface| interface.name.clone())
}
