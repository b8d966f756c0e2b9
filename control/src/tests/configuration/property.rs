//! Properties: what prints loads and prints the same; arbitrary bytes never panic.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    config::{Hugepages, Poll, RssFields},
    mac::MacAddr,
    net::{ReachableVia, VerifySource},
};
use ipnet::Ipv4Net;
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{
    health::HealthSettings,
    manage::{connections::ConnectionLimits, http_access::HttpAccess},
    protocol::{LoggingLevel, Management, Protocols as _},
    protocols::All,
    system::{
        DataplaneSettings, InterfaceConfig, Logging, StaticNeighbour, StaticNextHop, StaticRoute,
        SystemConfig, Workers,
    },
};

fn mac() -> impl Strategy<Value = MacAddr> {
    (any::<[u8; 5]>()).prop_map(|[a, b, c, d, e]| MacAddr([2, a, b, c, d, e]))
}

fn dataplane() -> impl Strategy<Value = DataplaneSettings> {
    let cores = proptest::collection::btree_set(0u16..1024, 1..64);
    let workers = prop_oneof![
        (1u8..=64).prop_map(Workers::Count),
        cores.prop_map(|cores| Workers::Cores(cores.into_iter().collect())),
    ];
    (
        workers,
        1024u32..=64_000_000,
        select(vec![Hugepages::Auto, Hugepages::Required, Hugepages::Off]),
        option::of(64u32..=1_048_576),
        select(vec![Poll::Always, Poll::Adaptive]),
        option::of("[!-~]([ -~]{0,40}[!-~])?"),
    )
        .prop_map(|(workers, sessions, hugepages, memory_mb, poll, eal)| DataplaneSettings {
            workers,
            sessions,
            hugepages,
            memory_mb,
            poll,
            eal,
        })
}

/// Interface `at`, so that names, devices, VLANs and addresses differ from one to the next.
fn interface(at: u16) -> impl Strategy<Value = InterfaceConfig> {
    let octet = (at + 1) as u8;
    let kinds =
        ["Ethernet", "FastEthernet", "GigabitEthernet6/", "TenGigabitEthernet1/2/", "Vlan1", "Loopback"];
    let settings = (
        select(kinds.to_vec()),
        any::<bool>(),
        option::of("[!-~]([ -~]{0,100}[!-~])?"),
        option::of(9u8..=31),
        vec(1u8..=254, 0..3),
        option::of(mac()),
        576u16..=9600,
        5u32..=14_400,
        any::<bool>(),
        option::of((select(vec![ReachableVia::Rx, ReachableVia::Any]), any::<bool>())),
    );
    let queues = (
        option::of(1u16..=64),
        option::of(1u16..=64),
        64u16..=8192,
        64u16..=8192,
        option::of(prop_oneof![vec(any::<u8>(), 40), vec(any::<u8>(), 52)]),
        select(vec![RssFields::Ip, RssFields::Udp, RssFields::Symmetric]),
    );
    (settings, queues).prop_map(
        move |((kind, device, description, prefix, more, mac, mtu, timeout, shutdown, verify), queues)| {
            let mut i = InterfaceConfig::new(format!("{kind}{at}").parse().unwrap());
            i.description = description;
            i.set_mtu(Some(mtu));
            i.shutdown = shutdown;
            if let Some(prefix) = prefix {
                i.address = Some(Ipv4Net::new(Ipv4Addr::new(10, octet, 0, 1), prefix).unwrap());
                for host in std::collections::BTreeSet::from_iter(more) {
                    i.secondary.push(Ipv4Net::new(Ipv4Addr::new(172, 16, octet, host), 16).unwrap());
                }
            }
            if !i.is_loopback() {
                i.device = device.then(|| format!("net_af_packet{at},iface=v{at}"));
                i.mac = mac;
                i.arp_timeout = timeout;
                i.verify_source = verify.map(|(via, allow_default)| VerifySource { via, allow_default });
                (i.rx_queues, i.tx_queues, i.rx_descriptors, i.tx_descriptors, i.rss_key, i.rss) = queues;
            }
            i
        },
    )
}

/// Some interfaces, and a subinterface of each that has a device.
fn interfaces() -> impl Strategy<Value = Vec<InterfaceConfig>> {
    (0u16..6, any::<bool>()).prop_flat_map(|(count, subs)| {
        let all: Vec<_> = (0..count).map(interface).collect();
        all.prop_map(move |mut all| {
            for at in 0..all.len() {
                if subs && all[at].device.is_some() && !all[at].name.to_string().starts_with("Vlan") {
                    let mut sub = InterfaceConfig::new(format!("{}.7", all[at].name).parse().unwrap());
                    sub.vlan = Some(at as u16 + 1);
                    all.push(sub);
                }
            }
            all
        })
    })
}

fn route() -> impl Strategy<Value = (Ipv4Net, StaticNextHop, u8)> {
    let hop = prop_oneof![
        (1u8..=200, 1u8..=254).prop_map(|(a, b)| StaticNextHop::Address(Ipv4Addr::new(a, 0, 0, b))),
        Just(StaticNextHop::Null),
        (1u16..9).prop_map(|n| StaticNextHop::Interface(format!("Ethernet{n}.{n}").parse().unwrap())),
    ];
    let prefix = (any::<u32>(), 0u8..=32)
        .prop_map(|(bits, length)| Ipv4Net::new(Ipv4Addr::from_bits(bits), length).unwrap().trunc());
    (prefix, hop, 1u8..=255)
}

/// Settings of some conditions.
fn health() -> impl Strategy<Value = HealthSettings> {
    let setting = (
        select(All::conditions()),
        option::of(0u32..=86400),
        option::of(1u8..=99),
        option::of(any::<bool>()),
    );
    vec(setting, 0..4).prop_map(|all| {
        let mut settings = HealthSettings::default();
        for (condition, after, above, unready) in all {
            settings.set_after(condition, after);
            settings.set_above(condition, above.filter(|_| condition.above.is_some()));
            settings.set_unready(condition, unready);
        }
        settings
    })
}

fn system() -> impl Strategy<Value = SystemConfig> {
    let logging = (select(LoggingLevel::WORDS.to_vec()), 16u32..=65536);
    let management = (
        option::of("/[a-z0-9/._-]{1,40}"),
        option::of("[a-z]{1,10}"),
        0u32..=0o777,
        option::of((any::<[u8; 4]>(), 1u16..)),
        (1u16.., 1u16..).prop_map(|(a, b)| ConnectionLimits { total: a.max(b), per_source: a.min(b) }),
        0..35791 * 60_u64,
        health(),
    );
    let global =
        ("[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?", any::<bool>(), any::<bool>(), logging, management);
    let neighbours = vec((1u8..=254, mac()), 0..4);
    (global, dataplane(), interfaces(), vec(route(), 0..5), neighbours).prop_map(
        |((hostname, encryption, msec, logging, management), dataplane, interfaces, routes, neighbours)| {
            let mut system = SystemConfig {
                hostname,
                password_encryption: encryption,
                debug_milliseconds: msec,
                logging: Logging { level: logging.0.1, buffered: logging.1 },
                dataplane,
                interfaces,
                ..SystemConfig::default()
            };
            for (prefix, next_hop, distance) in routes {
                if !system.routes.iter().any(|r| r.prefix == prefix && r.next_hop == next_hop) {
                    system.routes.push(StaticRoute { prefix, next_hop, distance });
                }
            }
            for (host, mac) in neighbours {
                let address = Ipv4Addr::new(10, 9, 9, host);
                if !system.neighbours.iter().any(|n| n.address == address) {
                    system.neighbours.push(StaticNeighbour { address, mac });
                }
            }
            let standard = Management::default();
            system.health = management.6;
            system.management = Management {
                socket: management.0.map_or(standard.socket, Into::into),
                group: management.1,
                mode: management.2,
                http: management.3.map(|(ip, port)| std::net::SocketAddrV4::new(ip.into(), port)),
                http_access: match management.3 {
                    Some(([127, ..], _)) | None => HttpAccess::Local,
                    Some(([a, ..], _)) if a % 2 == 0 => HttpAccess::Token(format!("/etc/token{a}").into()),
                    Some(_) => HttpAccess::Unsafe,
                },
                http_connections: management.4,
                exec_timeout: Duration::from_secs(management.5),
            };
            system
        },
    )
}

proptest! {
    #[test]
    fn what_prints_loads_and_prints_the_same(system in system()) {
        let configuration = Configuration { system, ..Configuration::default() };
        let printed = configuration.running_config();
        let loaded = match load::<Configuration>("printed", &printed) {
            Ok(loaded) => loaded,
            Err(errors) => panic!("{}\n{printed}", errors[0]),
        };
        prop_assert_eq!(loaded.configuration.running_config(), printed);
        prop_assert_eq!(loaded.configuration, configuration);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        fuzz_line::<Configuration>(&bytes);
    }

    #[test]
    fn whatever_is_typed_what_runs_can_be_loaded(blocks in vec(block(), 0..16)) {
        let lines = blocks.concat().join("\n");
        fuzz_line::<Configuration>(format!("configure terminal\n{lines}").as_bytes());
    }

    #[test]
    fn arbitrary_words_of_the_language_never_panic(words in vec(word(), 0..60)) {
        fuzz_line::<Configuration>(words.concat().as_bytes());
    }
}

/// Entries of modes with what is typed there; `%d` is a digit, `%n` one of three names. Some are several lines.
const BLOCKS: &[(&str, &[&str])] = &[
    (
        "ip slb serverfarm %n",
        &[
            "nat server",
            "no nat server",
            "nat client pool",
            "predictor leastconns",
            "no predictor",
            "bindid %d",
            "failaction purge",
            "real 10.1.1.%d",
            "real 10.1.1.%d",
            "real 10.1.1.%d %d",
            "no real 10.1.1.%d",
            "weight %d",
            "maxconns %d",
            "reassign %d",
            "no reassign",
            "retry %d",
            "no faildetect inband",
            "faildetect numconns %d numclients %d",
            "faildetect inband",
            "inservice",
            "inservice",
            "no inservice",
            "default weight",
        ],
    ),
    (
        "ip slb vserver %n",
        &[
            "virtual 10.1.2.%d udp 434 service ipmobile",
            "virtual 10.1.2.%d udp 434 service ipmobile",
            "virtual 10.1.2.%d 255.255.255.%d udp %d",
            "virtual 10.1.2.%d tcp www",
            "no virtual",
            "serverfarm %n",
            "serverfarm %n",
            "serverfarm %n backup %n sticky",
            "no serverfarm",
            "client 10.%d.0.0 255.255.0.0",
            "client 10.%d.0.0 255.255.0.0 exclude",
            "no client 10.%d.0.0 255.255.0.0",
            "idle ipmobile request %d",
            "client-rate %d",
            "no client-rate",
            "idle %d",
            "sticky %d group %d",
            "no sticky",
            "synguard %d",
            "no synguard",
            "serverfarm %n\nvirtual 10.1.2.%d udp 434 service ipmobile\ninservice",
            "ip slb serverfarm %n\nreal 10.1.1.%d\ninservice\nip slb vserver %n",
            "replicate casa 10.0.0.%d 10.0.0.%d %d",
            "home-agent strict",
            "inservice",
            "inservice",
            "inservice",
            "no inservice",
        ],
    ),
    (
        "ip slb dfp",
        &[
            "agent 10.1.1.%d %d %d %d %d",
            "no agent 10.1.1.%d %d",
            "ip slb dfp password 0 secret %d",
            "ip slb dfp password %d %d",
            "no ip slb dfp",
        ],
    ),
    (
        "ip dfp agent ipmobile",
        &[
            "interval 1%d",
            "password secret %d",
            "password 7 094F471A1A0A",
            "password %d",
            "no password",
            "port 50%d",
            "port 50%d",
            "no port",
            "inservice",
            "default interval",
            "ip dfp agent slb",
            "ip dfp agent mobileip",
            "no ip dfp agent mobileip",
        ],
    ),
    (
        "ip access-list standard %n",
        &[
            "permit any",
            "%d permit host 10.1.1.%d",
            "deny 10.1.%d.7 0.0.255.255",
            "remark net %d",
            "no %d",
            "no deny 10.1.%d.7 0.0.255.255",
            "access-list %d permit 10.1.1.%d",
            "access-list %d remark of %d",
            "ip access-list standard %d\n1%d deny any",
            "no access-list %d",
            "no ip access-list standard %n",
            "ip access-list extended %n",
        ],
    ),
    (
        "ip access-list extended 10%d",
        &[
            "permit udp any host 10.1.1.%d eq mobile-ip",
            "%d deny tcp any range %d %d 10.0.0.0 0.%d.255.255 neq %d",
            "permit ip any any",
            "access-list 10%d permit %d any gt 5 any",
            "access-list 10%d permit 5%d any host 10.1.1.%d",
            "no %d",
        ],
    ),
    (
        "router mobile",
        &[
            "ip mobile home-agent address 10.1.1.%d care-of-access %d lifetime 100%d roam-access %n",
            "ip mobile home-agent replay %d reverse-tunnel-off strip-realm unknown-ha accept",
            "ip mobile home-agent reverse-tunnel mandatory",
            "no ip mobile home-agent care-of-access %d",
            "no ip mobile home-agent lifetime 100%d",
            "no ip mobile home-agent",
            "ip mobile home-agent nat traversal keepalive %d forced accept",
            "ip mobile home-agent virtual-address 10.1.1.%d",
            "ip mobile virtual-network 10.9.0.0 255.255.0.0",
            "ip local pool %n 10.9.0.1 10.9.0.%d",
            "ip mobile host nai @%n address pool local %n virtual-network 10.9.0.0 255.255.0.0 care-of-access %d",
            "ip mobile host nai u@%n static-address 10.9.1.%d address 10.9.1.%d virtual-network 10.9.0.0 255.255.0.0",
            "ip mobile secure host nai @%n spi 10%d key ascii secret%d replay timestamp %d",
            "no ip mobile virtual-network 10.9.0.0 255.255.0.0",
        ],
    ),
    (
        "interface Ethernet%d",
        &[
            "device net_ring%d",
            "device net_ring%d",
            "no device",
            "ip address 10.1.%d.%d 255.255.255.0",
            "ip address 10.1.%d.%d 255.255.255.0 secondary",
            "no ip address",
            "shutdown",
            "no shutdown",
            "mtu 150%d",
            "interface Ethernet%d.%d",
            "encapsulation dot1q %d",
            "no encapsulation dot1q",
            "no interface Ethernet%d",
        ],
    ),
    ("interface Loopback%d", &["ip address 10.1.2.%d 255.255.255.255", "shutdown", "description d%d"]),
    ("dataplane", &["workers %d", "cores %d", "no workers", "no cores", "sessions 102%d", "poll always"]),
    (
        "management",
        &[
            "socket /tmp/%d mode 0%d",
            "http 127.0.0.%d:%d",
            "no http",
            "http max-connections %d",
            "exec-timeout %d",
            "health port-down after %d",
            "health drops above %d",
            "no health port-down unready",
            "default health drops",
        ],
    ),
    (
        "hostname h%d",
        &[
            "ip route 10.%d.0.0 255.255.0.0 10.1.1.%d %d",
            "no ip route 10.%d.0.0 255.255.0.0",
            "arp 10.1.1.%d 0200.0000.000%d",
            "service password-encryption",
            "no service password-encryption",
            "no ip slb serverfarm %n",
            "no ip slb vserver %n",
            "no interface Ethernet%d",
        ],
    ),
];

/// Whole commands, most of them good, about few objects, so that they meet.
fn block() -> impl Strategy<Value = Vec<String>> {
    let line = |templates: &'static [&'static str]| {
        (select(templates), vec(0u8..10, 6), vec(select(vec!["A", "B", "c-1"]), 2)).prop_map(
            |(template, numbers, names)| {
                let text =
                    numbers.iter().fold(template.to_owned(), |t, n| t.replacen("%d", &n.to_string(), 1));
                names.iter().fold(text, |text, name| text.replacen("%n", name, 1))
            },
        )
    };
    (0..BLOCKS.len()).prop_flat_map(move |at| {
        let (entry, body) = &BLOCKS[at];
        (line(std::slice::from_ref(entry)), vec(line(body), 0..8))
            .prop_map(|(entry, body)| std::iter::once(entry).chain(body).collect())
    })
}

/// Words that lead deep into the language.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "no ",
        "default ",
        "do ",
        "show ",
        "ip ",
        "slb ",
        "address ",
        "route ",
        "interface ",
        "Ethernet",
        "0",
        ".5 ",
        "/1 ",
        "real ",
        "serverfarm ",
        "vserver ",
        "virtual ",
        "10.1.1.1 ",
        "255.255.255.0 ",
        "udp ",
        "434 ",
        "service ",
        "ipmobile ",
        "inservice",
        "weight ",
        "encapsulation dot1q ",
        "device ",
        "dataplane",
        "workers ",
        "cores ",
        "1-3,",
        "management",
        "socket /",
        "http ",
        ":1 ",
        "exit",
        "end",
        "| ",
        "json",
        "include ",
        "(",
        "?",
        "!",
        "\n",
        "\n",
        "\n",
        "\r",
        "\t",
        " ",
        "é",
        "dfp ",
        "password ",
        "agent ",
        "client ",
        "idle ",
        "request ",
        "arp ",
        "0200.5e00.0001 ",
    ];
    prop_oneof![4 => select(known.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{1,6}"]
}
