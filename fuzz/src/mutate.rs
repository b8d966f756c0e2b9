//! Changes a list of steps as a whole: steps come, go, repeat and change places, frames change in their bytes.

use arbitrary::Unstructured;
use common::id::{InterfaceId, PortId};
use dataplane::{
    backend::sim::Marks,
    harness::{Arrival, Step},
};
use fastrand::Rng;

use crate::{
    frames::{Frame, Traffic},
    mend::mend,
    steps::{decode, encode},
};

/// The fuzzer's own change of some bytes: what they are, how many count, how many there may be; how many count then.
pub type Change = fn(&mut [u8], usize, usize) -> usize;

/// Changes the first `size` bytes of `data` to at most `most` others and returns how many; new frames are about `traffic`.
pub fn mutate(
    data: &mut [u8],
    (size, most): (usize, usize),
    seed: u32,
    traffic: Traffic,
    change: Change,
) -> usize {
    let mut random = Rng::with_seed(seed.into());
    let mut steps = decode(&data[..size]);
    if steps.is_empty() || random.u8(..) > 16 {
        for _ in 0..=random.u8(0..3) {
            alter(&mut steps, &mut random, traffic, change);
        }
        let bytes = encode(&steps);
        if bytes.len() <= most {
            data[..bytes.len()].copy_from_slice(&bytes);
            return bytes.len();
        }
    }
    change(data, size, most)
}

fn alter(steps: &mut Vec<Step>, random: &mut Rng, traffic: Traffic, change: Change) {
    let at = random.usize(0..=steps.len());
    if at == steps.len() || random.u8(..) < 32 {
        steps.insert(at, new(random, traffic));
        return;
    }
    match random.u8(0..16) {
        0 => drop(steps.remove(at)),
        1 | 2 => steps.insert(random.usize(0..=steps.len()), steps[at].clone()),
        3 => {
            let other = random.usize(0..steps.len());
            steps.swap(at, other);
        }
        _ => within(&mut steps[at], random, traffic, change),
    }
}

fn within(step: &mut Step, random: &mut Rng, traffic: Traffic, change: Change) {
    match step {
        Step::Burst(port, burst) => {
            let at = random.usize(0..burst.len());
            match random.u8(0..12) {
                0 => *port = PortId(random.u16(0..2)),
                1 => burst.push(arrival(random, traffic)),
                2 => burst.push(burst[at].clone()),
                3 if burst.len() > 1 => drop(burst.remove(at)),
                4 => burst[at].marks = marks(random),
                5 => burst[at].first = random.bool().then(|| random.usize(0..80)),
                _ => bytes(&mut burst[at].bytes, random, change),
            }
        }
        Step::Host(interface, frame) => match random.u8(0..8) {
            0 => *interface = InterfaceId(random.u16(0..4)),
            _ => bytes(frame, random, change),
        },
        other => *other = new(random, traffic),
    }
}

/// The fuzzer changes the frame, or what is behind its link header; most often lengths and checksums are mended then.
fn bytes(frame: &mut Vec<u8>, random: &mut Rng, change: Change) {
    const ROOM: usize = 64;
    let from = *random.choice(&[0, 14, 34, 42, 66]).unwrap_or(&0);
    let from = if from < frame.len() { from } else { 0 };
    let mut tail = frame.split_off(from);
    let size = tail.len();
    if size > 0 {
        tail.resize(size + ROOM, 0);
        let size = change(&mut tail, size, size + ROOM);
        tail.truncate(size);
    }
    frame.extend(tail);
    if random.u8(..) < 224 {
        mend(frame);
    }
}

fn new(random: &mut Rng, traffic: Traffic) -> Step {
    match random.u8(0..16) {
        0 => Step::Wait(random.u64(1..12)),
        1 => decode(&[4, random.u8(..)]).pop().unwrap_or(Step::Wait(1)),
        2..=9 if traffic == Traffic::Host => {
            Step::Host(InterfaceId(random.u16(0..4)), frame(random, traffic))
        }
        2 if traffic != Traffic::Requests => {
            Step::Host(InterfaceId(random.u16(0..4)), frame(random, traffic))
        }
        _ => Step::Burst(PortId(u16::from(random.u8(..) < 192)), vec![arrival(random, traffic)]),
    }
}

fn arrival(random: &mut Rng, traffic: Traffic) -> Arrival {
    let first = (random.u8(..) < 16).then(|| random.usize(0..80));
    Arrival { bytes: frame(random, traffic), marks: marks(random), first }
}

fn marks(random: &mut Rng) -> Marks {
    let vlan = match random.u8(0..32) {
        0 | 1 => Some(15),
        2 => Some(0xf00f),
        3 => Some(16),
        4 => Some(0xe000),
        _ => None,
    };
    let ip_checksum_ok = match random.u8(0..16) {
        0..=3 => Some(true),
        4 => Some(false),
        _ => None,
    };
    Marks { vlan, ip_checksum_ok, rss_hash: None }
}

fn frame(random: &mut Rng, traffic: Traffic) -> Vec<u8> {
    let mut noise = [0; 768];
    random.fill(&mut noise);
    Frame::of(traffic, &mut Unstructured::new(&noise)).map(|frame| frame.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Flips a bit.
    fn flip(data: &mut [u8], size: usize, _: usize) -> usize {
        if let Some(byte) = data[..size].get_mut(size / 2) {
            *byte ^= 1;
        }
        size
    }

    #[test]
    fn from_nothing_every_kind_of_step_comes_soon() {
        let mut data = vec![0; 4096];
        let (mut size, mut met) = (0, BTreeMap::new());
        for seed in 0..4000 {
            size = mutate(&mut data, (size, 4096), seed, Traffic::Any, flip);
            assert!(size <= 4096);
            for step in decode(&data[..size]) {
                let kind = match step {
                    Step::Burst(_, burst) if burst.len() > 1 => "burst",
                    Step::Burst(..) => "frame",
                    Step::Host(..) => "host",
                    Step::Wait(_) => "wait",
                    Step::Change(_) => "change",
                };
                *met.entry(kind).or_insert(0) += 1;
            }
            if seed % 100 == 0 {
                size = 0;
            }
        }
        assert_eq!(met.len(), 5, "{met:?}");
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_fuzzer() {
        let mut data = vec![3; 8];
        for seed in 0..200 {
            assert!(mutate(&mut data, (8, 8), seed, Traffic::Requests, flip) <= 8);
        }
    }
}
