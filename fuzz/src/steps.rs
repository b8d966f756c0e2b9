//! A list of steps as bytes. Any bytes are a list; what is cut short ends it.
//!
//! | byte 0, bits 0 to 2 | then |
//! |---|---|
//! | 0 a frame, 1 a frame of the same burst | bit 3 port; bit 4 tag stripped, two bytes; bits 5 and 6 checksum unseen, unseen, good, bad; bit 7 bytes of the first segment, one byte; then length and bytes |
//! | 2 a frame of the host | bits 3 and 4 interface; then length and bytes |
//! | 3 time | one byte of seconds |
//! | 4 a change | one byte: bits 0 to 3 which, bits 4 to 7 of what |
//!
//! Lengths have two bytes. The rest of the values of bits 0 to 2 are frames too.

use common::id::{InterfaceId, PortId};
use dataplane::{
    backend::sim::Marks,
    harness::{Arrival, Change, Step},
};

/// Steps of one input; what follows is not looked at.
const MOST: usize = 64;

/// Changes, by the number of bits 0 to 3.
const CHANGES: [fn(usize) -> Change; 13] = [
    Change::OutOfService,
    Change::InService,
    Change::Replace,
    Change::Adjacency,
    Change::Mtu,
    Change::Link,
    Change::Interface,
    Change::Strict,
    Change::Clients,
    |_| Change::Debug,
    |_| Change::Untagged,
    Change::ClientRate,
    Change::SourceCheck,
];

/// Reads the steps.
pub fn decode(mut bytes: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    while steps.len() < MOST
        && let Some(step) = step(&mut bytes)
    {
        match (step, steps.last_mut()) {
            (Read::Joined(port, arrival), Some(Step::Burst(last, burst))) if *last == port => {
                burst.push(arrival);
            }
            (Read::Joined(port, arrival), _) => steps.push(Step::Burst(port, vec![arrival])),
            (Read::Step(step), _) => steps.push(step),
        }
    }
    steps
}

enum Read {
    Step(Step),
    Joined(PortId, Arrival),
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    take(bytes, 1).map(|taken| taken[0])
}

fn half(bytes: &mut &[u8]) -> Option<u16> {
    take(bytes, 2).map(|taken| u16::from_be_bytes([taken[0], taken[1]]))
}

fn frame(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::from(half(bytes)?).min(bytes.len());
    take(bytes, length).map(<[u8]>::to_vec)
}

fn step(bytes: &mut &[u8]) -> Option<Read> {
    let kind = byte(bytes)?;
    let step = match kind & 7 {
        2 => Step::Host(InterfaceId(u16::from(kind >> 3 & 3)), frame(bytes)?),
        3 => Step::Wait(byte(bytes)?.into()),
        4 => {
            let which = byte(bytes)?;
            Step::Change(CHANGES[usize::from(which & 15) % CHANGES.len()](usize::from(which >> 4)))
        }
        joined => {
            let port = PortId(u16::from(kind >> 3 & 1));
            let arrival = arrival(kind, bytes)?;
            if joined == 1 {
                return Some(Read::Joined(port, arrival));
            }
            Step::Burst(port, vec![arrival])
        }
    };
    Some(Read::Step(step))
}

fn arrival(kind: u8, bytes: &mut &[u8]) -> Option<Arrival> {
    let vlan = if kind & 16 != 0 { Some(half(bytes)?) } else { None };
    let ip_checksum_ok = (kind & 64 != 0).then_some(kind & 32 == 0);
    let first = if kind & 128 != 0 { Some(byte(bytes)?.into()) } else { None };
    Some(Arrival { bytes: frame(bytes)?, marks: Marks { vlan, ip_checksum_ok, rss_hash: None }, first })
}

/// Writes the steps, as [`decode`] reads them.
///
/// # Panics
/// If a frame has 64 KB.
pub fn encode(steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in steps {
        match step {
            Step::Burst(port, burst) => {
                for (index, arrival) in burst.iter().enumerate() {
                    write_arrival((index > 0).into(), *port, arrival, &mut bytes);
                }
            }
            Step::Host(interface, frame) => {
                bytes.push(2 | (interface.0 as u8 & 3) << 3);
                write_frame(frame, &mut bytes);
            }
            Step::Wait(seconds) => bytes.extend([3, *seconds as u8]),
            Step::Change(change) => bytes.extend([4, number(*change)]),
        }
    }
    bytes
}

fn write_arrival(joined: u8, port: PortId, arrival: &Arrival, bytes: &mut Vec<u8>) {
    let checksum = match arrival.marks.ip_checksum_ok {
        None => 0,
        Some(good) => 64 | u8::from(!good) << 5,
    };
    let flags = u8::from(arrival.marks.vlan.is_some()) << 4 | u8::from(arrival.first.is_some()) << 7;
    bytes.push(joined | (port.0 as u8 & 1) << 3 | checksum | flags);
    bytes.extend(arrival.marks.vlan.into_iter().flat_map(u16::to_be_bytes));
    bytes.extend(arrival.first.map(|first| first.min(255) as u8));
    write_frame(&arrival.bytes, bytes);
}

fn write_frame(frame: &[u8], bytes: &mut Vec<u8>) {
    let length = u16::try_from(frame.len()).expect("frames are shorter");
    bytes.extend(length.to_be_bytes());
    bytes.extend_from_slice(frame);
}

fn number(change: Change) -> u8 {
    let which = |at: usize| CHANGES.iter().position(|make| make(at) == change);
    let found = (0..16).find_map(|at| Some((which(at)?, at)));
    let (which, at) = found.expect("every change is in the list");
    which as u8 | (at as u8) << 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let arrival = |bytes: &[u8], vlan, ip_checksum_ok, first| Arrival {
            bytes: bytes.to_vec(),
            marks: Marks { vlan, ip_checksum_ok, rss_hash: None },
            first,
        };
        let steps = [
            Step::Burst(
                PortId(1),
                vec![arrival(&[1, 2, 3], Some(0xf00f), Some(true), None), arrival(&[], None, None, Some(9))],
            ),
            Step::Burst(PortId(1), vec![arrival(&[7; 300], None, Some(false), Some(0))]),
            Step::Burst(PortId(0), vec![arrival(&[7], Some(15), None, None)]),
            Step::Host(InterfaceId(2), vec![5; 60]),
            Step::Wait(11),
            Step::Change(Change::Replace(3)),
            Step::Change(Change::Untagged),
        ];
        assert_eq!(decode(&encode(&steps)), steps);
    }

    #[test]
    fn any_bytes_are_steps_and_these_can_be_written() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
            let steps = decode(&bytes);
            assert_eq!(decode(&encode(&steps)), steps);
        }
        assert_eq!(decode(&[3; 1000]).len(), MOST);
    }
}
