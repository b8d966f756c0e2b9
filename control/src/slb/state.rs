//! What outlives a change of configuration: the slot of each farm, real and virtual server, and the live state that
//! workers share through every snapshot.

use std::{collections::HashSet, fmt, net::Ipv4Addr, sync::Arc, time::Duration};

use common::{
    id::{FarmId, MAX_REALS, RealId, VserverId},
    slb::{ClientRate, FarmLive, RealLive, RealSettings, VserverLive},
    time::Nanos,
};

use super::{
    check::{MAX_FARMS, MAX_VSERVERS},
    config::{FarmConfig, ObjectName, RealConfig, SlbConfig},
    fsm::RealWatch,
    slots::{Full, Slots},
};

/// A real is one address (and port) of one farm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RealKey {
    /// Name of the farm.
    pub farm: ObjectName,
    /// IPv4 address of the server.
    pub address: Ipv4Addr,
    /// Port in directed mode.
    pub port: Option<u16>,
}

/// `10.1.1.51 (HAFARM)`, with `:8434` where it has a port of its own.
impl fmt::Display for RealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, " ({})", self.farm)
    }
}

impl RealKey {
    /// The key of `real`, one of `farm`.
    pub fn new(farm: &FarmConfig, real: &RealConfig) -> Self {
        Self { farm: farm.name.clone(), address: real.address, port: real.port }
    }
}

/// A real in its slot.
#[derive(Debug)]
pub struct RealEntry {
    /// Index and generation.
    pub id: RealId,
    /// Shared with workers.
    pub live: Arc<RealLive>,
    /// What was last seen of it.
    pub watch: RealWatch,
    /// `retry`
    pub retry: Duration,
    /// When a repeated report brought it back last.
    pub revived: Option<Nanos>,
}

/// A farm in its slot.
#[derive(Debug)]
pub struct FarmEntry {
    /// Index of the slot.
    pub id: FarmId,
    /// Shared with workers.
    pub live: Arc<FarmLive>,
    /// Rises whenever `members` changes.
    pub generation: u16,
    /// Reals in the order of the configuration.
    pub members: Vec<RealId>,
    /// Reals that left, each with the position in `members` that the cursor passes to.
    pub departed: Vec<(RealId, u16)>,
}

/// A virtual server in its slot.
#[derive(Debug)]
pub struct VserverEntry {
    /// Index of the slot.
    pub id: VserverId,
    /// The number shown, from 1.
    pub v_index: u32,
    /// Shared with workers.
    pub live: Arc<VserverLive>,
    /// What its sources began of late, while that is limited.
    pub client_rate: Option<Arc<ClientRate>>,
}

/// All slots.
#[derive(Debug)]
pub struct SlbState {
    workers: u8,
    /// By [`RealId::index`].
    pub reals: Slots<RealKey, RealEntry>,
    /// By [`FarmId`].
    pub farms: Slots<ObjectName, FarmEntry>,
    /// By [`VserverId`].
    pub vservers: Slots<ObjectName, VserverEntry>,
}

/// What lost its slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Reals, whose sessions end.
    pub reals: Vec<RealId>,
    /// Virtual servers, likewise.
    pub vservers: Vec<VserverId>,
}

/// How many that left a farm are remembered: the cursor can only be at one until the next new session.
const DEPARTED: usize = 64;

impl SlbState {
    /// No slots are taken yet; counters have a cell for each of `workers` workers.
    pub fn new(workers: u8) -> Self {
        Self {
            workers,
            reals: Slots::new(MAX_REALS),
            farms: Slots::new(MAX_FARMS),
            vservers: Slots::new(MAX_VSERVERS),
        }
    }

    /// Gives slots to what is new in `config` and takes them from what is gone. `config` has passed
    /// [`super::check::check`], so there is room.
    pub fn assign(&mut self, config: &SlbConfig) -> Result<Removed, Full> {
        let reals: HashSet<RealKey> = config.farms.iter().flat_map(keys).collect();
        let removed = Removed {
            reals: self
                .reals
                .retain(|key| reals.contains(key))
                .into_iter()
                .map(|(_, _, real)| real.id)
                .collect(),
            vservers: self
                .vservers
                .retain(|name| config.vserver(name).is_some())
                .into_iter()
                .map(|(_, _, vserver)| vserver.id)
                .collect(),
        };
        let workers = self.workers;
        self.farms.retain(|name| config.farm(name).is_some());
        for farm in &config.farms {
            self.assign_farm(farm)?;
        }
        for vserver in &config.vservers {
            self.vservers.insert(&vserver.name, |index, _| VserverEntry {
                id: VserverId(index as u16),
                v_index: index as u32 + 1,
                live: Arc::new(VserverLive::new(workers)),
                client_rate: None,
            })?;
            if let Some((_, entry)) = self.vservers.get_mut(&vserver.name) {
                let limit = entry.client_rate.as_ref().map(|rate| rate.limit());
                if limit != vserver.client_rate {
                    entry.client_rate = vserver.client_rate.map(|limit| Arc::new(ClientRate::new(limit)));
                }
            }
        }
        Ok(removed)
    }

    /// The real that `id` names, unless its slot was given to another.
    pub fn real_mut(&mut self, id: RealId) -> Option<&mut RealEntry> {
        self.reals.at_mut(usize::from(id.index)).filter(|entry| entry.id == id)
    }

    fn assign_farm(&mut self, farm: &FarmConfig) -> Result<(), Full> {
        let mut members = Vec::with_capacity(farm.reals.len());
        for (key, real) in keys(farm).zip(&farm.reals) {
            self.reals.insert(&key, |index, generation| RealEntry {
                id: RealId { index: index as u16, generation },
                live: Arc::default(),
                watch: RealWatch::default(),
                retry: Duration::ZERO,
                revived: None,
            })?;
            if let Some((_, entry)) = self.reals.get_mut(&key) {
                entry.retry = Duration::from_secs(real.retry.into());
                members.push(entry.id);
            }
        }
        self.farms.insert(&farm.name, |index, _| FarmEntry {
            id: FarmId(index as u16),
            live: Arc::default(),
            generation: 0,
            members: Vec::new(),
            departed: Vec::new(),
        })?;
        if let Some((_, entry)) = self.farms.get_mut(&farm.name) {
            entry.set_members(members);
        }
        Ok(())
    }
}

/// What workers heed of a real's settings.
pub fn settings(real: &RealConfig) -> RealSettings {
    RealSettings {
        weight: real.weight.into(),
        maxconns: real.maxconns,
        numconns: real.faildetect.numconns.into(),
        numclients: real.faildetect.numclients.into(),
        inband: real.faildetect.inband,
    }
}

/// The keys of a farm's reals, in order.
fn keys(farm: &FarmConfig) -> impl Iterator<Item = RealKey> + '_ {
    farm.reals.iter().map(|real| RealKey::new(farm, real))
}

impl FarmEntry {
    /// Takes a new list of members. The cursor passes from one that left to the next that stays, going round; those that
    /// left earlier are carried along.
    fn set_members(&mut self, members: Vec<RealId>) {
        if members == self.members {
            return;
        }
        let heir = |from: usize| {
            let mut round = self.members.iter().cycle().skip(from).take(self.members.len());
            round.find_map(|old| members.iter().position(|new| new == old)).unwrap_or(0) as u16
        };
        let earlier = self.departed.iter().map(|(real, at)| (*real, heir(usize::from(*at))));
        let left = self.members.iter().enumerate().filter(|(_, real)| !members.contains(real));
        let mut departed: Vec<_> = earlier.chain(left.map(|(at, real)| (*real, heir(at)))).collect();
        departed.drain(..departed.len().saturating_sub(DEPARTED));
        departed.retain(|(real, _)| !members.contains(real));
        self.departed = departed;
        self.members = members;
        self.generation = self.generation.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(farms: &[(&str, &[u8])]) -> SlbConfig {
        let mut slb = SlbConfig::default();
        for (name, reals) in farms {
            let farm = slb.farm_entry(&name.parse().unwrap());
            for last in *reals {
                farm.real_entry(Ipv4Addr::new(10, 1, 1, *last), None);
            }
        }
        slb
    }

    fn farm<'a>(state: &'a SlbState, name: &str) -> &'a FarmEntry {
        state.farms.get(&name.parse().unwrap()).unwrap().1
    }

    #[test]
    fn slots_stay_over_changes_and_the_same_address_in_two_farms_is_two_reals() {
        let mut state = SlbState::new(1);
        state.assign(&config(&[("A", &[1, 2, 3]), ("B", &[1])])).unwrap();
        let before = farm(&state, "A").members.clone();
        assert_eq!(farm(&state, "A").generation, 1);
        assert_ne!(before[0], farm(&state, "B").members[0]);
        let removed = state.assign(&config(&[("B", &[1]), ("A", &[1, 3, 4])])).unwrap();
        let after = farm(&state, "A");
        assert_eq!((after.members[0], after.members[1]), (before[0], before[2]));
        assert_eq!((after.generation, &removed.reals), (2, &vec![before[1]]));
        assert_eq!(farm(&state, "B").generation, 1, "unchanged");
        state.assign(&config(&[("B", &[1]), ("A", &[1, 2, 3, 4])])).unwrap();
        assert_ne!(farm(&state, "A").members[1], before[1], "back, but another real to every session");
    }

    #[test]
    fn the_cursor_passes_from_one_that_left_to_its_neighbour() {
        let mut state = SlbState::new(1);
        state.assign(&config(&[("A", &[1, 2, 3])])).unwrap();
        let [_, two, three] = farm(&state, "A").members[..] else { panic!("three members") };
        state.assign(&config(&[("A", &[1, 3])])).unwrap();
        assert_eq!(farm(&state, "A").departed, [(two, 1)]);
        state.assign(&config(&[("A", &[1])])).unwrap();
        assert_eq!(farm(&state, "A").departed, [(two, 0), (three, 0)], "round, and carried along");
        state.assign(&config(&[("A", &[])])).unwrap();
        assert_eq!(farm(&state, "A").members.len(), 0);
        assert!(farm(&state, "A").departed.iter().all(|(_, at)| *at == 0));
    }
}
