//! What ARP messages of one worker's ports say against what is known: which of it is news.

use std::time::Duration;

use common::{mac::MacAddr, net::NextHop, time::Nanos, token_bucket::TokenBucket};

/// Addresses that are remembered; a collision forgets the older one.
const RECENT: usize = 256;
/// The same of one address is news once a second.
const INTERVAL: Duration = Duration::from_secs(1);
/// So long after a claim the one who had the address before is news too, even if he is known to have it.
const MEMORY: Duration = Duration::from_mins(1);

/// There are more claims than are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The claims that were told of late.
#[derive(Debug)]
pub struct ArpClaims {
    recent: [Option<(NextHop, MacAddr, Nanos)>; RECENT],
    told: TokenBucket,
}

impl Default for ArpClaims {
    /// 100 a second, 50 at once.
    fn default() -> Self {
        Self { recent: [None; RECENT], told: TokenBucket::new(100, 50) }
    }
}

impl ArpClaims {
    /// `mac` says that it has the address, which is known to be `known`'s. If that is to be told: who had it before.
    ///
    /// # Errors
    /// It is, but too much was already.
    pub fn hear(
        &mut self,
        at: NextHop,
        mac: MacAddr,
        known: MacAddr,
        now: Nanos,
    ) -> Result<Option<MacAddr>, TooMany> {
        let slot = &mut self.recent[at.address.to_bits() as usize % RECENT];
        let last = slot.filter(|(of, _, told)| *of == at && now < told.after(MEMORY));
        let before = match last {
            Some((_, other, _)) if other != mac => other,
            Some((_, _, told)) if now < told.after(INTERVAL) => return Ok(None),
            _ => known,
        };
        if before == mac {
            return Ok(None);
        }
        if !self.told.take(now) {
            return Err(TooMany);
        }
        *slot = Some((at, mac, now));
        Ok(Some(before))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use common::id::InterfaceId;

    use super::*;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
    const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

    fn at(host: u32) -> NextHop {
        NextHop { interface: InterfaceId(1), address: Ipv4Addr::from_bits(0x0a01_0100 + host) }
    }

    fn ms(ms: u64) -> Nanos {
        Nanos(1_000_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn who_says_what_is_known_says_nothing_new() {
        let mut claims = ArpClaims::default();
        assert_eq!(claims.hear(at(1), A, A, ms(0)), Ok(None));
        assert_eq!(claims.hear(at(1), B, A, ms(1)), Ok(Some(A)), "another than was known");
        assert_eq!(claims.hear(at(1), B, B, ms(2000)), Ok(None), "it is known by now");
    }

    #[test]
    fn the_same_claim_is_told_once_a_second() {
        let mut claims = ArpClaims::default();
        let told = (0..2500).filter(|at_ms| claims.hear(at(1), B, A, ms(*at_ms)) == Ok(Some(A))).count();
        assert_eq!(told, 3);
        let elsewhere = NextHop { interface: InterfaceId(2), ..at(1) };
        assert_eq!(claims.hear(elsewhere, B, A, ms(2501)), Ok(Some(A)), "another network's address");
    }

    #[test]
    fn who_had_it_before_is_heard_again_whether_or_not_the_kernel_followed() {
        for known in [A, B] {
            let mut claims = ArpClaims::default();
            assert_eq!(claims.hear(at(1), B, A, ms(0)), Ok(Some(A)));
            assert_eq!(claims.hear(at(1), A, known, ms(1)), Ok(Some(B)));
            assert_eq!(claims.hear(at(1), B, known, ms(2)), Ok(Some(A)));
            assert_eq!(claims.hear(at(1), A, A, ms(60_003)), Ok(None), "forgotten after a minute");
        }
    }

    #[test]
    fn a_flood_is_told_of_in_part_and_the_rest_is_said_to_be_too_much() {
        let mut claims = ArpClaims::default();
        let told = (0..100_000).filter(|host| claims.hear(at(*host), B, A, ms(0)).is_ok()).count();
        assert_eq!(told, 50);
        assert_eq!(claims.hear(at(99_999), B, A, ms(10)), Ok(Some(A)), "the next comes on time");
    }
}
