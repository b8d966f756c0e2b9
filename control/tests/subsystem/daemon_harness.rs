//! A daemon over a port that is none and a kernel that takes its time.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use common::{
    config::Hugepages,
    id::PortId,
    link::link,
    mac::MacAddr,
    port::{Link, PoolInfo, PortControl, PortCounters, PortError, PortInfo},
    slb::{Balancer, SessionKey},
    tables::Tables,
};
use control::{
    command::load,
    daemon::{Clock, Daemon, Parts},
    host::{Command, Host, HostEnd, HostState},
    manage::log::LogBook,
    protocol::Protocols,
};

/// A port on which nothing comes, with link unless it was taken.
#[derive(Default)]
pub struct OnePort {
    pub down: AtomicBool,
    /// Called when its driver has something to tell.
    pub listener: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl PortControl for OnePort {
    fn ports(&self) -> Vec<PortInfo> {
        vec![PortInfo {
            id: PortId(0),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            driver: "none".into(),
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 0,
            tx_descriptors: 0,
            mtu: 1500,
            checksum_offload: false,
            socket: None,
            rss: 0,
        }]
    }

    fn counters(&self, _: PortId) -> PortCounters {
        PortCounters::default()
    }

    fn link(&self, _: PortId) -> Link {
        Link { up: !self.down.load(Relaxed), ..Link::default() }
    }

    fn pools(&self) -> Vec<PoolInfo> {
        Vec::new()
    }

    fn set_promiscuous(&self, _: PortId, _: bool) -> Result<(), PortError> {
        Ok(())
    }

    fn set_allmulticast(&self, _: PortId, _: bool) -> Result<(), PortError> {
        Ok(())
    }

    fn set_mtu(&self, _: PortId, _: u16) -> Result<(), PortError> {
        Ok(())
    }

    fn set_mac(&self, _: PortId, _: MacAddr) -> Result<(), PortError> {
        Ok(())
    }

    fn add_mac(&self, _: PortId, _: MacAddr) -> Result<(), PortError> {
        Ok(())
    }

    fn remove_mac(&self, _: PortId, _: MacAddr) -> Result<(), PortError> {
        Ok(())
    }

    fn set_up(&self, _: PortId, _: bool) -> Result<(), PortError> {
        Ok(())
    }

    fn on_event(&self, f: Box<dyn Fn() + Send + Sync>) {
        *self.listener.lock().expect("nobody panics") = Some(f);
    }
}

/// A kernel that shall hold a route to this ends.
pub const DEADLY: &str = "192.0.2.0/24";

/// Takes `time` for each change of what it shall hold; counts them in `applied`.
async fn kernel(mut end: HostEnd, time: Duration, applied: Arc<AtomicUsize>) {
    while let Some(command) = end.commands.recv().await {
        match command {
            Command::Apply(desired, reply) => {
                if desired.routes.iter().any(|route| route.prefix.to_string() == DEADLY) {
                    return;
                }
                tokio::time::sleep(time).await;
                applied.fetch_add(1, Relaxed);
                end.states.send_modify(|state: &mut HostState| state.generation += 1);
                let _ = reply.send(Ok(Vec::new()));
            }
            Command::Shutdown(done) => {
                let _ = done.send(());
                return;
            }
            Command::KeepResolved(_) | Command::Resolve(_) | Command::Unresolved(_) | Command::Resync => {}
        }
    }
}

/// Starts a daemon that runs `text`; its socket is in `directory`. The kernel takes `time` for each change; the second is how
/// many it has made.
pub async fn start<L: Protocols>(
    text: &str,
    directory: &Path,
    clock: Clock,
    time: Duration,
) -> (Daemon<L>, Arc<AtomicUsize>) {
    start_on::<L>(Arc::default(), text, directory, clock, time).await
}

/// The same on `port`.
pub async fn start_on<L: Protocols>(
    port: Arc<OnePort>,
    text: &str,
    directory: &Path,
    clock: Clock,
    time: Duration,
) -> (Daemon<L>, Arc<AtomicUsize>) {
    let text = format!("{text}management\n socket {}\n", directory.join("socket").display());
    let loaded = match load::<L::Configuration>("stand.conf", &text) {
        Ok(loaded) => loaded,
        Err(errors) => panic!("{}", errors[0]),
    };
    let balancer = Balancer::new(4096, Hugepages::Off, 1, SessionKey::new([7; 16])).expect("a few pages");
    let (_, end) = link(1, 1, Tables::new(balancer));
    let parts = Parts::<L> {
        recording: None,
        link: end,
        ports: port,
        configuration: loaded.configuration,
        file: directory.join("startup"),
        library: "none".into(),
        clock,
        launcher: None,
        log: LogBook::new(100),
        set_level: Box::new(|_| {}),
        alive: Box::new(|| {}),
    };
    let applied = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&applied);
    let host = |_, _| async move {
        let (host, end) = Host::pair();
        tokio::spawn(kernel(end, time, counted));
        Ok(host)
    };
    let daemon = Daemon::start_with(parts, Vec::new(), host).await.expect("nothing refuses");
    (daemon, applied)
}
