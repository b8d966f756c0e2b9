//! Replay protection by timestamps (RFC 5944, section 5.7.1), and the request that comes twice.

use super::binding::{Mark, Node};

/// What a request's identification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It is new.
    Fresh,
    /// It is the last one that was accepted, again: the network made two of it, or the reply was lost.
    Repeated,
    /// It is not near the clock, or not greater than before.
    Stale,
}

/// Judges an authentic request. Both clocks may have gone round since; `floor` is for nodes that are not known.
pub(super) fn judge(
    identification: u64,
    mark: Mark,
    node: Option<&Node>,
    floor: u64,
    clock: u64,
    tolerance: u8,
) -> Freshness {
    if let Some(node) = node
        && node.accepted.is_some_and(|(accepted, _)| accepted == mark)
    {
        return Freshness::Repeated;
    }
    let before = node.map_or(floor, |node| node.identification);
    let off = (identification.wrapping_sub(clock) as i64).unsigned_abs();
    let later = before == 0 || identification.wrapping_sub(before) as i64 > 0;
    if off <= u64::from(tolerance) << 32 && later { Freshness::Fresh } else { Freshness::Stale }
}

/// The identification of a denial for that reason: our clock in the upper half, from which the mobile node takes the time.
pub(super) fn resynchronise(identification: u64, clock: u64) -> u64 {
    clock & !0xffff_ffff | identification & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use common::wire::mobile_ip::Code;

    use super::*;

    const CLOCK: u64 = 0xc2b9_f5a0 << 32;
    const SECOND: u64 = 1 << 32;

    #[test]
    fn near_the_clock_and_greater_than_before() {
        let fresh = |identification, before| {
            let mut node = Node::new(b"a@b", Ipv4Addr::UNSPECIFIED);
            node.identification = before;
            let node = (before > 0).then_some(&node);
            judge(identification, [1; 8], node, 0, CLOCK, 7) == Freshness::Fresh
        };
        assert!(fresh(CLOCK, 0) && fresh(CLOCK - 7 * SECOND, 0) && fresh(CLOCK + 7 * SECOND, 0));
        assert!(!fresh(CLOCK - 7 * SECOND - 1, 0) && !fresh(CLOCK + 7 * SECOND + 1, 0) && !fresh(0, 0));
        assert!(fresh(CLOCK, CLOCK - 1) && !fresh(CLOCK, CLOCK) && !fresh(CLOCK, CLOCK + 1));
        assert_eq!(judge(CLOCK, [1; 8], None, CLOCK, CLOCK, 7), Freshness::Stale);
        // The clock begins anew in 2036.
        assert_eq!(judge(5, [1; 8], None, u64::MAX - 5, 0, 7), Freshness::Fresh);
    }

    #[test]
    fn the_last_accepted_one_is_known_again() {
        let mut node = Node::new(b"a@b", Ipv4Addr::UNSPECIFIED);
        (node.identification, node.accepted) = (CLOCK, Some(([1; 8], Code::ACCEPTED)));
        assert_eq!(judge(CLOCK, [1; 8], Some(&node), 0, CLOCK, 7), Freshness::Repeated);
        assert_eq!(judge(CLOCK, [2; 8], Some(&node), 0, CLOCK, 7), Freshness::Stale);
    }

    #[test]
    fn the_clock_comes_back_in_the_upper_half() {
        assert_eq!(resynchronise(0x0102_0304_1231_3000, CLOCK + 7), 0xc2b9_f5a0_1231_3000);
    }
}
