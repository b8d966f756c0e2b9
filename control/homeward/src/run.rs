//! `homeward run`: the workers on capsule's threads, control on tokio's, signals on control.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use anyhow::Context;
use common::{
    config::Hugepages,
    link::link,
    slb::{Balancer, PageBacking, SessionKey},
    tables::Tables,
};
use control::{
    core::Recording,
    daemon::{self, Daemon, Parts},
    launcher::LauncherProcess,
    manage::log::LogBook,
    protocol::{Configured as _, LoggingLevel},
    protocols::{All, Configuration},
};
use dataplane::{backend::dpdk, clock::TscClock, worker::Worker};
use sd_notify::NotifyState;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tracing::level_filters::LevelFilter;

use crate::{check, launcher, logging, privileges, seccomp};

/// Threads of the control core.
const CONTROL_THREADS: usize = 2;

/// Runs until SIGTERM or SIGINT; 0 after a drain. `confined`: system calls are filtered; `scripts`: where they are, and whom
/// they run as.
pub fn run(
    path: &Path,
    record: Option<&Path>,
    confined: bool,
    scripts: (&Path, &str),
) -> anyhow::Result<ExitCode> {
    let log = LogBook::new(4096);
    let level = logging::start(&log)?;
    let Some(configuration) = check::load(path)? else { return Ok(ExitCode::FAILURE) };
    let set_level = move |wanted| {
        let filter = match wanted {
            LoggingLevel::Error => LevelFilter::ERROR,
            LoggingLevel::Warning => LevelFilter::WARN,
            LoggingLevel::Informational => LevelFilter::INFO,
            LoggingLevel::Debugging => LevelFilter::DEBUG,
        };
        // Fails only once the subscriber is gone, and with it the log.
        let _ = level.reload(filter);
    };
    let path = std::path::absolute(path)?;
    let recording = record
        .map(|folder| Recording::create(folder).with_context(|| format!("--record {}", folder.display())));
    let recording = recording.transpose()?;
    privileges::forbid_new();
    // Before there are other threads, and while programs may be started.
    let launcher = launcher::start(scripts.0, scripts.1).context("launcher")?;
    let set_level = Box::new(set_level);
    Program { path, configuration, recording, confined, launcher, log, set_level }.run()
}

struct Program {
    path: PathBuf,
    configuration: Configuration,
    recording: Option<Recording>,
    confined: bool,
    launcher: LauncherProcess,
    log: LogBook,
    set_level: Box<dyn Fn(LoggingLevel) + Send>,
}

impl Program {
    fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.configuration.system.dataplane_config();
        // A short-lived runtime: EAL must start before the threads of the lasting one.
        let directory = self.configuration.system.management.socket.parent().unwrap_or(Path::new("/"));
        let guards = single()?.block_on(daemon::guard(&settings.ports, directory))?;
        let balancer =
            Balancer::new(settings.sessions, settings.hugepages, settings.workers, SessionKey::random())?;
        if settings.hugepages == Hugepages::Auto && balancer.backing() != PageBacking::Huge {
            tracing::info!(
                "session table: {} bytes in {}, for want of free huge pages of 2 MB",
                balancer.bytes(),
                balancer.backing().name()
            );
        }
        let tables = self.configuration.tables(Tables::new(balancer))?;
        let mut dataplane = dpdk::start(&settings)?;
        let (workers, control) = link(settings.workers, settings.ports.len(), tables);
        if let Err(error) = dpdk::in_interrupt_thread(privileges::drop_all) {
            tracing::warn!("privileges of EAL's interrupt thread are not dropped: {error}");
        }
        privileges::keep_for_control();
        let clock = TscClock::calibrate();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(CONTROL_THREADS)
            .thread_name("homeward-control")
            .enable_all()
            .build()?;
        let parts = Parts {
            link: control,
            ports: dataplane.control(),
            configuration: self.configuration,
            recording: self.recording,
            file: self.path,
            library: dpdk::version(),
            clock: Arc::new(move || clock.now()),
            launcher: Some(self.launcher),
            log: self.log,
            set_level: self.set_level,
            alive: watchdog()?,
        };
        let daemon = Arc::new(runtime.block_on(Daemon::<All>::start(parts, guards))?);
        let stop = Arc::new(AtomicBool::new(false));
        spawn_signals(&runtime, Arc::clone(&daemon), Arc::clone(&stop))?;
        // capsule takes the signals over; what they mean is decided by the task above.
        dataplane.on_signal(|_| {});
        tracing::info!(
            "{} workers on CPUs {:?}, {} sessions, {}",
            settings.workers,
            dataplane.worker_cpus(),
            settings.sessions,
            dpdk::version()
        );
        let confined = self.confined;
        if confined {
            seccomp::confine_process();
        }
        notify(NotifyState::Ready);
        let ends: Vec<_> = workers.into_iter().map(|end| Mutex::new(Some(end))).collect();
        let cpus = dataplane.worker_cpus().to_vec();
        let ended = dataplane.run(Arc::clone(&stop), move |id, queues| {
            privileges::drop_all();
            if confined {
                seccomp::confine_worker();
            }
            let end = ends[id.index()].lock().unwrap_or_else(PoisonError::into_inner).take();
            let worker = Worker::new(end.expect("each worker is made once"), queues, settings.poll, clock);
            worker.pinned(cpus[id.index()]);
            Box::new(worker)
        });
        stop.store(true, Relaxed);
        notify(NotifyState::Stopping);
        if let Ok(daemon) = Arc::try_unwrap(daemon) {
            runtime.block_on(daemon.end());
        }
        runtime.shutdown_background();
        ended?;
        tracing::info!("ended");
        Ok(ExitCode::SUCCESS)
    }
}

fn single() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Pats systemd's watchdog, if it keeps one, from a thread of its own: the socket blocks while nobody reads it.
pub fn watchdog() -> anyhow::Result<Box<dyn Fn() + Send>> {
    if sd_notify::watchdog_enabled().is_none() {
        return Ok(Box::new(|| {}));
    }
    let (pats, due) = mpsc::sync_channel::<()>(1);
    thread::Builder::new().name("homeward-watch".into()).spawn(move || {
        while due.recv().is_ok() {
            notify(NotifyState::Watchdog);
        }
    })?;
    // A pat that still waits stands for this one too.
    Ok(Box::new(move || {
        let _ = pats.try_send(());
    }))
}

/// Tells systemd, if it started us.
pub fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("systemd is not told: {error}");
    }
}

/// SIGHUP reloads; SIGTERM and SIGINT withdraw what attracts traffic, take leave of peers, then stop the workers.
fn spawn_signals(runtime: &Runtime, daemon: Arc<Daemon<All>>, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let _inside = runtime.enter();
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    runtime.spawn(async move {
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => {
                    if stop.load(Relaxed) {
                        return;
                    }
                    daemon.reload();
                }
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        tracing::info!("draining");
        daemon.drain().await;
        daemon.leave().await;
        drop(daemon);
        stop.store(true, Relaxed);
    });
    Ok(())
}
