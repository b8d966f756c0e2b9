//! Sessions of single mobile nodes.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    event::SessionChange::*,
    slb::{
        Alarm, Balancer, ClientRate, KeySpace, Outcome, Session, SessionKey, Shedding, SlbCounter,
        VserverCounter, display_hash,
    },
};

use crate::harness::{Harness, id, letter};

#[test]
fn weights_3_1_2_give_aaabcc() {
    let mut harness = Harness::new(&[3, 1, 2]);
    assert_eq!(harness.send_all(1..=12), "AAABCCAAABCC");
    harness.check_accounts();
}

#[test]
fn equal_weights_alternate() {
    let mut harness = Harness::new(&[1, 1]);
    assert_eq!(harness.send_all(1..=4), "ABAB");
    assert_eq!((harness.real('A').conns(), harness.real('B').conns()), (2, 2));
    assert_eq!(harness.vserver().live.conns(), 4);
}

#[test]
fn the_same_nai_stays_on_its_home_agent() {
    let mut harness = Harness::new(&[1, 1, 1]);
    assert_eq!(harness.send_all([1, 2, 3, 1, 4, 5, 1]), "ABCAABA");
    harness.check_accounts();
}

#[test]
fn each_request_restarts_ten_seconds() {
    let mut harness = Harness::new(&[1, 1]);
    for _ in 0..3 {
        assert_eq!(harness.send(1), 'A');
        harness.advance(9.0);
    }
    assert_eq!(harness.stat(SlbCounter::Created), 1);
    harness.advance(0.9);
    assert!(harness.has(1), "9.9 s after the last request");
    harness.advance(0.3);
    assert!(!harness.has(1), "10.2 s after it");
    assert_eq!(harness.sweep(), 1);
    assert_eq!(harness.ends[0].change, TimedOut);
    assert_eq!(harness.ends[0].session.display_hash, harness.request(1).identity.bits() as u32);
    assert_eq!(harness.real('A').conns(), 0);
    assert_eq!((harness.stat(SlbCounter::Destroyed), harness.stat(SlbCounter::TimedOut)), (1, 1));
    harness.check_accounts();
}

#[test]
fn idle_ipmobile_request_300() {
    let mut harness = Harness::new(&[1]);
    harness.vserver_mut().idle = Duration::from_mins(5);
    harness.send(1);
    harness.advance(299.0);
    assert!(harness.has(1));
    harness.advance(2.0);
    assert!(!harness.has(1));
}

#[test]
fn a_changed_idle_time_acts_at_the_next_restart() {
    let mut harness = Harness::new(&[1]);
    harness.send_all([1, 2]);
    harness.vserver_mut().idle = Duration::from_mins(1);
    harness.send(2);
    harness.advance(11.0);
    assert_eq!((harness.has(1), harness.has(2)), (false, true));
}

#[test]
fn an_expired_session_found_by_its_own_request_is_a_new_one() {
    let mut harness = Harness::new(&[1, 1]);
    harness.send(1);
    harness.advance(11.0);
    assert_eq!(harness.change(1), ('B', Some(Created)));
    assert_eq!(harness.ends.len(), 1);
    assert_eq!(harness.ends[0].session.session.real, id('A'));
    harness.check_accounts();
}

#[test]
fn the_fifth_unanswered_request_moves_and_blames_the_first_home_agent() {
    // The table of section 7.3.
    let mut harness = Harness::new(&[1, 1]);
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(harness.change(1));
        harness.advance(1.0);
    }
    let expected = [
        ('A', Some(Created)),
        ('A', Some(Repeated)),
        ('A', Some(Repeated)),
        ('A', Some(Repeated)),
        ('B', Some(Reassigned)),
        ('B', Some(Repeated)),
        ('B', Some(Repeated)),
        ('B', Some(Repeated)),
    ];
    assert_eq!(seen, expected);
    let (a, b) = (harness.real('A').view(), harness.real('B').view());
    assert_eq!((a.failconns, a.failures, a.conns), (1, 1, 0));
    assert_eq!((b.failconns, b.failures, b.conns), (0, 0, 1));
    assert_eq!(harness.stat(SlbCounter::Reassigned), 1);
    harness.advance(9.4);
    harness.sweep();
    assert!(!harness.has(1));
    harness.check_accounts();
}

#[test]
fn a_lone_home_agent_keeps_the_session_and_is_blamed_once() {
    let mut harness = Harness::new(&[1]);
    for _ in 0..20 {
        assert_eq!(harness.send(1), 'A');
    }
    let view = harness.real('A').view();
    assert_eq!((view.failconns, view.failures), (1, 1), "once, not at each request");
    assert_eq!(harness.stat(SlbCounter::Reassigned), 0);
    harness.check_accounts();
}

#[test]
fn a_home_agent_that_was_blamed_for_want_of_another_is_not_blamed_again_at_the_move() {
    let mut harness = Harness::new(&[1, 1]);
    harness.real('B').set_in_service(false);
    assert_eq!(harness.send_all([1; 6]), "AAAAAA");
    harness.real('B').set_in_service(true);
    assert_eq!(harness.send(1), 'B');
    let view = harness.real('A').view();
    assert_eq!((view.failconns, view.failures, view.conns), (1, 1, 0));
    harness.check_accounts();
}

#[test]
fn no_reassign_never_moves_and_the_count_saturates() {
    let mut harness = Harness::new(&[1, 1]);
    harness.real_mut('A').reassign = None;
    for _ in 0..600 {
        assert_eq!(harness.send(1), 'A');
    }
    let view = harness.balancer.lookup(harness.request(1).identity, harness.tick()).unwrap();
    assert_eq!(view.session.retry, Session::MAX_RETRY);
    assert_eq!(harness.real('A').view().failures, 0);
}

#[test]
fn the_highest_reassign_still_fires() {
    let mut harness = Harness::new(&[1, 1]);
    harness.real_mut('A').reassign = Some(255);
    let seen: String = (0..257).map(|_| harness.send(1)).collect();
    assert_eq!(seen, format!("{}B", "A".repeat(256)));
}

#[test]
fn five_requests_in_a_second_are_one_session() {
    let mut harness = Harness::new(&[1, 1]);
    harness.real_mut('A').reassign = Some(10);
    for _ in 0..5 {
        assert_eq!(harness.send(1), 'A');
        harness.advance(0.2);
    }
    assert_eq!((harness.stat(SlbCounter::Created), harness.balancer.occupancy()), (1, 1));
    assert_eq!(harness.real('A').view().established, 1);
}

#[test]
fn lifetime_0_goes_to_the_session_and_ends_it() {
    let mut harness = Harness::new(&[1, 1]);
    harness.send_all([1, 2]);
    let leave = common::slb::Request { deregistration: true, ..harness.request(2) };
    assert_eq!(harness.handle(&leave), Outcome::Forward { real: id('B'), change: Some(Deregistered) });
    let session = |harness: &Harness| harness.balancer.lookup(harness.request(2).identity, harness.tick());
    assert!(session(&harness).unwrap().session.deregistered, "it waits for its end");
    assert_eq!(harness.handle(&leave), Outcome::Forward { real: id('B'), change: None }, "sent again");
    harness.advance(9.8);
    harness.send(1);
    assert_eq!((harness.sweep(), harness.balancer.occupancy()), (0, 2), "its grace");
    harness.advance(0.4);
    assert!(session(&harness).is_none());
    assert_eq!((harness.sweep(), harness.balancer.occupancy()), (1, 1));
    assert!(harness.ends.is_empty(), "told at once, not at the end");
    assert_eq!((harness.real('B').conns(), harness.stat(SlbCounter::TimedOut)), (0, 0));
    // Without a session it is forwarded by the turn, and makes none.
    assert_eq!(harness.handle(&leave), Outcome::Forward { real: id('A'), change: None });
    assert_eq!(harness.vstat(VserverCounter::Deregistration), 3);
    assert_eq!(harness.balancer.occupancy(), 1);
    harness.check_accounts();
}

#[test]
fn the_home_agent_field_chooses_an_operational_real() {
    let mut harness = Harness::new(&[1, 1, 1]);
    let wants = |harness: &Harness, user, real| common::slb::Request {
        home_agent: Some(id(real)),
        ..harness.request(user)
    };
    assert_eq!(letter(harness.handle(&wants(&harness, 1, 'C'))), 'C');
    assert_eq!(harness.send_all([2, 3]), "AB", "the turn has not moved");
    // An existing session follows.
    let outcome = harness.handle(&wants(&harness, 2, 'B'));
    assert_eq!(outcome, Outcome::Forward { real: id('B'), change: Some(Reassigned) });
    assert_eq!(harness.real('A').view().failures, 0);
    // Not operational: balanced.
    harness.real('A').set_dfp(Some(0));
    assert_ne!(letter(harness.handle(&wants(&harness, 4, 'A'))), 'A');
    // A real of somebody else's farm: balanced.
    let stranger = common::slb::Real { farm: common::id::FarmId(9), ..harness.real_mut('C').clone() };
    *harness.real_mut('C') = stranger;
    harness.real('C').set_dfp(Some(0));
    assert_eq!(letter(harness.handle(&wants(&harness, 5, 'C'))), 'B');
    harness.check_accounts();
}

#[test]
fn the_client_is_that_of_the_last_request() {
    let mut harness = Harness::new(&[1]);
    harness.send(1);
    let roamed = common::slb::Request {
        client: Ipv4Addr::new(15, 1, 2, 7),
        client_port: 40_000,
        ..harness.request(1)
    };
    harness.handle(&roamed);
    let view = harness.balancer.lookup(roamed.identity, harness.tick()).unwrap();
    assert_eq!((view.client, view.client_port), (Ipv4Addr::new(15, 1, 2, 7), 40_000));
    assert_eq!(
        (view.vserver.0, view.display_hash, view.session.retry),
        (0, roamed.identity.bits() as u32, 1)
    );
}

#[test]
fn the_alarm_is_raised_at_80_and_at_95_percent() {
    let mut harness = Harness::sized(1024, &[1, 1], &[]);
    let mut seen = Vec::new();
    for user in 0..1024 {
        harness.send_all([user; 2]);
        let (live, alarm) = (harness.balancer.occupancy(), harness.balancer.alarm());
        if seen.last().is_none_or(|(_, last)| *last != alarm) {
            seen.push((live, alarm));
        }
    }
    // 80 % of 1024 are 819.2, 95 % are 972.8.
    assert_eq!(seen, [(1, Alarm::Normal), (820, Alarm::High), (973, Alarm::Critical)]);
    // Hot words and cold ones in whole huge pages.
    assert_eq!(harness.balancer.bytes(), 2 * (2 << 20));
}

#[test]
fn a_full_table_forwards_without_sessions_and_says_so() {
    let mut harness = Harness::sized(1024, &[1, 1], &[]);
    for user in 0..1024 {
        // Twice: who was seen once would give way.
        harness.send_all([user; 2]);
    }
    let live = harness.balancer.occupancy();
    assert!(live >= 1020, "{live} of 1024");
    assert_eq!(harness.balancer.alarm(), Alarm::Critical);
    let refused = harness.balancer.refused();
    assert_eq!(2 * live + refused, 2048);
    let more = harness.send_all(2000..2100);
    assert!(!more.contains('-') && more.contains('A') && more.contains('B'));
    assert_eq!(harness.balancer.refused() - refused + harness.balancer.occupancy() - live, 100);
    assert!(harness.balancer.occupancy() <= 1024);
    assert_eq!(harness.vstat(VserverCounter::SessionAllocFail), harness.balancer.refused());
    // Expired sessions make room without a sweep.
    harness.advance(11.0);
    let before = harness.stat(SlbCounter::Created);
    harness.send_all(3000..3100);
    assert!(harness.stat(SlbCounter::Created) >= before + 90);
    assert!(harness.ends.iter().all(|end| end.change == TimedOut) && harness.ends.len() >= 90);
    harness.check_accounts();
}

#[test]
fn under_overload_the_stated_share_of_new_sessions_is_refused_and_others_go_on() {
    let mut harness = Harness::sized(4096, &[1, 1], &[]);
    let before = harness.send_all(0..200);
    harness.balancer.shed(Shedding::NONE.more(64));
    assert_eq!(harness.send_all(0..200), before, "those that live keep their real");
    let new = harness.send_all(1000..2000);
    let shed = new.matches('!').count();
    assert!((200..300).contains(&shed), "{shed} of 1000 at a quarter");
    // A retransmission has the answer of the first request, one by one or in a burst.
    let again = harness.send_all(1000..2000);
    assert_eq!(again, new);
    let bursts: String = (2000..3000).step_by(50).map(|at| harness.send_burst(at..at + 50)).collect();
    let burst_shed = bursts.matches('!').count();
    assert!((200..300).contains(&burst_shed), "{burst_shed} of 1000 in bursts");
    harness.balancer.shed(Shedding::ALL);
    assert_eq!(harness.send_all(3000..3100), "!".repeat(100));
    assert_eq!(harness.send_burst(3000..3050), "!".repeat(50));
    assert_eq!(harness.send_all(0..200), before);
    let counted = (2 * shed + burst_shed + 150) as u64;
    assert_eq!(harness.vstat(VserverCounter::Shed), counted);
    assert_eq!(harness.stat(SlbCounter::Shed), counted);
    assert_eq!(harness.balancer.refused(), 0, "there is room");
    harness.balancer.shed(Shedding::NONE);
    assert!(!harness.send_all(1000..2000).contains('!'));
    harness.check_accounts();
}

#[test]
fn clear_ends_what_is_named_and_keeps_the_rest() {
    let mut harness = Harness::new(&[1, 1]);
    harness.send_all(1..=10);
    let mut from = Some(0);
    let mut ended = 0;
    while let Some(line) = from {
        let only_a = |view: &common::slb::SessionInfo| view.session.real == id('A');
        from = harness.balancer.clear(&harness.snapshot, line, 100, only_a, |end| {
            assert_eq!(end.change, Cleared);
            ended += 1;
        });
    }
    assert_eq!((ended, harness.real('A').conns(), harness.real('B').conns()), (5, 0, 5));
    harness.check_accounts();
}

#[test]
fn identities_differ_by_key_server_kind_and_secret() {
    let mut harness = Harness::new(&[1]);
    let identity =
        |harness: &Harness, space, key: &[u8]| harness.balancer.identity(harness.vserver(), space, key);
    let first = identity(&harness, KeySpace::Nai, b"abcd");
    assert_eq!(first, identity(&harness, KeySpace::Nai, b"abcd"));
    assert_ne!(first, identity(&harness, KeySpace::HomeAddress, b"abcd"));
    assert_ne!(first, identity(&harness, KeySpace::Nai, b"abcD"));
    let by =
        |harness: &Harness, key: SessionKey| key.identity(key.tag(harness.vserver(), KeySpace::Nai), b"abcd");
    let other = by(&harness, SessionKey::new([7; 16]));
    assert_ne!(first, other);
    harness.vserver_mut().name = "MIPSLBa".into();
    assert_ne!(identity(&harness, KeySpace::Nai, b"bcd"), first, "a name does not run into the key");
    harness.vserver_mut().name = "MIPSLB".into();
    harness.vserver_mut().port = 435;
    assert_ne!(identity(&harness, KeySpace::Nai, b"abcd"), first);
    let fresh = || by(&harness, SessionKey::random());
    assert_ne!(fresh(), fresh());
    assert_eq!(format!("{:?}", SessionKey::new([7; 16])), "SessionKey(..)");
}

#[test]
fn the_displayed_hash_is_fnv_1a() {
    // Test vectors of the FNV draft.
    assert_eq!(display_hash(b""), 0x811c_9dc5);
    assert_eq!(display_hash(b"a"), 0xe40c_292c);
    assert_eq!(display_hash(b"foobar"), 0xbf9c_f968);
}

#[test]
fn an_older_snapshot_that_lacks_the_real_is_stale() {
    let mut harness = Harness::new(&[1, 1]);
    let newer = common::snapshot::Snapshot { generation: 2, ..harness.snapshot.clone() };
    let request = harness.request(1);
    let tick = harness.tick();
    let balancer: &Balancer = &harness.balancer;
    balancer.handle(&newer, &request, &|| 7, tick, crate::harness::WORKER, |_| {});
    harness.snapshot.slb_mut().reals[0] = None;
    assert_eq!(harness.handle(&request), Outcome::Stale);
    harness.snapshot.generation = 2;
    assert_eq!(letter(harness.handle(&request)), 'B', "the newest snapshot says that A is deleted");
}

#[test]
fn a_source_begins_as_many_sessions_a_second_as_it_may_alone_and_in_bursts() {
    for burst in [false, true] {
        let mut harness = Harness::new(&[1, 1]);
        harness.vserver_mut().client_rate = Some(std::sync::Arc::new(ClientRate::new(3)));
        let send = |harness: &mut Harness, users: std::ops::Range<u32>| {
            if burst { harness.send_burst(users) } else { harness.send_all(users) }
        };
        assert_eq!(send(&mut harness, 0..6), "ABA>>>");
        assert_eq!(send(&mut harness, 0..4), "ABA>", "known ones are not touched");
        harness.advance(1.1);
        assert_eq!(send(&mut harness, 4..9), "BAB>>");
        let mut other = harness.request(9);
        other.client = Ipv4Addr::new(15, 1, 1, 99);
        assert!(matches!(harness.handle(&other), Outcome::Forward { .. }), "another source");
        assert_eq!((harness.stat(SlbCounter::ClientRate), harness.vstat(VserverCounter::ClientRate)), (6, 6));
        assert_eq!(harness.stat(SlbCounter::Created), 7);
        harness.check_accounts();
    }
}
