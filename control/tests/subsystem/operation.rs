//! Timer, orders and messages, shows, metrics, health and `debug`.

use std::time::Duration;

use control::slb::Slb;
use serde_json::json;

use crate::{
    counter::{Counter, Message, Order},
    harness::Harness,
};

fn count(harness: &mut Harness, at: usize) -> u64 {
    harness.json("show counters")["counters"][at]["count"].as_u64().unwrap()
}

#[test]
fn the_timer_comes_exactly_and_never_drifts() {
    let mut harness = Harness::new("counter A\n interval 10\ncounter B\n interval 7\n");
    let start = harness.now;
    let times = harness.pass(Duration::from_millis(700));
    for beat in (1..=70).map(|n| n * 10).chain((1..=100).map(|n| n * 7)) {
        assert!(times.contains(&start.after(Duration::from_millis(beat))), "{beat} ms");
    }
    assert_eq!((count(&mut harness, 0), count(&mut harness, 1)), (70, 100));
    // Nobody came for 35 ms: one beat, three more were due.
    harness.now = harness.now.after(Duration::from_millis(45));
    harness.core.set_time(harness.now, std::time::SystemTime::UNIX_EPOCH);
    harness.core.advance();
    let json = harness.json("show counters");
    assert_eq!((&json["counters"][0]["count"], &json["counters"][0]["missed"]), (&json!(71), &json!(3)));
    harness.pass(Duration::from_millis(5));
    assert_eq!(count(&mut harness, 0), 72, "and the next one is on the old beat");
}

#[test]
fn a_line_that_leaves_the_interval_alone_leaves_the_beat_alone() {
    let mut harness = Harness::new("counter A\n interval 10\n");
    harness.pass(Duration::from_millis(9));
    harness.configure("counter A\nlimit 7\ninterval 10");
    harness.pass(Duration::from_millis(1));
    assert_eq!(count(&mut harness, 0), 1);
    harness.configure("counter A\nno interval");
    harness.pass(Duration::from_millis(100));
    assert_eq!(count(&mut harness, 0), 1);
}

#[test]
fn orders_go_to_its_task_and_messages_come_back() {
    let mut harness = Harness::new("counter A\n limit 3\n");
    harness.run("counter A add 2");
    assert_eq!(harness.core.take_orders::<Counter>(), []);
    harness.run("counter A add 2");
    assert_eq!(harness.core.take_orders::<Counter>(), [Order::Ring("A".into())]);
    assert_eq!(harness.json("show counters")["counters"][0]["rung"], false);
    harness.core.message::<Counter>(Message::Rung("A".into()));
    harness.core.message::<Counter>(Message::Rung("GONE".into()));
    assert_eq!(harness.json("show counters")["counters"][0]["rung"], true);
    harness.run("counter A add 2");
    assert_eq!(harness.core.take_orders::<Counter>(), [], "once");
    assert!(harness.core.take_orders::<Slb>().is_empty());
}

#[test]
fn a_show_has_text_and_json_of_the_same() {
    let mut harness = Harness::new("counter A\n address 10.1.1.20\n key Cookies\ncounter B\n");
    harness.run("counter B add 12");
    assert_eq!(
        harness.run("show counters"),
        "counter          count    address\n---------------------------------\n\
         A                0        10.1.1.20\nB                12       -\n\
         0 packets of 0 sources; virtual servers: 0\n"
    );
    let json = harness.json("show counters");
    assert_eq!(
        json["counters"][0],
        json!({ "name": "A", "count": 0, "missed": 0, "rung": false, "key": true, "address": "10.1.1.20", "settled": false })
    );
    assert_eq!(harness.run("show counters | include B"), "B                12       -\n");
    assert_eq!(harness.run("counter C add 1"), "% Counter: C does not exist\n");
    harness.run("clear counters");
    assert_eq!(count(&mut harness, 1), 0);
}

#[test]
fn it_reports_metrics_and_health_beside_the_others() {
    let mut harness = Harness::new("counter A\n limit 3\n");
    harness.run("counter A add 2");
    let metrics = harness.core.report().text();
    for line in [
        "homeward_counter_total{counter=\"A\"} 2.0\n",
        "homeward_conditions{condition=\"counter-full\"} 0.0\n",
        "homeward_healthy{check=\"sessions\"} 1.0\n",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    assert!(harness.core.health().healthy);
    harness.run("counter A add 2");
    assert!(!harness.core.health().healthy);
    let health = harness.run("show health");
    assert!(health.contains("live: yes\n") && health.contains("ready: no: counter-full\n"), "{health}");
    assert!(
        health.contains("  counter-full     A                        4 of 3 (0 s, not ready)\n"),
        "{health}"
    );
    let metrics = harness.core.report().text();
    let held = "homeward_condition{condition=\"counter-full\",subject=\"A\"} 1.0\n";
    assert!(metrics.contains(held), "{metrics}");
    // Its settings stand where those of all conditions do.
    assert_eq!(harness.configure("management\nno health counter-full unready"), "");
    assert!(harness.core.health().healthy && harness.core.health().degraded);
    assert!(harness.run("show running-config").contains("management\n no health counter-full unready\n!\n"));
}

#[test]
fn debug_lines_are_turned_and_shown_with_those_of_others() {
    let mut harness = Harness::new("counter A\n interval 10\n");
    harness.pass(Duration::from_millis(10));
    assert_eq!(harness.run("debug counter beats"), "Counter beats debugging is on\n");
    harness.run("debug ip slb sessions");
    let shown = harness.run("show debugging");
    assert_eq!(
        shown,
        "Counter:\n  Counter beats debugging is on\nIP SLB:\n  IP SLB Session debugging is on\n"
    );
    assert_eq!(harness.json("show debugging")["counter_beats"], true);
    harness.pass(Duration::from_millis(10));
    for off in ["no debug counter beats", "undebug all"] {
        harness.run(off);
        harness.pass(Duration::from_millis(10));
        harness.run("debug all");
        harness.pass(Duration::from_millis(10));
    }
    harness.run("undebug counter beats");
    harness.pass(Duration::from_millis(10));
    let lines = harness.log_lines();
    let lines: Vec<_> = lines.iter().filter_map(|line| line.split_once(": ").map(|(_, line)| line)).collect();
    assert_eq!(lines, ["Counter A = 2", "Counter A = 4", "Counter A = 6"]);
}

#[test]
fn what_workers_count_in_the_table_is_shown_until_it_is_forgotten() {
    let mut harness = Harness::new("counter A\n address 10.1.1.20\n");
    let sources = &crate::counter::SOURCES;
    for last in [1, 2, 3, 2, 2] {
        sources.count([15, 1, 1, last].into(), harness.now.tick());
    }
    let text = harness.run("show counters");
    assert!(text.ends_with("5 packets of 3 sources; virtual servers: 0\n"), "{text}");
    harness.pass(Duration::from_secs(5));
    sources.count([15, 1, 1, 2].into(), harness.now.tick());
    harness.pass(Duration::from_secs(6));
    let json = harness.json("show counters");
    assert_eq!((&json["packets"], &json["sources"]), (&json!(4), &json!(1)), "the one that came again");
    sources.count([15, 1, 1, 1].into(), harness.now.tick());
    assert_eq!(harness.json("show counters")["packets"], 5, "a forgotten one begins anew");
}
