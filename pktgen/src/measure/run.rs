//! A measurement on DPDK ports: starts them, asks the director for counters, shows progress, makes the report.

use std::{
    io::IsTerminal,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use common::port::PortControl;
use dataplane::backend::dpdk::{self, DpdkQueue, UnixSignal};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    counters::Counters,
    duo::Duo,
    machine,
    meter::{Macs, Meter},
    plan::{self, Plan},
    report::{self, Ports},
};
use crate::{
    check::Problem,
    control::{Command, Commander, Order},
    engine::Flow,
    line,
    result::{Report, Step},
    scenario::{Port, Scenario},
};

/// Loops between two looks at what other threads want to know.
const LOOPS: u32 = 64;
/// Idle looks after which the worker sleeps.
const PATIENCE: u32 = 200;
/// For how long, unless it spins.
const SLEEP: Duration = Duration::from_micros(50);
/// Between two looks of the screen.
const SCREEN: Duration = Duration::from_millis(100);
/// Between two questions for counters: when steps wait for the answer, when a table fills up, and for hours.
const ASK: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(2)];

/// What the threads share.
#[derive(Default)]
struct Shared {
    stop: Arc<AtomicBool>,
    doing: Mutex<(Duration, String)>,
    steps: Mutex<Vec<Step>>,
    report: Mutex<Option<Result<Report, String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures what the scenario asks for, on its ports. Progress goes to standard error if `show`. Belongs on the main
/// thread. `open` is called when the ports are there and before traffic begins.
pub fn run(
    scenario: &Scenario,
    port: &Port,
    clock: u32,
    (commander, orders): (Commander, std::sync::mpsc::Receiver<Order>),
    show: bool,
    open: impl FnOnce() -> anyhow::Result<()>,
    refuse: impl Fn(Problem) -> anyhow::Error,
) -> anyhow::Result<Report> {
    let mut started = dpdk::start(&scenario.dataplane(port, scenario.sink.as_ref()))?;
    let control = started.control();
    let mut scenario = scenario.clone();
    let line = line::rate(&scenario, line::speed(port, &*control));
    line::resolve(&mut scenario, line).map_err(&refuse)?;
    let plan = plan_of(&scenario).map_err(&refuse)?;
    let (length, settings) = (plan.length(), report::setting(&scenario, port, line));
    let infos = control.ports();
    let macs = Macs {
        port: infos.first().map(|it| it.mac).unwrap_or_default(),
        sink: infos.get(1).map(|it| it.mac),
    };
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let meter =
        Meter::new(&scenario, plan, macs, clock, run.subsec_nanos() ^ std::process::id()).map_err(&refuse)?;
    open()?;
    let shared = Arc::new(Shared::default());
    started.on_signal(move |signal| {
        if !matches!(signal, UnixSignal::SIGHUP) {
            commander.tell(Command::Stop);
        }
    });
    let (tell, counters) = channel();
    let threads = [
        ask(&scenario, tell, &shared),
        show.then(|| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || screen(&shared, length))
        }),
    ];
    let parts = Mutex::new(Some((meter, orders, counters)));
    let (worker, busy, kind) =
        (Arc::clone(&shared), port.busy, scenario.mode.as_ref().map(super::config::Mode::kind));
    let result = started.run(Arc::clone(&shared.stop), move |_, queues| {
        let (meter, orders, counters) = lock(&parts).take().expect("there is one worker");
        let mut queues = queues.into_iter();
        let port = queues.next().expect("there is a sending port");
        let duo = Some(Duo::new(port, queues.next(), meter, orders, counters));
        let mut worker = Worker {
            duo,
            shared: Arc::clone(&worker),
            control: Arc::clone(&control),
            settings: settings.clone(),
            kind,
            began: run.as_secs(),
            from: Instant::now(),
            busy,
            idle: 0,
            told: 0,
        };
        worker.tell(Duration::ZERO);
        Box::new(worker)
    });
    shared.stop.store(true, Relaxed);
    for thread in threads.into_iter().flatten() {
        let _ = thread.join();
    }
    result?;
    let report = lock(&shared.report).take();
    let report = report.unwrap_or_else(|| Err("the worker did not run".into()));
    let report = report.map_err(|error| anyhow::anyhow!(error))?;
    Ok(Report { machine: Some(machine::here(dpdk::version())), ..report })
}

fn plan_of(scenario: &Scenario) -> Result<Box<dyn Plan>, Problem> {
    let (mode, nodes) = crate::check::measuring(scenario)?;
    plan::of(mode, nodes, &scenario.traffic)
}

/// Asks the director for its counters again and again.
fn ask(scenario: &Scenario, tell: Sender<Counters>, shared: &Arc<Shared>) -> Option<thread::JoinHandle<()>> {
    use super::config::Mode::{Sessions, Soak};
    let command = scenario.director.counters.clone();
    if command.is_empty() {
        return None;
    }
    let pause = match scenario.mode {
        Some(Sessions(_)) => ASK[1],
        Some(Soak(_)) => ASK[2],
        _ => ASK[0],
    };
    let stop = Arc::clone(&shared.stop);
    Some(thread::spawn(move || {
        let mut said = false;
        while !stop.load(Relaxed) {
            match Counters::ask(&command) {
                Ok(counters) => _ = tell.send(counters),
                // Once is enough.
                Err(error) if !said => {
                    eprintln!("pktgen: director.counters: {error:#}");
                    said = true;
                }
                Err(_) => {}
            }
            let from = Instant::now();
            while from.elapsed() < pause && !stop.load(Relaxed) {
                thread::sleep(SCREEN.min(pause));
            }
        }
    }))
}

struct Worker {
    duo: Option<Duo<DpdkQueue>>,
    shared: Arc<Shared>,
    control: Arc<dyn PortControl>,
    settings: crate::result::Setting,
    kind: Option<crate::result::Mode>,
    began: u64,
    from: Instant,
    busy: bool,
    idle: u32,
    /// Steps that the screen knows.
    told: usize,
}

impl Worker {
    fn tell(&mut self, now: Duration) {
        let Some(duo) = &self.duo else { return };
        // A screen that just reads is not waited for.
        if let Ok(mut doing) = self.shared.doing.try_lock() {
            *doing = (duo.meter.since(now), duo.meter.doing());
        }
        let steps = duo.meter.steps();
        if steps.len() > self.told {
            lock(&self.shared.steps).extend_from_slice(&steps[self.told..]);
            self.told = steps.len();
        }
    }
}

impl dpdk::Step for Worker {
    fn step(&mut self) {
        let Some(duo) = &mut self.duo else { return };
        let from = self.from;
        let mut idle = true;
        for _ in 0..LOOPS {
            match duo.step(&mut || from.elapsed()) {
                Flow::Busy => idle = false,
                Flow::Idle => {}
                Flow::Done => {
                    self.shared.stop.store(true, Relaxed);
                    break;
                }
            }
            if idle && !self.busy && self.idle > PATIENCE {
                break;
            }
        }
        self.idle = if idle { self.idle.saturating_add(1) } else { 0 };
        self.tell(from.elapsed());
        if self.idle > PATIENCE && !self.busy {
            thread::sleep(SLEEP);
        }
    }

    fn finish(&mut self) {
        self.tell(self.from.elapsed());
        let (Some(duo), Some(mode)) = (self.duo.take(), self.kind) else { return };
        let missed = [0, 1].map(|port| {
            let infos = self.control.ports();
            let counters = infos.get(port).map(|info| self.control.counters(info.id)).unwrap_or_default();
            counters.rx_missed + counters.rx_no_mbuf + counters.rx_errors
        });
        let ports = Ports { counts: duo.counts(), missed };
        let report = report::of(mode, self.settings.clone(), self.began, &duo.meter, &ports);
        *lock(&self.shared.report) = Some(report);
    }
}

/// Shows a bar on a terminal, and a line for each step.
fn screen(shared: &Shared, length: Option<Duration>) {
    let terminal = std::io::stderr().is_terminal();
    let bar = match length {
        _ if !terminal => ProgressBar::hidden(),
        Some(length) => ProgressBar::new(length.as_millis() as u64),
        None => ProgressBar::new_spinner(),
    };
    let shape = if length.is_some() { "{wide_bar} {percent:>3} %\n{msg}" } else { "{spinner} {msg}" };
    if let Ok(style) = ProgressStyle::with_template(shape) {
        bar.set_style(style);
    }
    loop {
        // Before the last look, so that nothing is left out.
        let over = shared.stop.load(Relaxed);
        for step in std::mem::take(&mut *lock(&shared.steps)) {
            let line = report::line(&step);
            if terminal { bar.println(line) } else { eprintln!("{line}") }
        }
        let (since, doing) = lock(&shared.doing).clone();
        bar.set_position((since.as_millis() as u64).min(bar.length().unwrap_or(u64::MAX)));
        bar.set_message(doing);
        if over {
            bar.finish_and_clear();
            return;
        }
        thread::sleep(SCREEN);
    }
}
