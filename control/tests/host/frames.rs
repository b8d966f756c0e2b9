//! Shadows as `ip -j` sees them, and frames through them both ways.

use common::{id::InterfaceId, mac::MacAddr};
use control::host::{DesiredHost, DesiredInterface};

use crate::support::*;

#[test]
fn a_shadow_has_the_ports_mac_mtu_and_addresses_and_no_ipv6() {
    in_namespace(|| async {
        let harness = Harness::start().await;
        let mut interface = ethernet0();
        interface.mtu = 9000;
        interface.addresses.push("10.1.1.3/24".parse().unwrap());
        interface.addresses.push("10.2.0.1/16".parse().unwrap());
        let down = DesiredInterface {
            id: InterfaceId(1),
            name: "GigabitEthernet6/1.15".to_owned(),
            vlan: Some(15),
            up: false,
            addresses: vec!["10.9.0.1/24".parse().unwrap()],
            ..ethernet0()
        };
        let desired = DesiredHost {
            interfaces: vec![interface, down],
            loopbacks: vec![[10, 10, 10, 10].into()],
            ..DesiredHost::default()
        };
        assert_eq!(harness.host.apply(desired).await.unwrap(), []);

        let link = &ip_json("addr show Et0")[0];
        assert_eq!(link["address"], "02:00:5e:00:00:01");
        assert_eq!(link["mtu"], 9000);
        let flags = link["flags"].as_array().unwrap();
        assert!(["UP", "LOWER_UP"].iter().all(|flag| flags.contains(&(*flag).into())), "{flags:?}");
        let addresses: Vec<_> = link["addr_info"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| {
                (a["local"].as_str().unwrap(), a["prefixlen"].as_u64().unwrap(), a["secondary"].is_boolean())
            })
            .collect();
        assert_eq!(addresses, [("10.1.1.1", 24, false), ("10.2.0.1", 16, false), ("10.1.1.3", 24, true)]);
        for (key, value) in [("arp_ignore", "1"), ("arp_announce", "2"), ("rp_filter", "2")] {
            assert_eq!(setting(&format!("ipv4/conf/Et0/{key}")), value, "{key}");
        }
        assert_eq!(setting("ipv6/conf/Et0/disable_ipv6"), "1");
        assert_eq!(setting("ipv4/neigh/Et0/locktime"), "0");

        let down = &ip_json("addr show Gi6_1_15")[0];
        assert_eq!(down["operstate"], "DOWN");
        let lo = &ip_json("-4 addr show lo")[0];
        assert!(lo["addr_info"].as_array().unwrap().iter().any(|a| a["local"] == "10.10.10.10"));

        harness.host.shutdown().await;
        let left = ip_json("-4 addr show");
        let left: Vec<_> =
            left.as_array().unwrap().iter().flat_map(|l| l["addr_info"].as_array().unwrap()).collect();
        assert!(left.iter().all(|a| a["local"] == "127.0.0.1"), "{left:?}");
        assert!(!std::path::Path::new("/proc/sys/net/ipv4/conf/Et0").exists());
    });
}

#[test]
fn the_kernel_answers_arp_and_one_ping_with_one_reply_through_the_rings() {
    in_namespace(|| async {
        let mut harness = Harness::with_ethernet0().await;
        assert!(harness.punt.send(ETHERNET0, &arp_request(HOST)));
        let reply = harness.frame(|_, frame| is_arp(frame, 2, PEER)).await;
        assert_eq!(reply[..12], [PEER_MAC.0, PORT_MAC.0].concat());
        assert_eq!(reply[22..28], PORT_MAC.0);

        assert!(harness.punt.send(ETHERNET0, &ping(1)));
        assert!(harness.punt.send(ETHERNET0, &ping(2)));
        let mut replies = Vec::new();
        while !replies.contains(&2) {
            let frame = harness.frame(|_, frame| frame[12..14] == [8, 0] && frame[23] == 1).await;
            assert_eq!(frame[34], 0, "echo reply");
            replies.push(u16::from_be_bytes([frame[38], frame[39]]));
        }
        assert_eq!(replies, [1, 2]);

        // An address of another device, and one of nobody, are not answered for.
        ip("addr add 10.1.1.77/32 dev lo");
        for target in [[10, 1, 1, 77], [10, 1, 1, 9]] {
            assert!(harness.punt.send(ETHERNET0, &arp_request(target.into())));
        }
        assert!(harness.punt.send(ETHERNET0, &arp_request(HOST)));
        let next = harness.frame(|_, frame| frame[12..14] == [8, 6] && frame[21] == 2).await;
        assert_eq!(next[28..32], HOST.octets());
        // A frame is counted once it is with the kernel, which may have answered by then.
        until("the sixth frame", || harness.host.totals().to_kernel >= 6).await;
        let totals = harness.host.totals();
        assert_eq!(totals.to_kernel, 6);
        assert_eq!((totals.to_kernel_refused, totals.inject_full, totals.unknown_interface), (0, 0, 0));
        harness.host.shutdown().await;
    });
}

#[test]
fn a_neighbour_that_moves_twice_within_a_second_is_followed() {
    in_namespace(|| async {
        let mut harness = Harness::with_ethernet0().await;
        assert!(harness.punt.send(ETHERNET0, &arp_request(HOST)));
        harness.frame(|_, frame| is_arp(frame, 2, PEER)).await;
        harness.state("the neighbour", |state| state.neighbours.contains_key(&next_hop(PEER))).await;
        for last in [8, 9] {
            let mac = MacAddr([2, 0, 0x5e, 0, 0, last]);
            let announcement = arp(MacAddr::BROADCAST, 2, (mac, PEER), (mac, PEER));
            assert!(harness.punt.send(ETHERNET0, &announcement));
            harness
                .state("its new address", |state| state.neighbours.get(&next_hop(PEER)) == Some(&mac))
                .await;
        }
        harness.host.shutdown().await;
    });
}

#[test]
fn a_vlan_subinterface_tags_what_it_sends_and_takes_both_forms() {
    in_namespace(|| async {
        let mut harness = Harness::start().await;
        let id = InterfaceId(4);
        let interface =
            DesiredInterface { id, name: "Ethernet0.100".to_owned(), vlan: Some(100), ..ethernet0() };
        let desired = DesiredHost { interfaces: vec![interface], ..DesiredHost::default() };
        harness.host.apply(desired).await.unwrap();
        let plain = arp_request(HOST);
        let tagged = [&plain[..12], &[0x81, 0, 0, 100], &plain[12..]].concat();
        for request in [plain, tagged] {
            assert!(harness.punt.send(id, &request));
            let reply = harness.frame(|of, frame| of == id && frame[..6] == PEER_MAC.0).await;
            assert_eq!(reply[12..18], [0x81, 0, 0, 100, 8, 6]);
            assert_eq!(reply[26..32], PORT_MAC.0);
        }
        let own = arp(MacAddr::BROADCAST, 1, (PORT_MAC, HOST), (MacAddr::default(), HOST));
        harness.host.inject(id, own.clone());
        let sent = harness.frame(|_, frame| frame.len() == own.len() + 4 && frame[..6] == [0xff; 6]).await;
        assert_eq!(sent[12..16], [0x81, 0, 0, 100]);
        assert_eq!(sent[16..], own[12..]);
        harness.host.shutdown().await;
    });
}

#[test]
fn frames_for_nobody_and_for_a_closed_door_are_counted() {
    in_namespace(|| async {
        let mut harness = Harness::start().await;
        let mut interface = ethernet0();
        interface.up = false;
        let desired = DesiredHost { interfaces: vec![interface], ..DesiredHost::default() };
        harness.host.apply(desired).await.unwrap();
        assert!(harness.punt.send(InterfaceId(9), &ping(1)));
        assert!(harness.punt.send(ETHERNET0, &ping(1)));
        assert!(harness.punt.send(ETHERNET0, &[0; 13]));
        harness.host.inject(InterfaceId(9), ping(1));
        until("a count of each", || {
            let totals = harness.host.totals();
            (totals.unknown_interface, totals.to_kernel_refused, totals.malformed) == (2, 1, 1)
        })
        .await;
        harness.host.shutdown().await;
    });
}
