//! The whole text of each show, as an operator reads it.

use std::time::{Duration, SystemTime};

use common::{
    id::PortId,
    mac::MacAddr,
    port::{Link, PoolInfo, PortCounters, PortInfo},
    verdict::Verdict,
};

use super::{arp, dataplane, interface, memory, route, system};
use crate::host::view::Unusable;

#[test]
fn interfaces() {
    let info = PortInfo {
        id: PortId(0),
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        driver: "net_af_packet".into(),
        rx_queues: 1,
        tx_queues: 2,
        rx_descriptors: 1024,
        tx_descriptors: 512,
        mtu: 1500,
        checksum_offload: false,
        socket: None,
        rss: 0,
    };
    let port = interface::DeviceView {
        device: "net_af_packet0,iface=veth0".into(),
        info,
        link: Link { up: true, speed_mbps: 10_000, full_duplex: true },
        counters: PortCounters { rx_packets: 12, rx_bytes: 1234, rx_missed: 3, ..PortCounters::default() },
        rates: interface::Rates { rx_packets: 2, rx_bits: 1888, ..interface::Rates::default() },
    };
    let ethernet = interface::InterfaceView {
        name: "Ethernet0".into(),
        admin_up: true,
        line_up: true,
        down_because: None,
        description: Some("to the PDSN".into()),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        addresses: vec!["10.1.1.1/24".parse().unwrap(), "10.2.1.1/24".parse().unwrap()],
        mtu: 1500,
        vlan: None,
        source_check: None,
        shadow: Some("Et0".into()),
        port: Some(port),
    };
    let check = interface::SourceCheckView { reachable_via: "rx", allow_default: true, drops: 7 };
    let checked = interface::InterfaceView { source_check: Some(check), ..ethernet.clone() };
    let text = interface::text(&[checked]);
    assert!(
        text.contains("\n  IP verify source reachable-via RX, allow default\n   7 verification drops\n"),
        "{text}"
    );
    let loopback = interface::InterfaceView {
        name: "Loopback0".into(),
        admin_up: false,
        line_up: false,
        down_because: None,
        mac: None,
        description: None,
        addresses: vec!["10.0.0.1/32".parse().unwrap()],
        shadow: None,
        port: None,
        ..ethernet.clone()
    };
    let down_because = Some("kernel device veth0 is gone".to_owned());
    let without = interface::InterfaceView { line_up: false, down_because, ..ethernet.clone() };
    let text = interface::text(&[without]);
    assert!(
        text.starts_with("Ethernet0 is up, line protocol is down (kernel device veth0 is gone)\n"),
        "{text}"
    );
    assert_eq!(
        interface::text(&[ethernet, loopback]),
        "Ethernet0 is up, line protocol is up
  Hardware is net_af_packet, address is 0200.0000.0001
  Device net_af_packet0,iface=veth0
  Description: to the PDSN
  Internet address is 10.1.1.1/24
  Secondary address is 10.2.1.1/24
  MTU 1500 bytes, BW 10000000 Kbit/sec, full-duplex
  Kernel interface Et0
  Queues: 1 receive of 1024 descriptors, 2 transmit of 512 descriptors, RSS off
  Checksums by software
  5 second input rate 1888 bits/sec, 2 packets/sec
  5 second output rate 0 bits/sec, 0 packets/sec
     12 packets input, 1234 bytes
     0 input errors, 3 missed, 0 no buffer
     0 packets output, 0 bytes
     0 output errors
Loopback0 is administratively down, line protocol is down
  Hardware is Loopback
  Internet address is 10.0.0.1/32
  MTU 1500 bytes
"
    );
}

#[test]
fn neighbours_and_routes() {
    let entry = |last, mac, state: &str| arp::ArpView {
        address: [10, 1, 1, last].into(),
        mac,
        state: state.into(),
        interface: "Ethernet0".into(),
    };
    assert_eq!(
        arp::text(&[
            entry(51, Some(MacAddr([2, 0, 0, 0, 1, 51])), "reachable"),
            entry(52, None, "incomplete")
        ]),
        "Protocol  Address          State        Hardware Addr   Type   Interface
Internet  10.1.1.51        reachable    0200.0000.0133  ARPA   Ethernet0
Internet  10.1.1.52        incomplete   Incomplete      ARPA   Ethernet0
"
    );
    let hop = |gateway: &str, interface: &str| route::NextHopView {
        gateway: gateway.parse().ok(),
        interface: interface.into(),
        weight: 1,
        unusable: None,
    };
    let route = |prefix: &str, source, next_hops| route::RouteView {
        prefix: prefix.parse().unwrap(),
        source,
        distance: 1,
        next_hops,
        object: None,
    };
    let six = route::NextHopView { unusable: Some(Unusable::Ipv6NextHop), ..hop("fe80::1", "Ethernet1") };
    let dead =
        route::NextHopView { weight: 3, unusable: Some(Unusable::LinkDown), ..hop("10.2.1.3", "Ethernet1") };
    let other = route::NextHopView { unusable: Some(Unusable::OtherFamily), ..hop("", "Ethernet0") };
    let routes = [
        route("0.0.0.0/0", route::Source::Static, vec![six.clone(), hop("10.1.1.254", "Ethernet0")]),
        route("10.1.1.0/24", route::Source::Connected, vec![hop("", "Ethernet0")]),
        route("20.0.0.0/8", route::Source::Bgp, vec![hop("10.1.1.2", "Ethernet0"), dead]),
        route("30.0.0.0/8", route::Source::Kernel, vec![six]),
        route("40.0.0.0/8", route::Source::Kernel, vec![other]),
        route::RouteView { object: Some(7), ..route("50.0.0.0/8", route::Source::Kernel, vec![]) },
    ];
    assert_eq!(
        route::text(&routes),
        "Codes: C - connected, S - static, B - BGP, O - OSPF, K - kernel, * - default

Gateway of last resort is 10.1.1.254 to network 0.0.0.0

S*    0.0.0.0/0 [1/0] via inet6 fe80::1, Ethernet1, weight 1, unusable: IPv6 next hop
                [1/0] via 10.1.1.254, Ethernet0, weight 1
C     10.1.1.0/24 is directly connected, Ethernet0
B     20.0.0.0/8 [1/0] via 10.1.1.2, Ethernet0, weight 1
                 [1/0] via 10.2.1.3, Ethernet1, weight 3, unusable: link down
K     30.0.0.0/8 [1/0] via inet6 fe80::1, Ethernet1, unusable: IPv6 next hop
K     40.0.0.0/8 [1/0] via ?, Ethernet0, unusable: next hop of another address family
K     50.0.0.0/8 [1/0] via nexthop 7, unusable: net.ipv4.nexthop_compat_mode is 0
"
    );
    assert_eq!(
        serde_json::to_value(&routes[2].next_hops[1]).unwrap(),
        serde_json::json!({"gateway": "10.2.1.3", "interface": "Ethernet1", "weight": 3, "unusable": "link_down"})
    );
}

#[test]
fn the_dataplane_shows_its_counters() {
    let worker = dataplane::WorkerView {
        cpu: Some(1),
        ports: "Ethernet0".into(),
        generation: 7,
        mpps: 1.5,
        cycles_per_packet: 99.5,
        burst: 12.0,
        busy_percent: 33.3,
        received: 10,
        injected: 5,
        inject_no_buffer: 4,
        inject_tx_full: 3,
        inject_refused: 2,
        ..dataplane::WorkerView::default()
    };
    let verdicts = [(Verdict::SLB_DISPATCHED, 9), (Verdict::NO_REAL, 1), (Verdict::FRAGMENT, 0)];
    let mut view = dataplane::DataplaneView {
        workers: vec![worker],
        generation: 7,
        received: 10,
        verdict_sum: 10,
        verdicts: verdicts
            .map(|(verdict, packets)| dataplane::VerdictView {
                verdict,
                class: verdict.class(),
                owner: verdict.owner(),
                packets,
            })
            .to_vec(),
    };
    assert_eq!(
        dataplane::text(&view),
        "worker  cpu  ports               generation  Mpps     cycles/packet  burst  busy   received
--------------------------------------------------------------------------------------------
0       1    Ethernet0           7           1.500    99.5           12.0   33.3%  10

verdict              class      packets
----------------------------------------
slb_dispatched       forwarded  9
no_real              dropped    1

from the kernel: 5 sent, dropped: 4 no buffer, 3 transmit ring full, 2 refused
received 10 = verdicts 10
"
    );
    view.received = 11;
    assert!(dataplane::text(&view).ends_with("received 11 <> verdicts 10\n"));
    (view.workers[0].replicas, view.workers[0].replicas_dropped) = (3, 1);
    assert!(dataplane::text(&view).contains("refused\ncopies: 3 sent, 1 dropped\nreceived 11"));
}

#[test]
fn memory_and_system() {
    let info = PoolInfo { name: "packets0".into(), size: 8192, free: 8000, room: 2176 };
    let table = common::table::TableUsage {
        name: "sessions",
        capacity: 1_000_000,
        used: 250_000,
        refused: 0,
        bytes: 46_700_000,
        pages: "huge pages",
    };
    let view =
        memory::MemoryView { pools: vec![memory::PoolView { info, low_water: 7900 }], tables: vec![table] };
    assert_eq!(
        memory::text(&view),
        "pool            buffers   free      low-water  bytes each
---------------------------------------------------------
packets0        8192      8000      7900       2176

table           capacity  used      refused    load    memory     pages
----------------------------------------------------------------------------
sessions        1000000   250000    0          25.0%   46.7 MB    huge pages
"
    );
    let version = system::VersionView {
        version: "0.1.0",
        dpdk: "DPDK 22.11.11".into(),
        hostname: "director1".into(),
        uptime_seconds: 90_061,
        workers: 2,
        startup: Some("/etc/homeward/homeward.conf".into()),
    };
    assert_eq!(
        system::version(&version),
        "Homeward, Home Agent Director, version 0.1.0
DPDK 22.11.11

director1 uptime is 1 day, 1 hour, 1 minute, 1 second
Configuration file is \"/etc/homeward/homeward.conf\"
2 poll-mode workers
"
    );
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_050_938_763_513);
    assert_eq!(system::clock(at), "15:26:03.513 UTC Mon Apr 21 2003\n");
}
