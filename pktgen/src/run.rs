//! A machine on a DPDK port: starts the port, shows progress, ends on a signal.

use std::{
    io::IsTerminal,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::Receiver,
    },
    thread,
    time::{Duration, Instant},
};

use common::{mac::MacAddr, port::PortControl};
use dataplane::backend::dpdk::{self, DpdkQueue, Step, UnixSignal};

use crate::{
    control::{Command, Commander, Order},
    engine::{Engine, Flow, Machine, PortCount},
    scenario::{Port, Scenario},
};

/// Steps of a machine between two looks at the clock.
const STEPS: u32 = 8;
/// Idle looks after which the worker sleeps.
const PATIENCE: u32 = 1000;
/// For how long, unless it spins.
const SLEEP: Duration = Duration::from_micros(100);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_millis(500);

/// What a run leaves.
pub struct Outcome<M> {
    /// The machine in its last state.
    pub machine: M,
    /// What the port saw.
    pub port: PortCount,
    /// How long it ran.
    pub elapsed: Duration,
}

/// What the worker, the screen and the main thread share.
struct Shared<M> {
    stop: Arc<AtomicBool>,
    line: Mutex<String>,
    outcome: Mutex<Option<Outcome<M>>>,
}

/// Runs a machine on the scenario's port until it is done. `make` gets the port's Ethernet address and what tells its
/// link. The screen (standard error) shows progress if `show`. Belongs on the main thread.
pub fn run<M: Machine + 'static>(
    scenario: &Scenario,
    port: &Port,
    (commander, orders): (Commander, Receiver<Order>),
    show: bool,
    make: impl FnOnce(MacAddr, &dyn PortControl) -> anyhow::Result<M>,
) -> anyhow::Result<Outcome<M>> {
    let mut started = dpdk::start(&scenario.dataplane(port, None))?;
    let control = started.control();
    let mac = control.ports().first().map(|port| port.mac).unwrap_or_default();
    let machine = make(mac, &*control)?;
    let shared = Arc::new(Shared { stop: Arc::default(), line: Mutex::default(), outcome: Mutex::default() });
    started.on_signal(move |signal| {
        if !matches!(signal, UnixSignal::SIGHUP) {
            commander.tell(Command::Stop);
        }
    });
    let screen = show.then(|| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || screen(&shared))
    });
    let parts = Mutex::new(Some((machine, orders)));
    let (worker, busy) = (Arc::clone(&shared), port.busy);
    let result = started.run(Arc::clone(&shared.stop), move |_, queues| {
        let parts = parts.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (machine, orders) = parts.expect("there is one worker");
        let queue = queues.into_iter().next().expect("there is one port");
        let engine = Some(Engine::new(queue, machine, orders));
        let (shared, from) = (Arc::clone(&worker), Instant::now());
        Box::new(Worker { engine, shared, from, busy, idle: 0, shown: Duration::ZERO })
    });
    shared.stop.store(true, Relaxed);
    if let Some(screen) = screen {
        let _ = screen.join();
    }
    result?;
    let outcome = shared.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    outcome.ok_or_else(|| anyhow::anyhow!("the worker did not run"))
}

struct Worker<M> {
    engine: Option<Engine<DpdkQueue, M>>,
    shared: Arc<Shared<M>>,
    from: Instant,
    busy: bool,
    idle: u32,
    shown: Duration,
}

impl<M: Machine> Step for Worker<M> {
    fn step(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        let now = self.from.elapsed();
        let mut idle = true;
        for _ in 0..STEPS {
            match engine.step(now) {
                Flow::Busy => idle = false,
                Flow::Idle => {}
                Flow::Done => {
                    self.shared.stop.store(true, Relaxed);
                    return;
                }
            }
        }
        self.idle = if idle { self.idle.saturating_add(1) } else { 0 };
        if now.saturating_sub(self.shown) >= PROGRESS {
            self.shown = now;
            *self.shared.line.lock().unwrap_or_else(PoisonError::into_inner) = engine.machine.progress(now);
        }
        if self.idle > PATIENCE && !self.busy {
            thread::sleep(SLEEP);
        }
    }

    fn finish(&mut self) {
        if let Some(engine) = self.engine.take() {
            let (port, elapsed) = (engine.count(), self.from.elapsed());
            let outcome = Outcome { machine: engine.machine, port, elapsed };
            *self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        }
    }
}

/// Shows the line again and again: in place on a terminal, else a line each time that it changed.
fn screen<M>(shared: &Shared<M>) {
    let terminal = std::io::stderr().is_terminal();
    let mut last = String::new();
    while !shared.stop.load(Relaxed) {
        thread::sleep(PROGRESS / 5);
        let line = shared.line.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if line == last {
            continue;
        }
        if terminal {
            eprint!("\r\x1b[K{line}");
        } else {
            eprintln!("{line}");
        }
        last = line;
    }
    if terminal && !last.is_empty() {
        eprintln!();
    }
}
