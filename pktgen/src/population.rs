//! Which mobile node comes next.

use std::collections::VecDeque;

use fastrand::Rng;

use crate::{
    scenario::{Choice, Nodes, Traffic},
    zipf::Zipf,
};

/// Frames just sent, of which a retransmission repeats one.
const RECENT: usize = 1024;

/// Why a node is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is its turn: a node that was not sent for in this turn.
    Turn,
    /// It was drawn.
    Drawn,
    /// It was sent for just before.
    Retransmission,
}

/// A node that is to be sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextNode {
    /// From 0.
    pub node: u32,
    pub kind: Kind,
}

/// Shares of all requests, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrafficMix {
    /// Of nodes in turn; the others are drawn among those that had their turn. `None`: all are drawn among all.
    pub new: Option<f64>,
    /// Repeats of requests just sent.
    pub retransmit: f64,
}

/// A population of mobile nodes.
#[derive(Clone, Debug)]
pub struct Population {
    count: u32,
    /// The order of a turn; empty: by number.
    order: Vec<u32>,
    mix: TrafficMix,
    choice: Choice,
    /// For as many ranks as were needed last.
    zipf: Option<Zipf>,
    exponent: f64,
    random: Rng,
    /// Nodes that had their turn; goes on counting over turns.
    turn: u64,
    recent: VecDeque<u32>,
}

impl Population {
    /// Of at least one node.
    pub fn new(nodes: &Nodes, traffic: &Traffic, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut order = Vec::new();
        if traffic.shuffle {
            order.extend(0..nodes.count);
            random.shuffle(&mut order);
        }
        Self {
            count: nodes.count,
            order,
            mix: TrafficMix { new: traffic.new_share(nodes.choice), retransmit: traffic.retransmit },
            choice: nodes.choice,
            zipf: None,
            exponent: nodes.zipf,
            random,
            turn: 0,
            recent: VecDeque::new(),
        }
    }

    /// From now on other shares.
    pub fn set_mix(&mut self, mix: TrafficMix) {
        self.mix = mix;
    }

    pub fn mix(&self) -> TrafficMix {
        self.mix
    }

    pub fn draw(&mut self) -> NextNode {
        let draw = self.decide();
        if self.mix.retransmit > 0.0 && draw.kind != Kind::Retransmission {
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(draw.node);
        }
        draw
    }

    fn decide(&mut self) -> NextNode {
        if self.mix.retransmit > 0.0 && !self.recent.is_empty() && self.random.f64() < self.mix.retransmit {
            let at = self.random.usize(0..self.recent.len());
            return NextNode { node: self.recent[at], kind: Kind::Retransmission };
        }
        let Some(new) = self.mix.new else {
            let place = self.choose(self.count);
            return NextNode { node: self.at(place), kind: Kind::Drawn };
        };
        let seen = self.turn.min(self.count.into()) as u32;
        if seen > 0 && new < 1.0 && self.random.f64() < 1.0 - new {
            let place = self.choose(seen);
            return NextNode { node: self.at(place), kind: Kind::Drawn };
        }
        let at = (self.turn % u64::from(self.count)) as u32;
        self.turn += 1;
        NextNode { node: self.at(at), kind: Kind::Turn }
    }

    /// A place among the first `of`, at least one.
    fn choose(&mut self, of: u32) -> u32 {
        match self.choice {
            Choice::Turn | Choice::Uniform => self.random.u32(0..of),
            Choice::Zipf => {
                // A hundredth less than there are does no harm, and making it anew costs more than drawing.
                let fits = |zipf: &Zipf| zipf.ranks() <= of && of - zipf.ranks() <= of / 100;
                let zipf = match self.zipf.filter(fits) {
                    Some(zipf) => zipf,
                    None => *self.zipf.insert(Zipf::new(of, self.exponent)),
                };
                zipf.draw(&mut self.random) - 1
            }
        }
    }

    fn at(&self, place: u32) -> u32 {
        self.order.get(place as usize).copied().unwrap_or(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population(count: u32, seed: u64, set: impl FnOnce(&mut Nodes, &mut Traffic)) -> Population {
        let nai = "user{n}".parse().unwrap();
        let mut nodes = Nodes { nai, count, first: 1, choice: Choice::Turn, zipf: 1.0 };
        let mut traffic = Traffic::default();
        set(&mut nodes, &mut traffic);
        Population::new(&nodes, &traffic, seed)
    }

    fn draws(population: &mut Population, times: usize) -> Vec<NextNode> {
        (0..times).map(|_| population.draw()).collect()
    }

    fn share(draws: &[NextNode], kind: Kind) -> f64 {
        draws.iter().filter(|draw| draw.kind == kind).count() as f64 / draws.len() as f64
    }

    #[test]
    fn a_turn_names_every_node_once() {
        for shuffle in [false, true] {
            let mut population = population(50, 7, |_, traffic| traffic.shuffle = shuffle);
            for _ in 0..2 {
                let mut turn: Vec<u32> = draws(&mut population, 50).iter().map(|draw| draw.node).collect();
                assert_eq!(turn.is_sorted(), !shuffle);
                turn.sort_unstable();
                assert!(turn.into_iter().eq(0..50));
            }
        }
    }

    #[test]
    fn shares_are_those_that_were_asked_for_and_repeats_are_of_nodes_seen() {
        for choice in [Choice::Turn, Choice::Uniform, Choice::Zipf] {
            let mut population = population(1_000_000, 3, |nodes, traffic| {
                nodes.choice = choice;
                traffic.new = Some(0.25);
                traffic.retransmit = 0.2;
            });
            let draws = draws(&mut population, 20_000);
            let expected = [(Kind::Turn, 0.2), (Kind::Drawn, 0.6), (Kind::Retransmission, 0.2)];
            for (kind, expected) in expected {
                assert!((share(&draws, kind) - expected).abs() < 0.015, "{choice:?} {kind:?}");
            }
            let mut seen = 0;
            for (at, draw) in draws.iter().enumerate() {
                match draw.kind {
                    Kind::Turn => {
                        assert_eq!(draw.node, seen);
                        seen += 1;
                    }
                    Kind::Drawn => assert!(draw.node < seen),
                    Kind::Retransmission => {
                        let before = &draws[at.saturating_sub(2 * RECENT)..at];
                        assert!(before.iter().any(|before| before.node == draw.node));
                    }
                }
            }
        }
    }

    #[test]
    fn a_choice_among_all_leaves_none_out_and_zipf_prefers_the_first() {
        let drawn = |choice| {
            let mut population = population(100, 9, |nodes, _| nodes.choice = choice);
            let mut counts = [0u32; 100];
            for draw in draws(&mut population, 50_000) {
                assert_eq!(draw.kind, Kind::Drawn);
                counts[draw.node as usize] += 1;
            }
            counts
        };
        assert!(drawn(Choice::Uniform).iter().all(|count| (380..640).contains(count)));
        let zipf = drawn(Choice::Zipf);
        // 1 / H(100) = 0.193 of all.
        assert!((9_200..10_100).contains(&zipf[0]), "{}", zipf[0]);
        assert!(zipf.iter().all(|count| *count > 0) && zipf[99] < 160);
    }

    #[test]
    fn the_old_name_of_the_share_still_means_it() {
        let mut population = population(10_000, 3, |_, traffic| traffic.repeat = 0.3);
        let drawn = share(&draws(&mut population, 10_000), Kind::Drawn);
        assert!((0.28..0.32).contains(&drawn), "{drawn}");
    }

    #[test]
    fn the_same_seed_gives_the_same_draws() {
        let again = |seed| draws(&mut population(1000, seed, |_, traffic| traffic.new = Some(0.5)), 100);
        assert_eq!(again(3), again(3));
        assert_ne!(again(3), again(4));
    }

    #[test]
    fn another_mix_counts_from_the_next_draw_on() {
        let mut population = population(100, 1, |_, _| ());
        assert!(draws(&mut population, 50).iter().all(|draw| draw.kind == Kind::Turn));
        population.set_mix(TrafficMix { new: Some(0.0), retransmit: 0.0 });
        assert!(draws(&mut population, 50).iter().all(|draw| draw.kind == Kind::Drawn));
    }
}
