//! Many workers at once.

use std::sync::{
    Barrier,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use common::{
    id::WorkerId,
    slb::{Outcome, Probe, RealSettings, Request, SlbCounter},
    time::{Nanos, Tick},
};

use crate::harness::{Harness, display_hash_of, in_batch, letter, name};

const THREADS: u32 = 4;

/// Sends the users 0..count, each once, from four threads; calls `at` after that many were sent.
fn send_from_threads(harness: &Harness, from: u32, count: u32, at: Option<(u32, &(dyn Fn() + Sync))>) {
    let requests: Vec<Request> = (from..from + count).map(|user| harness.request(user)).collect();
    let next = AtomicU32::new(0);
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (next, start, requests) = (&next, &start, &requests);
            scope.spawn(move || {
                start.wait();
                loop {
                    let turn = next.fetch_add(1, SeqCst);
                    if let Some((moment, act)) = at
                        && turn == moment
                    {
                        act();
                    }
                    let Some(request) = requests.get(turn as usize) else { return };
                    let worker = WorkerId(thread as u8);
                    let outcome = harness.balancer.handle(
                        &harness.snapshot,
                        request,
                        &display_hash_of(request),
                        Tick(1),
                        worker,
                        |_| {},
                    );
                    assert!(matches!(outcome, Outcome::Forward { .. }));
                }
            });
        }
    });
}

fn conns(harness: &Harness) -> Vec<u32> {
    harness.snapshot.slb.reals.iter().flatten().map(|real| real.live.conns()).collect()
}

#[test]
fn every_full_cycle_splits_3_1_2_whoever_picks() {
    let harness = Harness::sized(60_000, &[3, 1, 2], &[]);
    for round in 1..=500 {
        send_from_threads(&harness, (round - 1) * 60, 60, None);
        let live = harness.balancer.occupancy() as u32;
        // A refused insertion has taken its turn too, so whole cycles show only in what the farm gave.
        assert_eq!(live + harness.balancer.refused() as u32, round * 60);
        if harness.balancer.refused() == 0 {
            assert_eq!(conns(&harness), [round * 30, round * 10, round * 20], "round {round}");
        }
    }
    assert_eq!(harness.stat(SlbCounter::PicksLost), 0, "all keys differ");
    harness.check_accounts();
}

#[test]
fn a_weight_change_in_a_turn_is_exact_from_then_on() {
    for round in 0..50 {
        let harness = Harness::new(&[3, 1, 2]);
        let change = || harness.real('A').set_weight(5);
        send_from_threads(&harness, 0, 60, Some((27 + round % 6, &change)));
        let counts = conns(&harness);
        assert_eq!(counts.iter().sum::<u32>(), 60);
        // B and C keep their proportion to a turn, whatever A gets.
        assert!(counts[2].abs_diff(2 * counts[1]) <= 2, "{counts:?}");
        // Between 60 picks at weight 3 and 60 at weight 5.
        assert!((30..=38).contains(&counts[0]), "{counts:?}");
        harness.check_accounts();
    }
}

#[test]
fn a_failure_in_a_turn_stops_new_sessions_at_once() {
    for _ in 0..50 {
        let harness = Harness::new(&[3, 1, 2]);
        let at_failure = AtomicU32::new(0);
        let fail = || {
            harness.real('A').set_probe(Probe::Failed);
            at_failure.store(harness.real('A').conns(), SeqCst);
        };
        send_from_threads(&harness, 0, 120, Some((31, &fail)));
        assert_eq!(harness.real('A').conns(), at_failure.load(SeqCst), "none after the failure");
        harness.check_accounts();
    }
}

#[test]
fn maxconns_is_never_exceeded() {
    for _ in 0..50 {
        let harness = Harness::new(&[30, 1, 2]);
        harness.real('A').configure(RealSettings { weight: 30, maxconns: 17, ..RealSettings::default() });
        send_from_threads(&harness, 0, 90, None);
        let counts = conns(&harness);
        assert_eq!(counts[0], 17);
        assert_eq!(counts.iter().sum::<u32>(), 90);
        harness.check_accounts();
    }
}

#[test]
fn exactly_one_session_is_the_test() {
    for _ in 0..50 {
        let mut harness = Harness::new(&[1, 1]);
        harness.real('A').configure(RealSettings {
            weight: 1,
            numconns: 1,
            numclients: 1,
            ..RealSettings::default()
        });
        assert_eq!(harness.fail_over(9999), "AAAAB");
        harness.advance(6.0);
        assert!(harness.real('A').retry_expired(harness.tick(), std::time::Duration::from_secs(5)));
        send_from_threads(&harness, 0, 60, None);
        assert_eq!(harness.real('A').conns(), 1);
    }
}

#[test]
fn one_key_from_all_workers_is_one_session() {
    let harness = Harness::sized(200_000, &[1, 1, 1], &[]);
    let start = Barrier::new(THREADS as usize);
    let rounds = 20_000;
    let seen: Vec<Vec<char>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (harness, start) = (&harness, &start);
                scope.spawn(move || {
                    start.wait();
                    (0..rounds)
                        .map(|user| {
                            let request = harness.request(user);
                            let worker = WorkerId(thread as u8);
                            match harness.balancer.handle(
                                &harness.snapshot,
                                &request,
                                &display_hash_of(&request),
                                Tick(1),
                                worker,
                                |_| {},
                            ) {
                                Outcome::Forward { real, .. } => name(real),
                                other => panic!("{other:?}"),
                            }
                        })
                        .collect()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(harness.stat(SlbCounter::Created), u64::from(rounds));
    for user in 0..rounds as usize {
        assert!(seen.iter().all(|thread| thread[user] == seen[0][user]), "user {user} went two ways");
    }
    harness.check_accounts();
}

#[test]
fn bursts_of_the_same_keys_from_all_workers_are_one_session_each() {
    const BURST: u32 = 32;
    let harness = Harness::sized(200_000, &[1, 2, 3], &[]);
    let start = Barrier::new(THREADS as usize);
    let seen: Vec<Vec<char>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (harness, start) = (&harness, &start);
                scope.spawn(move || {
                    start.wait();
                    let burst = |first: u32| {
                        let users = first..first + BURST;
                        let requests: Vec<_> = users.map(|user| ((), harness.request(user))).collect();
                        let worker = WorkerId(thread as u8);
                        in_batch(&harness.balancer, &harness.snapshot, &requests, Tick(1), worker, |_| {})
                    };
                    (0..20_000).step_by(BURST as usize).flat_map(burst).map(letter).collect()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(harness.stat(SlbCounter::Created), 20_000);
    for user in 0..20_000 {
        assert!(seen.iter().all(|thread| thread[user] == seen[0][user]), "user {user} went two ways");
    }
    harness.check_accounts();
}

/// Ten million requests over a few keys, with idle ends, deregistrations, moves, failures, sweeps and clears at once.
#[test]
fn the_accounts_hold_after_ten_million_operations() {
    const EACH: u32 = 2_500_000;
    const KEYS: u64 = 256;
    let harness = Harness::sized(1024, &[3, 1, 2], &[4]);
    harness.real('B').configure(RealSettings { weight: 1, maxconns: 9, ..RealSettings::default() });
    let requests: Vec<Request> = (0..KEYS as u32).map(|user| harness.request(user)).collect();
    let clock = AtomicU32::new(0);
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (harness, requests, clock, start) = (&harness, &requests, &clock, &start);
            scope.spawn(move || {
                let mut random = u64::from(thread) * 0x9e37_79b9 + 1;
                start.wait();
                for step in 0..EACH {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let dice = random >> 33;
                    // Half of the requests are for sixteen keys.
                    let keys = if dice >> 30 & 1 == 0 { 16 } else { KEYS };
                    let mut request = requests[(dice % keys) as usize];
                    request.deregistration = (dice >> 8).is_multiple_of(32);
                    // A tick now and then, so that sessions idle out (150 ticks) under the others' hands.
                    if (dice >> 14).is_multiple_of(4) {
                        clock.fetch_add(1, SeqCst);
                    }
                    let now = Tick(clock.load(SeqCst) & Tick::MASK);
                    harness.balancer.handle(
                        &harness.snapshot,
                        &request,
                        &display_hash_of(&request),
                        now,
                        WorkerId(thread as u8),
                        |_| {},
                    );
                    if step % 1024 == thread {
                        harness.balancer.sweep(&harness.snapshot, now, 64, |_| {});
                    }
                    if step % 65_536 == thread {
                        let which = |view: &common::slb::SessionInfo| view.identity.bits().is_multiple_of(4);
                        harness.balancer.clear(&harness.snapshot, 0, u32::MAX, which, |_| {});
                    }
                    if step % 128 == thread {
                        let real = harness.real(char::from(b'A' + (dice >> 20 & 3) as u8));
                        match dice >> 24 & 7 {
                            0 => real.set_in_service(false),
                            1 => real.set_dfp(Some(dice as u32 >> 27 & 3)),
                            2 => real.set_probe(Probe::Failed),
                            3 => real.set_probe(Probe::Ok),
                            4 => real.set_in_service(true),
                            _ => _ = real.retry_expired(now, std::time::Duration::ZERO),
                        }
                    }
                }
            });
        }
    });
    let now = Tick(clock.load(SeqCst) & Tick::MASK);
    assert_unique(&harness);
    let live = harness.balancer.occupancy();
    let stats = harness.balancer.stats();
    let (created, destroyed) = (stats.raw(SlbCounter::Created), stats.raw(SlbCounter::Destroyed));
    assert_eq!(created, destroyed + live);
    assert_eq!(conns(&harness).iter().map(|conns| u64::from(*conns)).sum::<u64>(), live);
    assert_eq!(harness.vserver().live.conns(), live);
    let (moved, timed_out) = (harness.stat(SlbCounter::Reassigned), harness.stat(SlbCounter::TimedOut));
    assert!(created > 100_000 && moved > 1000 && timed_out > 1000, "{created} {moved} {timed_out}");
    // And everything ends.
    let later =
        Nanos(u64::from(now.0) << Tick::NANOS_SHIFT).after(std::time::Duration::from_secs(100)).tick();
    harness.balancer.sweep(&harness.snapshot, later, u32::MAX, |_| {});
    assert_eq!(harness.balancer.occupancy(), 0);
    assert_eq!(conns(&harness), [0, 0, 0, 0]);
}

/// No identity in two live slots.
fn assert_unique(harness: &Harness) {
    let mut seen = std::collections::HashSet::new();
    let mut twice = 0;
    // Whatever the clock says: everything not expired half a circle ahead or behind.
    for now in [Tick(0), Tick(1 << 20), Tick(2 << 20), Tick(3 << 20)] {
        let mut here = std::collections::HashSet::new();
        harness.balancer.sessions(now, 0, u32::MAX, |view| {
            if !here.insert(view.identity) {
                twice += 1;
            }
        });
        seen.extend(here);
    }
    assert_eq!(twice, 0);
    assert_eq!(seen.len() as u64, harness.balancer.occupancy());
}
