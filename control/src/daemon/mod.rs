//! The control process around the [`Core`]: the kernel, ports, time and signals on one side, shells and HTTP on the other.
//!
//! Runs on the tokio runtime of the control core, off the workers' CPUs. The core is behind one lock, held for the time of
//! one command or one tick; nothing waits with it held.

mod announce;
mod dfp;
mod operator;
mod task;

use std::{path::PathBuf, sync::Arc, time::Duration};

use common::{link::ControlEnd, port::PortControl, time::Nanos};
use tokio_util::sync::CancellationToken;

pub use self::operator::Director;
use crate::{
    command::Commands,
    configuration::Configuration,
    core::{Core, CoreLink},
    dfp::manager::io::Manager,
    host::{Guard, GuardError, Host, HostError},
    machine::LoggingLevel,
    manage::{
        http::Http,
        log::LogBook,
        operator::{Shared, lock},
        server::{Socket, SocketError},
    },
};

/// Longest time from the withdrawal of virtual addresses to the end (`drain`).
pub const DRAIN: Duration = Duration::from_secs(1);

/// What the program hands over.
pub struct Parts {
    /// The link to the workers.
    pub link: ControlEnd,
    /// The ports.
    pub ports: Arc<dyn PortControl>,
    /// The configuration to start with.
    pub configuration: Configuration,
    /// The file that it came from, which `write memory` writes and SIGHUP reads.
    pub file: PathBuf,
    /// The dataplane's library, such as `DPDK 22.11.11`.
    pub library: String,
    /// The workers' clock.
    pub clock: Arc<dyn Fn() -> Nanos + Send + Sync>,
    /// `show logging` and `debug`.
    pub log: LogBook,
    /// Changes the level of the log.
    pub set_level: Box<dyn Fn(LoggingLevel) + Send>,
    /// Called about once a second while healthy (the watchdog of systemd).
    pub alive: Box<dyn Fn() + Send>,
}

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A kernel device under a port would answer beside us.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Shadows or netlink.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The management socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// HTTP.
    #[error("management http {address}: {source}")]
    Http {
        /// Where.
        address: std::net::SocketAddrV4,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration is refused as a whole.
    #[error("{0}")]
    Refused(String),
}

/// Silences the kernel devices under ports (`iface=` in the device string), before the dataplane opens them.
pub async fn guard(configuration: &Configuration) -> Result<Vec<Guard>, GuardError> {
    let mut guards = Vec::new();
    for port in &configuration.machine.dataplane_config().ports {
        if let Some(device) = port.kernel_device() {
            let guard = Guard::secure(&port.name, device).await?;
            guard.did().iter().for_each(|line| tracing::info!("{line}"));
            guards.push(guard);
        }
    }
    Ok(guards)
}

/// A running control process.
#[derive(Debug)]
pub struct Daemon {
    core: Shared<Director>,
    host: Host,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Daemon {
    /// Starts everything: the kernel side, the first publication, management. Workers may start once this returns.
    ///
    /// `guards` stay in force until the daemon ends.
    pub async fn start(parts: Parts, guards: Vec<Guard>) -> Result<Self, StartError> {
        let (link, punts, injects) = CoreLink::split(parts.link);
        let management = parts.configuration.machine.management.clone();
        let socket = Socket::bind(&management.socket, management.mode, management.group.as_deref())?;
        let http = match management.http {
            Some(address) => Some(
                Http::bind(address.into()).await.map_err(|source| StartError::Http { address, source })?,
            ),
            None => None,
        };
        let host = Host::start(punts, injects).await?;
        let mut core = Core::new(link, Some(parts.file.clone()), parts.log.clone(), (parts.clock)());
        let machine = core.machine_mut();
        machine.ports = Some(Arc::clone(&parts.ports));
        machine.library = parts.library;
        core.apply(parts.configuration).map_err(|error| StartError::Refused(error.to_string()))?;
        let commands = Commands::new(Core::exec_specs()).map_err(StartError::Refused)?;
        let core: Shared<Director> = Arc::new(std::sync::Mutex::new(Director::new(core, Arc::new(commands))));
        let stop = CancellationToken::new();
        let mut task = task::Task {
            dfp_manager: Manager::new(Arc::clone(&core), Arc::clone(&parts.clock)),
            core: Arc::clone(&core),
            host: host.clone(),
            ports: parts.ports,
            port_states: Vec::new(),
            guards,
            clock: parts.clock,
            set_level: parts.set_level,
            alive: parts.alive,
            management,
            tasks: task::Tasks::default(),
            dfp_agents: dfp::Agents::new(std::net::Ipv4Addr::UNSPECIFIED),
        };
        task.machine_changed().await?;
        task.settle().await;
        task.tasks.spawn("shells", socket.serve(Arc::clone(&core), parts.log));
        if let Some(http) = http {
            task.tasks.spawn("http", http.serve(Arc::clone(&core)));
        }
        let task = tokio::spawn(task.run(stop.clone()));
        Ok(Self { core, host, stop, task })
    }

    /// Loads the startup file anew (SIGHUP): all lines or none.
    pub fn reload(&self) {
        let mut director = lock(&self.core);
        let Some(path) = director.startup() else { return };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return tracing::error!("reload: {}: {error}", path.display()),
        };
        match director.core_mut().apply_file(&path.display().to_string(), &text) {
            Ok(warnings) => {
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(mnemonic = "SYS-5-CONFIG_I", "Configured from {} by SIGHUP", path.display());
            }
            Err(errors) => {
                for error in errors {
                    tracing::error!("{error}");
                }
                tracing::error!("reload: nothing has changed");
            }
        }
    }

    /// Withdraws every virtual address and waits until all workers know, at most [`DRAIN`].
    pub async fn drain(&self) {
        lock(&self.core).core_mut().drain();
        let settled = async {
            while !lock(&self.core).core_mut().is_settled() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(DRAIN, settled).await.is_err() {
            tracing::warn!("drain: a worker does not follow");
        }
    }

    /// Ends management and gives the kernel back what it was given.
    pub async fn end(self) {
        self.stop.cancel();
        let _ = self.task.await;
        self.host.shutdown().await;
    }
}
