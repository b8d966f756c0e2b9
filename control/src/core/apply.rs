//! A new configuration, or a changed network: places, live settings, one publication, and what follows from it.

use std::{
    net::SocketAddrV4,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use common::{
    event::SessionEvent,
    id::{RealId, VserverId},
    slb::SessionInfo,
    snapshot::Snapshot,
};

use super::{Core, NetworkView};
use crate::{
    command::{Args, ConfigError, EditResult, ExecError, Form, Mode, Runtime},
    configuration::Configuration,
    dfp::manager::commands::DFP,
    slb::{
        check::{check, refused},
        plan::{Plan, announcements},
        state::{RealKey, settings},
    },
};

/// Sessions to be deleted, in passes over the table, the last one begun when no worker could make new ones any more
/// from an older snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Purge {
    of: PurgeOf,
    /// The first snapshot that makes none.
    generation: u64,
    /// Where the pass goes on.
    line: u32,
    /// Every worker had that snapshot when the pass began.
    last: bool,
}

/// Lines of the session table that one purge looks at in one go: some 4 million sessions.
const PURGE_LINES: u32 = 1 << 20;

/// Whose sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PurgeOf {
    /// Of a virtual server.
    Vserver(VserverId),
    /// On a real.
    Real(RealId),
}

impl PurgeOf {
    fn is(self, session: &SessionInfo) -> bool {
        match self {
            Self::Vserver(vserver) => session.vserver == vserver,
            Self::Real(real) => session.session.real == real,
        }
    }
}

impl Runtime for Core {
    type Configuration = Configuration;

    fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.running)
    }

    fn replace(&mut self, next: Configuration) -> EditResult {
        self.apply(next)
    }

    fn repeated(&mut self, mode: &'static Mode, args: &Args, form: Form) {
        if *mode == DFP
            && form == Form::Set
            && let (Some(address), Some(port)) = (args.ip("address"), args.int("port"))
        {
            self.dfp_entered_again(SocketAddrV4::new(address, port));
        }
    }

    fn save(&mut self, text: &str) -> Result<(), ExecError> {
        let path = self.startup.as_deref().ok_or_else(|| ExecError::new("No startup file was given"))?;
        write_file(path, text).map_err(|error| ExecError::new(format!("{}: {error}", path.display())))
    }
}

/// Writes a file so that at any moment the old or the new one is whole; the old one stays as `.bak`.
fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    use std::{fs, io::Write as _};
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::path::PathBuf::from(name)
    };
    let new = beside(".new");
    let mut file = fs::File::create(&new)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if path.exists() {
        let bak = beside(".bak");
        // A copy under another name keeps `path` in place at every moment.
        let _ = fs::remove_file(&bak);
        fs::hard_link(path, &bak).or_else(|_| fs::copy(path, &bak).map(drop))?;
    }
    fs::rename(&new, path)
}

impl Core {
    /// Makes `next` the running configuration, wholly or not at all.
    ///
    /// # Errors
    /// What a running process cannot change, or what the balancer refuses; then nothing has changed.
    pub fn apply(&mut self, next: Configuration) -> EditResult {
        let difference = self.running.difference(&next);
        // At the first configuration there is nothing to restart.
        let first = *self.running == Configuration::default();
        if let Some(what) = difference.restart.first().filter(|_| !first) {
            return Err(ConfigError::new(format!("restart needed: {what}")));
        }
        // The places below rely on it; what else there is to check or to warn of, the shell and the file loader did.
        check(&next.slb, &next.machine.subnets())?;
        let gone = self.slb.place(&next.slb).map_err(|full| refused(full.to_string()))?;
        let stopped = self.stopped(&next);
        let old = std::mem::replace(&mut self.running, Arc::new(next));
        self.effects.machine_changed |= difference.machine;
        let generation = self.publish();
        self.dfp_configured(&old);
        self.dfp_agents_configured(&old.dfp.agents);
        let whose = gone
            .reals
            .into_iter()
            .map(PurgeOf::Real)
            .chain(gone.vservers.into_iter().chain(stopped).map(PurgeOf::Vserver));
        let whose: Vec<_> = whose.collect();
        for of in whose {
            self.purge(of, generation);
        }
        Ok(Vec::new())
    }

    /// Loads and applies a file; all lines or none.
    ///
    /// # Errors
    /// Each bad line with its place, or the reason why the whole is refused.
    pub fn apply_file(&mut self, file: &str, text: &str) -> Result<Vec<String>, Vec<String>> {
        let loaded = crate::command::load::<Configuration>(file, text)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let mut said = loaded.warnings;
        said.extend(self.apply(loaded.configuration).map_err(|error| vec![format!("{file}: {error}")])?);
        Ok(said)
    }

    /// Takes over what the kernel says of interfaces, routes and neighbours.
    pub fn host_changed(&mut self, network: NetworkView) {
        self.network = network;
        self.publish();
    }

    /// Withdraws every virtual address, before the process ends.
    pub fn drain(&mut self) {
        self.draining = true;
        self.publish();
    }

    /// True once every worker that moves has taken the newest snapshot.
    pub fn is_settled(&self) -> bool {
        self.settled_at(self.publisher.generation())
    }

    /// Turns session events of workers on or off.
    pub(super) fn set_debug_sessions(&mut self, on: bool) {
        if self.debug_sessions != on {
            self.debug_sessions = on;
            self.publish();
        }
    }

    /// Virtual servers that go out of service with `next`.
    fn stopped(&self, next: &Configuration) -> Vec<VserverId> {
        let was = self.running.slb.vservers.iter().filter(|vserver| vserver.inservice);
        was.filter(|old| next.slb.vserver(&old.name).is_some_and(|new| !new.inservice))
            .filter_map(|old| self.slb.vservers.get(&old.name).map(|(_, entry)| entry.id))
            .collect()
    }

    /// Brings live state up to the running configuration and the network, and publishes both.
    fn publish(&mut self) -> u64 {
        let plan = Plan::new(&self.running.slb, &self.slb, self.network.network());
        self.update_reals(&plan);
        let mut snapshot = Snapshot { debug_sessions: self.debug_sessions, ..Snapshot::default() };
        self.network.fill(&mut snapshot);
        if self.hops != plan.hops {
            self.hops.clone_from(&plan.hops);
            self.effects.hops_changed = true;
        }
        plan.fill(&mut snapshot);
        if self.draining {
            snapshot.vips.clear();
        }
        let old = self.publisher.current();
        self.effects.announcements.extend(announcements(&old.vips, &snapshot.vips));
        drop(old);
        let generation = self.publisher.publish(snapshot);
        let current = self.publisher.current();
        for farm in current.farms.iter().flatten() {
            farm.live.advance(farm);
        }
        generation
    }

    fn update_reals(&mut self, plan: &Plan) {
        for farm in &self.running.slb.farms {
            let farm_in_service = self.running.slb.is_farm_in_service(&farm.name);
            for real in &farm.reals {
                let key = RealKey { farm: farm.name.clone(), address: real.address, port: real.port };
                let Some((index, entry)) = self.slb.reals.get(&key) else { continue };
                let planned = plan.reals.get(index).and_then(Option::as_ref);
                entry.live.configure(settings(real));
                entry.live.set_arp_resolved(planned.is_some_and(|planned| planned.adjacency.is_some()));
                entry.live.set_in_service(real.inservice && farm_in_service);
            }
        }
    }

    /// Deletes sessions that the snapshot of `generation` makes no more.
    fn purge(&mut self, of: PurgeOf, generation: u64) {
        let mut purge = Purge { of, generation, line: 0, last: self.settled_at(generation) };
        if !self.step_purge(&mut purge) {
            self.purges.push(purge);
        }
    }

    /// Goes on with the purges.
    pub(super) fn run_purges(&mut self) {
        let purges = std::mem::take(&mut self.purges);
        for mut purge in purges {
            if !self.step_purge(&mut purge) {
                self.purges.push(purge);
            }
        }
    }

    /// True when it is done.
    fn step_purge(&mut self, purge: &mut Purge) -> bool {
        let of = purge.of;
        match self.clear_sessions(purge.line, PURGE_LINES, |session| of.is(session)) {
            Some(line) => {
                purge.line = line;
                false
            }
            None if purge.last => true,
            None => {
                (purge.line, purge.last) = (0, self.settled_at(purge.generation));
                false
            }
        }
    }

    /// Deletes the sessions that `which` names in a part of the table; where to go on, or `None` at the end.
    pub(super) fn clear_sessions(
        &mut self,
        from: u32,
        lines: u32,
        which: impl FnMut(&SessionInfo) -> bool,
    ) -> Option<u32> {
        let snapshot = self.publisher.current();
        let mut ended = Vec::new();
        let wanted = self.debug_sessions;
        let next = self.director.clear(&snapshot, from, lines, which, |end| {
            if wanted {
                ended.push(SessionEvent::from(end));
            }
        });
        for event in &ended {
            self.print_session(&snapshot, event);
        }
        next
    }

    fn settled_at(&self, generation: u64) -> bool {
        let behind = |worker: usize| {
            self.supervisor.is_alive(worker, self.now)
                && self.stats[worker].generation.load(Relaxed) < generation
        };
        !(0..self.stats.len()).any(behind)
    }
}
