//! capsule as the host: it starts EAL and one pinned thread a core, and its executors run the workers' loops.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use capsule::{Runtime, UnixSignal, config::RuntimeConfig};
use capsule_ffi as ffi;
use common::{
    config::{DataplaneConfig, Poll},
    id::WorkerId,
    link::WorkerEnd,
    port::{PortControl, PortError},
};
use nix::sys::signal::{Signal, raise};

use super::{
    control::Control,
    cores::{self, Cores},
    device::Device,
    eal,
    hosted::{Ended, Hosted, WorkerLoop},
    log,
    pool::{Need, Pool},
    port::Port,
    queue::DpdkQueue,
};
use crate::{clock::TscClock, worker::Worker};

/// How often the main thread looks whether the workers have ended.
const WATCH: Duration = Duration::from_millis(5);
/// Each core that runs a pipeline must have a capsule port. Real ports may have fewer queues than there are
/// workers, so capsule gets this one, with a queue pair for everybody and no traffic.
const HOST_DEVICE: &str = "net_null_host";

/// EAL, pools and ports, started; the workers are not yet.
pub struct Started {
    cores: Cores,
    control: Arc<Control>,
    queues: Vec<Vec<DpdkQueue>>,
    on_signal: Option<Box<dyn Fn(UnixSignal)>>,
    /// Dropped last, and only if no buffer is out: dropping it ends EAL.
    runtime: Option<Runtime>,
}

/// Starts EAL, makes the pools, configures and starts the ports of `config`.
///
/// Belongs on the main thread, before any other is started: threads started after it stay off the workers' CPUs.
pub fn start(config: &DataplaneConfig) -> Result<Started, PortError> {
    let cores = Cores::choose(config)?;
    let workers = u16::from(config.workers);
    let devices: Vec<Device> = config
        .ports
        .iter()
        .map(|port| {
            let queues = port.rx_queues.unwrap_or(workers).max(port.tx_queues.unwrap_or(workers));
            Device::new(port, queues)
        })
        .collect();
    let need = Need::from_config(config, &devices)?;
    let huge = eal::huge(config, need.megabytes())?;
    let arguments = eal::arguments(config, huge, need.megabytes());
    let runtime = build(&cores, &arguments)?;
    // capsule pinned the main thread; threads that control starts from it must not inherit that.
    cores::allow(&cores.others);
    // From here on, dropping `started` undoes everything.
    let mut started = Started {
        cores,
        control: Arc::new(Control::new(Vec::new(), Vec::new())),
        queues: Vec::new(),
        on_signal: None,
        runtime: Some(runtime),
    };
    started.make_ports(config, &devices, need)?;
    Ok(started)
}

/// Has capsule start EAL and its threads.
fn build(cores: &Cores, arguments: &[String]) -> Result<Runtime, PortError> {
    let refused = |reason: String| PortError::Eal { arguments: arguments.join(" "), reason };
    let settings = serde_json::json!({
        "app_name": "homeward",
        "app_group": format!("homeward{}", std::process::id()),
        "master_core": cores.main,
        "mempool": { "capacity": 511, "cache_size": 0 },
        "ports": [{ "name": "host", "device": HOST_DEVICE, "cores": cores.workers, "rxd": 64, "txd": 64 }],
        "dpdk_args": arguments.join(" "),
    });
    let settings: RuntimeConfig =
        serde_json::from_value(settings).map_err(|error| refused(error.to_string()))?;
    log::install();
    let (built, said) = log::capture(|| Runtime::build(settings));
    built.map_err(|error| {
        log::uninstall();
        refused(log::reason(said, || error.to_string()))
    })
}

impl Started {
    fn make_ports(
        &mut self,
        config: &DataplaneConfig,
        devices: &[Device],
        need: Need,
    ) -> Result<(), PortError> {
        let attached = config
            .ports
            .iter()
            .zip(devices)
            .map(|(port, device)| device.attach(port))
            .collect::<Result<Vec<u16>, _>>()?;
        let node = |cpu: usize| {
            // SAFETY: EAL runs.
            unsafe { ffi::numa_node_of_cpu(i32::try_from(cpu).unwrap_or(0)) }
        };
        let home = node(self.cores.workers[0]);
        let port_node = |dev: u16| {
            // SAFETY: the port exists.
            match unsafe { ffi::rte_eth_dev_socket_id(dev) } {
                any if any < 0 => home,
                node => node,
            }
        };
        let mut pools: Vec<Pool> = Vec::new();
        let nodes = self.cores.workers.iter().map(|&cpu| node(cpu));
        for node in nodes.chain(attached.iter().map(|&dev| port_node(dev))).collect::<BTreeSet<i32>>() {
            match Pool::new(node, need) {
                Ok(pool) => pools.push(pool),
                Err(error) => {
                    pools.into_iter().for_each(Pool::free);
                    return Err(error);
                }
            }
        }
        let of = |node: i32| pools.iter().find(|pool| pool.socket == node).unwrap_or(&pools[0]).raw();
        let workers = u16::from(config.workers);
        let mut ports = Vec::new();
        let mut failed = None;
        for ((port, device), &dev) in config.ports.iter().zip(devices).zip(&attached) {
            match Port::configure(port, device, dev, workers, of(port_node(dev))) {
                Ok(port) => ports.push(port),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let started = failed.map_or_else(|| ports.iter().try_for_each(Port::start), Err);
        if started.is_ok() {
            self.queues = (0..workers)
                .zip(&self.cores.workers)
                .map(|(worker, &cpu)| {
                    ports.iter().map(|port| port.queue(worker, workers, of(node(cpu)))).collect()
                })
                .collect();
        }
        self.control = Arc::new(Control::new(ports, pools));
        started
    }

    /// For control, from any thread; outlives the ports.
    pub fn control(&self) -> Arc<dyn PortControl> {
        Arc::clone(&self.control) as Arc<dyn PortControl>
    }

    /// The workers' CPUs, by worker.
    pub fn worker_cpus(&self) -> &[usize] {
        &self.cores.workers
    }

    /// The queues by worker, for tests that are the worker themselves.
    #[cfg(test)]
    pub(super) fn queues(&mut self) -> Vec<Vec<DpdkQueue>> {
        std::mem::take(&mut self.queues)
    }

    /// Calls `f` on the main thread for each SIGHUP, SIGINT and SIGTERM while the workers run. capsule takes
    /// these signals over (other handlers are called too) and does nothing with them: what they mean is for `f`,
    /// or for the process's own handlers, to say.
    pub fn on_signal(&mut self, f: impl Fn(UnixSignal) + 'static) {
        self.on_signal = Some(Box::new(f));
    }

    /// Runs the dataplane's workers, `ends` by worker, until `stop` is set: [`Started::run`] with [`Worker`]s.
    pub fn run_workers(
        self,
        stop: Arc<AtomicBool>,
        ends: Vec<WorkerEnd>,
        poll: Poll,
        clock: TscClock,
    ) -> Result<(), PortError> {
        if ends.len() != self.cores.workers.len() {
            let reason = format!("{} ends for {} workers", ends.len(), self.cores.workers.len());
            return Err(PortError::Worker { reason });
        }
        let cpus = self.cores.workers.clone();
        let ends: Vec<_> = ends.into_iter().map(|end| Mutex::new(Some(end))).collect();
        self.run(stop, move |id, queues| {
            let end = ends[id.index()].lock().unwrap_or_else(PoisonError::into_inner).take();
            let worker = Worker::new(end.expect("each worker is made once"), queues, poll, clock);
            worker.pinned(cpus[id.index()]);
            Box::new(worker)
        })
    }

    /// Runs one worker a core until `stop` is set; then ports are closed, pools freed and EAL ended.
    ///
    /// `make` is called on each worker's own thread with its queues, one a port in port order, and returns what
    /// it does, a closure or a [`Step`](super::Step), which is finished and dropped there in the end. A worker that panics stops all; its words are in the error.
    ///
    /// Blocks the main thread. With no CPU left beside the workers', worker 0 runs on it.
    pub fn run<F>(mut self, stop: Arc<AtomicBool>, make: F) -> Result<(), PortError>
    where
        F: Fn(WorkerId, Vec<DpdkQueue>) -> WorkerLoop + Send + Sync + 'static,
    {
        let Some(mut runtime) = self.runtime.take() else { return Ok(()) };
        let ended = Arc::new(Ended::new(self.queues.len(), stop));
        let result = self.host(&mut runtime, &ended, &Arc::new(make));
        self.runtime = Some(runtime);
        result.and(ended.panic().map_or(Ok(()), Err))
    }

    fn host<F>(&mut self, runtime: &mut Runtime, ended: &Arc<Ended>, make: &Arc<F>) -> Result<(), PortError>
    where
        F: Fn(WorkerId, Vec<DpdkQueue>) -> WorkerLoop + Send + Sync + 'static,
    {
        if self.cores.main_works() {
            cores::allow(&[self.cores.main]);
        }
        for (at, queues) in std::mem::take(&mut self.queues).into_iter().enumerate() {
            // The installer must be `Sync` and is called once.
            let queues = Mutex::new(queues);
            let (ended, make) = (Arc::clone(ended), Arc::clone(make));
            let install = move |_| {
                let queues = std::mem::take(&mut *queues.lock().unwrap_or_else(PoisonError::into_inner));
                Hosted::new(WorkerId(at as u8), queues, make.as_ref(), ended)
            };
            runtime.add_pipeline_to_core(self.cores.workers[at], install).map_err(|error| refused(&error))?;
        }
        let watched = Arc::clone(ended);
        let watch = move || {
            if watched.all() && !watched.raised.swap(true, Relaxed) {
                // The one thing that ends capsule's wait; it handles the signal by now, since this runs inside.
                if let Err(error) = raise(Signal::SIGHUP) {
                    tracing::error!("raise: {error}");
                }
            }
        };
        runtime.add_periodic_task_to_core(self.cores.main, watch, WATCH).map_err(|error| refused(&error))?;
        let asked = Arc::clone(ended);
        let on_signal = self.on_signal.take();
        runtime.set_on_signal(move |signal| {
            if asked.all() && asked.raised.load(Relaxed) {
                return true;
            }
            if let Some(f) = &on_signal {
                f(signal);
            }
            false
        });
        runtime.execute().map_err(|error| refused(&error))
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("cores", &self.cores)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

impl Drop for Started {
    /// Closes the ports, frees the pools, ends EAL. Memory that somebody may still touch is left alone: the
    /// process is about to end anyway.
    fn drop(&mut self) {
        self.queues.clear();
        let Some((mut ports, pools)) = self.control.close() else { return };
        let held = ports.iter().any(Port::in_use);
        if !held {
            ports.iter_mut().for_each(Port::release);
            ports.iter().for_each(Port::close);
        }
        let out: u32 = pools.iter().map(Pool::in_use).sum();
        if held || out > 0 {
            tracing::error!("ports are not given back: {out} packet buffers are out, queues held: {held}");
            std::mem::forget(self.runtime.take());
            return;
        }
        pools.into_iter().for_each(Pool::free);
        let directory = eal::runtime_directory();
        self.runtime = None;
        log::uninstall();
        if let Err(error) = std::fs::remove_dir(&directory) {
            tracing::debug!("{}: {error}", directory.display());
        }
    }
}

/// What capsule refused to do.
fn refused(error: &dyn fmt::Display) -> PortError {
    PortError::Worker { reason: error.to_string() }
}
