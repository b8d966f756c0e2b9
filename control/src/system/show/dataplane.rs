//! `show dataplane`: a row a worker, then how every packet ended.

use std::fmt::Write as _;

use common::verdict::{Class, Verdict};
use serde::Serialize;

/// The dataplane at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DataplaneView {
    /// By worker.
    pub workers: Vec<WorkerView>,
    /// Snapshot generation that is published.
    pub generation: u64,
    /// Packets received.
    pub received: u64,
    /// Sum of all verdicts.
    pub verdict_sum: u64,
    /// Every verdict with its total over all workers.
    pub verdicts: Vec<VerdictView>,
}

/// One worker; rates over the last 5 seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WorkerView {
    /// From 0.
    pub worker: u8,
    /// CPU that it is pinned to.
    pub cpu: Option<u16>,
    /// Ports that it polls.
    pub ports: String,
    /// Snapshot generation in use.
    pub generation: u64,
    /// Million packets received a second.
    pub mpps: f64,
    /// Cycles a packet, idle ones left out.
    pub cycles_per_packet: f64,
    /// Packets a poll that returned any.
    pub burst: f64,
    /// Share of cycles with packets in hand, percent.
    pub busy_percent: f64,
    /// Packets received in all.
    pub received: u64,
    /// Frames from the kernel sent.
    pub injected: u64,
    /// Those dropped because the pool was dry.
    pub inject_no_buffer: u64,
    /// Those dropped because the transmit ring stayed full.
    pub inject_tx_full: u64,
    /// Those dropped because their interface is gone or they are too large.
    pub inject_refused: u64,
    /// Copies of packets sent.
    pub replicas: u64,
    /// Those dropped.
    pub replicas_dropped: u64,
    /// Packets to ourselves that came in parts and became whole.
    pub reassembled: u64,
    /// Those that did not.
    pub reassembly_given_up: u64,
    /// Events lost because control did not keep up.
    pub events_lost: u64,
}

/// How many packets ended so.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct VerdictView {
    /// How they ended.
    pub verdict: Verdict,
    /// What kind of end.
    pub class: Class,
    /// Name of the subsystem whose packets end so.
    pub owner: &'static str,
    /// How many.
    pub packets: u64,
}

/// The text of `show dataplane`: verdicts that no packet met are left out (the JSON has all).
pub fn text(view: &DataplaneView) -> String {
    let mut out =
        "worker  cpu  ports               generation  Mpps     cycles/packet  burst  busy   received\n"
            .to_owned();
    out.push_str(&"-".repeat(92));
    out.push('\n');
    for worker in &view.workers {
        let cpu = worker.cpu.map_or_else(|| "-".to_owned(), |cpu| cpu.to_string());
        let _ = writeln!(
            out,
            "{:<7} {cpu:<4} {:<19} {:<11} {:<8.3} {:<14.1} {:<6.1} {:<6} {}",
            worker.worker,
            worker.ports,
            worker.generation,
            worker.mpps,
            worker.cycles_per_packet,
            worker.burst,
            format!("{:.1}%", worker.busy_percent),
            worker.received
        );
    }
    out.push_str("\nverdict              class      packets\n");
    out.push_str(&"-".repeat(40));
    out.push('\n');
    for verdict in view.verdicts.iter().filter(|verdict| verdict.packets > 0) {
        let class = format!("{:?}", verdict.class).to_lowercase();
        let _ = writeln!(out, "{:<20} {class:<10} {}", verdict.verdict.name(), verdict.packets);
    }
    let sum = |get: fn(&WorkerView) -> u64| view.workers.iter().map(get).sum::<u64>();
    let _ = writeln!(
        out,
        "\nfrom the kernel: {} sent, dropped: {} no buffer, {} transmit ring full, {} refused",
        sum(|worker| worker.injected),
        sum(|worker| worker.inject_no_buffer),
        sum(|worker| worker.inject_tx_full),
        sum(|worker| worker.inject_refused)
    );
    let (copies, dropped) = (sum(|worker| worker.replicas), sum(|worker| worker.replicas_dropped));
    if copies + dropped > 0 {
        let _ = writeln!(out, "copies: {copies} sent, {dropped} dropped");
    }
    let (whole, given_up) = (sum(|worker| worker.reassembled), sum(|worker| worker.reassembly_given_up));
    if whole + given_up > 0 {
        let _ = writeln!(out, "packets in parts: {whole} put together, {given_up} given up");
    }
    // A burst may be half counted while traffic flows: the sign says what the figures do.
    let sign = if view.received == view.verdict_sum { "=" } else { "<>" };
    let _ = writeln!(out, "received {} {sign} verdicts {}", view.received, view.verdict_sum);
    out
}
