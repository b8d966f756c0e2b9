//! Several next hops of one route (ECMP), and which of them a flow takes.
//!
//! Weighted rendezvous hashing (D. G. Thaler, C. V. Ravishankar, "Using name-based mappings to increase hit rates", 1998): for
//! each flow every next hop draws a number from a hash of both, exponentially distributed with its weight as the rate; the
//! least wins. So a next hop gets its weight's share of the flows; one that is lost moves only the flows that were on it, one
//! that comes takes only its own share; and all workers, which share nothing, choose alike. The hash has no key: the choice is
//! the same after a restart, and whoever picks flows that meet on one next hop could as well send more of any.

use std::{iter::FusedIterator, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::NextHop;
use crate::id::InterfaceId;

/// One of several ways of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WeightedHop {
    /// Through this interface.
    pub interface: InterfaceId,
    /// The gateway; without one the next hop is the destination itself.
    pub gateway: Option<Ipv4Addr>,
    /// Its share of the flows, beside the weights of the others; at least 1.
    pub weight: u32,
}

/// The next hops of a route that has several, in order; none is in it twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextHopGroup(Vec<WeightedHop>);

/// What tells one flow from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow(u64);

impl Flow {
    /// All packets to one destination.
    pub fn to(destination: Ipv4Addr) -> Self {
        Self(mix(u32::from(destination).into()))
    }

    /// Packets between two ports; `ports` is 0 where there are none, as in fragments.
    pub fn between(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, ports: u32) -> Self {
        let addresses = u64::from(u32::from(source)) << 32 | u64::from(u32::from(destination));
        Self(mix(mix(addresses) ^ (u64::from(protocol) << 32 | u64::from(ports))))
    }
}

impl WeightedHop {
    /// The neighbour that packets to `destination` are sent to.
    pub fn next_hop(&self, destination: Ipv4Addr) -> NextHop {
        NextHop { interface: self.interface, address: self.gateway.unwrap_or(destination) }
    }

    /// What it draws for a flow: the less, the sooner it is taken.
    fn draw(&self, flow: Flow) -> f64 {
        let gateway = self.gateway.map_or(0, |gateway| u64::from(u32::from(gateway)));
        let bits = mix(flow.0 ^ mix(u64::from(self.interface.0) << 32 | gateway));
        // In the middle of one of 2^53 equal parts of 0 to 1, so that the logarithm is finite.
        let uniform = ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -uniform.ln() / f64::from(self.weight.max(1))
    }
}

impl NextHopGroup {
    /// A group of these; what is there twice has both weights.
    pub fn new(mut hops: Vec<WeightedHop>) -> Self {
        hops.sort_unstable();
        hops.dedup_by(|hop, kept| {
            let same = (hop.interface, hop.gateway) == (kept.interface, kept.gateway);
            if same {
                kept.weight = kept.weight.saturating_add(hop.weight);
            }
            same
        });
        Self(hops)
    }

    /// Its next hops, by interface and gateway.
    pub fn hops(&self) -> &[WeightedHop] {
        &self.0
    }

    /// The neighbours to which a flow to `destination` may go, the one that it shall take first.
    pub fn order(&self, flow: Flow, destination: Ipv4Addr) -> Order<'_> {
        Order { hops: &self.0, flow, destination, last: None }
    }
}

/// See [`NextHopGroup::order`]. Looks through the group for each one, because nearly always the first is taken.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    hops: &'a [WeightedHop],
    flow: Flow,
    destination: Ipv4Addr,
    /// Draw and position of the one before.
    last: Option<(f64, usize)>,
}

impl Iterator for Order<'_> {
    type Item = NextHop;

    fn next(&mut self) -> Option<NextHop> {
        let before =
            |one: &(f64, usize), other: &(f64, usize)| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1));
        let draws = self.hops.iter().enumerate().map(|(at, hop)| (hop.draw(self.flow), at));
        let rest = draws.filter(|draw| self.last.is_none_or(|last| before(&last, draw).is_lt()));
        let (draw, at) = rest.min_by(before)?;
        self.last = Some((draw, at));
        Some(self.hops[at].next_hop(self.destination))
    }
}

impl FusedIterator for Order<'_> {}

/// A bijection of words in which each bit of the result depends on all bits (S. Vigna, "SplitMix64", 2015).
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const FLOWS: u32 = 20_000;

    fn hop(last: u8, weight: u32) -> WeightedHop {
        WeightedHop { interface: InterfaceId(0), gateway: Some([10, 1, 1, last].into()), weight }
    }

    /// The last byte of the gateway that each flow takes.
    fn choices(group: &NextHopGroup) -> Vec<u8> {
        let first = |n: u32| {
            let flow = Flow::between(n.into(), [20, 0, 0, 1].into(), 17, 0x01b2_01b2);
            group.order(flow, [20, 0, 0, 1].into()).next().unwrap().address.octets()[3]
        };
        (0..FLOWS).map(first).collect()
    }

    fn shares(choices: &[u8]) -> BTreeMap<u8, usize> {
        let mut shares = BTreeMap::new();
        for last in choices {
            *shares.entry(*last).or_default() += 1;
        }
        shares
    }

    #[test]
    fn weights_are_shares() {
        let group = NextHopGroup::new(vec![hop(1, 1), hop(2, 3), hop(3, 6)]);
        for (last, count) in shares(&choices(&group)) {
            let wanted = FLOWS as usize * [1, 3, 6][usize::from(last) - 1] / 10;
            assert!(count.abs_diff(wanted) < 300, "{last}: {count}, {wanted} wanted");
        }
    }

    #[test]
    fn who_is_lost_moves_its_own_flows_to_the_others_by_their_weights_and_nobody_elses() {
        let whole = choices(&NextHopGroup::new(vec![hop(1, 2), hop(2, 1), hop(3, 1)]));
        let rest = choices(&NextHopGroup::new(vec![hop(1, 2), hop(3, 1)]));
        let (mut moved, mut to_first) = (0, 0);
        for (before, after) in whole.iter().zip(&rest) {
            if *before == 2 {
                moved += 1;
                to_first += u32::from(*after == 1);
            } else {
                assert_eq!(before, after);
            }
        }
        assert!((4700..5300).contains(&moved), "a quarter of all: {moved}");
        assert!((moved * 6 / 10..moved * 73 / 100).contains(&to_first), "two thirds of {moved}: {to_first}");
    }

    #[test]
    fn the_next_in_order_is_who_would_be_first_without_those_before() {
        let hops = [hop(1, 2), hop(2, 1), hop(3, 5), hop(4, 1)];
        for n in 0..200 {
            let to = Ipv4Addr::from(n * 7919);
            let mut left = hops.to_vec();
            let order: Vec<_> = NextHopGroup::new(left.clone()).order(Flow::to(to), to).collect();
            assert_eq!(order.len(), 4);
            for wanted in order {
                let group = NextHopGroup::new(left.clone());
                assert_eq!(group.order(Flow::to(to), to).next(), Some(wanted));
                left.retain(|hop| hop.next_hop(to) != wanted);
            }
        }
    }

    /// The choice is part of what operators see: it may not change from one version to the next, or from worker to worker.
    #[test]
    fn the_choice_is_for_ever() {
        let group = NextHopGroup::new(vec![hop(1, 1), hop(2, 1), hop(3, 1)]);
        let first = |n: u8| {
            let to = Ipv4Addr::new(20, 1, 1, n);
            group.order(Flow::to(to), to).next().unwrap().address.octets()[3]
        };
        assert_eq!((51..63).map(first).collect::<Vec<_>>(), [3, 3, 2, 1, 3, 2, 3, 3, 1, 1, 3, 1]);
    }

    #[test]
    fn a_hop_that_is_there_twice_has_both_weights_and_one_without_gateway_leads_to_the_destination() {
        let direct = WeightedHop { interface: InterfaceId(1), gateway: None, weight: 1 };
        let group = NextHopGroup::new(vec![hop(2, 1), direct, hop(1, 1), hop(2, u32::MAX)]);
        assert_eq!(group.hops(), [hop(1, 1), hop(2, u32::MAX), direct]);
        let to = Ipv4Addr::new(20, 0, 0, 1);
        assert!(
            group.order(Flow::to(to), to).any(|hop| hop.interface == InterfaceId(1) && hop.address == to)
        );
        // Nothing divides by a weight that nobody should have given.
        assert_eq!(NextHopGroup::new(vec![hop(1, 0)]).order(Flow::to(to), to).count(), 1);
        assert_eq!(NextHopGroup::new(Vec::new()).order(Flow::to(to), to).next(), None);
    }
}
