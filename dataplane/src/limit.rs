//! Rates that one worker keeps to: answers, and questions to control.

use std::net::Ipv4Addr;

use common::{
    event::Event, id::InterfaceId, mac::MacAddr, net::NextHop, time::Nanos, token_bucket::TokenBucket,
};
use rtrb::Producer;

use crate::arp_claims::ArpClaims;

/// What a worker answers on its own or has the kernel do, limited so that it cannot be made a weapon.
#[derive(Clone, Copy, Debug)]
pub struct ReplyLimiter {
    /// ICMP errors and TCP resets: 1000 a second and worker, 50 at once.
    pub errors: TokenBucket,
    /// Echo replies: 10 000 a second and worker, 500 at once.
    pub echoes: TokenBucket,
    /// Transit packets for the kernel to route: 2000 a second and worker, 200 at once.
    pub slow_path: TokenBucket,
}

impl Default for ReplyLimiter {
    fn default() -> Self {
        Self {
            errors: TokenBucket::new(1000, 50),
            echoes: TokenBucket::new(10_000, 500),
            slow_path: TokenBucket::new(2000, 200),
        }
    }
}

/// Addresses asked for lately; a collision forgets the older one.
const RECENT: usize = 64;
/// One question an address and second.
const QUESTION_INTERVAL: u64 = 1_000_000_000;

/// Sends events to control by a ring, which is never waited for.
#[derive(Debug)]
pub struct EventSender {
    events: Producer<Event>,
    recent: [Option<(InterfaceId, Ipv4Addr, Nanos)>; RECENT],
    questions: TokenBucket,
    claims: ArpClaims,
    /// Events for which there was no room, and claims beyond their rate.
    pub lost: u64,
}

impl EventSender {
    /// Writes to `events`.
    pub fn new(events: Producer<Event>) -> Self {
        Self {
            events,
            recent: [None; RECENT],
            questions: TokenBucket::new(1000, 100),
            claims: ArpClaims::default(),
            lost: 0,
        }
    }

    /// Sends an event, or counts it as lost.
    pub fn push(&mut self, event: Event) {
        if self.events.push(event).is_err() {
            self.lost += 1;
        }
    }

    /// Asks for a neighbour: once a second for each address, at most 1000 times a second in all.
    pub fn resolve(&mut self, interface: InterfaceId, address: Ipv4Addr, now: Nanos) {
        let slot = &mut self.recent[address.to_bits() as usize % RECENT];
        if slot.is_some_and(|(i, a, at)| (i, a) == (interface, address) && now.0 < at.0 + QUESTION_INTERVAL) {
            return;
        }
        if self.questions.take(now) {
            *slot = Some((interface, address, now));
            self.push(Event::Resolve { interface, address });
        }
    }

    /// `mac` says that it has an address, which is known to be `known`'s: told where that is news.
    pub fn claim(&mut self, at: NextHop, mac: MacAddr, known: MacAddr, now: Nanos) {
        match self.claims.hear(at, mac, known, now) {
            Ok(None) => {}
            Ok(Some(before)) => {
                let NextHop { interface, address } = at;
                self.push(Event::AddressClaimed { interface, address, mac, before });
            }
            Err(_) => self.lost += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_a_second_for_an_address_and_a_bound_for_all() {
        let (events, mut seen) = rtrb::RingBuffer::new(4096);
        let mut sender = EventSender::new(events);
        let address = Ipv4Addr::new(10, 0, 0, 1);
        for ms in 0..1500 {
            sender.resolve(InterfaceId(1), address, Nanos(ms * 1_000_000));
        }
        assert_eq!(std::iter::from_fn(|| seen.pop().ok()).count(), 2);
        for host in 0..100_000 {
            sender.resolve(InterfaceId(1), Ipv4Addr::from_bits(host), Nanos(3_000_000_000));
        }
        assert_eq!(std::iter::from_fn(|| seen.pop().ok()).count(), 100);
        assert_eq!(sender.lost, 0);
    }
}
