//! The quick step for a repeated request: when it is taken, and that it leaves everything else alone.

use std::sync::Arc;

use common::{
    id::{PortId, RealId},
    slb::{Request, SessionInfo, Target},
    verdict::Verdict,
};

use crate::harness::{Harness, id};

/// Where real A's sessions go.
fn target(harness: &Harness, generation: u8) -> Target {
    let real = harness.snapshot.slb.reals[0].as_ref().unwrap();
    Target {
        id: RealId { generation, ..real.id },
        port: PortId(0),
        mtu: 1500,
        reassign: 3,
        link: [0; 12],
        verdict: Verdict::SLB_DISPATCHED,
        dnat: None,
        live: Arc::clone(&real.live),
    }
}

/// Whether a packet of `length` bytes takes the quick step; whatever it does, it changes a session only if it does.
fn takes(harness: &Harness, target: Target, request: &Request, length: u16) -> bool {
    let session = || harness.balancer.lookup(request.identity, harness.tick());
    let before = session();
    let times = (harness.tick(), harness.tick().after(harness.vserver().idle));
    let taken = harness.balancer.repeat(&[Some(target)], request.identity, length, times).is_some();
    let retry = |session: Option<SessionInfo>| session.map(|session| session.session.retry);
    if taken {
        assert_eq!(retry(session()), retry(before).map(|retry| retry + 1));
    } else {
        assert_eq!(session(), before);
    }
    taken
}

#[test]
fn a_session_that_stays_takes_it_up_to_the_limit_of_its_retries() {
    let mut harness = Harness::new(&[1]);
    let request = harness.request(1);
    assert!(!takes(&harness, target(&harness, 1), &request, 100), "no session yet");
    harness.send(1);
    let taken: Vec<bool> = (0..4).map(|_| takes(&harness, target(&harness, 1), &request, 100)).collect();
    assert_eq!(taken, [true, true, true, false]);
}

#[test]
fn a_later_real_in_the_same_place_is_another_one() {
    let mut harness = Harness::new(&[1]);
    harness.send(1);
    let request = harness.request(1);
    assert!(!takes(&harness, target(&harness, 2), &request, 100));
    assert!(takes(&harness, target(&harness, 1), &request, 100));
}

#[test]
fn what_needs_a_second_look_does_not_take_it() {
    let mut harness = Harness::new(&[1]);
    harness.send_all([1, 2]);
    let (request, other) = (harness.request(1), harness.request(2));
    assert!(!takes(&harness, target(&harness, 1), &request, 1501), "longer than the real's link allows");
    harness.real('A').set_dfp(Some(0));
    assert!(takes(&harness, target(&harness, 1), &request, 100), "a throttled real keeps its nodes");
    harness.real('A').set_in_service(false);
    assert!(!takes(&harness, target(&harness, 1), &request, 100));
    harness.real('A').set_in_service(true);
    harness.real('A').set_dfp(None);
    let aimed = Request { home_agent: Some(id('A')), ..harness.request(3) };
    harness.handle(&aimed);
    assert!(!takes(&harness, target(&harness, 1), &aimed, 100), "chosen by the Home Agent field");
    harness.handle(&Request { deregistration: true, ..other });
    assert!(!takes(&harness, target(&harness, 1), &other, 100), "its node said goodbye");
    harness.advance(10.2);
    assert!(!takes(&harness, target(&harness, 1), &request, 100), "idle for too long");
}
