//! Which layer-3 interface has which number, what the kernel shall hold for each, and what workers learn of them.

use std::collections::BTreeMap;

use common::{
    id::{InterfaceId, PortId},
    mac::MacAddr,
    port::{Link, PortControl, PortInfo},
    snapshot::{AddressMap, Interface, PortView},
};

use crate::{
    command::InterfaceName,
    core::NetworkView,
    host::{DesiredHost, DesiredInterface, DesiredNeighbour, DesiredRoute, HostState, RouteTarget},
    machine::{self, MachineConfig, NextHop},
};

/// Numbers of interfaces that a port carries; a number stays with its name for as long as the name is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    ids: BTreeMap<InterfaceName, InterfaceId>,
}

/// A port's device and link.
#[derive(Clone, Debug)]
pub struct PortState {
    /// As it was configured.
    pub info: PortInfo,
    /// Its link.
    pub link: Link,
}

impl PortState {
    /// All ports of the dataplane.
    pub fn all(ports: &dyn PortControl) -> Vec<Self> {
        ports.ports().into_iter().map(|info| Self { link: ports.link(info.id), info }).collect()
    }
}

impl Places {
    /// Gives a number to each interface that a port carries, and takes those of others back.
    pub fn place(&mut self, machine: &MachineConfig) {
        let carried: Vec<&InterfaceName> =
            machine.interfaces.iter().filter(|at| machine.port_of(at).is_some()).map(|at| &at.name).collect();
        self.ids.retain(|name, _| carried.contains(&name));
        for name in carried {
            if !self.ids.contains_key(name) {
                let taken = |id| self.ids.values().any(|other| *other == id);
                let free = (0..=u16::MAX).map(InterfaceId).find(|id| !taken(*id));
                self.ids.extend(free.map(|id| (name.clone(), id)));
            }
        }
    }

    /// The number of an interface.
    pub fn id(&self, name: &InterfaceName) -> Option<InterfaceId> {
        self.ids.get(name).copied()
    }

    /// The interface of a number.
    pub fn name(&self, id: InterfaceId) -> Option<&InterfaceName> {
        self.ids.iter().find(|(_, found)| **found == id).map(|(name, _)| name)
    }

    /// What the kernel shall hold.
    pub fn desired(&self, machine: &MachineConfig, ports: &[PortState]) -> DesiredHost {
        let carried = machine.interfaces.iter().filter_map(|interface| {
            let (id, port) = (self.id(&interface.name)?, machine.port_of(interface)?);
            let state = ports.get(port.index());
            Some(DesiredInterface {
                id,
                name: interface.name.to_string(),
                port,
                vlan: interface.vlan,
                mac: mac(machine, interface, port, ports),
                mtu: interface.mtu,
                up: is_up(machine, interface),
                carrier: state.is_none_or(|state| state.link.up),
                addresses: interface.addresses().collect(),
            })
        });
        let loopbacks = machine.interfaces.iter().filter(|at| at.is_loopback() && !at.shutdown);
        let route = |route: &machine::StaticRoute| {
            let target = match &route.next_hop {
                NextHop::Address(gateway) => RouteTarget::Gateway(*gateway),
                NextHop::Interface(name) => RouteTarget::Interface(self.id(name)?),
                NextHop::Null => RouteTarget::Null,
            };
            Some(DesiredRoute { prefix: route.prefix, target, distance: route.distance })
        };
        DesiredHost {
            interfaces: carried.collect(),
            loopbacks: loopbacks.flat_map(|at| at.addresses().map(|net| net.addr())).collect(),
            routes: machine.routes.iter().filter_map(route).collect(),
            neighbours: machine
                .neighbours
                .iter()
                .map(|neighbour| DesiredNeighbour { address: neighbour.address, mac: neighbour.mac })
                .collect(),
        }
    }

    /// What workers learn: the configuration's interfaces with the kernel's addresses, routes and neighbours.
    pub fn network(&self, machine: &MachineConfig, ports: &[PortState], host: &HostState) -> NetworkView {
        let count = self.ids.values().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut view = NetworkView {
            interfaces: (0..count).map(|at| vacant(InterfaceId(at as u16))).collect(),
            ports: ports
                .iter()
                .map(|port| PortView { link_up: port.link.up, ..PortView::default() })
                .collect(),
            fib: (*host.routes).clone(),
            neighbours: host.neighbours.clone(),
            ..NetworkView::default()
        };
        for interface in &machine.interfaces {
            let (Some(id), Some(port)) = (self.id(&interface.name), machine.port_of(interface)) else {
                continue;
            };
            let held = host.addresses.iter().filter(|address| address.interface == Some(id));
            view.interfaces[id.index()] = Interface {
                id,
                name: interface.name.to_string(),
                port,
                vlan: interface.vlan,
                mac: mac(machine, interface, port, ports),
                mtu: interface.mtu,
                up: is_up(machine, interface),
                addresses: held.map(|address| address.net).collect(),
            };
            if let Some(port) = view.ports.get_mut(port.index()) {
                match interface.vlan {
                    Some(vlan) => port.vlans.push((vlan, id)),
                    None => port.untagged = Some(id),
                }
            }
        }
        view.local = local(host);
        view
    }
}

/// Every address of the kernel; one that is not on a shadow is reached by whatever interface the frame came on.
fn local(host: &HostState) -> AddressMap<InterfaceId> {
    host.addresses.iter().map(|address| (address.net.addr(), address.interface.unwrap_or_default())).collect()
}

/// A number that no interface has at present.
fn vacant(id: InterfaceId) -> Interface {
    Interface {
        id,
        name: String::new(),
        port: PortId(0),
        vlan: None,
        mac: MacAddr::default(),
        mtu: machine::DEFAULT_MTU,
        up: false,
        addresses: Vec::new(),
    }
}

/// A subinterface is up only with its parent.
fn is_up(machine: &MachineConfig, interface: &machine::Interface) -> bool {
    let parent = interface.name.parent().and_then(|name| machine.interface(&name));
    !interface.shutdown && parent.is_none_or(|parent| !parent.shutdown)
}

/// Its own address if one is configured, else the port's.
fn mac(
    machine: &MachineConfig,
    interface: &machine::Interface,
    port: PortId,
    ports: &[PortState],
) -> MacAddr {
    let parent = interface.name.parent().and_then(|name| machine.interface(&name));
    interface
        .mac
        .or_else(|| parent.and_then(|parent| parent.mac))
        .or_else(|| ports.get(port.index()).map(|port| port.info.mac))
        .unwrap_or_default()
}
