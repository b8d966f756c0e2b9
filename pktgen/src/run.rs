//! An endpoint on a DPDK port: starts the port, shows progress, ends on a signal.

use std::{
    io::IsTerminal,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::Receiver,
    },
    thread,
    time::{Duration, Instant},
};

use common::{mac::MacAddr, port::PortControl};
use dataplane::backend::dpdk::{self, DpdkQueue, Started, Step, UnixSignal};

use crate::{
    accounting::port::PortCounters,
    command::{Command, CommandRequest, CommandSender},
    idle_backoff::IdleBackoff,
    port_loop::{Activity, Endpoint, PortLoop},
    scenario::{Port, Scenario},
};

/// Steps of the loop between two readings of the clock.
const STEPS: u32 = 8;
/// Idle polls after which the worker sleeps, and for how long, unless it spins.
const IDLE_POLLS: u32 = 1000;
const SLEEP: Duration = Duration::from_micros(100);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_millis(500);

/// What a run leaves.
pub struct Finished<E> {
    /// The endpoint in its last state.
    pub endpoint: E,
    /// What the port saw.
    pub port: PortCounters,
    /// How long it ran.
    pub elapsed: Duration,
}

/// What the worker, the screen and the main thread share.
struct RunState<E> {
    stop: Arc<AtomicBool>,
    line: Mutex<String>,
    finished: Mutex<Option<Finished<E>>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signals that ask a program to end become the command `stop`.
pub(crate) fn stop_on_signal(started: &mut Started, commands: CommandSender) {
    started.on_signal(move |signal| {
        if !matches!(signal, UnixSignal::SIGHUP) {
            commands.tell(Command::Stop);
        }
    });
}

/// Runs an endpoint on the scenario's port until it is done. `make` gets the port's Ethernet address and what tells its
/// link. The screen (standard error) shows progress if `show`. Belongs on the main thread.
pub fn run<E: Endpoint + 'static>(
    scenario: &Scenario,
    port: &Port,
    (sender, commands): (CommandSender, Receiver<CommandRequest>),
    show: bool,
    make: impl FnOnce(MacAddr, &dyn PortControl) -> anyhow::Result<E>,
) -> anyhow::Result<Finished<E>> {
    let mut started = dpdk::start(&scenario.dataplane(port, None))?;
    let control = started.control();
    let mac = control.ports().first().map(|port| port.mac).unwrap_or_default();
    let endpoint = make(mac, &*control)?;
    let state =
        Arc::new(RunState { stop: Arc::default(), line: Mutex::default(), finished: Mutex::default() });
    stop_on_signal(&mut started, sender);
    let screen = show.then(|| {
        let state = Arc::clone(&state);
        thread::spawn(move || screen(&state))
    });
    let parts = Mutex::new(Some((endpoint, commands)));
    let (worker, busy) = (Arc::clone(&state), port.busy);
    let result = started.run(Arc::clone(&state.stop), move |_, queues| {
        let (endpoint, commands) = lock(&parts).take().expect("there is one worker");
        let queue = queues.into_iter().next().expect("there is one port");
        Box::new(Worker {
            port: Some(PortLoop::new(queue, endpoint, commands)),
            state: Arc::clone(&worker),
            from: Instant::now(),
            idle: IdleBackoff::new(IDLE_POLLS, SLEEP, busy),
            shown: Duration::ZERO,
        })
    });
    state.stop.store(true, Relaxed);
    if let Some(screen) = screen {
        let _ = screen.join();
    }
    result?;
    let finished = lock(&state.finished).take();
    finished.ok_or_else(|| anyhow::anyhow!("the worker did not run"))
}

struct Worker<E> {
    port: Option<PortLoop<DpdkQueue, E>>,
    state: Arc<RunState<E>>,
    from: Instant,
    idle: IdleBackoff,
    shown: Duration,
}

impl<E: Endpoint> Step for Worker<E> {
    fn step(&mut self) {
        let Some(port) = &mut self.port else { return };
        let now = self.from.elapsed();
        let mut activity = Activity::Idle;
        for _ in 0..STEPS {
            match port.step(now) {
                Activity::Busy => activity = Activity::Busy,
                Activity::Idle => {}
                Activity::Done => {
                    self.state.stop.store(true, Relaxed);
                    return;
                }
            }
        }
        if now.saturating_sub(self.shown) >= PROGRESS {
            self.shown = now;
            *lock(&self.state.line) = port.endpoint.progress(now);
        }
        self.idle.polled(activity);
        self.idle.wait();
    }

    fn finish(&mut self) {
        if let Some(port) = self.port.take() {
            let (counters, elapsed) = (port.counters(), self.from.elapsed());
            let finished = Finished { endpoint: port.endpoint, port: counters, elapsed };
            *lock(&self.state.finished) = Some(finished);
        }
    }
}

/// Shows the line again and again: in place on a terminal, else a line each time that it changed.
fn screen<E>(state: &RunState<E>) {
    let terminal = std::io::stderr().is_terminal();
    let mut last = String::new();
    while !state.stop.load(Relaxed) {
        thread::sleep(PROGRESS / 5);
        let line = lock(&state.line).clone();
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
