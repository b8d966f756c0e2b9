//! The tables of the page.

use maud::{Markup, html};

use super::units;
use crate::result::{Frames, HostInfo, Latency, Mode, Phase, Report, ScenarioSummary, Step};

/// Above it the table of steps is folded.
const FOLDED: usize = 40;

/// Every frame and where it ended.
pub fn frames(report: &Report) -> Markup {
    let Frames {
        sent,
        new,
        retransmitted,
        right,
        created,
        wrong,
        corrupted,
        lost,
        duplicated,
        late,
        moved,
        stray,
    } = report.total;
    let ends = [
        ("at the right home agent", right, "good"),
        ("at a wrong one", wrong, "bad"),
        ("corrupted", corrupted, "bad"),
        ("lost", lost, "bad"),
    ];
    let all = ends.iter().fold(0u64, |sum, end| sum.saturating_add(end.1));
    let besides = [
        ("of nodes that had not sent before", new, ""),
        ("repeats of frames just sent", retransmitted, ""),
        ("right, and the first of their node to arrive", created, ""),
        ("right after an allowed change of home agent", moved, ""),
        ("came after they were given up", late, ""),
        ("duplicated: came once more than once", duplicated, "bad"),
        ("came and were never sent by this run", stray, "bad"),
    ];
    html! {
        table.account {
            thead { tr { th { "Frames" } th.n { "number" } th.n { "share" } th.wide {} } }
            tbody {
                tr.sum { td { "sent" } td.n { (units::count(sent)) } td.n { (units::share(sent, sent)) } td {} }
                @for (name, value, kind) in ends {
                    tr {
                        td.in { (name) }
                        td.n.(mark(kind, value)) { (units::count(value)) }
                        td.n { (units::share(value, sent)) }
                        td { (bar(value, sent, kind)) }
                    }
                }
                tr.check {
                    td colspan="4" {
                        @if all == sent { "✓ Every frame that was sent has exactly one of these ends." }
                        @else { "✗ The ends add up to " (units::count(all)) ", not to the frames sent." }
                    }
                }
            }
            tbody {
                @for (name, value, kind) in besides {
                    tr {
                        td.in { (name) }
                        td.n.(mark(kind, value)) { (units::count(value)) }
                        td.n { (units::share(value, sent)) }
                        td {}
                    }
                }
            }
        }
    }
}

/// A class: a number that should be 0 and is not stands out.
fn mark(kind: &str, value: u64) -> &'static str {
    if kind == "bad" && value > 0 { "alarm" } else { "calm" }
}

fn bar(part: u64, whole: u64, kind: &str) -> Markup {
    let width = if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 100.0).min(100.0) };
    html! { @if part > 0 { div.bar.(kind) style=(format!("width:{width:.2}%")) {} } }
}

/// Who got how much: home agents, workers or else ports.
pub fn balance(report: &Report) -> Markup {
    let agents = &report.home_agents;
    let most = agents.iter().map(|it| it.right.saturating_add(it.wrong)).max().unwrap_or(0);
    let all = agents.iter().fold(0u64, |sum, it| sum.saturating_add(it.right));
    html! {
        @if !agents.is_empty() {
            table {
                thead { tr {
                    th { "Home agent" } th { "address" } th.n { "right frames" } th.n { "share" }
                    th.n { "wrong frames" } th.n { "nodes" } th.wide {}
                } }
                tbody {
                    @for agent in agents {
                        tr {
                            td { (agent.name) } td { (agent.address) }
                            td.n { (units::count(agent.right)) } td.n { (units::share(agent.right, all)) }
                            td.n.(mark("bad", agent.wrong)) { (units::count(agent.wrong)) }
                            td.n { (units::count(agent.nodes)) }
                            td { (bar(agent.right, most, "good")) (bar(agent.wrong, most, "bad")) }
                        }
                    }
                }
            }
            (evenness(agents.iter().map(|it| it.right)))
        }
        @if report.workers.is_empty() { p.note { "The director was not asked for its workers' counters." } }
        @else {
            @let all = report.workers.iter().fold(0u64, |sum, it| sum.saturating_add(it.frames));
            @let most = report.workers.iter().map(|it| it.frames).max().unwrap_or(0);
            table {
                thead { tr {
                    th { "Director's worker" } th.n { "frames received" } th.n { "share" } th.wide {}
                } }
                tbody {
                    @for worker in &report.workers {
                        tr {
                            td { (worker.worker) } td.n { (units::count(worker.frames)) }
                            td.n { (units::share(worker.frames, all)) }
                            td { (bar(worker.frames, most, "good")) }
                        }
                    }
                }
            }
            (evenness(report.workers.iter().map(|it| it.frames)))
        }
    }
}

/// How far the busiest is from an even share.
fn evenness(parts: impl Iterator<Item = u64> + Clone) -> Markup {
    let (count, all) = parts.clone().fold((0u64, 0u64), |(n, sum), part| (n + 1, sum.saturating_add(part)));
    let most = parts.max().unwrap_or(0);
    html! {
        @if count > 1 && all > 0 {
            @let over = most as f64 * count as f64 / all as f64 - 1.0;
            p.note {
                @if over < 5e-5 { "The shares are even." }
                @else { "The busiest has " (units::percent(over)) " more than an even share." }
            }
        }
    }
}

/// The generator's ports.
pub fn ports(report: &Report) -> Markup {
    html! {
        table {
            thead { tr {
                th { "Port" } th { "device" } th.n { "sent" } th.n { "received" } th.n { "ring full" }
                th.n { "no buffer" } th.n { "missed" }
            } }
            tbody {
                @for port in &report.ports {
                    tr {
                        td { (port.role) } td.text { (port.device) } td.n { (units::count(port.sent)) }
                        td.n { (units::count(port.received)) } td.n { (units::count(port.ring_full)) }
                        td.n.(mark("bad", port.no_buffer)) { (units::count(port.no_buffer)) }
                        td.n.(mark("bad", port.missed)) { (units::count(port.missed)) }
                    }
                }
            }
        }
        p.note {
            "All protocols, ARP and ping among them. Ring full: the transmit ring could not take a frame at once, and it \
             was sent again. Missed: dropped by the device on receipt."
        }
    }
}

/// Every step, in order of time.
pub fn steps(report: &Report) -> Markup {
    let steps = &report.steps;
    let way = if report.scenario.sink.is_some() { "arrival" } else { "reply" };
    let table = html! {
        (step_table(report))
        (distributions(
            "Latency",
            &format!("From sending to {way}, of frames that ended at their right home agent."),
            steps,
            |step| step.latency.as_ref(),
        ))
        (distributions(
            "Recovery",
            "From a node's first request without an answer to its next answer.",
            steps,
            |step| step.recovery.as_ref(),
        ))
        (losses(steps))
    };
    html! {
        @if steps.len() > FOLDED {
            details { summary { (units::count(steps.len() as u64)) " steps" } (table) }
        } @else { (table) }
    }
}

fn step_table(report: &Report) -> Markup {
    let steps = &report.steps;
    let told = steps.iter().any(|step| step.table.is_some());
    let fresh = report.mode == Mode::Sessions;
    let rate = |rate: f64| units::count(rate.round() as u64);
    html! {
        table.steps {
            thead {
                tr {
                    th rowspan="2" { "Step" } th.n rowspan="2" { "at" } th.group colspan="3" { "frames a second" }
                    @if fresh { th.n rowspan="2" { "new sessions a second" } }
                    th.group colspan="5" { "frames" } th.n rowspan="2" { "loss" }
                    th.n rowspan="2" { "nodes" } @if told { th.n rowspan="2" { "sessions" } } th rowspan="2" {}
                }
                tr {
                    th.n { "asked for" } th.n { "sent" } th.n { "right" }
                    th.n { "sent" } th.n { "lost" } th.n { "wrong" } th.n { "corrupt" } th.n { "double" }
                }
            }
            tbody {
                @for step in steps {
                    @let frames = &step.frames;
                    tr.(class(step)) {
                        td.label { (step.label) } td.n { (units::time(step.at)) }
                        td.n { (step.target.map_or_else(|| "most".to_owned(), rate)) }
                        td.n { (rate(step.offered)) } td.n { (rate(step.forwarded)) }
                        @if fresh { td.n { (rate(step.created_rate())) } }
                        td.n { (units::count(frames.sent)) }
                        @for bad in [frames.lost, frames.wrong, frames.corrupted, frames.duplicated] {
                            td.n.(mark("bad", bad)) { (units::count(bad)) }
                        }
                        td.n { (units::percent(step.loss)) }
                        td.n { (units::count(step.sessions)) }
                        @if told { td.n { (step.table.map_or_else(|| "–".to_owned(), units::count)) } }
                        td { (verdict(step)) }
                    }
                }
            }
        }
        p.note {
            "Nodes: distinct mobile nodes sent for since the beginning."
            @if fresh { " New sessions: nodes of which a frame arrived for the first time." }
            @if told { " Sessions: in the director's table when it was asked after the step." }
        }
    }
}

fn class(step: &Step) -> &'static str {
    if step.phase == Phase::Warmup { "warmup" } else { "counts" }
}

/// A distribution for each step that has one.
fn distributions<'a>(
    title: &str,
    note: &str,
    steps: &'a [Step],
    of: impl Fn(&'a Step) -> Option<&'a Latency>,
) -> Markup {
    let some: Vec<_> = steps.iter().filter_map(|step| of(step).map(|latency| (step, latency))).collect();
    html! {
        @if !some.is_empty() {
            h3 { (title) }
            table.steps {
                thead { tr {
                    th { "Step" } th.n { "measured" } th.n { "fastest" } th.n { "mean" } th.n { "50 %" } th.n { "90 %" }
                    th.n { "99 %" } th.n { "99.9 %" } th.n { "slowest" }
                } }
                tbody {
                    @for (step, it) in some {
                        tr.(class(step)) {
                            td.label { (step.label) } td.n { (units::count(it.count)) }
                            @for value in [it.min, it.mean, it.p50, it.p90, it.p99, it.p999, it.max] {
                                td.n { (units::latency(value)) }
                            }
                        }
                    }
                }
            }
            p.note { (note) }
        }
    }
}

fn verdict(step: &Step) -> Markup {
    html! {
        @match step.passed {
            Some(true) => span.good { "passed" },
            Some(false) => span.bad { "failed" },
            None if step.phase == Phase::Warmup => "does not count",
            None => "",
        }
    }
}

fn losses(steps: &[Step]) -> Markup {
    let lossy: Vec<&Step> = steps.iter().filter(|step| !step.losses.is_empty()).collect();
    html! {
        @if !lossy.is_empty() {
            h3 { "Losses by reason" }
            table {
                thead { tr { th { "Step" } th { "reason" } th.n { "frames" } } }
                tbody {
                    @for step in &lossy {
                        @for (reason, frames) in &step.losses {
                            tr { td { (step.label) } td.text { (reason) } td.n { (units::count(*frames)) } }
                        }
                    }
                }
            }
            p.note {
                "Unaccounted: sent and never seen again. What begins with director is the director's own count; it may \
                 hold frames that are not of this measurement."
            }
        }
    }
}

/// Names and their values.
fn list(rows: &[(&str, String)]) -> Markup {
    html! { dl { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// What was sent where.
pub fn scenario(report: &Report) -> Markup {
    let ScenarioSummary {
        name,
        seed,
        frame_bytes,
        nodes,
        choice,
        zipf,
        new,
        retransmit,
        agents,
        target,
        line_rate,
        port,
        sink,
    } = &report.scenario;
    let mode = match report.mode {
        Mode::Throughput => "throughput",
        Mode::Latency => "latency",
        Mode::Sessions => "sessions",
        Mode::Soak => "soak",
    };
    let choice =
        zipf.map_or_else(|| choice.clone(), |zipf| format!("{choice}, exponent {}", units::short(zipf)));
    list(&[
        ("Scenario", name.clone()),
        ("Mode", mode.into()),
        ("Seed", seed.to_string()),
        ("Frame", format!("{frame_bytes}\u{202f}bytes without FCS")),
        ("Mobile nodes", units::count(*nodes)),
        ("Choice of a node", choice),
        ("Requests of new nodes", new.map_or_else(|| "as the choice falls".into(), units::percent)),
        ("Retransmissions", units::percent(*retransmit)),
        ("Foreign agents", units::count((*agents).into())),
        ("Sent to", target.clone()),
        ("Sending port", port.clone()),
        ("Receiving port", sink.clone().unwrap_or_else(|| "none: replies stand for arrivals".into())),
        (
            "Line rate",
            line_rate
                .map_or_else(|| "not known".into(), |rate| format!("{}\u{202f}frames/s", units::short(rate))),
        ),
    ])
}

/// What it ran on.
pub fn machine(machine: Option<&HostInfo>) -> Markup {
    let Some(HostInfo { host, cpu, cpus, memory, kernel, dpdk, pktgen }) = machine else {
        return html! { p.note { "The result does not tell." } };
    };
    list(&[
        ("Host", host.clone()),
        ("Processor", cpu.clone()),
        ("Processors", cpus.to_string()),
        ("Memory", units::bytes(*memory)),
        ("Kernel", kernel.clone()),
        ("DPDK", dpdk.clone()),
        ("pktgen", pktgen.clone()),
    ])
}
