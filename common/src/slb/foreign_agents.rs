//! From where a virtual server's requests come: what tells one source's failures from everybody's.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// Sources remembered.
const SLOTS: usize = 16;

/// Sessions looked at until all counts are halved, so that who has left is forgotten.
const WINDOW: u32 = 1024;

/// The foreign agents of a virtual server, by a sample of its sessions: sources with at least a sixteenth of the sessions of
/// the busiest one. So somebody with a few sessions of his own making is none.
#[derive(Debug, Default)]
pub struct ForeignAgents {
    /// Address 32 | sessions seen 32; 0: nobody's.
    slots: [AtomicU64; SLOTS],
    seen: AtomicU32,
}

/// What is known of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its address.
    pub address: Ipv4Addr,
    /// It is one of the foreign agents, or none are known yet.
    pub known: bool,
    /// Number of foreign agents.
    pub agents: u32,
}

impl ForeignAgents {
    /// Counts a session of the sample. Of two threads at once one may count for nothing.
    pub fn note(&self, address: Ipv4Addr) {
        if self.seen.fetch_add(1, Relaxed) >= WINDOW {
            self.seen.store(0, Relaxed);
            for slot in &self.slots {
                let (address, count) = unpack(slot.load(Relaxed));
                slot.store(pack(address, count / 2), Relaxed);
            }
        }
        let mut least = (u32::MAX, &self.slots[0]);
        for slot in &self.slots {
            let (found, count) = unpack(slot.load(Relaxed));
            if found == address && count > 0 {
                slot.store(pack(address, count + 1), Relaxed);
                return;
            }
            if count < least.0 {
                least = (count, slot);
            }
        }
        // A newcomer wears the smallest one down and then has its place: who has a share gets in.
        let (count, slot) = least;
        match count.checked_sub(1) {
            Some(fewer) => slot.store(pack(unpack(slot.load(Relaxed)).0, fewer), Relaxed),
            None => slot.store(pack(address, 1), Relaxed),
        }
    }

    /// What is known of a source.
    pub fn look_up(&self, address: Ipv4Addr) -> Source {
        let slots = self.slots.each_ref().map(|slot| unpack(slot.load(Relaxed)));
        let most = slots.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let agents = slots.iter().filter(|(_, count)| *count > 0 && *count * 16 >= most);
        let known = most == 0 || agents.clone().any(|(agent, _)| *agent == address);
        Source { address, known, agents: agents.count() as u32 }
    }
}

fn pack(address: Ipv4Addr, count: u32) -> u64 {
    u64::from(u32::from(address)) << 32 | u64::from(count)
}

fn unpack(word: u64) -> (Ipv4Addr, u32) {
    (Ipv4Addr::from((word >> 32) as u32), word as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(number: u8) -> Ipv4Addr {
        Ipv4Addr::new(15, 1, 1, number)
    }

    #[test]
    fn a_source_is_an_agent_from_a_sixteenth_of_the_busiest_ones_sessions_on() {
        let agents = ForeignAgents::default();
        assert_eq!(agents.look_up(agent(1)), Source { address: agent(1), known: true, agents: 0 });
        for _ in 0..160 {
            agents.note(agent(1));
        }
        for _ in 0..9 {
            agents.note(agent(2));
        }
        assert_eq!(agents.look_up(agent(2)), Source { address: agent(2), known: false, agents: 1 });
        agents.note(agent(2));
        assert_eq!(agents.look_up(agent(2)), Source { address: agent(2), known: true, agents: 2 });
        assert!(!agents.look_up(agent(3)).known);
    }

    #[test]
    fn who_leaves_is_forgotten_and_a_flood_of_addresses_takes_no_place() {
        let agents = ForeignAgents::default();
        for _ in 0..1000 {
            agents.note(agent(1));
            agents.note(agent(2));
        }
        for number in 0..10_000 {
            agents.note(agent(1));
            agents.note(Ipv4Addr::from(0x0a00_0000 + number));
        }
        let known = agents.look_up(agent(1));
        assert!(known.known && !agents.look_up(agent(2)).known, "{known:?}");
        assert_eq!(known.agents, 1);
        for _ in 0..10_000 {
            agents.note(agent(3));
        }
        assert!(agents.look_up(agent(3)).known && !agents.look_up(agent(1)).known);
    }
}
