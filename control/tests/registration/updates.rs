//! Which bindings there are after a request (section 8.6 of the specification of Mobile IP), and when they end.

use std::net::Ipv4Addr;

use control::home_agent::registration::*;

use super::harness::*;

fn coa(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(15, 1, 1, last)
}

/// Care-of addresses after the requests: flags, lifetime, care-of address; then the last code.
fn after(policy: Policy, asks: &[(&'static str, u16, Ipv4Addr)]) -> (Vec<Ipv4Addr>, u8) {
    let mut lab = Lab::with(policy);
    let mut last = 0;
    for (flags, lifetime, care_of) in asks {
        let ask = Ask { flags, lifetime: *lifetime, care_of: *care_of, ..Ask::of("a@b") };
        last = lab.code(&ask);
    }
    let mut care_of: Vec<_> = lab.bindings().into_iter().map(|(_, care_of)| care_of).collect();
    care_of.sort_unstable();
    (care_of, last)
}

#[test]
fn lifetime_0_and_the_home_address_delete_all() {
    let asks = [("", 60, coa(1)), ("S", 60, coa(2)), ("", 0, home(1))];
    assert_eq!(after(policy(), &asks), (vec![], 0));
}

#[test]
fn lifetime_0_and_a_care_of_address_delete_that_one() {
    let two = [("", 60, coa(1)), ("S", 60, coa(2))];
    assert_eq!(after(policy(), &[two[0], two[1], ("", 0, coa(1))]), (vec![coa(2)], 0));
    // Accepted even if absent.
    assert_eq!(after(policy(), &[two[0], two[1], ("", 0, coa(9))]), (vec![coa(1), coa(2)], 0));
}

#[test]
fn a_lifetime_without_s_replaces_all() {
    let asks = [("", 60, coa(1)), ("S", 60, coa(2)), ("", 60, coa(3))];
    assert_eq!(after(policy(), &asks), (vec![coa(3)], 0));
    assert_eq!(after(policy(), &[asks[0], asks[1], ("", 60, coa(1))]), (vec![coa(1)], 0));
}

#[test]
fn a_lifetime_with_s_keeps_others_up_to_the_limit() {
    let all = [("S", 60, coa(1)), ("S", 60, coa(2)), ("S", 60, coa(3))];
    assert_eq!(after(policy(), &all), (vec![coa(1), coa(2), coa(3)], 0));
    let with = |last| [&all[..], &[last]].concat();
    assert_eq!(after(policy(), &with(("S", 60, coa(4)))), (vec![coa(1), coa(2), coa(3)], 135));
    assert_eq!(after(policy(), &with(("S", 60, coa(3)))), (vec![coa(1), coa(2), coa(3)], 0));
    let two = || Policy { simultaneous: 2, ..policy() };
    assert_eq!(after(two(), &all), (vec![coa(1), coa(2)], 135));
}

#[test]
fn with_a_limit_of_one_s_is_accepted_without() {
    let one = || Policy { simultaneous: 1, ..policy() };
    assert_eq!(after(one(), &[("S", 60, coa(1)), ("S", 60, coa(2))]), (vec![coa(2)], 1));
    assert_eq!(after(one(), &[("", 60, coa(1))]), (vec![coa(1)], 0));
}

#[test]
fn a_deregistration_of_nobody_is_accepted() {
    let mut lab = Lab::new();
    for ask in [Ask::of("a@b"), Ask { home: home(200), ..Ask::of("a@b") }, Ask::at(home(100))] {
        assert_eq!(lab.code(&Ask { lifetime: 0, ..ask.clone() }), 0);
        assert_eq!((lab.reply().home_address, lab.reply().lifetime), (ask.home, 0));
        assert!(lab.done().is_empty());
    }
}

#[test]
fn a_deregistration_for_another_address_changes_nothing() {
    let mut lab = Lab::new();
    assert_eq!((lab.code(&Ask::of("a@b")), lab.code(&Ask::of("c@b"))), (0, 0));
    assert_eq!(lab.code(&Ask { lifetime: 0, home: home(2), care_of: home(2), ..Ask::of("a@b") }), 0);
    assert_eq!(lab.agent.bindings(), 2);
}

#[test]
fn a_deregistration_without_address_is_for_the_one_held() {
    let mut lab = Lab::new();
    assert_eq!(lab.code(&Ask::of("a@b")), 0);
    assert_eq!(lab.code(&Ask { lifetime: 0, ..Ask::of("a@b") }), 0);
    assert_eq!(lab.reply().home_address, home(1));
    assert!(matches!(lab.done()[..], [
        Seen::Removed(tunnel, Cause::Deregistered),
        Seen::Off(off, Cause::Deregistered)
    ] if tunnel.home == home(1) && off == home(1)));
}

#[test]
fn a_binding_ends_in_silence_after_its_lifetime() {
    let mut lab = Lab::new();
    assert_eq!(lab.code(&Ask { lifetime: 10, ..Ask::of("a@b") }), 0);
    assert_eq!(lab.code(&Ask { flags: "S", lifetime: 20, ..Ask::of("a@b").care_of(52) }), 0);
    lab.wait(9);
    assert!(lab.done().is_empty() && lab.agent.bindings() == 2);
    lab.wait(1);
    assert!(matches!(lab.done()[..], [Seen::Removed(_, Cause::Expired)]));
    assert_eq!(lab.bindings(), [(home(1), coa(52))]);
    lab.wait(10);
    assert!(matches!(lab.done()[..], [Seen::Removed(_, Cause::Expired), Seen::Off(_, Cause::Expired)]));
    assert_eq!((lab.agent.bindings(), lab.agent.registered()), (0, 0));
    assert!(lab.reply.len() > 20, "the buffer still has the last reply");
}

#[test]
fn a_renewal_lives_from_then_on_and_forever_is_forever() {
    let mut lab = Lab::with(Policy { lifetime: 65_535, ..policy() });
    assert_eq!(lab.code(&Ask { lifetime: 10, ..Ask::of("a@b") }), 0);
    lab.wait(9);
    assert_eq!(lab.code(&Ask { lifetime: 10, ..Ask::of("a@b") }), 0);
    lab.wait(9);
    let view = lab.agent.bindings_from(home(0), lab.now).next().unwrap();
    assert_eq!((view.granted, view.remaining, view.age), (10, 1, 18));
    assert_eq!(lab.code(&Ask { lifetime: 65_535, ..Ask::of("a@b") }), 0);
    lab.wait(1_000_000);
    assert_eq!(lab.agent.bindings_from(home(0), lab.now).next().unwrap().remaining, 65_535);
}

#[test]
fn an_operator_clears_one_or_all() {
    let mut lab = Lab::new();
    for nai in ["a@b", "c@b", "d@b", "e@b"] {
        assert_eq!(lab.code(&Ask::of(nai)), 0);
    }
    assert_eq!(lab.clear(Clear::Address(home(2)), 9), 1);
    assert!(
        matches!(lab.done()[..], [Seen::Removed(_, Cause::Cleared), Seen::Off(off, _)] if off == home(2))
    );
    assert_eq!((lab.clear(Clear::Nai(b"c@b"), 9), lab.clear(Clear::Nai(b"d@b"), 9)), (0, 1));
    // Some at a time.
    assert_eq!([1, 1, 1].map(|most| lab.clear(Clear::All, most)), [1, 1, 0]);
    assert!(lab.bindings().is_empty());
}

#[test]
fn bindings_are_shown_in_order_and_in_pages() {
    let mut lab = Lab::new();
    for nai in ["a@b", "c@b", "d@b"] {
        assert_eq!(lab.code(&Ask::of(nai)), 0);
    }
    assert_eq!(lab.code(&Ask { flags: "S", ..Ask::of("c@b").care_of(52) }), 0);
    let page: Vec<_> = lab.agent.bindings_from(home(2), lab.now).take(2).collect();
    assert!(page.iter().all(|one| one.home == home(2) && one.identity == Identity::Nai(b"c@b")));
    assert_eq!(lab.agent.bindings_from(home(3), lab.now).count(), 1);
    assert_eq!(lab.agent.bindings_of(Identity::Nai(b"c@b"), lab.now).count(), 2);
    assert_eq!(lab.agent.bindings_of(Identity::Address(home(1)), lab.now).count(), 1);
    assert_eq!(lab.agent.bindings_of(Identity::Nai(b"x@b"), lab.now).count(), 0);
}

#[test]
fn what_is_no_longer_configured_stays_until_it_ends() {
    let mut lab = Lab::new();
    assert_eq!(lab.code(&Ask::of("a@b")), 0);
    lab.policy.hosts.remove_nai(b"@b");
    assert_eq!(lab.bindings().len(), 1);
    assert_eq!(lab.code(&Ask::of("a@b")), 129);
    assert_eq!(lab.code(&Ask { lifetime: 0, ..Ask::of("a@b") }), 0);
    assert!(lab.bindings().is_empty());
}

#[test]
fn requests_are_counted_by_what_they_want_and_what_they_get() {
    let mut lab = Lab::new();
    let ask = Ask::of("a@b");
    lab.code(&ask);
    lab.code(&ask);
    lab.code(&Ask { flags: "M", ..ask.clone() });
    lab.discarded(&Ask { spi: 0x999, ..ask.clone() });
    lab.code(&Ask { lifetime: 0, ..ask.clone() });
    lab.code(&Ask { key: "wrong", ..ask });
    let counters = lab.agent.counters();
    let row = |kind| {
        [Fate::Received, Fate::Accepted, Fate::Denied, Fate::Discarded].map(|fate| counters.of(kind, fate))
    };
    assert_eq!(row(Kind::Initial), [2, 1, 1, 0]);
    assert_eq!(row(Kind::Again), [3, 1, 1, 1]);
    assert_eq!(row(Kind::Deregistration), [1, 1, 0, 0]);
    let get = |all: [Counter; 6]| all.map(|one| counters.get(one));
    assert_eq!(
        get([
            Counter::Register,
            Counter::Deregister,
            Counter::Accepted,
            Counter::Denied,
            Counter::Encapsulation,
            Counter::MobileAuthentication
        ]),
        [5, 1, 3, 2, 1, 1]
    );
    lab.agent.clear_counters();
    assert_eq!(*lab.agent.counters(), Counters::default());
}
