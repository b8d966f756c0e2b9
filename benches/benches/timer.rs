//! How exact a subsystem's timer is while somebody pastes a configuration, and how long the pasting takes.
//!
//! `cargo bench -p benches --bench timer`. A daemon with the product's subsystems and one more, a metronome of 10 ms; a shell is
//! given 1000 lines, each when the one before has answered, by a thread of its own, as the management socket does it. The
//! kernel is a task that takes 1 s for each change. Real time; the figures are only worth something on a machine that has
//! nothing else to do.

#![allow(missing_docs, reason = "a list is public where it is used")]

#[path = "../../control/tests/subsystem/daemon_harness.rs"]
mod daemon_harness;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use common::time::Nanos;
use control::{
    command::{ConfigWriter, EXEC, Forms, Output, Spec},
    dfp::Dfp,
    manage::operator::{Operator as _, lock},
    protocol::{Commands, Cx, ExecFn, Input, Protocol, Shared},
    slb::Slb,
    system::System,
};
use hdrhistogram::Histogram;

/// From one beat to the next.
const BEAT: Duration = Duration::from_millis(10);

/// Notes how late each beat is.
#[derive(Debug)]
struct Metronome {
    due: Nanos,
    late: Histogram<u64>,
}

/// `show lateness`
const SHOW: Spec<ExecFn<Metronome>> = Spec {
    modes: &[&EXEC],
    pattern: "show lateness",
    help: &[("lateness", "How late beats were, in microseconds; then it starts anew")],
    forms: Forms::SetOnly,
    run: |metronome, _, _, _| {
        let late = |quantile| metronome.late.value_at_quantile(quantile);
        let text = format!(
            "{} beats, late by p50 {} us, p99 {} us, p99.9 {} us, at most {} us\n",
            metronome.late.len(),
            late(0.5),
            late(0.99),
            late(0.999),
            metronome.late.max()
        );
        metronome.late.reset();
        Ok(Output::text(text))
    },
};

impl Protocol for Metronome {
    const NAME: &'static str = "metronome";
    type Config = ();
    type Message = ();
    type Order = ();

    fn new(shared: &Shared) -> Self {
        Self { due: shared.now.after(BEAT), late: Histogram::new(3).expect("three digits can be kept") }
    }

    fn commands() -> Commands<Self> {
        Commands { configuration: Vec::new(), exec: vec![SHOW], switches: Vec::new() }
    }

    fn print((): &(), _: &mut ConfigWriter) {}

    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>) {
        if let Input::Timer = input {
            // Beats that were skipped would be as late as this one, less a beat each.
            while self.due <= cx.now() {
                self.late.saturating_record(cx.now().since(self.due).as_micros() as u64);
                self.due = self.due.after(BEAT);
            }
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        Some(self.due)
    }
}

control::protocols! {
    /// The product's subsystems and the metronome.
    Measured, MeasuredConfiguration:
    system: System,
    slb: Slb,
    dfp: Dfp,
    metronome: Metronome,
}

const INTERFACE: &str =
    "interface Ethernet0\n device net_null0\n ip address 10.1.1.1 255.255.0.0\n no shutdown\n!\n";

/// `count` lines of farms with ten reals each, every farm with its virtual server in service.
fn farms(count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for farm in 0.. {
        lines.push(format!("ip slb serverfarm F{farm}"));
        for real in 1..=10 {
            lines.push(format!(" real 10.1.{}.{real}", 100 + farm));
            lines.push("  weight 4".into());
            lines.push("  inservice".into());
        }
        lines.push(format!("ip slb vserver V{farm}"));
        lines.push(format!(" virtual 10.1.99.{} udp 434 service ipmobile", farm + 1));
        lines.push(format!(" serverfarm F{farm}"));
        lines.push(" inservice".into());
        if lines.len() >= count {
            break;
        }
    }
    lines.truncate(count);
    lines
}

/// `count` static routes, each of which the kernel is told.
fn routes(count: usize) -> Vec<String> {
    let line = |n| format!("ip route 20.{}.{}.0 255.255.255.0 10.1.1.254", n / 256, n % 256);
    (0..count).map(line).collect()
}

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("threads and timers can be had");
    for (name, lines) in [("nothing", Vec::new()), ("farms", farms(1000)), ("routes", routes(1000))] {
        if !format!("timer/{name}").contains(&filter) {
            continue;
        }
        let directory = tempfile::tempdir().expect("a directory for the socket");
        let start = Instant::now();
        let clock = Arc::new(move || Nanos(start.elapsed().as_nanos() as u64));
        let second = Duration::from_secs(1);
        let (daemon, _) =
            runtime.block_on(daemon_harness::start::<Measured>(INTERFACE, directory.path(), clock, second));
        let core = Arc::clone(daemon.core());
        let paste = std::thread::spawn(move || {
            let mut shell = lock(&core).open();
            let mut run = |line: &str| {
                let answer = lock(&core).execute(&mut shell, line);
                answer()
            };
            run("show lateness");
            run("configure terminal");
            let begun = Instant::now();
            for line in &lines {
                let reply = black_box(run(line));
                assert!(!reply.failed, "{line}: {}", reply.text);
            }
            let pasted = begun.elapsed();
            // Enough beats for a thousandth of them.
            std::thread::sleep(Duration::from_secs(10).saturating_sub(pasted));
            run("end");
            (lines.len(), pasted, run("show lateness").text)
        });
        let (count, pasted, lateness) = paste.join().expect("no line is refused");
        print!("timer/{name}: {count} lines in {:.3} s; {lateness}", pasted.as_secs_f64());
        runtime.block_on(daemon.end());
    }
}
