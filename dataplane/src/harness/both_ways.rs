//! The short way and the long way of a request side by side.

use common::{
    id::PortId,
    wire::{
        ethernet::{self, DOT1Q, IPV4, TAG},
        ipv4::{self, UDP},
    },
};

use super::{Arrival, DIRECTED, DISPATCHED, Harness, Outcome, Step};

/// Lets the same happen to two directors, one of which has nothing prepared for the short way; what both came to.
///
/// Within a burst a request that goes the short way is decided before one that goes the long way, which may end or move
/// its session. So a burst is parted where another request begins.
///
/// # Panics
/// If they are not left alike.
pub fn both_ways(steps: &[Step]) -> Outcome {
    let steps = parted(steps);
    let (mut short, mut long) = (Harness::small(), Harness::small().unprepared());
    let (outcome, wanted) = (short.outcome(&steps), long.outcome(&steps));
    assert_eq!(outcome, wanted, "the short way (left) is not the long one");
    outcome
}

fn parted(steps: &[Step]) -> Vec<Step> {
    let mut parted = Vec::new();
    for step in steps {
        match step {
            Step::Burst(port, arrivals) => part(*port, arrivals, &mut parted),
            other => parted.push(other.clone()),
        }
    }
    parted
}

fn part(port: PortId, arrivals: &[Arrival], parted: &mut Vec<Step>) {
    let mut burst: Vec<Arrival> = Vec::new();
    let mut request: Option<&Arrival> = None;
    for arrival in arrivals {
        if may_be_request(&arrival.bytes) {
            if request.is_some_and(|last| last != arrival) {
                parted.push(Step::Burst(port, std::mem::take(&mut burst)));
            }
            request = Some(arrival);
        }
        burst.push(arrival.clone());
    }
    parted.push(Step::Burst(port, burst));
}

/// UDP to a virtual address, tagged or not.
fn may_be_request(frame: &[u8]) -> bool {
    let half = |at: usize| frame.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let tag = if half(ethernet::offset::ETHERTYPE) == Some(DOT1Q) { TAG } else { 0 };
    let l3 = ethernet::LENGTH + tag;
    let Some(header) = frame.get(l3..l3 + ipv4::LENGTH) else { return false };
    let to: [u8; 4] = std::array::from_fn(|byte| header[ipv4::offset::DESTINATION + byte]);
    half(l3 - 2) == Some(IPV4)
        && header[ipv4::offset::PROTOCOL] == UDP
        && [DISPATCHED, DIRECTED].contains(&to.into())
}
