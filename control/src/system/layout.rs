//! From the configuration to what the kernel shall hold, and from the kernel's state to what workers read. Pure; called
//! by whoever wires the parts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{
    counters::Counters,
    id::{InterfaceId, PortId},
    mac::MacAddr,
    net::{Interface, Network, Owner, Owners, PortView, SourceCheck},
};

use ipnet::Ipv4Net;

use super::{
    SystemConfig,
    config::{self, StaticNextHop},
};
use crate::host::{
    DesiredHost, DesiredInterface, DesiredNeighbour, DesiredRoute, HostState, PortState, RouteTarget,
};

/// Stands in [`Owner::Host`] for addresses that no port's interface holds: those of loopbacks.
pub const LOOPBACK: InterfaceId = InterfaceId(u16::MAX);

/// Ids of interfaces by full name. An id belongs to one name as long as the process lives, so that neither a frame in a
/// ring nor a snapshot that a worker still holds can mean another interface.
#[derive(Debug, Default)]
pub struct Layout {
    ids: BTreeMap<String, InterfaceId>,
    workers: u8,
    checks: BTreeMap<InterfaceId, SourceCheck>,
    /// What was dropped on each interface that ever had a check.
    drops: BTreeMap<InterfaceId, Arc<Counters<1>>>,
}

impl Layout {
    /// For so many workers.
    pub fn new(workers: u8) -> Self {
        Self { workers, ..Self::default() }
    }

    /// The check of sources of an interface, by its full name.
    pub fn source_check(&self, name: &str) -> Option<&SourceCheck> {
        self.checks.get(&self.id(name)?)
    }

    fn check_sources(&mut self, system: &SystemConfig) {
        self.checks.clear();
        for interface in &system.interfaces {
            let Some(verify) = interface.verify_source else { continue };
            // One that carries nothing yet has no id.
            let Some(id) = self.id(&interface.name.to_string()) else { continue };
            let workers = self.workers;
            let drops = self.drops.entry(id).or_insert_with(|| Arc::new(Counters::new(workers)));
            self.checks.insert(id, SourceCheck { verify, drops: Arc::clone(drops) });
        }
    }

    /// The id of the interface of that full name, if it had one yet.
    pub fn id(&self, name: &str) -> Option<InterfaceId> {
        self.ids.get(name).copied()
    }

    fn id_for(&mut self, name: &str) -> InterfaceId {
        let next = InterfaceId(self.ids.len() as u16);
        *self.ids.entry(name.to_owned()).or_insert(next)
    }

    /// What the kernel shall hold. `ports` by [`PortId`]; an interface whose port is missing there has no shadow yet.
    pub fn desired(&mut self, system: &SystemConfig, ports: &[PortState]) -> DesiredHost {
        let interfaces: Vec<_> = system
            .interfaces
            .iter()
            .filter(|interface| !interface.is_loopback())
            .filter_map(|interface| {
                let port = system.port_of(interface)?;
                let id = self.id_for(&interface.name.to_string());
                Some(desired_interface(system, interface, id, port, ports.get(port.index())?))
            })
            .collect();
        self.check_sources(system);
        let loopbacks = system
            .interfaces
            .iter()
            .filter(|interface| interface.is_loopback() && !interface.shutdown)
            .flat_map(|interface| interface.addresses().map(|net| net.addr()).collect::<Vec<_>>())
            .collect();
        let routes = system.routes.iter().map(|route| DesiredRoute {
            prefix: route.prefix,
            target: match &route.next_hop {
                StaticNextHop::Address(gateway) => RouteTarget::Gateway(*gateway),
                // One that has no port waits, as one that is shut down does.
                StaticNextHop::Interface(name) => RouteTarget::Interface(self.id_for(&name.to_string())),
                StaticNextHop::Null => RouteTarget::Null,
            },
            distance: route.distance,
        });
        let routes = routes.collect();
        let neighbours = system
            .neighbours
            .iter()
            .map(|neighbour| DesiredNeighbour { address: neighbour.address, mac: neighbour.mac })
            .collect();
        DesiredHost { interfaces, loopbacks, routes, neighbours }
    }

    /// What workers read: the configuration's interfaces with the addresses, routes and neighbours that the kernel
    /// has. `ports` as for [`Self::desired`]. Routes and neighbours are shared with `state`, however many there are.
    pub fn network(&self, desired: &DesiredHost, state: &HostState, ports: &[PortState]) -> Network {
        let mut interfaces = self.placeholders();
        let mut views: Vec<_> =
            ports.iter().map(|port| PortView { link_up: port.link_up, ..PortView::default() }).collect();
        let mut addresses: BTreeMap<InterfaceId, Vec<Ipv4Net>> = BTreeMap::new();
        let mut owners = Owners::default();
        for known in &state.addresses {
            let address = known.net.addr();
            if let Some(id) = known.interface {
                addresses.entry(id).or_default().push(known.net);
                owners.insert(address, Owner::Host(id));
            } else if known.device == "lo" && !address.is_loopback() {
                owners.entry(address).or_insert(Owner::Host(LOOPBACK));
            }
        }
        for interface in &desired.interfaces {
            let running = state.links.get(&interface.id).is_some_and(|link| link.up);
            interfaces[interface.id.index()] = Interface {
                id: interface.id,
                name: interface.name.clone(),
                port: interface.port,
                vlan: interface.vlan,
                mac: interface.mac,
                virtual_macs: Vec::new(),
                source_check: self.checks.get(&interface.id).cloned(),
                mtu: interface.mtu,
                up: interface.up && running,
                addresses: addresses.remove(&interface.id).unwrap_or_default(),
            };
            let Some(port) = views.get_mut(interface.port.index()) else { continue };
            match interface.vlan {
                None => port.untagged = Some(interface.id),
                Some(vlan) => port.vlans.push((vlan, interface.id)),
            }
        }
        Network {
            interfaces: interfaces.into(),
            ports: views.into(),
            owners: Arc::new(owners),
            routes: state.routes.clone(),
            neighbours: Arc::clone(&state.neighbours),
        }
    }

    /// A closed interface for each id, for those whose interface was removed.
    fn placeholders(&self) -> Vec<Interface> {
        let mut list: Vec<_> = self
            .ids
            .iter()
            .map(|(name, id)| Interface {
                id: *id,
                name: name.clone(),
                port: PortId(0),
                vlan: None,
                mac: MacAddr::default(),
                virtual_macs: Vec::new(),
                source_check: None,
                mtu: 1500,
                up: false,
                addresses: Vec::new(),
            })
            .collect();
        list.sort_by_key(|interface| interface.id);
        list
    }
}

fn desired_interface(
    system: &SystemConfig,
    interface: &config::InterfaceConfig,
    id: InterfaceId,
    port: PortId,
    is: &PortState,
) -> DesiredInterface {
    let carrier = system.ports().find(|(of, ..)| *of == port).map(|(_, carrier, _)| carrier);
    DesiredInterface {
        id,
        name: interface.name.to_string(),
        port,
        vlan: interface.vlan,
        mac: is.mac,
        mtu: system.mtu(interface).min(is.mtu),
        up: !interface.shutdown && carrier.is_none_or(|carrier| !carrier.shutdown),
        arp: true,
        carrier: is.link_up,
        addresses: interface.addresses().collect(),
        arp_timeout: Duration::from_secs(interface.arp_timeout.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::view::{KernelAddress, ShadowLink};

    const TEXT: &str = "\
interface Loopback0
 ip address 10.10.10.10 255.255.255.255
interface Ethernet0
 device net_null0
 ip address 10.1.1.1 255.255.255.0
 no shutdown
interface Ethernet0.15
 encapsulation dot1q 15
 ip address 10.15.0.1 255.255.0.0
 no shutdown
interface Ethernet1
 device net_null1
 ip address 10.2.0.1 255.255.0.0
interface Ethernet1.7
 encapsulation dot1q 7
 no shutdown
ip route 20.0.0.0 255.0.0.0 10.1.1.2
ip route 30.0.0.0 255.0.0.0 Null0 9
arp 10.1.1.2 0200.5e00.0002
";

    fn system(text: &str) -> SystemConfig {
        crate::command::load::<crate::protocols::Configuration>("test", text).unwrap().configuration.system
    }

    fn port(last: u8) -> PortState {
        PortState { mac: MacAddr([2, 0, 0, 0, 0, last]), mtu: 1400, link_up: last == 0 }
    }

    #[test]
    fn the_configuration_becomes_what_the_kernel_shall_hold_with_ids_that_stay() {
        let mut layout = Layout::default();
        let ports = [port(0), port(1)];
        let desired = layout.desired(&system(TEXT), &ports);
        let seen: Vec<_> = desired
            .interfaces
            .iter()
            .map(|i| (i.id.0, i.name.as_str(), i.port.0, i.vlan, i.mac.0[5], i.mtu, i.up, i.carrier))
            .collect();
        assert_eq!(
            seen,
            [
                (0, "Ethernet0", 0, None, 0, 1400, true, true),
                (1, "Ethernet0.15", 0, Some(15), 0, 1400, true, true),
                (2, "Ethernet1", 1, None, 1, 1400, false, false),
                (3, "Ethernet1.7", 1, Some(7), 1, 1400, false, false),
            ]
        );
        assert_eq!(desired.loopbacks, [std::net::Ipv4Addr::new(10, 10, 10, 10)]);
        assert_eq!(desired.routes[0].target, RouteTarget::Gateway([10, 1, 1, 2].into()));
        assert_eq!((desired.routes[1].target, desired.routes[1].distance), (RouteTarget::Null, 9));
        assert_eq!(desired.neighbours.len(), 1);

        let fewer =
            TEXT.split("interface Ethernet1\n").next().unwrap().replace("Ethernet0.15", "Ethernet0.16");
        let desired = layout.desired(&system(&fewer), &ports[..1]);
        let ids: Vec<_> = desired.interfaces.iter().map(|i| i.id.0).collect();
        assert_eq!(ids, [0, 4], "the id of Ethernet0.15 is not given away");
    }

    #[test]
    fn a_subinterface_has_the_mtu_of_its_port_unless_it_says_otherwise() {
        let wide = |lines: &str| {
            let text = "interface Ethernet0\n device net_null0\n mtu 9000\n no shutdown\n";
            let text =
                format!("{text}interface Ethernet0.15\n encapsulation dot1q 15\n{lines} no shutdown\n");
            let ports = [PortState { mtu: 9000, ..port(0) }];
            let system = system(&text);
            let mtus: Vec<_> =
                Layout::default().desired(&system, &ports).interfaces.iter().map(|i| i.mtu).collect();
            assert_eq!(system.dataplane_config().ports[0].mtu, 9000);
            mtus
        };
        assert_eq!(wide(""), [9000, 9000]);
        assert_eq!(wide(" mtu 1500\n"), [9000, 1500], "the default is another one here");
        assert_eq!(wide(" mtu 1400\n no mtu\n"), [9000, 9000]);
    }

    #[test]
    fn workers_read_what_the_kernel_has() {
        let mut layout = Layout::default();
        let ports = [port(0), port(1)];
        let desired = layout.desired(&system(TEXT), &ports);
        let mut state = HostState::default();
        let link = ShadowLink {
            device: "Et0".to_owned(),
            index: 7,
            up: true,
            running: true,
            mtu: 1400,
            mac: port(0).mac,
        };
        state.links.insert(InterfaceId(0), link);
        let known = |device: &str, interface, net: &str| KernelAddress {
            device: device.to_owned(),
            interface,
            net: net.parse().unwrap(),
            secondary: false,
        };
        state.addresses = vec![
            known("lo", None, "127.0.0.1/8"),
            known("lo", None, "10.10.10.10/32"),
            known("Et0", Some(InterfaceId(0)), "10.1.1.1/24"),
            known("eth9", None, "192.168.0.1/24"),
        ];
        let view = layout.network(&desired, &state, &ports);
        assert_eq!(view.interfaces.len(), 4);
        assert!(view.interfaces[0].up && !view.interfaces[1].up, "a shadow that is not there is down");
        assert_eq!(view.interfaces[0].addresses, ["10.1.1.1/24".parse().unwrap()]);
        assert_eq!(view.ports[0].untagged, Some(InterfaceId(0)));
        assert_eq!(view.ports[0].vlans, [(15, InterfaceId(1))]);
        assert!(view.ports[0].link_up && !view.ports[1].link_up);
        assert_eq!(view.owners.len(), 2);
        assert_eq!(view.owners[&[10, 10, 10, 10].into()], Owner::Host(LOOPBACK));
        let gone = layout.network(&DesiredHost::default(), &state, &ports);
        assert!(gone.interfaces.iter().all(|interface| !interface.up));
        assert_eq!(gone.ports[0].untagged, None);
    }
}
