//! Sessions of single mobile nodes.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    event::SessionChange::*,
    slb::{
        Alarm, Director, KeySpace, Outcome, Session, SessionKey, Shedding, SlbCounter, VserverCounter,
        display_hash,
    },
};

use crate::rig::{World, id, letter};

#[test]
fn weights_3_1_2_give_aaabcc() {
    let mut world = World::new(&[3, 1, 2]);
    assert_eq!(world.send_all(1..=12), "AAABCCAAABCC");
    world.check_accounts();
}

#[test]
fn equal_weights_alternate() {
    let mut world = World::new(&[1, 1]);
    assert_eq!(world.send_all(1..=4), "ABAB");
    assert_eq!((world.real('A').conns(), world.real('B').conns()), (2, 2));
    assert_eq!(world.vserver().live.conns(), 4);
}

#[test]
fn the_same_nai_stays_on_its_home_agent() {
    let mut world = World::new(&[1, 1, 1]);
    assert_eq!(world.send_all([1, 2, 3, 1, 4, 5, 1]), "ABCAABA");
    world.check_accounts();
}

#[test]
fn each_request_restarts_ten_seconds() {
    let mut world = World::new(&[1, 1]);
    for _ in 0..3 {
        assert_eq!(world.send(1), 'A');
        world.advance(9.0);
    }
    assert_eq!(world.stat(SlbCounter::Created), 1);
    world.advance(0.9);
    assert!(world.has(1), "9.9 s after the last request");
    world.advance(0.3);
    assert!(!world.has(1), "10.2 s after it");
    assert_eq!(world.sweep(), 1);
    assert_eq!(world.ends[0].change, TimedOut);
    assert_eq!(world.ends[0].session.display_hash, world.request(1).identity.bits() as u32);
    assert_eq!(world.real('A').conns(), 0);
    assert_eq!((world.stat(SlbCounter::Destroyed), world.stat(SlbCounter::TimedOut)), (1, 1));
    world.check_accounts();
}

#[test]
fn idle_ipmobile_request_300() {
    let mut world = World::new(&[1]);
    world.vserver_mut().idle = Duration::from_mins(5);
    world.send(1);
    world.advance(299.0);
    assert!(world.has(1));
    world.advance(2.0);
    assert!(!world.has(1));
}

#[test]
fn a_changed_idle_time_acts_at_the_next_restart() {
    let mut world = World::new(&[1]);
    world.send_all([1, 2]);
    world.vserver_mut().idle = Duration::from_mins(1);
    world.send(2);
    world.advance(11.0);
    assert_eq!((world.has(1), world.has(2)), (false, true));
}

#[test]
fn an_expired_session_found_by_its_own_request_is_a_new_one() {
    let mut world = World::new(&[1, 1]);
    world.send(1);
    world.advance(11.0);
    assert_eq!(world.change(1), ('B', Some(Created)));
    assert_eq!(world.ends.len(), 1);
    assert_eq!(world.ends[0].session.session.real, id('A'));
    world.check_accounts();
}

#[test]
fn the_fifth_unanswered_request_moves_and_blames_the_first_home_agent() {
    // The table of section 7.3.
    let mut world = World::new(&[1, 1]);
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(world.change(1));
        world.advance(1.0);
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
    let (a, b) = (world.real('A').view(), world.real('B').view());
    assert_eq!((a.failconns, a.failures, a.conns), (1, 1, 0));
    assert_eq!((b.failconns, b.failures, b.conns), (0, 0, 1));
    assert_eq!(world.stat(SlbCounter::Reassigned), 1);
    world.advance(9.4);
    world.sweep();
    assert!(!world.has(1));
    world.check_accounts();
}

#[test]
fn a_lone_home_agent_keeps_the_session_and_is_blamed_once() {
    let mut world = World::new(&[1]);
    for _ in 0..20 {
        assert_eq!(world.send(1), 'A');
    }
    assert_eq!(world.real('A').view().failconns, 1);
    assert_eq!(world.stat(SlbCounter::Reassigned), 0);
    world.check_accounts();
}

#[test]
fn no_reassign_never_moves_and_the_count_saturates() {
    let mut world = World::new(&[1, 1]);
    world.real_mut('A').reassign = None;
    for _ in 0..600 {
        assert_eq!(world.send(1), 'A');
    }
    let view = world.director.lookup(world.request(1).identity, world.tick()).unwrap();
    assert_eq!(view.session.retry, Session::MAX_RETRY);
    assert_eq!(world.real('A').view().failures, 0);
}

#[test]
fn the_highest_reassign_still_fires() {
    let mut world = World::new(&[1, 1]);
    world.real_mut('A').reassign = Some(255);
    let seen: String = (0..257).map(|_| world.send(1)).collect();
    assert_eq!(seen, format!("{}B", "A".repeat(256)));
}

#[test]
fn five_requests_in_a_second_are_one_session() {
    let mut world = World::new(&[1, 1]);
    world.real_mut('A').reassign = Some(10);
    for _ in 0..5 {
        assert_eq!(world.send(1), 'A');
        world.advance(0.2);
    }
    assert_eq!((world.stat(SlbCounter::Created), world.director.occupancy()), (1, 1));
    assert_eq!(world.real('A').view().established, 1);
}

#[test]
fn lifetime_0_goes_to_the_session_and_ends_it() {
    let mut world = World::new(&[1, 1]);
    world.send_all([1, 2]);
    let leave = common::slb::Request { deregistration: true, ..world.request(2) };
    assert_eq!(world.handle(&leave), Outcome::Forward { real: id('B'), change: Some(Deregistered) });
    assert!(!world.has(2) && world.ends.is_empty());
    // Without a session it is forwarded by the turn, and makes none.
    assert_eq!(world.handle(&leave), Outcome::Forward { real: id('A'), change: None });
    assert_eq!(world.vstat(VserverCounter::Deregistration), 2);
    assert_eq!(world.director.occupancy(), 1);
    world.check_accounts();
}

#[test]
fn the_home_agent_field_chooses_an_operational_real() {
    let mut world = World::new(&[1, 1, 1]);
    let wants =
        |world: &World, user, real| common::slb::Request { wanted: Some(id(real)), ..world.request(user) };
    assert_eq!(letter(world.handle(&wants(&world, 1, 'C'))), 'C');
    assert_eq!(world.send_all([2, 3]), "AB", "the turn has not moved");
    // An existing session follows.
    let outcome = world.handle(&wants(&world, 2, 'B'));
    assert_eq!(outcome, Outcome::Forward { real: id('B'), change: Some(Reassigned) });
    assert_eq!(world.real('A').view().failures, 0);
    // Not operational: balanced.
    world.real('A').set_dfp(Some(0));
    assert_ne!(letter(world.handle(&wants(&world, 4, 'A'))), 'A');
    // A real of somebody else's farm: balanced.
    let stranger = common::snapshot::Real { farm: common::id::FarmId(9), ..world.real_mut('C').clone() };
    *world.real_mut('C') = stranger;
    world.real('C').set_dfp(Some(0));
    assert_eq!(letter(world.handle(&wants(&world, 5, 'C'))), 'B');
    world.check_accounts();
}

#[test]
fn the_client_is_that_of_the_last_request() {
    let mut world = World::new(&[1]);
    world.send(1);
    let roamed =
        common::slb::Request { client: Ipv4Addr::new(15, 1, 2, 7), client_port: 40_000, ..world.request(1) };
    world.handle(&roamed);
    let view = world.director.lookup(roamed.identity, world.tick()).unwrap();
    assert_eq!((view.client, view.client_port), (Ipv4Addr::new(15, 1, 2, 7), 40_000));
    assert_eq!(
        (view.vserver.0, view.display_hash, view.session.retry),
        (0, roamed.identity.bits() as u32, 1)
    );
}

#[test]
fn a_full_table_forwards_without_sessions_and_says_so() {
    let mut world = World::sized(1024, &[1, 1], &[]);
    world.send_all(0..1024);
    let live = world.director.occupancy();
    assert!(live >= 1020, "{live} of 1024");
    assert_eq!(world.director.alarm(), Alarm::Critical);
    let refused = world.director.refused();
    assert_eq!(live + refused, 1024);
    let more = world.send_all(2000..2100);
    assert!(!more.contains('-') && more.contains('A') && more.contains('B'));
    assert_eq!(world.director.refused() + world.director.occupancy(), 1124);
    assert!(world.director.occupancy() <= 1024);
    assert_eq!(world.vstat(VserverCounter::SessionAllocFail), world.director.refused());
    // Expired sessions make room without a sweep.
    world.advance(11.0);
    let before = world.stat(SlbCounter::Created);
    world.send_all(3000..3100);
    assert!(world.stat(SlbCounter::Created) >= before + 90);
    assert!(world.ends.iter().all(|end| end.change == TimedOut) && world.ends.len() >= 90);
    world.check_accounts();
}

#[test]
fn under_overload_the_stated_share_of_new_sessions_is_refused_and_others_go_on() {
    let mut world = World::sized(4096, &[1, 1], &[]);
    let before = world.send_all(0..200);
    world.director.shed(Shedding::NONE.more(64));
    assert_eq!(world.send_all(0..200), before, "those that live keep their real");
    let new = world.send_all(1000..2000);
    let shed = new.matches('!').count();
    assert!((200..300).contains(&shed), "{shed} of 1000 at a quarter");
    // A retransmission has the answer of the first request, one by one or in a burst.
    let again = world.send_all(1000..2000);
    assert_eq!(again, new);
    let bursts: String = (2000..3000).step_by(50).map(|at| world.send_together(at..at + 50)).collect();
    let burst_shed = bursts.matches('!').count();
    assert!((200..300).contains(&burst_shed), "{burst_shed} of 1000 in bursts");
    world.director.shed(Shedding::ALL);
    assert_eq!(world.send_all(3000..3100), "!".repeat(100));
    assert_eq!(world.send_together(3000..3050), "!".repeat(50));
    assert_eq!(world.send_all(0..200), before);
    let counted = (2 * shed + burst_shed + 150) as u64;
    assert_eq!(world.vstat(VserverCounter::Shed), counted);
    assert_eq!(world.stat(SlbCounter::Shed), counted);
    assert_eq!(world.director.refused(), 0, "there is room");
    world.director.shed(Shedding::NONE);
    assert!(!world.send_all(1000..2000).contains('!'));
    world.check_accounts();
}

#[test]
fn clear_ends_what_is_named_and_keeps_the_rest() {
    let mut world = World::new(&[1, 1]);
    world.send_all(1..=10);
    let mut from = Some(0);
    let mut ended = 0;
    while let Some(line) = from {
        let only_a = |view: &common::slb::SessionView| view.session.real == id('A');
        from = world.director.clear(&world.snapshot, line, 100, only_a, |end| {
            assert_eq!(end.change, Cleared);
            ended += 1;
        });
    }
    assert_eq!((ended, world.real('A').conns(), world.real('B').conns()), (5, 0, 5));
    world.check_accounts();
}

#[test]
fn identities_differ_by_key_server_kind_and_secret() {
    let mut world = World::new(&[1]);
    let identity = |world: &World, space, key: &[u8]| world.director.identity(world.vserver(), space, key);
    let first = identity(&world, KeySpace::Nai, b"abcd");
    assert_eq!(first, identity(&world, KeySpace::Nai, b"abcd"));
    assert_ne!(first, identity(&world, KeySpace::HomeAddress, b"abcd"));
    assert_ne!(first, identity(&world, KeySpace::Nai, b"abcD"));
    let by = |world: &World, key: SessionKey| key.identity(key.tag(world.vserver(), KeySpace::Nai), b"abcd");
    let other = by(&world, SessionKey::new([7; 16]));
    assert_ne!(first, other);
    world.vserver_mut().name = "MIPSLBa".into();
    assert_ne!(identity(&world, KeySpace::Nai, b"bcd"), first, "a name does not run into the key");
    world.vserver_mut().name = "MIPSLB".into();
    world.vserver_mut().port = 435;
    assert_ne!(identity(&world, KeySpace::Nai, b"abcd"), first);
    let fresh = || by(&world, SessionKey::random());
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
    let mut world = World::new(&[1, 1]);
    let newer = common::snapshot::Snapshot { generation: 2, ..shallow(&world.snapshot) };
    let request = world.request(1);
    let tick = world.tick();
    let director: &Director = &world.director;
    director.handle(&newer, &request, &|| 7, tick, crate::rig::WORKER, |_| {});
    world.snapshot.reals[0] = None;
    assert_eq!(world.handle(&request), Outcome::Stale);
    world.snapshot.generation = 2;
    assert_eq!(letter(world.handle(&request)), 'B', "the newest snapshot says that A is deleted");
}

fn shallow(snapshot: &common::snapshot::Snapshot) -> common::snapshot::Snapshot {
    common::snapshot::Snapshot {
        generation: snapshot.generation,
        vservers: snapshot.vservers.clone(),
        farms: snapshot.farms.clone(),
        reals: snapshot.reals.clone(),
        ..common::snapshot::Snapshot::default()
    }
}
