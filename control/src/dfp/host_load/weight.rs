//! The weight of a home agent: the equations of the home-agent guide and of CISCO-SLB-DFP-MIB.

use super::HostLoad;
use crate::bus::HomeAgent;

/// Weight of an idle home agent that was given none. With it the equation gives the guide's 24 at 50 bindings.
pub const DEFAULT_MAX_WEIGHT: u16 = 25;

/// The divisor of the two idle scores, each 0 to 16.
const SCORES: u128 = 32;

/// `(Maxbindings - N) * (cpu + mem) * (AvailCps - UsageCps) * dfp_max_weight / (Maxbindings * 32 * AvailCps)`; without
/// calls per second the two factors of these are left out. Multiplied first, divided once, truncated. Before `host` is
/// measured it is all of the weight.
pub fn weight(agent: &HomeAgent, host: Option<HostLoad>) -> u16 {
    let Some(host) = host else { return agent.max_weight };
    let max = u128::from(agent.max_bindings.max(1));
    let free = max.saturating_sub(agent.bindings.into());
    let scores = u128::from(host.cpu.score() + host.memory.score());
    let (calls_free, calls) = match agent.calls {
        Some((used, possible)) if possible > 0 => {
            // Nobody counts calls in more than 32 bits; so nothing below overflows.
            let scale = (u64::BITS - possible.leading_zeros()).saturating_sub(u32::BITS);
            (possible.saturating_sub(used) >> scale, possible >> scale)
        }
        _ => (1, 1),
    };
    let numerator = free * scores * u128::from(agent.max_weight) * u128::from(calls_free);
    let weight = numerator / (max * SCORES * u128::from(calls));
    u16::try_from(weight).unwrap_or(agent.max_weight)
}

#[cfg(test)]
mod tests {
    use super::{super::PerMille, *};

    const IDLE: HostLoad = HostLoad { cpu: PerMille::ALL, memory: PerMille::ALL };

    fn load(bindings: u64, max_bindings: u64) -> HomeAgent {
        HomeAgent { bindings, max_bindings, calls: None, busy: None, max_weight: DEFAULT_MAX_WEIGHT }
    }

    fn idle(agent: HomeAgent) -> u16 {
        weight(&agent, Some(IDLE))
    }

    #[test]
    fn an_idle_home_agent_has_the_guides_25_and_with_50_bindings_its_24() {
        assert_eq!(idle(load(0, 235_000)), 25);
        assert_eq!(idle(load(50, 235_000)), 24);
        assert_eq!(idle(load(50, 1250)), 24);
        assert_eq!(weight(&load(50, 1250), None), 25, "before the first measurement");
    }

    #[test]
    fn a_full_or_overfull_one_has_0() {
        assert_eq!(idle(load(1000, 1000)), 0);
        assert_eq!(idle(load(u64::MAX, 1000)), 0);
        let busy = HostLoad { cpu: PerMille::NONE, memory: PerMille::NONE };
        assert_eq!(weight(&load(0, 1000), Some(busy)), 0);
    }

    #[test]
    fn calls_per_second_count_only_when_they_are_configured() {
        let with = |used, possible| idle(HomeAgent { calls: Some((used, possible)), ..load(0, 1000) });
        assert_eq!((with(0, 100), with(50, 100), with(100, 100), with(500, 100)), (25, 12, 0, 0));
        assert_eq!(with(5, 0), 25);
    }

    #[test]
    fn busy_processors_and_memory_weigh_alike() {
        let with = |cpu, memory| {
            let host = HostLoad { cpu: PerMille::of(cpu, 100), memory: PerMille::of(memory, 100) };
            weight(&HomeAgent { max_weight: 320, ..load(0, 1) }, Some(host))
        };
        assert_eq!((with(100, 0), with(0, 100), with(44, 44), with(22, 100)), (160, 160, 160, 200));
    }

    #[test]
    fn no_size_overflows() {
        let huge = HomeAgent { calls: Some((0, u64::MAX)), max_weight: u16::MAX, ..load(0, u64::MAX) };
        assert_eq!(idle(huge), u16::MAX);
        assert_eq!(idle(HomeAgent { max_weight: u16::MAX, ..load(0, u64::MAX) }), u16::MAX);
    }
}
