//! The daemon's loop under load: timers keep their beat whatever waits.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use common::time::Nanos;
use control::{
    daemon::Clock,
    manage::operator::{Operator as _, lock},
};
use tokio::time::{Instant, sleep};

use crate::{
    TestList,
    daemon_harness::{DEADLY, OnePort, start, start_on},
    kernel::INTERFACE,
};

/// Of tokio's clock, which the test holds.
fn clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || Nanos(start.elapsed().as_nanos() as u64))
}

#[tokio::test(start_paused = true)]
async fn a_timer_keeps_its_beat_while_lines_come_and_the_kernel_is_slow() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{INTERFACE}counter A\n interval 10\n");
    let second = Duration::from_secs(1);
    let (daemon, applied) = start::<TestList>(&text, directory.path(), clock(), second).await;
    let mut shell = lock(daemon.core()).open();
    let mut run = |line: &str| {
        let answer = lock(daemon.core()).execute(&mut shell, line);
        answer()
    };
    // The loop begins once the kernel holds what it was given at start.
    sleep(Duration::from_millis(5)).await;
    let begun = Instant::now();
    let count = |text: String| {
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let counter = &json["counters"][0];
        (counter["count"].as_u64().unwrap(), counter["missed"].as_u64().unwrap())
    };
    let (before, missed) = count(run("show counters | json").text);
    run("configure terminal");
    for line in 0..1000 {
        let (high, low) = (line / 256, line % 256);
        let reply = run(&format!("ip route 20.{high}.{low}.0 255.255.255.0 10.1.1.254"));
        assert_eq!(reply.text, "");
        sleep(Duration::from_millis(1)).await;
    }
    run("end");
    assert_eq!(begun.elapsed(), second, "each line took its millisecond and nothing of the kernel's time");
    let asked = applied.load(Relaxed);
    sleep(3 * second).await;
    assert_eq!(count(run("show counters | json").text), (before + 400, missed), "4 s in beats of 10 ms");
    // Of the thousand states that the kernel should have, it was given those that it had time for.
    assert!((1..=3).contains(&asked) && applied.load(Relaxed) <= 4, "{asked} {applied:?}");
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_subsystems_task_takes_orders_and_ends_with_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let text = "counter A\n interval 10\n limit 5\n";
    let (daemon, _) = start::<TestList>(text, directory.path(), clock(), Duration::ZERO).await;
    let mut shell = lock(daemon.core()).open();
    let mut rung = || {
        let answer = lock(daemon.core()).execute(&mut shell, "show counters | json");
        answer().text.contains("\"rung\": true")
    };
    // The first beat was the first thing that the loop did.
    sleep(Duration::from_millis(35)).await;
    assert!(!rung());
    sleep(Duration::from_millis(10)).await;
    assert!(rung());
    let begun = Instant::now();
    daemon.end().await;
    assert!(begun.elapsed() < Duration::from_millis(100), "it ends when it gets no more orders");
}

#[tokio::test(start_paused = true)]
async fn a_link_is_followed_ten_times_a_second_and_at_once_where_the_driver_tells() {
    let directory = tempfile::tempdir().unwrap();
    let port = Arc::new(OnePort::default());
    let (daemon, _) =
        start_on::<TestList>(Arc::clone(&port), INTERFACE, directory.path(), clock(), Duration::ZERO).await;
    let has_link = || lock(daemon.core()).core_mut().shared().snapshot().net.ports[0].link_up;
    sleep(Duration::from_millis(5)).await;
    assert!(has_link());
    port.down.store(true, Relaxed);
    sleep(Duration::from_millis(100)).await;
    assert!(!has_link());
    port.down.store(false, Relaxed);
    sleep(Duration::from_millis(100)).await;
    assert!(has_link());
    port.down.store(true, Relaxed);
    (port.listener.lock().unwrap().as_ref().unwrap())();
    sleep(Duration::from_millis(1)).await;
    assert!(!has_link());
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_not_live_once_nobody_looks_after_the_kernel() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, _) = start::<TestList>(INTERFACE, directory.path(), clock(), Duration::ZERO).await;
    sleep(Duration::from_millis(1100)).await;
    assert!(lock(daemon.core()).health().live);
    let mut shell = lock(daemon.core()).open();
    assert_eq!(DEADLY, "192.0.2.0/24");
    for line in ["configure terminal", "ip route 192.0.2.0 255.255.255.0 Null0"] {
        let answer = lock(daemon.core()).execute(&mut shell, line);
        assert_eq!(answer().text.matches('%').count(), 0);
    }
    // The workers' heartbeats, which nobody gives here, are not missed yet.
    sleep(Duration::from_millis(1100)).await;
    let health = lock(daemon.core()).health();
    let bad: Vec<_> = health.checks.iter().filter(|check| !check.healthy).map(|check| &*check.name).collect();
    assert_eq!((bad, health.live, health.ready), (vec!["host"], false, false));
    daemon.end().await;
}
