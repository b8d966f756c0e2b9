//! What the dataplane and a reload make of the settings.

use common::{config::Hugepages, id::PortId};

use super::{SystemConfig, check::restart_needed};
use crate::{command::load, protocols::Configuration};

fn system(text: &str) -> SystemConfig {
    match load::<Configuration>("test", text) {
        Ok(loaded) => loaded.configuration.system,
        Err(errors) => panic!("{}", errors[0]),
    }
}

const TEXT: &str = "
dataplane
 cores 6,2-3
 sessions 2048
 hugepages off
interface Loopback1
 ip address 10.9.9.9 255.255.255.0
interface Ethernet0
 device net_af_packet0,iface=veth0
 ip address 10.1.1.1 255.255.255.0
 ip address 10.1.2.1 255.255.255.0 secondary
 no shutdown
interface Ethernet0.15
 encapsulation dot1q 15
interface GigabitEthernet6/1
interface GigabitEthernet6/2
 device 0000:3b:00.0
 mtu 9000
 rx-queues 2
";

#[test]
fn ports_are_the_interfaces_with_a_device_in_order() {
    let system = system(TEXT);
    let config = system.dataplane_config();
    assert_eq!((config.workers, config.cores.as_slice(), config.sessions), (3, &[2, 3, 6][..], 2048));
    assert_eq!(config.hugepages, Hugepages::Off);
    let ports: Vec<_> =
        config.ports.iter().map(|p| (p.id, p.name.as_str(), p.device.as_str(), p.mtu)).collect();
    assert_eq!(
        ports,
        [
            (PortId(0), "Ethernet0", "net_af_packet0,iface=veth0", 1500),
            (PortId(1), "GigabitEthernet6/2", "0000:3b:00.0", 9000),
        ]
    );
    assert_eq!(config.ports[0].kernel_device(), Some("veth0"));
    let mut made = config.ports[0].clone();
    made.device = "net_tap0,iface=dtap0".into();
    assert_eq!(made.kernel_device(), None, "the driver makes it");
    let carriers: Vec<_> = system.interfaces.iter().map(|i| system.port_of(i)).collect();
    assert_eq!(carriers, [None, Some(PortId(0)), Some(PortId(0)), None, Some(PortId(1))]);
    assert_eq!(system.subnets().len(), 3);
}

#[test]
fn one_device_is_one_port() {
    for (first, second) in [
        ("net_ring0", "net_ring0"),
        ("net_af_packet0,iface=v0", "net_af_packet0,iface=v1"),
        ("net_af_packet0,iface=v0", "net_af_xdp0,iface=v0"),
        ("0000:3b:00.0", "3b:00.0"),
        ("0000:3B:00.0", "0000:3b:00.0"),
    ] {
        let text = format!("interface e0\n device {first}\ninterface e1\n device {second}\n");
        let errors = load::<Configuration>("f", &text).unwrap_err();
        assert_eq!(errors.len(), 1);
        let expected = format!("f: % Ethernet1: device {second} is in use by Ethernet0");
        assert_eq!(errors[0].to_string(), expected);
    }
    assert!(
        load::<Configuration>("f", "interface e0\n device net_ring0\ninterface e1\n device net_ring1\n")
            .is_ok()
    );
}

#[test]
fn addresses_and_vlans_are_used_once() {
    let text = "interface e0\n device net_null0\n ip address 10.1.1.1 255.0.0.0\n\
                interface e0.1\n encapsulation dot1q 5\ninterface e0.2\n encapsulation dot1q 5\n\
                interface lo0\n ip address 10.1.1.1 255.255.255.255\n";
    let shown: Vec<String> =
        load::<Configuration>("f", text).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "f: % Ethernet0.2: VLAN 5 is in use by Ethernet0.1",
            "f: % Loopback0: address 10.1.1.1 is in use by Ethernet0"
        ]
    );
}

#[test]
fn a_reload_says_what_needs_a_restart() {
    let old = system(TEXT);
    let changed = |from: &str, to: &str| {
        assert!(TEXT.contains(from));
        restart_needed(&old, &system(&TEXT.replace(from, to)))
    };
    assert_eq!(changed("cores 6,2-3", "workers 2"), ["workers"]);
    assert_eq!(changed("sessions 2048", "sessions 4096"), ["session capacity"]);
    assert_eq!(changed("hugepages off", "hugepages auto"), ["memory"]);
    assert_eq!(changed("iface=veth0", "iface=veth1"), ["devices"]);
    assert_eq!(changed("mtu 9000", "mtu 1500"), ["devices"]);
    assert_eq!(changed("10.1.2.1", "10.1.3.1"), Vec::<&str>::new());
    assert_eq!(changed(" no shutdown\n", " description x\n"), Vec::<&str>::new());
    assert_eq!(restart_needed(&old, &old), Vec::<&str>::new());
}
