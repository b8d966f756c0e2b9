//! The kernel as host stack: shadow interfaces, addresses, routes and neighbours.
//!
//! DPDK owns the wire; everything that is for the host itself is handed to the kernel through a shadow (a TAP
//! device) for each layer-3 interface, and what the kernel sends there leaves by the port. So ARP, routing and
//! sockets are the kernel's, and any routing daemon works. What the kernel decides comes back as [`HostState`], from
//! which the snapshot for the workers is built.
//!
//! | part | does | runs in |
//! |---|---|---|
//! | [`name`] | kernel names of interfaces | pure |
//! | [`shadow`] | makes TAP devices | host task |
//! | [`shadow_io`] | moves frames between rings and shadows | thread `homeward-shadow` |
//! | `netlink` | sockets, dumps, notifications | host task |
//! | `decode` | what netlink messages say | pure |
//! | `forwarding` | what routes mean for packets | pure |
//! | `state`, [`view`] | tables of the kernel, the view for the publisher | pure |
//! | [`desired`], [`apply`] | kernel equal to the configuration | pure; sent by the host task |
//! | [`resolve`] | next hops resolved before they are needed | pure; asked by the host task |
//! | [`guard`] | silences the kernel device under a port | caller, at start |
//! | [`records`] | what a guard changed, on disk | caller, at start |
//! | [`address_check`] | no virtual address in the kernel | pure |
//!
//! [`Host::start`] starts the host task on the current tokio runtime, in the network namespace of the calling
//! thread; one Homeward a namespace. At the end ([`Host::shutdown`], or when the last [`Host`] is dropped) all that
//! was put into the kernel is removed; what a killed process leaves (addresses on `lo`, routes to `Null0`; the rest
//! vanishes with its shadows) is removed at the next start. Needs `CAP_NET_ADMIN`, at start and later.

pub mod address_check;
pub mod apply;
mod decode;
pub mod desired;
mod forwarding;
mod fuzz;
pub mod guard;
pub mod name;
mod netlink;
pub mod records;
pub mod resolve;
pub mod shadow;
pub mod shadow_io;
mod state;
mod sysctl;
mod task;
#[cfg(test)]
mod tests;
pub mod view;

use std::{collections::BTreeSet, io, sync::Arc};

use common::{
    id::InterfaceId,
    net::NextHop,
    ring::{FrameReceiver, FrameSender},
};
use tokio::sync::{mpsc, oneshot, watch};

pub use self::{
    apply::Pending,
    desired::{DesiredHost, DesiredInterface, DesiredNeighbour, DesiredRoute, RouteTarget},
    fuzz::{fuzz_from_kernel, fuzz_netlink, fuzz_to_kernel},
    guard::{Guard, GuardError},
    netlink::NetlinkError,
    records::Records,
    resolve::Unresolved,
    shadow::ShadowError,
    shadow_io::{Injector, ShadowTotals},
    sysctl::SysctlError,
    task::Command,
    view::{HostState, PortState},
};
use self::{shadow_io::ShadowCounters, task::Task};

/// Why the host side does not work.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A shadow could not be made.
    #[error(transparent)]
    Shadow(#[from] ShadowError),
    /// The kernel refuses a netlink request, or its socket.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The thread for frames did not start.
    #[error("cannot start the thread homeward-shadow: {0} (limits on threads or memory?)")]
    Thread(io::Error),
    /// The host task has ended.
    #[error("the host task has ended; the log says why; restart homeward")]
    Ended,
}

/// Control's handle of the host side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {
    commands: mpsc::UnboundedSender<Command>,
    state: watch::Receiver<HostState>,
    injector: Injector,
    counters: Arc<ShadowCounters>,
}

/// The other end of a [`Host`].
#[derive(Debug)]
pub struct HostEnd {
    /// What is asked for.
    pub commands: mpsc::UnboundedReceiver<Command>,
    /// What the kernel holds.
    pub states: watch::Sender<HostState>,
}

impl Host {
    /// Starts the host task and the thread for frames. `punts` and `injects`: control's ends of the rings of all
    /// workers.
    pub async fn start(punts: Vec<FrameReceiver>, injects: Vec<FrameSender>) -> Result<Self, HostError> {
        let (sender, state) = watch::channel(HostState::default());
        let task = Task::start(punts, injects, sender).await?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let host = Self { commands, state, injector: task.io().injector(), counters: task.io().counters() };
        tokio::spawn(task.run(receiver));
        Ok(host)
    }

    /// A handle, and the other end for whatever stands in for the kernel; frames go nowhere.
    pub fn pair() -> (Self, HostEnd) {
        let (states, state) = watch::channel(HostState::default());
        let (sender, commands) = mpsc::unbounded_channel();
        let host = Self { commands: sender, state, injector: Injector::closed(), counters: Arc::default() };
        (host, HostEnd { commands, states })
    }

    /// Makes the kernel equal to `desired`. Returns what waits for something (a route whose next hop is not
    /// connected at present); it is tried again on every change and every second.
    pub async fn apply(&self, desired: DesiredHost) -> Result<Vec<Pending>, HostError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Apply(Box::new(desired), reply))?;
        answer.await.map_err(|_| HostError::Ended)?
    }

    /// The kernel's state, and news of it: changes within 2 ms arrive as one. `HostState::generation` rises only
    /// when something changed that a snapshot is built of.
    pub fn state(&self) -> watch::Receiver<HostState> {
        self.state.clone()
    }

    /// Keeps exactly these next hops resolved.
    pub fn keep_resolved(&self, hops: BTreeSet<NextHop>) {
        let _ = self.send(Command::KeepResolved(hops));
    }

    /// A worker needs this next hop ([`common::event::Event::Resolve`]).
    pub fn resolve(&self, interface: InterfaceId, address: std::net::Ipv4Addr) {
        let _ = self.send(Command::Resolve(NextHop { interface, address }));
    }

    /// Wanted next hops that do not answer.
    pub async fn unresolved(&self) -> Result<Vec<Unresolved>, HostError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Unresolved(reply))?;
        answer.await.map_err(|_| HostError::Ended)
    }

    /// Reads all tables of the kernel anew.
    pub fn resync(&self) {
        let _ = self.send(Command::Resync);
    }

    /// Sends an untagged Ethernet frame of control's own making (a gratuitous ARP) out of `interface`.
    pub fn inject(&self, interface: InterfaceId, frame: Vec<u8>) {
        self.injector.inject(interface, frame);
    }

    /// A handle that can only send frames.
    pub fn injector(&self) -> Injector {
        self.injector.clone()
    }

    /// Frames moved and dropped so far.
    pub fn totals(&self) -> ShadowTotals {
        self.counters.totals()
    }

    /// Removes from the kernel all that was put there and ends the task.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        if self.send(Command::Shutdown(done)).is_ok() {
            let _ = ended.await;
        }
    }

    fn send(&self, command: Command) -> Result<(), HostError> {
        self.commands.send(command).map_err(|_| HostError::Ended)
    }
}
