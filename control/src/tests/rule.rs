//! The rules of the balancer as control and the director carry them out together, with a fake clock.

use std::{net::Ipv4Addr, time::Duration};

use common::slb::Outcome;

use super::Harness;
use crate::{command::Configuration as _, protocol::Effect, slb::Slb};

fn sample(real: &str, vserver: &str) -> String {
    format!(
        "ip slb serverfarm HAFARM\n real 10.1.1.51\n  weight 1\n{real}  inservice\n real 10.1.1.52\n  weight 1\n{real}  \
         inservice\n!\nip slb vserver MIPSLB\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm HAFARM\n{vserver} \
         inservice\n"
    )
}

fn present(harness: &mut Harness) -> usize {
    harness.run("show ip slb sessions ipmobile").lines().count() - 2
}

#[test]
fn a_session_lives_ten_seconds_after_its_last_request() {
    let mut harness = Harness::new(&sample("", ""));
    for _ in 0..3 {
        harness.request([10, 1, 1, 10], "user1");
        harness.seconds(9);
        assert_eq!(present(&mut harness), 1);
    }
    harness.pass(Duration::from_millis(900));
    assert_eq!(present(&mut harness), 1, "9.9 s after the last");
    harness.pass(Duration::from_millis(300));
    assert_eq!(present(&mut harness), 0, "10.2 s");
    harness.assert_counters_balance();
    let stats = harness.run("show ip slb stats");
    assert!(stats.contains("Connections Created:         1\n"), "{stats}");
    assert!(stats.contains("Connections Destroyed:       1\n"), "{stats}");
}

#[test]
fn idle_ipmobile_request_sets_the_life() {
    let mut harness = Harness::new(&sample("", " idle ipmobile request 300\n"));
    harness.request([10, 1, 1, 10], "user1");
    harness.seconds(299);
    assert_eq!(present(&mut harness), 1);
    harness.seconds(2);
    assert_eq!(present(&mut harness), 0);
}

#[test]
fn retries_beyond_reassign_move_a_session_and_count_one_failure_on_its_first_real() {
    let mut harness = Harness::new(&sample("", ""));
    let mut to = Vec::new();
    for _ in 0..8 {
        to.push(harness.goes_to("user1"));
        harness.seconds(1);
    }
    assert_eq!(to, [51, 51, 51, 51, 52, 52, 52, 52]);
    let detail = harness.run("show ip slb reals detail");
    let failures: Vec<_> = detail.lines().filter(|line| line.contains("failconn count")).collect();
    assert_eq!(
        failures,
        ["  failconn threshold = 8, failconn count = 1", "  failconn threshold = 8, failconn count = 0"]
    );
    assert_eq!((harness.real(51).1, harness.real(52).1), (0, 1));
    harness.assert_counters_balance();
}

#[test]
fn a_node_that_is_switched_off_and_on_has_one_session() {
    let mut harness = Harness::new(&sample("  reassign 10\n", ""));
    let to: Vec<u8> = (0..5)
        .map(|_| {
            harness.pass(Duration::from_millis(200));
            harness.goes_to("user1")
        })
        .collect();
    assert_eq!(to, [51; 5]);
    assert_eq!(present(&mut harness), 1);
}

/// Makes real 51 fail: two nodes are silent on it until they move.
fn fail_51(harness: &mut Harness) {
    for user in ["a", "b", "c", "d"] {
        harness.goes_to(user);
    }
    for user in ["a", "b", "c", "d"] {
        let mut tries = 0;
        while harness.real(51).0 == "OPERATIONAL" && harness.goes_to(user) == 51 && tries < 6 {
            tries += 1;
        }
    }
}

const TOUCHY: &str = "  faildetect numconns 2 numclients 2\n  retry 5\n";

#[test]
fn enough_failures_take_a_real_out_and_nothing_new_goes_there() {
    let mut harness = Harness::new(&sample(TOUCHY, ""));
    fail_51(&mut harness);
    assert_eq!(harness.real(51).0, "FAILED");
    for user in 0..20 {
        assert_eq!(harness.goes_to(&format!("new{user}")), 52);
    }
    harness.assert_counters_balance();
    let detail = harness.run("show ip slb reals detail");
    assert!(detail.contains("server failures = 1"), "{detail}");
    assert!(detail.contains("failconn threshold = 2, failconn count = 2"), "{detail}");
}

#[test]
fn a_failed_real_is_tested_after_retry_and_returns_by_a_quiet_end() {
    let mut harness = Harness::new(&sample(TOUCHY, ""));
    fail_51(&mut harness);
    harness.seconds(2);
    assert!(harness.run("show ip slb reals detail").contains("  retry remaining = 3\n"));
    harness.pass(Duration::from_millis(2_850));
    assert_eq!(harness.real(51).0, "FAILED");
    harness.pass(Duration::from_millis(350));
    assert_eq!(harness.real(51).0, "READY_TO_TEST");
    let tested = (0..10).find(|user| harness.goes_to(&format!("test{user}")) == 51);
    assert!(tested.is_some(), "one new node is the test");
    assert_eq!(harness.real(51).0, "TESTING");
    for user in 0..5 {
        assert_eq!(harness.goes_to(&format!("other{user}")), 52);
    }
    harness.pass(Duration::from_millis(10_300));
    assert_eq!(harness.real(51), ("OPERATIONAL".into(), 0));
    harness.assert_counters_balance();
}

#[test]
fn failaction_purge_ends_the_sessions_of_a_failed_real() {
    let text = sample(TOUCHY, " idle ipmobile request 300\n")
        .replace("HAFARM\n real 10.1.1.51", "HAFARM\n failaction purge\n real 10.1.1.51");
    let mut harness = Harness::new(&text);
    for user in 0..10 {
        harness.goes_to(&format!("quiet{user}"));
    }
    fail_51(&mut harness);
    assert_eq!(harness.real(51).0, "FAILED");
    harness.pass(Duration::from_millis(200));
    assert_eq!(harness.real(51).1, 0, "purged");
    assert!(harness.real(52).1 >= 5);
    harness.assert_counters_balance();
}

#[test]
fn the_backup_farm_serves_only_while_the_primary_cannot() {
    let text = format!(
        "ip slb serverfarm SPARE\n real 10.1.1.61\n  inservice\n!\n{}",
        sample(TOUCHY, "")
            .replace("serverfarm HAFARM\n inservice", "serverfarm HAFARM backup SPARE\n inservice")
    );
    let mut harness = Harness::new(&text);
    assert_ne!(harness.goes_to("first"), 61);
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.51\nno inservice\nreal 10.1.1.52\nno inservice");
    for user in 0..5 {
        assert_eq!(harness.goes_to(&format!("new{user}")), 61);
    }
    let detail = harness.run("show ip slb vservers detail");
    assert!(detail.contains("backup server farm = SPARE, backup_hits = 5"), "{detail}");
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.52\ninservice");
    assert_eq!(harness.goes_to("again"), 52);
    harness.assert_counters_balance();
}

#[test]
fn maxconns_sends_the_third_elsewhere_and_ends_with_the_sessions() {
    let mut harness = Harness::new(&sample("  maxconns 2\n", ""));
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 100\nreal 10.1.1.52\nno maxconns");
    assert_eq!(["a", "b", "c"].map(|user| harness.goes_to(user)), [51, 51, 52]);
    assert_eq!(harness.real(51), ("MAXCONNS".into(), 2));
    harness.pass(Duration::from_millis(10_300));
    assert_eq!(harness.real(51), ("OPERATIONAL".into(), 0));
    harness.assert_counters_balance();
}

#[test]
fn a_virtual_server_out_of_service_has_no_sessions_and_no_address() {
    let mut harness = Harness::new(&sample("", " idle ipmobile request 300\n"));
    assert!(harness.announced().is_empty(), "no worker answers for the address yet");
    harness.settle();
    assert_eq!(harness.announced().len(), 1);
    for user in 0..10 {
        harness.goes_to(&format!("user{user}"));
    }
    harness.configure("ip slb vserver MIPSLB\nno inservice");
    assert_eq!(harness.virtual_addresses(), 0);
    assert_eq!(harness.request([10, 1, 1, 10], "user1"), Outcome::NoReal);
    harness.pass(Duration::from_millis(100));
    assert_eq!(present(&mut harness), 0);
    assert_eq!(harness.real(51), ("OUTOFSERVICE".into(), 0));
    harness.assert_counters_balance();
    assert!(harness.announced().is_empty());
    harness.configure("ip slb vserver MIPSLB\ninservice");
    assert!(harness.announced().is_empty());
    harness.settle();
    assert_eq!(harness.announced(), [Ipv4Addr::new(10, 1, 1, 10)], "gratuitous ARP");
    assert_eq!(harness.real(51).0, "OPERATIONAL");
}

#[test]
fn draining_withdraws_every_virtual_address() {
    let mut harness = Harness::new(&sample("", ""));
    harness.core.stop();
    assert_eq!(harness.virtual_addresses(), 0);
    assert!(!harness.core.is_settled());
    harness.request([10, 1, 1, 10], "user1");
    assert!(harness.core.is_settled(), "the worker took the snapshot");
}

#[test]
fn sessions_of_a_deleted_real_end_and_its_slot_is_another_real_later() {
    let mut harness = Harness::new(&sample("", " idle ipmobile request 300\n"));
    for user in 0..10 {
        harness.goes_to(&format!("user{user}"));
    }
    let before = harness.snapshot().slb.farms[0].as_ref().unwrap().reals[0];
    harness.configure("ip slb serverfarm HAFARM\nno real 10.1.1.51");
    harness.goes_to("touch");
    harness.pass(Duration::from_millis(100));
    harness.assert_counters_balance();
    assert_eq!(harness.real(52).1, 6, "five of its own, and the touch");
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.51\ninservice");
    let after = *harness.snapshot().slb.farms[0].as_ref().unwrap().reals.last().unwrap();
    assert_ne!(before, after);
    harness.assert_counters_balance();
}

#[test]
fn deleting_a_member_gives_its_turn_to_the_neighbour() {
    let mut harness = Harness::new(
        "ip slb serverfarm F\n real 10.1.1.51\n  weight 3\n  inservice\n real 10.1.1.52\n  weight 2\n  inservice\n real \
         10.1.1.53\n  weight 2\n  inservice\n!\nip slb vserver V\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm \
         F\n inservice\n",
    );
    let go = |harness: &mut Harness, count: usize, tag: &str| -> Vec<u8> {
        (0..count).map(|n| harness.goes_to(&format!("{tag}{n}"))).collect()
    };
    assert_eq!(go(&mut harness, 4, "a"), [51, 51, 51, 52]);
    harness.configure("ip slb serverfarm F\nno real 10.1.1.52");
    assert_eq!(go(&mut harness, 4, "b"), [53, 53, 51, 51]);
    harness.configure("ip slb serverfarm F\nreal 10.1.1.51\nweight 5");
    assert_eq!(go(&mut harness, 4, "c"), [51, 51, 51, 53], "a new weight acts within the turn");
}

#[test]
fn a_dispatched_real_without_a_mac_is_arp_failed_until_it_is_resolved() {
    let mut harness = Harness::new(&sample("", ""));
    let mut network = super::network();
    network.neighbours_mut().remove(&super::neighbour(51));
    harness.network(&network);
    assert_eq!(harness.real(51).0, "ARP_FAILED");
    for user in 0..4 {
        assert_eq!(harness.goes_to(&format!("user{user}")), 52);
    }
    let kept = harness.core.take_effects().into_iter().rev().find_map(|effect| match effect {
        Effect::NextHops(next_hops) => Some(next_hops.len()),
        _ => None,
    });
    assert_eq!(kept, Some(2), "it is still kept looked for");
    harness.network(&super::network());
    assert_eq!(harness.real(51).0, "OPERATIONAL");
}

#[test]
fn directed_reals_go_by_the_next_hop() {
    let mut harness = Harness::new(
        "ip slb serverfarm F\n nat server\n real 20.1.1.51 4434\n  inservice\n!\nip slb vserver V\n virtual 10.1.1.10 udp \
         434 service ipmobile\n serverfarm F\n inservice\n",
    );
    let Outcome::Forward { real, .. } = harness.request([10, 1, 1, 10], "user1") else { panic!("a real") };
    let snapshot = harness.snapshot();
    let real = snapshot.real(real).unwrap();
    assert_eq!(real.port, Some(4434));
    assert_eq!(real.adjacency.unwrap().destination.0, [2, 0, 0, 0, 1, 254]);
}

#[test]
fn the_nai_answers_where_and_why() {
    let mut harness = Harness::new(&sample("  maxconns 1\n", ""));
    let text = harness.run("show ip slb sessions ipmobile nai user1@x");
    assert_eq!(
        text,
        format!(
            "NAI user1@x, NAI hash {:08X}00000000\nvirtual server MIPSLB, state = OPERATIONAL\n  no session; a request would \
             go to 10.1.1.51 (HAFARM)\n  + 10.1.1.51 (HAFARM), state = OPERATIONAL, weight = 1, used = 0 in this turn: is \
             next\n  + 10.1.1.52 (HAFARM), state = OPERATIONAL, weight = 1: can take a session when its turn comes\n",
            common::slb::display_hash(b"user1@x")
        )
    );
    assert_eq!(harness.goes_to("user1@x"), 51);
    assert_eq!(harness.goes_to("user1@x"), 51);
    let text = harness.run("show ip slb sessions ipmobile nai user1@x");
    for part in [
        "  session: IPMOBILE_ESTAB, client = 15.1.1.51:434\n",
        "  goes to 10.1.1.51 (HAFARM), state = MAXCONNS, because the session is on it\n",
        "  retry = 1, reassign = 3, remaining = 10\n",
        "  if moved: 10.1.1.52 (HAFARM)\n",
        "  - 10.1.1.51 (HAFARM), state = MAXCONNS, weight = 1, used = 1 in this turn: has as many sessions as maxconns \
         allows\n",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    harness.goes_to("user2@x");
    let text = harness.run("show ip slb sessions ipmobile nai third");
    assert!(text.contains("a request would go to nobody: no real can take it\n"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&harness.run("show ip slb sessions ipmobile nai a\\x0Db | json")).unwrap();
    assert_eq!(json["traces"][0]["nai"], "a\\x0Db");
}

#[test]
fn debug_prints_what_ends_with_the_stamp_of_the_wall() {
    let mut harness = Harness::new(&sample("", ""));
    harness.run("debug ip slb sessions ipmobile");
    harness.goes_to("mwts-mip-np-user1@ispxyz.com");
    harness.pass(Duration::from_millis(10_300));
    let lines: Vec<String> = harness.log_lines();
    let hash = common::slb::display_hash(b"mwts-mip-np-user1@ispxyz.com");
    assert_eq!(
        lines,
        [
            "*Apr 21 15:26:03: SLB_SESSION_IPMOBILE: event= IPMOBILE_TIMEOUT, state= IPMOBILE_ESTAB -> IPMOBILE_INIT".to_owned(),
            "*Apr 21 15:26:03: SLB_SESSION: v_ip= 10.1.1.10:434 ( 1), real= 10.1.1.51, NAT= none".to_owned(),
            format!("*Apr 21 15:26:03: SLB_SESSION: client= 15.1.1.51:434 session_key= {hash:08X}00000000"),
        ]
    );
}

#[test]
fn clear_ends_sessions_and_zeroes_counters_but_no_gauge() {
    let mut harness = Harness::new(&sample("", ""));
    for user in 0..6 {
        harness.goes_to(&format!("user{user}"));
    }
    assert_eq!(harness.run("clear ip slb counters"), "");
    let stats = harness.run("show ip slb stats");
    assert!(stats.contains("Connections Created:         0\n"), "{stats}");
    assert_eq!(harness.real(51).1, 3);
    assert_eq!(
        harness.run("clear ip slb sessions vserver NONE"),
        "% SLB: virtual server NONE does not exist\n"
    );
    assert_eq!(harness.run("clear ip slb sessions serverfarm HAFARM"), "");
    assert_eq!(present(&mut harness), 0);
    assert_eq!(harness.real(51).1, 0);
    harness.assert_counters_balance();
}

#[test]
fn a_stopped_worker_is_seen_and_does_not_hold_up_a_purge_for_ever() {
    let mut harness = Harness::new(&sample("", " idle ipmobile request 300\n"));
    harness.seconds(1);
    assert!(harness.core.health().healthy);
    harness.goes_to("user1");
    harness.configure("ip slb vserver MIPSLB\nno inservice");
    for _ in 0..100 {
        harness.now = harness.now.after(Duration::from_millis(50));
        harness.core.set_time(harness.now, std::time::SystemTime::UNIX_EPOCH);
        harness.core.advance();
    }
    assert!(!harness.core.health().live);
    assert!(harness.core.state::<Slb>().purges.is_empty());
    harness.seconds(1);
    assert!(harness.core.health().live);
    assert!(harness.run("show health").starts_with("live: yes\n"));
}

#[test]
fn write_memory_keeps_the_file_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("homeward.conf");
    let mut harness = Harness::new(&sample("", ""));
    assert_eq!(harness.run("write memory"), "% No startup file was given\n");
    harness.core.shared_mut().startup = Some(path.clone());
    let first = harness.core.running().running_config();
    assert_eq!(harness.run("write memory"), "Building configuration...\n[OK]\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    harness.configure("ip slb vserver MIPSLB\nidle ipmobile request 300");
    let second = harness.core.running().running_config();
    assert_ne!(first, second);
    harness.run("copy running-config startup-config");
    let bak = directory.path().join("homeward.conf.bak");
    assert_eq!(
        (std::fs::read_to_string(&path).unwrap(), std::fs::read_to_string(bak).unwrap()),
        (second, first)
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "nothing else is left");
    harness.core.shared_mut().startup = Some(directory.path().join("missing/homeward.conf"));
    assert!(harness.run("write memory").starts_with("% "));
}

#[test]
fn what_only_a_restart_can_change_is_refused_and_nothing_else_of_it_happens() {
    let mut harness = Harness::new(&sample("", ""));
    let file = format!("dataplane\n workers 2\n{}{}", super::SYSTEM_LINES, sample("  weight 7\n", ""));
    let errors = harness.apply_file("next.conf", &file).unwrap_err();
    assert!(errors[0].contains("restart needed"), "{errors:?}");
    assert_eq!(harness.core.running().slb.farms[0].reals[0].weight, 1);
    let file = format!("{}{}", super::SYSTEM_LINES, sample("  weight 7\n", ""));
    harness.apply_file("next.conf", &file).unwrap();
    assert_eq!(harness.core.running().slb.farms[0].reals[0].weight, 7);
}

#[test]
fn a_session_that_a_worker_makes_from_the_snapshot_before_ends_too() {
    let mut harness = Harness::new(&sample("", " idle ipmobile request 300\n"));
    harness.goes_to("user1");
    let before = harness.worker.snapshot.load_full();
    harness.configure("ip slb vserver MIPSLB\nno inservice");
    // The worker is in the middle of a burst.
    harness.send_by(&before, [10, 1, 1, 10], "late", false);
    harness.pass(Duration::from_millis(500));
    assert!(!harness.core.state::<Slb>().purges.is_empty(), "the worker has not come by yet");
    harness.send_by(&before, [10, 1, 1, 10], "later", false);
    harness.settle();
    assert_eq!(present(&mut harness), 0);
    assert!(harness.core.state::<Slb>().purges.is_empty());
    harness.assert_counters_balance();
}

#[test]
fn a_transmit_ring_that_stays_full_sheds_new_nodes_until_it_drains() {
    let mut harness = Harness::new(&sample("", ""));
    let known = harness.goes_to("user1");
    let full = |harness: &Harness, packets| {
        let stats = &harness.worker.stats;
        for cell in [&stats.ports[0].tx_full, &stats.received] {
            cell.fetch_add(packets, std::sync::atomic::Ordering::Relaxed);
        }
    };
    assert!(harness.run("show health").contains("every new session is begun"));
    for _ in 0..10 {
        full(&harness, 1000);
        harness.pass(Duration::from_millis(200));
    }
    assert_eq!(harness.request([10, 1, 1, 10], "user2"), Outcome::Shed);
    assert_eq!(harness.goes_to("user1"), known, "who has a session keeps it");
    let health = harness.run("show health");
    assert!(
        health.contains("100 % of new sessions are refused: packets are lost for want of room"),
        "{health}"
    );
    assert!(health.contains("live: yes\n") && health.contains("ready: yes\ndegraded: yes\n"), "{health}");
    assert!(harness.metrics().contains("homeward_shedding_ratio{} 1.0\n"), "{}", harness.metrics());
    assert!(
        harness.metrics().contains("homeward_slb_total{counter=\"shed\"} 1.0\n"),
        "{}",
        harness.metrics()
    );
    harness.seconds(7);
    assert_ne!(harness.goes_to("user2"), 0);
    assert!(harness.run("show health").contains("every new session is begun"));
    harness.assert_counters_balance();
}

#[test]
fn frames_of_the_kernel_that_a_dry_pool_drops_are_shown_and_metered() {
    let mut harness = Harness::new(&sample("", ""));
    harness.worker.stats.inject_no_buffer.fetch_add(3, std::sync::atomic::Ordering::Relaxed);
    let shown = harness.run("show dataplane");
    assert!(shown.contains("from the kernel: 0 sent, dropped: 3 no buffer, 0 transmit"), "{shown}");
    let metrics = harness.metrics();
    let sample = "homeward_worker_injected_total{worker=\"0\",end=\"no_buffer\"} 3.0\n";
    assert!(metrics.contains(sample), "{metrics}");
    assert!(metrics.contains("homeward_shadow_frames_total{end=\"inject_full\"} 0.0\n"), "{metrics}");
}

#[test]
fn a_virtual_address_that_the_kernel_holds_is_a_condition_until_it_is_gone() {
    use crate::host::view::KernelAddress;
    let mut harness = Harness::new(&sample("", ""));
    let conflicts = |harness: &mut Harness| -> Vec<String> {
        harness.seconds(1);
        let held = harness.core.health().conditions.into_iter();
        let found = held.filter(|held| held.condition == "address-conflict");
        found.map(|held| format!("{}: {}", held.subject, held.reason)).collect()
    };
    let hold = |harness: &mut Harness, net: &str| {
        let mut host = super::kernel(&super::network());
        host.addresses.push(KernelAddress {
            device: "lo".to_owned(),
            interface: None,
            net: net.parse().unwrap(),
            secondary: false,
        });
        harness.core.host_changed(&host);
    };
    hold(&mut harness, "10.1.1.11/32");
    assert!(conflicts(&mut harness).is_empty());
    hold(&mut harness, "10.1.1.10/32");
    let found = conflicts(&mut harness);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("10.1.1.10: virtual address 10.1.1.10 is configured on the kernel device lo"),
        "{found:?}"
    );
    // Out of service it is nobody's.
    harness.configure("ip slb vserver MIPSLB\nno inservice");
    assert!(conflicts(&mut harness).is_empty());
    harness.configure("ip slb vserver MIPSLB\ninservice");
    assert_eq!(conflicts(&mut harness).len(), 1);
    hold(&mut harness, "10.1.1.11/32");
    assert!(conflicts(&mut harness).is_empty());
}

#[test]
fn new_sessions_of_a_source_are_limited_live_counted_and_known_ones_go_on() {
    let mut harness = Harness::new(&sample("", " client-rate 2\n"));
    let users = |harness: &mut Harness, from: u32| -> Vec<bool> {
        (from..from + 4).map(|number| harness.goes_to(&format!("user{number}")) != 0).collect()
    };
    assert_eq!(users(&mut harness, 0), [true, true, false, false]);
    assert_eq!(harness.request([10, 1, 1, 10], "user9"), Outcome::OverRate);
    assert_eq!(users(&mut harness, 0)[..2], [true, true], "who has a session keeps it");
    let detail = harness.run("show ip slb vservers detail");
    assert!(detail.contains("  client rate = 2, client rate drops = 5\n"), "{detail}");
    assert!(harness.run("show ip slb stats").contains(" Client Rate Drops:           5\n"));
    let metrics = harness.metrics();
    assert!(
        metrics.contains("homeward_vserver_total{vserver=\"MIPSLB\",counter=\"client_rate\"} 5.0\n"),
        "{metrics}"
    );
    harness.seconds(2);
    assert_eq!(users(&mut harness, 10), [true, true, false, false], "a new second");
    harness.configure("ip slb vserver MIPSLB\nidle ipmobile request 99");
    assert!(harness.goes_to("user20") == 0, "another line gives nobody more");
    harness.configure("ip slb vserver MIPSLB\nclient-rate 3");
    assert_eq!(users(&mut harness, 20), [true, true, true, false]);
    harness.configure("ip slb vserver MIPSLB\nno client-rate");
    assert_eq!(users(&mut harness, 30), [true; 4]);
    assert!(!harness.run("show ip slb vservers detail").contains("client rate"));
    harness.assert_counters_balance();
}
