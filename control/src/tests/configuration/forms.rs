//! `no` and `default`.

use super::*;

fn after(lines: &[&str]) -> String {
    Harness::configuring(lines).text()
}

#[test]
fn no_and_default_restore_the_default_and_ignore_the_value() {
    for undo in ["no mtu", "no mtu 5", "no mtu what ever", "default mtu", "def mtu 9000", "NO mtu 1400"] {
        assert_eq!(after(&["interface e0", "mtu 1400", undo]), "interface Ethernet0\n!\n", "{undo}");
    }
    for undo in ["no hostname", "no hostname director1", "default hostname"] {
        assert_eq!(after(&["hostname x", undo]), "", "{undo}");
    }
}

#[test]
fn every_command_of_a_mode_can_be_undone() {
    let dataplane = [
        ("workers 4", "no workers"),
        ("cores 2-3,6", "no cores"),
        ("sessions 4096", "no sessions 4096"),
        ("hugepages off", "no hugepages"),
        ("memory 512", "default memory"),
        ("poll always", "no poll always"),
        ("eal --no-pci --log-level 8", "no eal"),
    ];
    for (set, undo) in dataplane {
        assert_eq!(after(&["dataplane", set]), format!("dataplane\n {set}\n!\n"));
        assert_eq!(after(&["dataplane", set, undo]), "", "{undo}");
    }
    let interface = [
        ("description two words ! and ?x", "no description"),
        ("device net_ring0", "no device"),
        ("mac-address 0200.5e00.0001", "no mac-address"),
        ("ip address 10.1.1.1 255.255.255.0", "no ip address"),
        ("rx-queues 2", "no rx-queues"),
        ("tx-descriptors 128", "no tx-descriptors 5"),
        ("rss symmetric", "no rss"),
        ("no shutdown", "default shutdown"),
        ("ip verify unicast source reachable-via rx", "no ip verify unicast source"),
        ("ip verify unicast source reachable-via any", "default ip verify unicast source reachable-via any"),
        (
            "ip verify unicast source reachable-via rx allow-default",
            "no ip verify unicast source reachable-via rx",
        ),
    ];
    for (set, undo) in interface {
        assert_eq!(after(&["interface e0", set]), format!("interface Ethernet0\n {set}\n!\n"));
        assert_eq!(after(&["interface e0", set, undo]), "interface Ethernet0\n!\n", "{undo}");
    }
    let vserver = [
        ("client-rate 500", "no client-rate"),
        ("client-rate 1", "default client-rate"),
        ("client-rate 65535", "no client-rate 7"),
        ("home-agent strict", "no home-agent strict"),
    ];
    for (set, undo) in vserver {
        assert_eq!(after(&["ip slb vserver V", set]), format!("ip slb vserver V\n {set}\n!\n"));
        assert_eq!(after(&["ip slb vserver V", set, undo]), "ip slb vserver V\n!\n", "{undo}");
    }
    let management = [
        ("socket /tmp/s group operators mode 0600", "no socket"),
        ("http 127.0.0.1:9434", "no http"),
        ("http 10.1.1.1:9434 unsafe", "no http"),
        ("http 0.0.0.0:9434 token /etc/homeward/token", "no http"),
        ("http max-connections 20 per-source 10", "no http max-connections"),
        ("exec-timeout 5 30", "default exec-timeout"),
        ("exec-timeout 0 0", "no exec-timeout"),
        ("health port-down after 5", "no health port-down after"),
        ("health drops above 50", "no health drops above 7"),
        ("health drops unready", "no health drops unready"),
        ("health drops unready", "default health drops unready"),
        ("no health port-down unready", "health port-down unready"),
        ("no health port-down unready", "default health port-down unready"),
    ];
    for (set, undo) in management {
        assert_eq!(after(&["management", set]), format!("management\n {set}\n!\n"));
        assert_eq!(after(&["management", set, undo]), "", "{undo}");
    }
    let global = [
        ("service password-encryption", "no service password-encryption"),
        ("service timestamps debug datetime msec", "no service timestamps debug datetime"),
        ("logging level debugging", "no logging level"),
        ("logging buffered 16", "default logging buffered"),
        ("ip route 10.0.0.0 255.0.0.0 10.1.1.1 5", "no ip route 10.0.0.0 255.0.0.0 10.1.1.1 5"),
        ("ip route 10.0.0.0 255.0.0.0 Null0", "no ip route 10.0.0.0 255.0.0.0"),
        ("ip route 10.0.0.0 255.0.0.0 Ethernet0.5", "no ip route 10.0.0.0 255.0.0.0 et 0.5"),
        ("arp 10.1.1.1 0200.5e00.0001", "no arp 10.1.1.1"),
    ];
    for (set, undo) in global {
        assert_eq!(after(&[set]), format!("{set}\n!\n"));
        assert_eq!(after(&[set, undo]), "", "{undo}");
    }
    assert_eq!(after(&["interface e0", "no interface e0"]), "");
    assert_eq!(after(&["dataplane", "workers 2", "no dataplane"]), "");
    assert_eq!(after(&["management", "http 127.0.0.1:1", "health drops unready", "no management"]), "");
    // What is the default is not printed.
    assert_eq!(after(&["management", "health real-arp-failed after 10", "health port-down unready"]), "");
}

#[test]
fn a_loopback_is_up_by_itself() {
    assert_eq!(after(&["interface lo1"]), "interface Loopback1\n!\n");
    assert_eq!(after(&["interface lo1", "shutdown"]), "interface Loopback1\n shutdown\n!\n");
    assert_eq!(after(&["interface lo1", "shutdown", "default shutdown"]), "interface Loopback1\n!\n");
}

#[test]
fn removing_one_address_leaves_the_others() {
    let mut harness = Harness::configuring(&[
        "interface e0",
        "ip address 10.1.1.1 255.255.255.0",
        "ip address 10.1.2.1 255.255.255.0 secondary",
    ]);
    assert_eq!(harness.run("no ip address 10.1.1.1 255.255.255.0").error, Some(ErrorId::E5));
    assert_eq!(harness.run("no ip address 10.1.1.1").error, Some(ErrorId::E2));
    assert_eq!(harness.run("no ip address 10.1.2.1 255.255.255.0 secondary").error, None);
    assert_eq!(harness.text(), "interface Ethernet0\n ip address 10.1.1.1 255.255.255.0\n!\n");
}

#[test]
fn workers_and_cores_exclude_each_other() {
    let mut harness = Harness::configuring(&["dataplane", "cores 1-2"]);
    assert_eq!(harness.run("workers 2").text, "% workers and cores exclude each other\n");
    let mut harness = Harness::configuring(&["dataplane", "workers 2"]);
    assert_eq!(harness.run("cores 1-2").text, "% workers and cores exclude each other\n");
    assert_eq!(harness.text(), "dataplane\n workers 2\n!\n");
}
