//! A measurement on DPDK ports: starts them, asks the director for counters, shows progress, makes the report.

use std::{
    io::IsTerminal,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use common::port::PortControl;
use dataplane::backend::dpdk::{self, DpdkQueue};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    director_counters::DirectorCounters,
    host_info,
    measurement::{Macs, Measurement},
    plan::{self, Plan},
    report::{self, Ports},
    two_port_loop::TwoPortLoop,
};
use crate::{
    check::FieldError,
    command::{CommandRequest, CommandSender},
    idle_backoff::IdleBackoff,
    line_rate,
    port_loop::Activity,
    result::{Report, Step},
    run::{lock, stop_on_signal},
    scenario::{Port, Scenario},
};

/// Steps of the loop between two reports to other threads.
const STEPS: u32 = 64;
/// Idle polls after which the worker sleeps, and for how long, unless it spins.
const IDLE_POLLS: u32 = 200;
const SLEEP: Duration = Duration::from_micros(50);
/// Between two updates of the screen.
const SCREEN: Duration = Duration::from_millis(100);
/// Between two samples of counters: when steps wait for them, when a table fills up, and for hours.
const SAMPLE: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(2)];

/// What the threads share.
#[derive(Default)]
struct Progress {
    stop: Arc<AtomicBool>,
    doing: Mutex<(Duration, String)>,
    steps: Mutex<Vec<Step>>,
    report: Mutex<Option<Result<Report, String>>>,
}

/// Measures what the scenario asks for, on its ports. Progress goes to standard error if `show`. Belongs on the main
/// thread. `open` is called when the ports are there and before traffic begins.
pub fn run(
    scenario: &Scenario,
    port: &Port,
    clock: u32,
    (sender, commands): (CommandSender, Receiver<CommandRequest>),
    show: bool,
    open: impl FnOnce() -> anyhow::Result<()>,
    refuse: impl Fn(FieldError) -> anyhow::Error,
) -> anyhow::Result<Report> {
    let mut started = dpdk::start(&scenario.dataplane(port, scenario.sink.as_ref()))?;
    let control = started.control();
    let mut scenario = scenario.clone();
    let line = line_rate::rate(&scenario, line_rate::speed(port, &*control));
    line_rate::resolve(&mut scenario, line).map_err(&refuse)?;
    let plan = plan_of(&scenario).map_err(&refuse)?;
    let (length, settings) = (plan.length(), report::setting(&scenario, port, line));
    let infos = control.ports();
    let macs = Macs {
        port: infos.first().map(|it| it.mac).unwrap_or_default(),
        sink: infos.get(1).map(|it| it.mac),
    };
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let measurement = Measurement::new(&scenario, plan, macs, clock, fastrand::u32(..)).map_err(&refuse)?;
    open()?;
    let progress = Arc::new(Progress::default());
    stop_on_signal(&mut started, sender);
    let (tell, counters) = channel();
    let threads = [
        sample(&scenario, tell, &progress),
        show.then(|| {
            let progress = Arc::clone(&progress);
            thread::spawn(move || screen(&progress, length))
        }),
    ];
    let parts = Mutex::new(Some((measurement, commands, counters)));
    let (worker, busy, kind) =
        (Arc::clone(&progress), port.busy, scenario.mode.as_ref().map(super::config::Mode::kind));
    let result = started.run(Arc::clone(&progress.stop), move |_, queues| {
        let (measurement, commands, counters) = lock(&parts).take().expect("there is one worker");
        let mut queues = queues.into_iter();
        let port = queues.next().expect("there is a sending port");
        let ports = Some(TwoPortLoop::new(port, queues.next(), measurement, commands, counters));
        let mut worker = Worker {
            ports,
            progress: Arc::clone(&worker),
            control: Arc::clone(&control),
            settings: settings.clone(),
            kind,
            began,
            from: Instant::now(),
            idle: IdleBackoff::new(IDLE_POLLS, SLEEP, busy),
            told: 0,
        };
        worker.tell(Duration::ZERO);
        Box::new(worker)
    });
    progress.stop.store(true, Relaxed);
    for thread in threads.into_iter().flatten() {
        let _ = thread.join();
    }
    result?;
    let report = lock(&progress.report).take();
    let report = report.unwrap_or_else(|| Err("the worker did not run".into()));
    let report = report.map_err(|error| anyhow::anyhow!(error))?;
    Ok(Report { machine: Some(host_info::read(dpdk::version())), ..report })
}

fn plan_of(scenario: &Scenario) -> Result<Box<dyn Plan>, FieldError> {
    let (mode, nodes) = crate::check::measuring(scenario)?;
    plan::new(mode, nodes, &scenario.traffic)
}

/// Samples the director's counters again and again.
fn sample(
    scenario: &Scenario,
    tell: Sender<DirectorCounters>,
    progress: &Arc<Progress>,
) -> Option<thread::JoinHandle<()>> {
    use super::config::Mode::{Sessions, Soak};
    let command = scenario.director.counters.clone();
    if command.is_empty() {
        return None;
    }
    let pause = match scenario.mode {
        Some(Sessions(_)) => SAMPLE[1],
        Some(Soak(_)) => SAMPLE[2],
        _ => SAMPLE[0],
    };
    let stop = Arc::clone(&progress.stop);
    Some(thread::spawn(move || {
        let mut said = false;
        while !stop.load(Relaxed) {
            match DirectorCounters::read_from(&command) {
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
    ports: Option<TwoPortLoop<DpdkQueue>>,
    progress: Arc<Progress>,
    control: Arc<dyn PortControl>,
    settings: crate::result::ScenarioSummary,
    kind: Option<crate::result::Mode>,
    began: u64,
    from: Instant,
    idle: IdleBackoff,
    /// Steps that the screen knows.
    told: usize,
}

impl Worker {
    fn tell(&mut self, now: Duration) {
        let Some(ports) = &self.ports else { return };
        // A screen that just reads is not waited for.
        if let Ok(mut doing) = self.progress.doing.try_lock() {
            *doing = (ports.measurement.since(now), ports.measurement.doing());
        }
        let steps = ports.measurement.steps();
        if steps.len() > self.told {
            lock(&self.progress.steps).extend_from_slice(&steps[self.told..]);
            self.told = steps.len();
        }
    }
}

impl dpdk::Step for Worker {
    fn step(&mut self) {
        let Some(ports) = &mut self.ports else { return };
        let from = self.from;
        let mut activity = Activity::Idle;
        for _ in 0..STEPS {
            match ports.step(&mut || from.elapsed()) {
                Activity::Busy => activity = Activity::Busy,
                Activity::Idle => {}
                Activity::Done => {
                    self.progress.stop.store(true, Relaxed);
                    break;
                }
            }
            if activity == Activity::Idle && self.idle.is_resting() {
                break;
            }
        }
        self.idle.polled(activity);
        self.tell(from.elapsed());
        self.idle.wait();
    }

    fn finish(&mut self) {
        self.tell(self.from.elapsed());
        let (Some(ports), Some(mode)) = (self.ports.take(), self.kind) else { return };
        let missed = [0, 1].map(|port| {
            let infos = self.control.ports();
            let counters = infos.get(port).map(|info| self.control.counters(info.id)).unwrap_or_default();
            counters.rx_missed + counters.rx_no_mbuf + counters.rx_errors
        });
        let seen = Ports { counters: ports.port_counters(), missed };
        let report = report::new(mode, self.settings.clone(), self.began, &ports.measurement, &seen);
        *lock(&self.progress.report) = Some(report);
    }
}

/// Shows a bar on a terminal, and a line for each step.
fn screen(progress: &Progress, length: Option<Duration>) {
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
        // Before the last update, so that nothing is left out.
        let over = progress.stop.load(Relaxed);
        for step in std::mem::take(&mut *lock(&progress.steps)) {
            let line = report::line(&step);
            if terminal { bar.println(line) } else { eprintln!("{line}") }
        }
        let (since, doing) = lock(&progress.doing).clone();
        bar.set_position((since.as_millis() as u64).min(bar.length().unwrap_or(u64::MAX)));
        bar.set_message(doing);
        if over {
            bar.finish_and_clear();
            return;
        }
        thread::sleep(SCREEN);
    }
}
