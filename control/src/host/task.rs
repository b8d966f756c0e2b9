//! The host task: one tokio task that owns the mirror, the shadows and the resolver.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use common::{
    id::InterfaceId,
    net::NextHop,
    ring::{FrameReceiver, FrameSender},
};
use rtnetlink::{
    packet_core::{NLM_F_CREATE, NLM_F_REPLACE},
    packet_route::{
        RouteNetlinkMessage,
        neighbour::{NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourState},
    },
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval, sleep_until},
};
use tracing::{debug, info, warn};

use super::{
    HostError,
    apply::{self, Pending, Step},
    desired::{DesiredHost, DesiredInterface},
    name::device_name,
    netlink::{self, Listener, Notice, Requests},
    resolve::{Request, Resolver, Unresolved},
    shadow::Shadow,
    shadow_io::{ShadowIo, Tap},
    state::KernelTables,
    view::{ArpState, HostState},
};

/// Changes within this time are told as one.
const COALESCE: Duration = Duration::from_millis(2);
/// Time between looks at what waits: retries of the resolver, pending lines.
const TICK: Duration = Duration::from_millis(250);
/// Time between looks at pending lines that no event has moved.
const RETRY_PENDING: Duration = Duration::from_secs(1);
/// Most rounds in which the kernel is compared and changed before the rest is left to the next event.
const PASSES: usize = 4;
/// Time between complete readings, which find what the kernel removed without a word.
const RESYNC: Duration = Duration::from_mins(1);
/// Present where the kernel keeps managed neighbours resolved (`neigh/default` is missing in inner namespaces).
const MANAGED_MARK: &str = "/proc/sys/net/ipv4/neigh/lo/interval_probe_time_ms";

/// What a [`Host`](super::Host) asks of the task behind it.
#[derive(Debug)]
pub enum Command {
    /// Make the kernel equal to this; answered with what waits.
    Apply(Box<DesiredHost>, oneshot::Sender<Result<Vec<Pending>, HostError>>),
    /// Keep exactly these next hops resolved.
    KeepResolved(BTreeSet<NextHop>),
    /// A worker needs this one.
    Resolve(NextHop),
    /// Which wanted next hops do not answer.
    Unresolved(oneshot::Sender<Vec<Unresolved>>),
    /// Read all tables of the kernel anew.
    Resync,
    /// Remove all that was put into the kernel, and end.
    Shutdown(oneshot::Sender<()>),
}

struct Kept {
    id: InterfaceId,
    vlan: Option<u16>,
    shadow: Shadow,
    /// As it was set last.
    arp_timeout: Option<Duration>,
}

pub(super) struct Task {
    requests: Requests,
    listener: Listener,
    tables: KernelTables,
    /// By full name.
    shadows: BTreeMap<String, Kept>,
    io: ShadowIo,
    desired: DesiredHost,
    permanent: BTreeSet<(u32, std::net::Ipv4Addr)>,
    resolver: Resolver,
    pending: Vec<Pending>,
    pending_at: Instant,
    resync_at: Instant,
    state: watch::Sender<HostState>,
    due: Option<Instant>,
    reconcile: bool,
    routes_doubtful: bool,
    resync: bool,
}

impl Task {
    /// Connects, reads the kernel's tables, and removes what a killed process left behind.
    pub(super) async fn start(
        punts: Vec<FrameReceiver>,
        injects: Vec<FrameSender>,
        state: watch::Sender<HostState>,
    ) -> Result<Self, HostError> {
        let (requests, listener) = netlink::connect()?;
        let io = ShadowIo::start(punts, injects).map_err(HostError::Thread)?;
        let now = Instant::now();
        let mut resolver = Resolver::new(now);
        if !Path::new(MANAGED_MARK).exists() {
            resolver.without_managed();
        }
        let mut task = Self {
            requests,
            listener,
            tables: KernelTables::default(),
            shadows: BTreeMap::new(),
            io,
            desired: DesiredHost::default(),
            permanent: BTreeSet::new(),
            resolver,
            pending: Vec::new(),
            pending_at: now,
            resync_at: now + RESYNC,
            state,
            due: None,
            reconcile: true,
            routes_doubtful: false,
            resync: true,
        };
        task.reconcile().await?;
        Ok(task)
    }

    pub(super) fn io(&self) -> &ShadowIo {
        &self.io
    }

    /// Runs until told to stop or until nobody can tell any more; then everything of ours is removed.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let done = loop {
            let due = self.due;
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Shutdown(done)) => break Some(done),
                    Some(command) => self.handle(command).await,
                    None => break None,
                },
                notice = self.listener.next() => {
                    let Some(notice) = notice else {
                        warn!("the netlink connection ended: the kernel's changes are not seen any more");
                        break None;
                    };
                    self.take_all(notice);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    if let Err(error) = self.reconcile().await {
                        warn!("{error}; trying again");
                        self.resync = true;
                        self.due = Some(Instant::now() + RETRY_PENDING);
                    }
                }
                _ = tick.tick() => self.on_tick().await,
            }
        };
        self.remove_all().await;
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    async fn handle(&mut self, command: Command) {
        match command {
            Command::Apply(desired, reply) => {
                let result = self.apply(*desired).await;
                let _ = reply.send(result);
            }
            Command::KeepResolved(hops) => {
                self.resolver.set_wanted(&hops);
                self.ask().await;
            }
            Command::Resolve(hop) => {
                if self.resolver.demand(hop, Instant::now()) {
                    self.schedule();
                }
            }
            Command::Unresolved(reply) => {
                let _ = reply.send(self.resolver.unresolved(Instant::now()));
            }
            Command::Resync => {
                self.resync = true;
                self.schedule();
            }
            // Handled by the loop.
            Command::Shutdown(_) => {}
        }
    }

    async fn on_tick(&mut self) {
        let now = Instant::now();
        if now >= self.resync_at {
            self.resync = true;
            self.schedule();
        }
        if !self.pending.is_empty() && now >= self.pending_at {
            self.reconcile = true;
            self.schedule();
        }
        self.ask().await;
    }

    fn schedule(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + COALESCE);
    }

    fn take_all(&mut self, first: Notice) {
        let mut next = Some(first);
        while let Some(notice) = next {
            self.take(&notice);
            next = self.listener.ready();
        }
    }

    fn take(&mut self, notice: &Notice) {
        let changed = match notice {
            Notice::Message { message, replace } => {
                let changed = self.tables.apply(message, *replace);
                self.reconcile |= changed.any
                    && matches!(
                        **message,
                        RouteNetlinkMessage::NewLink(_)
                            | RouteNetlinkMessage::DelLink(_)
                            | RouteNetlinkMessage::NewAddress(_)
                            | RouteNetlinkMessage::DelAddress(_)
                            | RouteNetlinkMessage::DelRoute(_)
                            | RouteNetlinkMessage::DelNeighbour(_)
                    );
                changed
            }
            Notice::NextHop(id) => self.tables.next_hop_changed(*id),
            Notice::Overrun => {
                info!("netlink notifications were lost; reading everything anew");
                self.resync = true;
                return self.schedule();
            }
        };
        self.routes_doubtful |= changed.routes_doubtful;
        if changed.any {
            self.schedule();
        }
    }

    /// Brings tables, kernel and watchers to one state.
    async fn reconcile(&mut self) -> Result<(), HostError> {
        self.due = None;
        if std::mem::take(&mut self.resync) {
            self.resync_at = Instant::now() + RESYNC;
            self.routes_doubtful = true;
            self.reconcile = true;
        }
        if std::mem::take(&mut self.reconcile) {
            // A step can undo what another relies on: an address that goes takes routes along.
            for _ in 0..PASSES {
                self.read_devices().await?;
                if self.remake_shadows().await {
                    self.read_devices().await?;
                    self.routes_doubtful = true;
                }
                if std::mem::take(&mut self.routes_doubtful) {
                    self.read_routes().await?;
                }
                if !self.make_equal().await {
                    break;
                }
                self.routes_doubtful = true;
            }
        }
        if std::mem::take(&mut self.routes_doubtful) {
            // The kernel tells of an address or a next-hop object before it removes the routes. It reads links under the lock
            // that it holds all that while, routes without it: so this comes first.
            self.read_devices().await?;
            self.read_routes().await?;
        }
        self.ask().await;
        self.publish();
        Ok(())
    }

    /// Reads links, addresses and neighbours anew.
    async fn read_devices(&mut self) -> Result<(), HostError> {
        let tables = &mut self.tables;
        tables.clear_devices();
        self.requests
            .dump_devices(|message| {
                tables.apply(message, false);
            })
            .await?;
        Ok(())
    }

    /// Reads the routes anew.
    async fn read_routes(&mut self) -> Result<(), HostError> {
        let tables = &mut self.tables;
        tables.clear_routes();
        self.requests
            .dump_routes(|message| {
                tables.apply(message, false);
            })
            .await?;
        Ok(())
    }

    /// Takes the steps that are missing; true if one of them was taken.
    async fn make_equal(&mut self) -> bool {
        let (steps, pending) = apply::plan(&self.desired, &self.tables, &self.indexes(), &self.permanent);
        self.pending = pending;
        let mut changed = false;
        for step in steps {
            let (message, flags) = step.message();
            match self.requests.transact(message, flags).await {
                Ok(()) => {
                    changed = true;
                    debug!(?step, "host");
                    if let Step::SetNeighbour(index, address, _) = step {
                        self.permanent.insert((index, address));
                    } else if let Step::DeleteNeighbour(index, address) = step {
                        self.permanent.remove(&(index, address));
                    }
                }
                Err(errno) => self.pending.extend(step.refused(errno)),
            }
        }
        self.pending_at = Instant::now() + RETRY_PENDING;
        changed
    }

    fn publish(&mut self) {
        let shadows = self.shadows.values().map(|kept| (kept.shadow.index, kept.id)).collect();
        let view = self.tables.view(&shadows, &self.state.borrow());
        self.state.send_replace(view);
    }

    fn indexes(&self) -> BTreeMap<InterfaceId, u32> {
        self.shadows.values().map(|kept| (kept.id, kept.shadow.index)).collect()
    }

    /// Makes and removes shadows, then the rest. On error nothing has changed.
    async fn apply(&mut self, desired: DesiredHost) -> Result<Vec<Pending>, HostError> {
        let fresh = self.create_shadows(&desired.interfaces)?;
        let wanted: BTreeSet<&str> = desired.interfaces.iter().map(|i| i.name.as_str()).collect();
        self.shadows.retain(|name, _| wanted.contains(name.as_str()));
        self.shadows.extend(fresh);
        for interface in &desired.interfaces {
            if let Some(kept) = self.shadows.get_mut(&interface.name) {
                (kept.id, kept.vlan) = (interface.id, interface.vlan);
            }
        }
        self.serve_shadows().await;
        self.desired = desired;
        self.set_arp_timeouts();
        self.reconcile = true;
        self.routes_doubtful = true;
        self.reconcile().await?;
        Ok(self.pending.clone())
    }

    /// Makes shadows again that somebody has deleted; true if there is one. What is to be on them is put there next.
    async fn remake_shadows(&mut self) -> bool {
        let links = &self.tables.links;
        let gone = self.shadows.extract_if(.., |_, kept| !links.contains_key(&kept.shadow.index));
        let gone: Vec<_> = gone.collect();
        if gone.is_empty() {
            return false;
        }
        let made = match self.create_shadows(&self.desired.interfaces) {
            Ok(made) => made,
            Err(error) => {
                warn!("{error}; trying again");
                self.resync = true;
                self.due = Some(Instant::now() + RETRY_PENDING);
                // They stay as they are until they can be made.
                self.shadows.extend(gone);
                return false;
            }
        };
        for (name, Kept { shadow, .. }) in gone {
            let mnemonic = "SYS-3-SHADOW";
            warn!(mnemonic, "{name}: shadow {} was deleted; it is made again", shadow.device);
            self.permanent.retain(|(index, _)| *index != shadow.index);
        }
        self.shadows.extend(made);
        self.serve_shadows().await;
        self.set_arp_timeouts();
        true
    }

    /// How long the kernel believes neighbours.
    fn set_arp_timeouts(&mut self) {
        for interface in &self.desired.interfaces {
            let Some(kept) = self.shadows.get_mut(&interface.name) else { continue };
            if kept.arp_timeout == Some(interface.arp_timeout) {
                continue;
            }
            match kept.shadow.set_arp_timeout(interface.arp_timeout) {
                Ok(()) => kept.arp_timeout = Some(interface.arp_timeout),
                Err(error) => warn!("{}: arp timeout: {error}", interface.name),
            }
        }
    }

    /// Has the shadows served that there are, and no others.
    async fn serve_shadows(&self) {
        let tap = |kept: &Kept| Tap { interface: kept.id, vlan: kept.vlan, device: kept.shadow.tap.clone() };
        self.io.serve(self.shadows.values().map(tap).collect()).await;
    }

    fn create_shadows(&self, interfaces: &[DesiredInterface]) -> Result<BTreeMap<String, Kept>, HostError> {
        let mut taken: BTreeSet<String> =
            self.shadows.values().map(|kept| kept.shadow.device.clone()).collect();
        let mut fresh = BTreeMap::new();
        for interface in interfaces.iter().filter(|interface| !self.shadows.contains_key(&interface.name)) {
            let device = device_name(&interface.name, &taken);
            let shadow = Shadow::create(&device, &interface.name, interface.mac, interface.mtu)?;
            info!("{}: shadow {device} has kernel index {}", interface.name, shadow.index);
            taken.insert(device);
            let kept = Kept { id: interface.id, vlan: interface.vlan, shadow, arp_timeout: None };
            fresh.insert(interface.name.clone(), kept);
        }
        Ok(fresh)
    }

    /// Carries out what the resolver plans.
    async fn ask(&mut self) {
        let indexes = self.indexes();
        let tables = &self.tables;
        let state = |hop: NextHop| -> Option<ArpState> {
            let index = indexes.get(&hop.interface)?;
            tables.neighbours.get(&(*index, hop.address)).map(|(state, _)| *state)
        };
        let runs = |interface: InterfaceId| {
            let link = indexes.get(&interface).and_then(|index| tables.links.get(index));
            link.is_some_and(|link| link.up && link.running)
        };
        for ask in self.resolver.plan(Instant::now(), state, runs) {
            let (Request::Manage(hop) | Request::Probe(hop) | Request::Release(hop)) = ask;
            let Some(index) = indexes.get(&hop.interface) else { continue };
            let mut message = apply::neighbour_message(*index, hop.address);
            message.header.state = NeighbourState::None;
            if let Request::Manage(_) = ask {
                message.header.flags = NeighbourFlags::ExtLearned;
                message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
            } else {
                message.header.flags = NeighbourFlags::Use;
                if self.resolver.keeps(hop) {
                    message.header.flags |= NeighbourFlags::ExtLearned;
                    message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
                }
            }
            let request = RouteNetlinkMessage::NewNeighbour(message);
            if let Err(errno) = self.requests.transact(request, NLM_F_CREATE | NLM_F_REPLACE).await {
                // A link that is down refuses; the next turn asks again.
                debug!("{ask:?}: {errno}");
            }
        }
    }

    async fn remove_all(&mut self) {
        self.desired = DesiredHost::default();
        self.shadows.clear();
        self.io.serve(Vec::new()).await;
        self.routes_doubtful = true;
        self.reconcile = true;
        if let Err(error) = self.reconcile().await {
            warn!("{error}: addresses on lo and routes of protocol {} may remain", apply::PROTOCOL);
        }
    }
}
