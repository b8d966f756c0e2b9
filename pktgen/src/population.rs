//! Which mobile node comes next.

use fastrand::Rng;

/// Nodes in turn, by number or shuffled, with repeats of those that had their turn.
#[derive(Clone, Debug)]
pub struct Population {
    count: u32,
    /// The order of a turn; empty: by number.
    order: Vec<u32>,
    repeat: f64,
    random: Rng,
    /// New nodes so far; goes on counting over turns.
    turn: u64,
}

impl Population {
    /// Of `count` nodes, at least one; a share of `repeat` of all requests repeats a node drawn at random.
    pub fn new(count: u32, repeat: f64, shuffle: bool, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut order = Vec::new();
        if shuffle {
            order.extend(0..count);
            random.shuffle(&mut order);
        }
        Self { count, order, repeat, random, turn: 0 }
    }

    /// The next node, counted from 0.
    pub fn draw(&mut self) -> u32 {
        let seen = self.turn.min(self.count.into()) as u32;
        if seen > 0 && self.repeat > 0.0 && self.random.f64() < self.repeat {
            let at = self.random.u32(0..seen);
            return self.at(at);
        }
        let at = (self.turn % u64::from(self.count)) as u32;
        self.turn += 1;
        self.at(at)
    }

    fn at(&self, place: u32) -> u32 {
        self.order.get(place as usize).copied().unwrap_or(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_names_every_node_once() {
        for shuffle in [false, true] {
            let mut population = Population::new(50, 0.0, shuffle, 7);
            for _ in 0..2 {
                let mut turn: Vec<u32> = (0..50).map(|_| population.draw()).collect();
                assert_eq!(turn.is_sorted(), !shuffle);
                turn.sort_unstable();
                assert!(turn.into_iter().eq(0..50));
            }
        }
    }

    #[test]
    fn repeats_are_of_nodes_seen_and_as_many_as_asked_for() {
        let mut population = Population::new(10_000, 0.25, true, 1);
        let mut seen = std::collections::HashSet::new();
        let repeats = (0..4000).filter(|_| !seen.insert(population.draw())).count();
        assert!((900..1100).contains(&repeats), "{repeats}");
        let again = |seed| {
            let mut population = Population::new(100, 0.5, true, seed);
            (0..100).map(|_| population.draw()).collect::<Vec<_>>()
        };
        assert_eq!(again(3), again(3));
        assert_ne!(again(3), again(4));
    }
}
