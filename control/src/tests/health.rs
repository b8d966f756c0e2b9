//! Live, ready and degraded: each condition from its beginning to its end.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, SystemTime},
};

use common::verdict::Verdict;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{Harness, PORTS, kernel, network};
use crate::{
    host::PortState,
    manage::{
        log::{LogBook, LogLayer},
        operator::Health,
    },
};

const TWO: &str = "ip slb serverfarm HAFARM\n real 10.1.1.51\n  inservice\n !\n real 10.1.1.52\n  inservice\n!\nip slb vserver \
                   MIPSLB\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm HAFARM\n inservice\n!\n";

/// A director whose worker always runs the newest snapshot.
fn harness(slb: &str) -> Harness {
    let harness = Harness::new(slb);
    harness.worker.stats.generation.store(u64::MAX, Relaxed);
    harness
}

/// Live, ready, degraded.
fn answers(health: &Health) -> (bool, bool, bool) {
    (health.live, health.ready, health.degraded)
}

/// What is wrong, as `condition of subject: reason`.
fn wrong(harness: &mut Harness) -> Vec<String> {
    let held = harness.core.health().conditions.into_iter();
    held.map(|held| format!("{} of {}: {}", held.condition, held.subject, held.reason)).collect()
}

/// What is logged of health and workers while `work` is done.
fn logged(work: impl FnOnce()) -> Vec<String> {
    let book = LogBook::new(1000);
    let subscriber = tracing_subscriber::registry().with(LogLayer(book.clone()));
    tracing::subscriber::with_default(subscriber, work);
    let lines = book.view().lines.into_iter().map(|line| line.to_string());
    let lines = lines.filter_map(|line| line.split_once(": %").map(|(_, line)| line.to_owned()));
    lines.filter(|line| line.starts_with("HEALTH-") || line.contains("-WORKER:")).collect()
}

/// Only these of the reals have answered ARP.
fn resolved(harness: &mut Harness, reals: &[u8]) {
    let mut network = network();
    let mut neighbours = (*network.neighbours).clone();
    neighbours.retain(|hop, _| reals.contains(&hop.address.octets()[3]));
    network.neighbours = neighbours.into();
    harness.core.host_changed(&kernel(&network));
}

fn link(harness: &mut Harness, link_up: bool) {
    harness.core.ports_changed(&[PortState { link_up, ..PORTS[0] }]);
}

#[test]
fn a_director_with_nothing_wrong_is_live_and_ready() {
    let mut harness = harness(TWO);
    harness.seconds(1);
    assert_eq!(answers(&harness.core.health()), (true, true, false));
    let text = harness.run("show health");
    assert!(text.ends_with("ready: yes\ndegraded: no\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&harness.run("show health | json")).unwrap();
    assert_eq!((&json["healthy"], &json["live"], &json["ready"]), (&true.into(), &true.into(), &true.into()));
    assert_eq!(json["conditions"], serde_json::json!([]));
}

#[test]
fn a_port_without_link_is_named_until_it_has_one_again() {
    let mut harness = harness(TWO);
    harness.seconds(1);
    let lines = logged(|| {
        link(&mut harness, false);
        assert_eq!(wrong(&mut harness), ["port-down of Ethernet0: no link"]);
        assert_eq!(answers(&harness.core.health()), (true, false, true));
        harness.seconds(30);
        let text = harness.run("show health");
        assert!(text.contains("ready: no: port-down\ndegraded: yes\n"), "{text}");
        assert!(
            text.contains("  port-down        Ethernet0                no link (30 s, not ready)\n"),
            "{text}"
        );
        link(&mut harness, true);
        assert_eq!(answers(&harness.core.health()), (true, true, false));
    });
    assert_eq!(
        lines,
        [
            "HEALTH-4-CONDITION: port-down of Ethernet0 begins: no link",
            "HEALTH-6-CONDITION: port-down of Ethernet0 has ended after 30 s"
        ]
    );
}

#[test]
fn a_port_that_is_shut_down_is_not_missed() {
    let mut harness = harness("");
    link(&mut harness, false);
    assert_eq!(wrong(&mut harness).len(), 1);
    harness.configure("interface Ethernet0\nshutdown");
    assert_eq!(answers(&harness.core.health()), (true, true, false));
}

#[test]
fn what_makes_it_not_ready_is_set_and_taken_back() {
    let mut harness = harness("");
    harness.configure("management\nhealth port-down after 5\nno health port-down unready");
    link(&mut harness, false);
    harness.pass(Duration::from_millis(4900));
    assert_eq!(answers(&harness.core.health()), (true, true, false), "not yet");
    harness.pass(Duration::from_millis(200));
    assert_eq!(answers(&harness.core.health()), (true, true, true), "only degraded");
    harness.configure("management\ndefault health port-down unready");
    assert_eq!(answers(&harness.core.health()), (true, false, true));
    let metrics = harness.metrics();
    for line in [
        "homeward_live{} 1.0\n",
        "homeward_ready{} 0.0\n",
        "homeward_degraded{} 1.0\n",
        "homeward_conditions{condition=\"port-down\"} 1.0\n",
        "homeward_conditions{condition=\"drops\"} 0.0\n",
        "homeward_condition{condition=\"port-down\",subject=\"Ethernet0\"} 1.0\n",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

#[test]
fn a_virtual_server_without_a_real_that_takes_sessions_is_named_until_it_has_one() {
    let mut harness = harness(TWO);
    harness.seconds(1);
    let lines = logged(|| {
        resolved(&mut harness, &[52]);
        harness.seconds(1);
        assert_eq!(answers(&harness.core.health()), (true, true, false), "one is left");
        resolved(&mut harness, &[]);
        harness.seconds(1);
        assert_eq!(
            wrong(&mut harness),
            ["vserver-no-real of MIPSLB: no real takes new sessions: 2 ARP_FAILED"]
        );
        assert_eq!(answers(&harness.core.health()), (true, false, true));
        resolved(&mut harness, &[51]);
        harness.seconds(1);
        assert_eq!(answers(&harness.core.health()), (true, true, false));
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("HEALTH-4-CONDITION: vserver-no-real of MIPSLB begins: "), "{lines:?}");
    assert_eq!(lines[1], "HEALTH-6-CONDITION: vserver-no-real of MIPSLB has ended after 1 s");
}

#[test]
fn reals_out_of_service_serve_no_virtual_server_and_one_out_of_service_wants_none() {
    let mut harness = harness(TWO);
    harness.configure("ip slb serverfarm HAFARM\nreal 10.1.1.51\nno inservice\nreal 10.1.1.52\nno inservice");
    assert_eq!(
        wrong(&mut harness),
        ["vserver-no-real of MIPSLB: no real takes new sessions: 2 OUTOFSERVICE"]
    );
    harness.configure("ip slb serverfarm SPARE\nreal 10.1.1.53\ninservice");
    harness.configure("ip slb vserver MIPSLB\nno inservice");
    assert_eq!(answers(&harness.core.health()), (true, true, false));
    harness.configure("ip slb vserver MIPSLB\nserverfarm HAFARM backup SPARE\ninservice");
    assert_eq!(answers(&harness.core.health()), (true, true, false), "the backup has one");
}

#[test]
fn a_real_counts_as_unresolved_once_it_has_been_for_so_long() {
    let mut harness = harness(TWO);
    harness.configure("management\nhealth real-arp-failed after 4");
    harness.seconds(1);
    let lines = logged(|| {
        resolved(&mut harness, &[51]);
        harness.pass(Duration::from_millis(3900));
        assert!(wrong(&mut harness).is_empty());
        harness.pass(Duration::from_millis(400));
        assert_eq!(
            wrong(&mut harness),
            ["real-arp-failed of 10.1.1.52 (HAFARM): its address is not resolved"]
        );
        assert_eq!(answers(&harness.core.health()), (true, true, true), "the other one serves");
        resolved(&mut harness, &[51, 52]);
        harness.seconds(1);
        assert!(wrong(&mut harness).is_empty());
        // A short one is nothing.
        resolved(&mut harness, &[51]);
        harness.seconds(3);
        resolved(&mut harness, &[51, 52]);
        harness.seconds(3);
    });
    assert_eq!(
        lines,
        [
            "HEALTH-4-CONDITION: real-arp-failed of 10.1.1.52 (HAFARM) begins: its address is not resolved",
            "HEALTH-6-CONDITION: real-arp-failed of 10.1.1.52 (HAFARM) has ended after 4 s"
        ]
    );
}

#[test]
fn drops_above_the_share_are_named_with_their_reason() {
    let mut harness = harness(TWO);
    harness.configure("management\nhealth drops above 20\nhealth drops unready");
    let count = |harness: &Harness, verdict: Verdict, packets| {
        harness.worker.stats.verdicts[verdict.index()].fetch_add(packets, Relaxed);
    };
    let lines = logged(|| {
        harness.seconds(1);
        count(&harness, Verdict::SLB_DISPATCHED, 80);
        count(&harness, Verdict::NO_REAL, 20);
        harness.seconds(1);
        assert!(wrong(&mut harness).is_empty());
        count(&harness, Verdict::NO_REAL, 100);
        harness.seconds(1);
        assert_eq!(
            wrong(&mut harness),
            ["drops of received packets: 60 % of 200 packets, most of them no_real"]
        );
        assert_eq!(answers(&harness.core.health()), (true, false, true));
        harness.seconds(6);
        assert_eq!(answers(&harness.core.health()), (true, true, false));
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[1].starts_with("HEALTH-6-CONDITION: drops of received packets has ended after "),
        "{lines:?}"
    );
}

#[test]
fn overload_is_a_condition_that_leaves_it_ready() {
    let mut harness = harness(TWO);
    harness.seconds(1);
    let ends = |harness: &Harness| {
        harness.worker.stats.received.fetch_add(10_000, Relaxed);
        harness.worker.stats.ports[0].tx_full.fetch_add(5000, Relaxed);
    };
    ends(&harness);
    harness.pass(Duration::from_millis(250));
    let found = wrong(&mut harness);
    assert!(found.len() == 1 && found[0].starts_with("overload of sessions: "), "{found:?}");
    assert_eq!(answers(&harness.core.health()), (true, true, true));
    harness.seconds(10);
    assert!(wrong(&mut harness).is_empty());
}

#[test]
fn a_session_table_above_the_share_is_named_until_there_is_room() {
    let mut harness = harness(TWO);
    harness.configure("management\nhealth session-table above 1");
    harness.seconds(1);
    let lines = logged(|| {
        // 2 % of 4096.
        (0..82).for_each(|user| assert_ne!(harness.goes_to(&format!("user{user}")), 0));
        assert_eq!(wrong(&mut harness), ["session-table of sessions: 82 of 4096 in use"]);
        assert_eq!(answers(&harness.core.health()), (true, true, true));
        // They idle out.
        harness.seconds(11);
        assert!(wrong(&mut harness).is_empty());
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_worker_that_stands_still_is_a_line_at_once_and_no_longer_live() {
    let mut harness = harness(TWO);
    harness.seconds(1);
    let lines = logged(|| {
        for _ in 0..80 {
            harness.now = harness.now.after(Duration::from_millis(50));
            harness.core.set_time(harness.now, SystemTime::UNIX_EPOCH);
            harness.core.advance();
        }
        let health = harness.core.health();
        assert_eq!(answers(&health), (false, false, false));
        assert!(harness.run("show health").contains("ready: no: not live\n"));
        harness.seconds(1);
        assert_eq!(answers(&harness.core.health()), (true, true, false));
    });
    assert_eq!(
        lines,
        [
            "SYS-2-WORKER: Worker 0 stands still: no heartbeat for 3 s",
            "SYS-6-WORKER: Worker 0 goes on after 4 s"
        ]
    );
}

#[test]
fn a_worker_on_an_old_configuration_is_named_until_it_takes_the_new_one() {
    let mut harness = Harness::new(TWO);
    harness.pass(Duration::from_millis(4900));
    assert!(wrong(&mut harness).is_empty(), "it may be in a burst");
    harness.seconds(1);
    assert_eq!(wrong(&mut harness), ["worker-behind of worker 0: does not take the newest configuration"]);
    assert_eq!(answers(&harness.core.health()), (true, true, true));
    harness.worker.stats.generation.store(u64::MAX, Relaxed);
    harness.seconds(1);
    assert!(wrong(&mut harness).is_empty());
}

#[test]
fn at_the_end_it_is_not_ready_and_what_is_withdrawn_is_no_fault() {
    let mut harness = harness(TWO);
    harness.seconds(1);
    let lines = logged(|| {
        harness.core.stop();
        harness.network(&network());
        resolved(&mut harness, &[]);
        harness.seconds(1);
        assert_eq!(answers(&harness.core.health()), (true, false, false));
        assert!(harness.run("show health").contains("ready: no: draining\n"));
    });
    assert!(lines.is_empty(), "{lines:?}");
}
