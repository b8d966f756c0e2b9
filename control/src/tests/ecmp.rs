//! Reals behind several next hops.

use std::collections::BTreeMap;

use common::{
    id::InterfaceId,
    net::{Route, WeightedHop},
};

use super::{Harness, neighbour, network};
use crate::protocol::Effect;

/// By the last byte of a real's address that of the gateway that it goes by; 0 if it has none.
fn gateways(harness: &Harness) -> BTreeMap<u8, u8> {
    let snapshot = harness.snapshot();
    let by = |real: &common::slb::Real| real.adjacency.map_or(0, |adjacency| adjacency.destination.0[5]);
    snapshot.slb.reals.iter().flatten().map(|real| (real.address.octets()[3], by(real))).collect()
}

#[test]
fn directed_reals_share_several_next_hops_and_only_those_of_a_lost_one_go_elsewhere() {
    let reals: Vec<_> = (51..91).map(|last| format!(" real 20.1.1.{last}\n  inservice\n")).collect();
    let reals = reals.concat();
    let mut harness = Harness::new(&format!(
        "ip slb serverfarm F\n nat server\n{reals}!\nip slb vserver V\n virtual 10.1.1.10 udp 434 service ipmobile\n \
         serverfarm F\n inservice\n"
    ));
    let mut network = network();
    let hop = |last, weight| WeightedHop {
        interface: InterfaceId(0),
        gateway: Some(neighbour(last).address),
        weight,
    };
    let group = Route::through(vec![hop(2, 1), hop(3, 3), hop(4, 1)]).unwrap();
    network.routes.insert("20.0.0.0/8".parse().unwrap(), group);
    let whole = network.clone();
    harness.network(&network);
    let before = gateways(&harness);
    let share = |gateway| before.values().filter(|by| **by == gateway).count();
    assert_eq!([2, 3, 4].map(share).iter().sum::<usize>(), 40);
    assert!(share(3) > share(2) && share(3) > share(4) && share(2) > 2 && share(4) > 2, "{before:?}");
    let kept = harness.core.take_effects().into_iter().rev().find_map(|effect| match effect {
        Effect::NextHops(next_hops) => Some(next_hops),
        _ => None,
    });
    assert_eq!(kept, Some([2, 3, 4].map(neighbour).into()), "all are kept resolved");

    network.neighbours_mut().remove(&neighbour(3));
    harness.network(&network);
    let after = gateways(&harness);
    for (real, gateway) in &before {
        let now = after[real];
        assert!(
            if *gateway == 3 { [2, 4].contains(&now) } else { now == *gateway },
            "{real}: {gateway}, {now}"
        );
    }
    assert!(after.values().any(|by| *by == 2) && after.values().any(|by| *by == 4));
    assert!((51..91).all(|last| harness.real(last).0 == "OPERATIONAL"));
    network.neighbours_mut().clear();
    harness.network(&network);
    assert!(gateways(&harness).values().all(|by| *by == 0));
    harness.network(&whole);
    assert_eq!(gateways(&harness), before);
}
