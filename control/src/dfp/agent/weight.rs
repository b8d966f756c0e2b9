//! The weight of a home agent: the equations of the home-agent guide and of CISCO-SLB-DFP-MIB.

use super::figures::Figures;

/// What the weight is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeAgentLoad {
    /// Bindings that it holds.
    pub bindings: u64,
    /// Bindings that it can hold, at least 1.
    pub max_bindings: u64,
    /// What is left of CPU and memory; none: not measured yet.
    pub figures: Option<Figures>,
    /// Calls taken, and those that it could have taken in the same time; none: they do not count.
    pub calls: Option<(u64, u64)>,
    /// The weight of an idle home agent (`dfp_max_weight`).
    pub max_weight: u16,
}

/// Weight of an idle home agent that was given none. With it the equation gives the guide's 24 at 50 bindings.
pub const DEFAULT_MAX_WEIGHT: u16 = 25;

/// The divisor of the two idle scores, each 0 to 16.
const SCORES: u128 = 32;

impl HomeAgentLoad {
    /// `(Maxbindings - N) * (cpu + mem) * (AvailCps - UsageCps) * dfp_max_weight / (Maxbindings * 32 * AvailCps)`;
    /// without calls per second the two factors of these are left out. Multiplied first, divided once, truncated.
    pub fn weight(&self) -> u16 {
        let Some(figures) = self.figures else { return self.max_weight };
        let max = u128::from(self.max_bindings.max(1));
        let free = max.saturating_sub(self.bindings.into());
        let scores = u128::from(figures.cpu.score() + figures.memory.score());
        let (calls_free, calls) = match self.calls {
            Some((used, possible)) if possible > 0 => {
                // Nobody counts calls in more than 32 bits; so nothing below overflows.
                let scale = (u64::BITS - possible.leading_zeros()).saturating_sub(u32::BITS);
                (possible.saturating_sub(used) >> scale, possible >> scale)
            }
            _ => (1, 1),
        };
        let numerator = free * scores * u128::from(self.max_weight) * u128::from(calls_free);
        let weight = numerator / (max * SCORES * u128::from(calls));
        u16::try_from(weight).unwrap_or(self.max_weight)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::figures::PerMille, *};

    const IDLE: Figures = Figures { cpu: PerMille::ALL, memory: PerMille::ALL };

    fn load(bindings: u64, max_bindings: u64) -> HomeAgentLoad {
        let max_weight = DEFAULT_MAX_WEIGHT;
        HomeAgentLoad { bindings, max_bindings, figures: Some(IDLE), calls: None, max_weight }
    }

    #[test]
    fn an_idle_home_agent_has_the_guides_25_and_with_50_bindings_its_24() {
        assert_eq!(load(0, 235_000).weight(), 25);
        assert_eq!(load(50, 235_000).weight(), 24);
        assert_eq!(load(50, 1250).weight(), 24);
        assert_eq!(
            HomeAgentLoad { figures: None, ..load(50, 1250) }.weight(),
            25,
            "before the first figures"
        );
    }

    #[test]
    fn a_full_or_overfull_one_has_0() {
        assert_eq!(load(1000, 1000).weight(), 0);
        assert_eq!(load(u64::MAX, 1000).weight(), 0);
        let busy = Figures { cpu: PerMille::NONE, memory: PerMille::NONE };
        assert_eq!(HomeAgentLoad { figures: Some(busy), ..load(0, 1000) }.weight(), 0);
    }

    #[test]
    fn calls_per_second_count_only_when_they_are_configured() {
        let with = |used, possible| HomeAgentLoad { calls: Some((used, possible)), ..load(0, 1000) }.weight();
        assert_eq!((with(0, 100), with(50, 100), with(100, 100), with(500, 100)), (25, 12, 0, 0));
        assert_eq!(with(5, 0), 25);
    }

    #[test]
    fn busy_processors_and_memory_weigh_alike() {
        let with = |cpu, memory| {
            let figures = Figures { cpu: PerMille::of(cpu, 100), memory: PerMille::of(memory, 100) };
            HomeAgentLoad { figures: Some(figures), max_weight: 320, ..load(0, 1) }.weight()
        };
        assert_eq!((with(100, 0), with(0, 100), with(44, 44), with(22, 100)), (160, 160, 160, 200));
    }

    #[test]
    fn no_size_overflows() {
        let huge = HomeAgentLoad { calls: Some((0, u64::MAX)), max_weight: u16::MAX, ..load(0, u64::MAX) };
        assert_eq!(huge.weight(), u16::MAX);
        assert_eq!(HomeAgentLoad { max_weight: u16::MAX, ..load(0, u64::MAX) }.weight(), u16::MAX);
    }
}
