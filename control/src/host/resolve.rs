//! Keeps the link addresses of next hops known before a packet needs them. Pure: `plan` says what to ask of the
//! kernel at `now`; `super::task` does it.
//!
//! Two kinds of next hop:
//! - **wanted** ones (configured reals, gateways) are handed to the kernel as *managed* neighbours (`NTF_EXT_MANAGED`,
//!   Linux 5.16): it resolves them and exempts them from garbage collection (`NTF_EXT_LEARNED`). One that goes stale is
//!   confirmed at once, which the kernel would do up to five seconds later; one that did not answer is asked for again
//!   every second.
//! - **demanded** ones ([`Event::Resolve`](common::event::Event::Resolve) of a worker) are asked for at once, but
//!   no more than [`DEMANDS_A_SECOND`] new questions a second, so that a scan through a connected subnet cannot
//!   flood the wire with ARP. While they answer they are confirmed whenever they go stale; one that fails is
//!   forgotten.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use common::{id::InterfaceId, net::NextHop};
use serde::Serialize;

use super::view::ArpState;

/// Time between two questions for one next hop.
pub const RETRY: Duration = Duration::from_secs(1);
/// New questions on demand of workers in one second, at most.
pub const DEMANDS_A_SECOND: u32 = 100;
/// Next hops on demand that are followed at one time.
pub const DEMANDS: usize = 4096;

/// Something to ask of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Resolve this one and keep it resolved.
    Manage(NextHop),
    /// Resolve or confirm this one once.
    Probe(NextHop),
    /// No longer keep it resolved.
    Release(NextHop),
}

/// A wanted next hop that has no link address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unresolved {
    /// On which interface.
    pub interface: InterfaceId,
    /// Which address.
    pub address: Ipv4Addr,
    /// For how long already, in milliseconds.
    pub for_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    managed: bool,
    asked: Option<Instant>,
    unresolved_since: Option<Instant>,
}

/// Next hops and what was asked for them.
#[derive(Debug)]
pub struct Resolver {
    wanted: BTreeMap<NextHop, Wanted>,
    released: Vec<NextHop>,
    demands: BTreeMap<NextHop, Option<Instant>>,
    second: Instant,
    this_second: u32,
    refused: u64,
    kernel_manages: bool,
}

impl Resolver {
    /// Nothing wanted; the kernel is taken to know managed neighbours until [`Self::without_managed`].
    pub fn new(now: Instant) -> Self {
        Self {
            wanted: BTreeMap::new(),
            released: Vec::new(),
            demands: BTreeMap::new(),
            second: now,
            this_second: 0,
            refused: 0,
            kernel_manages: true,
        }
    }

    /// The kernel is older than 5.16: confirm stale entries from here.
    pub fn without_managed(&mut self) {
        self.kernel_manages = false;
    }

    /// Replaces the set of wanted next hops.
    pub fn set_wanted(&mut self, hops: &BTreeSet<NextHop>) {
        let gone: Vec<_> = self.wanted.keys().filter(|hop| !hops.contains(hop)).copied().collect();
        for hop in gone {
            if self.wanted.remove(&hop).is_some_and(|wanted| wanted.managed) {
                self.released.push(hop);
            }
        }
        for hop in hops {
            self.wanted.entry(*hop).or_insert(Wanted { managed: false, asked: None, unresolved_since: None });
        }
    }

    /// A worker needs `hop`; false if it is refused for now because there were too many questions.
    pub fn demand(&mut self, hop: NextHop, now: Instant) -> bool {
        if self.wanted.contains_key(&hop) || self.demands.contains_key(&hop) {
            return true;
        }
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.this_second) = (now, 0);
        }
        if self.this_second >= DEMANDS_A_SECOND || self.demands.len() >= DEMANDS {
            self.refused += 1;
            return false;
        }
        self.this_second += 1;
        self.demands.insert(hop, None);
        true
    }

    /// What to ask now. `state` is the kernel's entry of a next hop, `runs` whether an interface has a link.
    pub fn plan(
        &mut self,
        now: Instant,
        state: impl Fn(NextHop) -> Option<ArpState>,
        runs: impl Fn(InterfaceId) -> bool,
    ) -> Vec<Request> {
        let mut asks: Vec<_> = self.released.drain(..).map(Request::Release).collect();
        let due =
            |asked: Option<Instant>| asked.is_none_or(|asked| now.saturating_duration_since(asked) >= RETRY);
        for (hop, wanted) in &mut self.wanted {
            let is = state(*hop);
            if is.is_some_and(ArpState::usable) {
                wanted.unresolved_since = None;
            } else {
                wanted.unresolved_since.get_or_insert(now);
            }
            // A link that went down took the entry along, and with it the kernel's care.
            wanted.managed &= is.is_some();
            if !runs(hop.interface) {
                // Nobody would hear. Once it is up it is asked for at once.
                wanted.asked = None;
                continue;
            }
            let ask = match is {
                Some(ArpState::Permanent) => continue,
                _ if self.kernel_manages && !wanted.managed => Request::Manage(*hop),
                None | Some(ArpState::Failed | ArpState::Stale) => Request::Probe(*hop),
                Some(_) => continue,
            };
            if due(wanted.asked) {
                wanted.asked = Some(now);
                wanted.managed |= matches!(ask, Request::Manage(_));
                asks.push(ask);
            }
        }
        let wanted = &self.wanted;
        self.demands.retain(|hop, asked| {
            if !runs(hop.interface) {
                return false;
            }
            let is = state(*hop);
            let failed = asked.is_some() && due(*asked) && matches!(is, None | Some(ArpState::Failed));
            let over = failed || wanted.contains_key(hop);
            if !over && (asked.is_none() || (is == Some(ArpState::Stale) && due(*asked))) {
                *asked = Some(now);
                asks.push(Request::Probe(*hop));
            }
            !over
        });
        asks
    }

    /// True if the kernel takes care of `hop` for us.
    pub fn keeps(&self, hop: NextHop) -> bool {
        self.kernel_manages && self.wanted.contains_key(&hop)
    }

    /// Wanted next hops without a link address, as of the last [`Self::plan`].
    pub fn unresolved(&self, now: Instant) -> Vec<Unresolved> {
        self.wanted
            .iter()
            .filter_map(|(hop, wanted)| {
                let for_ms = now.saturating_duration_since(wanted.unresolved_since?).as_millis() as u64;
                Some(Unresolved { interface: hop.interface, address: hop.address, for_ms })
            })
            .collect()
    }

    /// Demands that were refused because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: fn(InterfaceId) -> bool = |_| true;

    fn hop(last: u8) -> NextHop {
        NextHop { interface: InterfaceId(0), address: Ipv4Addr::new(10, 0, 0, last) }
    }

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn wanted_hops_are_managed_and_failures_retried_every_second() {
        let t = Instant::now();
        let mut resolver = Resolver::new(t);
        resolver.set_wanted(&BTreeSet::from([hop(1)]));
        assert_eq!(resolver.plan(t, |_| None, UP), [Request::Manage(hop(1))]);
        assert_eq!(resolver.plan(at(t, 10), |_| Some(ArpState::Incomplete), UP), []);
        assert_eq!(resolver.plan(at(t, 900), |_| Some(ArpState::Failed), UP), []);
        assert_eq!(resolver.plan(at(t, 1000), |_| Some(ArpState::Failed), UP), [Request::Probe(hop(1))]);
        assert_eq!(resolver.plan(at(t, 1500), |_| Some(ArpState::Failed), UP), []);
        assert_eq!(resolver.plan(at(t, 2000), |_| Some(ArpState::Failed), UP), [Request::Probe(hop(1))]);
        assert_eq!(resolver.unresolved(at(t, 2500))[0].for_ms, 2500);
        assert_eq!(resolver.plan(at(t, 3000), |_| Some(ArpState::Reachable), UP), []);
        assert_eq!(resolver.plan(at(t, 9000), |_| Some(ArpState::Stale), UP), [Request::Probe(hop(1))]);
        assert_eq!(resolver.plan(at(t, 9000), |_| Some(ArpState::Probe), UP), [], "the kernel's care");
        assert!(resolver.unresolved(at(t, 9000)).is_empty());
        // The link went down: the entry is gone. It comes again.
        assert_eq!(resolver.plan(at(t, 9001), |_| None, |_| false), []);
        assert_eq!(resolver.plan(at(t, 9001), |_| None, UP), [Request::Manage(hop(1))]);
        resolver.set_wanted(&BTreeSet::new());
        assert_eq!(resolver.plan(at(t, 9002), |_| Some(ArpState::Reachable), UP), [Request::Release(hop(1))]);
        assert_eq!(resolver.plan(at(t, 9003), |_| None, UP), []);
    }

    #[test]
    fn nobody_is_asked_on_a_link_that_is_down_and_everybody_at_once_when_it_comes() {
        let t = Instant::now();
        let down = |_: InterfaceId| false;
        let mut resolver = Resolver::new(t);
        resolver.set_wanted(&BTreeSet::from([hop(1)]));
        assert_eq!(resolver.plan(t, |_| None, UP), [Request::Manage(hop(1))]);
        // Whatever the kernel still has of it.
        assert_eq!(resolver.plan(at(t, 100), |_| Some(ArpState::Failed), down), []);
        assert!(resolver.demand(hop(2), at(t, 100)));
        assert_eq!(resolver.plan(at(t, 101), |_| None, down), []);
        assert_eq!(resolver.unresolved(at(t, 150))[0].for_ms, 150);
        assert_eq!(resolver.plan(at(t, 200), |_| None, UP), [Request::Manage(hop(1))], "not a second later");
        assert!(resolver.demands.is_empty(), "whoever needs it says so again");
    }

    #[test]
    fn an_older_kernel_is_helped_and_permanent_entries_are_left_alone() {
        let t = Instant::now();
        let mut resolver = Resolver::new(t);
        resolver.without_managed();
        resolver.set_wanted(&BTreeSet::from([hop(1), hop(2)]));
        let state =
            |asked: NextHop| Some(if asked == hop(2) { ArpState::Permanent } else { ArpState::Stale });
        assert_eq!(resolver.plan(t, state, UP), [Request::Probe(hop(1))]);
        assert_eq!(resolver.plan(at(t, 500), state, UP), []);
        assert_eq!(resolver.plan(at(t, 1000), state, UP), [Request::Probe(hop(1))]);
    }

    #[test]
    fn demands_are_bounded_followed_and_forgotten() {
        let t = Instant::now();
        let mut resolver = Resolver::new(t);
        for last in 0..DEMANDS_A_SECOND as u8 {
            assert!(resolver.demand(hop(last), t));
        }
        assert!(resolver.demand(hop(0), t), "known already");
        assert!(!resolver.demand(hop(200), t));
        assert_eq!(resolver.refused(), 1);
        assert_eq!(resolver.plan(t, |_| None, UP).len(), DEMANDS_A_SECOND as usize);
        assert!(resolver.demand(hop(200), at(t, 1000)));
        let state = |asked: NextHop| Some(if asked == hop(7) { ArpState::Stale } else { ArpState::Failed });
        assert_eq!(resolver.plan(at(t, 1000), state, UP), [Request::Probe(hop(7)), Request::Probe(hop(200))]);
        assert_eq!(resolver.plan(at(t, 1500), state, UP), []);
        assert_eq!(
            resolver.plan(at(t, 2000), state, UP),
            [Request::Probe(hop(7))],
            "only the living one is followed"
        );
        assert_eq!(resolver.demands.len(), 1);
    }
}
