//! The control process around the [`Core`]: the kernel, ports, time and signals on one side, shells and HTTP on the other.
//!
//! Runs on the tokio runtime of the control core, off the workers' CPUs. The core is behind one lock, held for the time of
//! one command or one step; nothing waits with it held, and no timer waits for the kernel.

mod descriptors;
mod devices;
mod host_applier;
mod operator;
mod steps;
mod tasks;

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use common::{
    config::PortConfig,
    link::ControlEnd,
    port::PortControl,
    ring::{FrameReceiver, FrameSender},
    time::Nanos,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::{devices::Devices, host_applier::HostApplier, steps::Steps, tasks::Tasks};
pub use self::{devices::PortDevice, operator::Operated};
use crate::{
    command::load,
    core::{Core, CoreLink, Recording},
    host::{GuardError, Host, HostError, Records},
    launcher::{Launcher, LauncherProcess},
    manage::{
        http::Http,
        log::LogBook,
        operator::{SharedOperator, lock},
        server::{Socket, SocketError},
    },
    protocol::{Configured as _, LoggingLevel, Protocols},
};

/// Longest time from the withdrawal of what attracts traffic to the end (`drain`).
pub const DRAIN: Duration = Duration::from_secs(1);

/// What was said last is on the wire by then: through the kernel, a ring and a worker.
const FLUSH: Duration = Duration::from_millis(50);

/// Longest wait for the rest of a recording to be written.
const WRITE: Duration = Duration::from_secs(1);

/// The clock of all control; the workers' own.
pub type Clock = Arc<dyn Fn() -> Nanos + Send + Sync>;

/// What the program hands over.
pub struct Parts<L: Protocols> {
    /// The link to the workers.
    pub link: ControlEnd,
    /// Devices, to be set and read.
    pub ports: Arc<dyn PortControl>,
    /// The configuration to start with.
    pub configuration: L::Configuration,
    /// What every input is recorded to.
    pub recording: Option<Recording>,
    /// The file that it came from, which `write memory` writes and SIGHUP reads.
    pub file: PathBuf,
    /// The dataplane's library, such as `DPDK 22.11.11`.
    pub library: String,
    /// The workers' clock.
    pub clock: Clock,
    /// Starts scripts for this process, which may not itself.
    pub launcher: Option<LauncherProcess>,
    /// `show logging` and `debug`.
    pub log: LogBook,
    /// Changes the level of the log.
    pub set_level: Box<dyn Fn(LoggingLevel) + Send>,
    /// Called about once a second while the process is live (the watchdog of systemd).
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
    /// The recording's file cannot be written.
    #[error("cannot record: {0}")]
    Record(std::io::Error),
    /// The address of HTTP cannot be bound.
    #[error("management http {address}: {source}")]
    Http {
        /// Of the line `http`.
        address: std::net::SocketAddrV4,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// The launcher's socket cannot be used.
    #[error("launcher: {0}")]
    Launcher(std::io::Error),
    /// The configuration is refused as a whole.
    #[error("{0}")]
    Refused(String),
}

/// Silences the kernel devices under ports (`iface=` in the device string), before the dataplane opens them. What they were set to
/// is kept in `directory`, where it is found if a process before was killed: then it is put back first.
///
/// # Errors
/// One of them holds an address, or cannot be silenced.
pub async fn guard(ports: &[PortConfig], directory: &Path) -> Result<Vec<PortDevice>, GuardError> {
    let records = Records::new(directory);
    records.restore().iter().for_each(|line| tracing::info!("{line}"));
    let mut devices: Vec<_> = ports.iter().map(|port| PortDevice::new(port, &records)).collect();
    for device in &mut devices {
        device.silence().await?;
    }
    Ok(devices)
}

/// A running control process.
#[derive(Debug)]
pub struct Daemon<L: Protocols> {
    core: SharedOperator<Operated<L>>,
    host: Host,
    wake: Arc<Notify>,
    stop: CancellationToken,
    /// The loop has ended, and with it the subsystems' tasks.
    stopped: CancellationToken,
    task: tokio::task::JoinHandle<Devices>,
}

impl<L: Protocols> Daemon<L> {
    /// Starts everything: the kernel side, the first publication, management. Workers may start once this returns.
    ///
    /// `devices`, from [`guard`], are watched and stay silent until the daemon ends.
    ///
    /// # Errors
    /// What cannot be had; nothing is left behind.
    pub async fn start(parts: Parts<L>, devices: Vec<PortDevice>) -> Result<Self, StartError> {
        Self::start_with(parts, devices, Host::start).await
    }

    /// The same with another kernel side than the kernel's; `host` is given control's ends of the workers' rings of frames.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub async fn start_with<H>(
        parts: Parts<L>,
        devices: Vec<PortDevice>,
        host: impl FnOnce(Vec<FrameReceiver>, Vec<FrameSender>) -> H,
    ) -> Result<Self, StartError>
    where
        H: Future<Output = Result<Host, HostError>>,
    {
        let (link, punts, injects) = CoreLink::split(parts.link);
        let management = parts.configuration.settings().management;
        let socket = Socket::bind(&management.socket, management.mode, management.group.as_deref())?;
        let exec_timeout = management.exec_timeout;
        let http = match management.http {
            Some(address) => Some(
                Http::bind(address.into(), &management.http_access, management.http_connections)
                    .await
                    .map_err(|source| StartError::Http { address, source })?,
            ),
            None => None,
        };
        let host = host(punts, injects).await?;
        let mut core = Core::<L>::new(link, Some(parts.file), parts.log.clone(), (parts.clock)());
        if let Some(recording) = parts.recording {
            core.record(recording).map_err(StartError::Record)?;
        }
        core.shared_mut().ports = Some(Arc::clone(&parts.ports));
        core.shared_mut().library = parts.library;
        let launcher = parts.launcher.map(Launcher::attach).transpose().map_err(StartError::Launcher)?;
        let launcher = launcher.unwrap_or_default();
        core.shared_mut().launcher = launcher.clone();
        let wake = Arc::new(Notify::new());
        let core =
            Arc::new(std::sync::Mutex::new(Operated::new(core, Arc::clone(&parts.clock), Arc::clone(&wake))));
        let host_applier = HostApplier::start(host.clone());
        let stop = CancellationToken::new();
        let mut steps = Steps {
            core: Arc::clone(&core),
            wake: Arc::clone(&wake),
            host: host.clone(),
            ports: parts.ports,
            port_states: Vec::new(),
            port_settings: BTreeMap::new(),
            host_applier,
            devices: Devices::new(devices),
            clock: Arc::clone(&parts.clock),
            set_level: parts.set_level,
            level: None,
            log_lines: None,
            alive: parts.alive,
            management,
            tasks: Tasks::new(stop.clone()),
            launcher: launcher.clone(),
        };
        steps.poll_ports();
        lock(&core)
            .core_mut()
            .apply(parts.configuration)
            .map_err(|error| StartError::Refused(error.to_string()))?;
        steps.perform();
        steps.wait_for_kernel().await?;
        steps.tasks.start(&core, &parts.clock, &launcher, &wake);
        steps.tasks.spawn("shells", socket.serve(Arc::clone(&core), parts.log, exec_timeout));
        if let Some(http) = http {
            steps.tasks.spawn("http", http.serve(Arc::clone(&core)));
        }
        let stopped = CancellationToken::new();
        let (stopping, over) = (stop.clone(), stopped.clone().drop_guard());
        let task = tokio::spawn(async move {
            // Says so too if it panics.
            let _over = over;
            steps.run(stopping).await
        });
        Ok(Self { core, host, wake, stop, stopped, task })
    }

    /// The core, as shells and HTTP have it.
    pub fn core(&self) -> &SharedOperator<Operated<L>> {
        &self.core
    }

    /// Loads the startup file anew (SIGHUP): all lines or none.
    pub fn reload(&self) {
        let Some(path) = lock(&self.core).core_mut().shared().startup.clone() else { return };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return tracing::error!("reload: {}: {error}", path.display()),
        };
        let file = path.display().to_string();
        // Parsed before the lock is taken.
        let loaded = load::<L::Configuration>(&file, &text)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>());
        let apply = |loaded| {
            let applied = lock(&self.core).core_mut().apply_loaded(loaded);
            self.wake.notify_one();
            applied.map_err(|error| vec![format!("{file}: {error}")])
        };
        match loaded.and_then(apply) {
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

    /// Gives up what attracts traffic and waits until all workers know, at most [`DRAIN`].
    pub async fn drain(&self) {
        lock(&self.core).core_mut().stop();
        self.wake.notify_one();
        let settled = async {
            while !lock(&self.core).core_mut().is_settled() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(DRAIN, settled).await.is_err() {
            tracing::warn!("drain: a worker does not follow");
        }
    }

    /// Ends the subsystems' tasks in order, and management: peers hear the goodbye while workers still carry it.
    pub async fn leave(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
        tokio::time::sleep(FLUSH).await;
    }

    /// Gives the kernel back what it was given.
    pub async fn end(self) {
        self.stop.cancel();
        let devices = self.task.await;
        let recording = lock(&self.core).core_mut().end_recording();
        self.host.shutdown().await;
        // Silent until no shadow is left that the kernel could answer for. This thread may have been a worker's, which may do
        // nothing in the kernel.
        let _ = tokio::task::spawn_blocking(move || drop(devices)).await;
        if let Some(recording) = recording {
            recording.wait(WRITE);
        }
    }
}
