//! The page around plots and tables.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    charts,
    plot::{Plot, PlotError},
    tables, units,
};
use crate::result::{Filled, Latency, Mode, Phase, Report};

const STYLE: &str = include_str!("style.css");
/// On the wire besides the frame: preamble, FCS and the gap between frames.
const OVERHEAD: f64 = 24.0;

/// The report as a page of HTML.
pub fn page(report: &Report) -> Result<String, PlotError> {
    let figures = charts::plots(report).iter().map(Plot::figure).collect::<Result<Vec<Markup>, _>>()?;
    let mode = match report.mode {
        Mode::Throughput => "Throughput",
        Mode::Latency => "Latency",
        Mode::Sessions => "Sessions",
        Mode::Soak => "Soak",
    };
    let outcome = &report.outcome;
    let (word, class) = if outcome.passed { ("passed", "good") } else { ("failed", "bad") };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light";
                title { (mode) ": " (report.scenario.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kind { (mode) " measurement" }
                    h1 { (report.scenario.name) }
                    p.verdict { span.badge.(class) { (word) } " " (outcome.reason) }
                    p.when { (units::date(report.began)) ", " (units::time(report.seconds)) }
                }
                section.tiles {
                    @for (name, value, more) in tiles(report) {
                        div.tile { p.name { (name) } p.value { (value) } @if !more.is_empty() { p.more { (more) } } }
                    }
                }
                section { h2 { "Every frame" } (tables::frames(report)) }
                @if figures.iter().any(|figure| !figure.0.is_empty()) {
                    section { h2 { "Plots" } @for figure in &figures { (figure) } }
                }
                section { h2 { "Balance" } (tables::balance(report)) }
                section { h2 { "Ports of the generator" } (tables::ports(report)) }
                section { h2 { "Steps" } (tables::steps(report)) }
                section.pair {
                    div { h2 { "Scenario" } (tables::scenario(report)) }
                    div { h2 { "Machine" } (tables::machine(report.machine.as_ref())) }
                }
            }
        }
    };
    Ok(page.into_string())
}

type Tile = (&'static str, String, String);

/// The answer in a few large figures.
fn tiles(report: &Report) -> Vec<Tile> {
    let outcome = &report.outcome;
    let total = &report.total;
    let mut tiles: Vec<Tile> = Vec::new();
    if report.mode == Mode::Sessions {
        let until = match outcome.filled {
            Some(Filled::Table) => "until the director's table was full, by its own counters",
            Some(Filled::Nodes) => "until as many nodes were sent for as should be",
            None => "until it ended",
        };
        let rates = [
            (outcome.rate, "new sessions a second", until),
            (outcome.churn_rate, "in the churn", "new sessions a second"),
        ];
        let told = rates.into_iter().filter_map(|(rate, name, more)| Some((rate?, name, more)));
        tiles.extend(told.map(|(rate, name, more)| (name, units::count(rate.round() as u64), more.into())));
    } else if let Some(rate) = outcome.rate {
        let bits = rate * (f64::from(report.scenario.frame_bytes) + OVERHEAD) * 8.0;
        tiles.push((
            "frames a second",
            units::count(rate.round() as u64),
            format!("{}bit/s on the wire", units::short(bits)),
        ));
    }
    if let Some(resolution) = outcome.resolution {
        tiles.push(("known to within", units::rate(resolution), String::new()));
    }
    if let Some(loss) = outcome.loss {
        let bound =
            outcome.loss_bound.map_or_else(String::new, |it| format!("{} allowed", units::percent(it)));
        tiles.push(("loss at that rate", units::percent(loss), bound));
    }
    if let Some(sessions) = outcome.sessions {
        let table = report.steps.iter().rev().find_map(|step| step.table);
        let table =
            table.map_or_else(String::new, |it| format!("{} in the director's table", units::count(it)));
        tiles.push(("nodes whose frames arrived", units::count(sessions), table));
    }
    match report.mode {
        Mode::Throughput => {
            let best =
                report.steps.iter().filter(|step| step.phase == Phase::Trial && step.passed == Some(true));
            let best = best.max_by(|a, b| a.offered.total_cmp(&b.offered));
            tiles.extend(
                best.and_then(|step| step.latency.as_ref()).map(|it| latency("latency at that rate", it)),
            );
        }
        Mode::Latency => {
            let loads = report.steps.iter().filter(|step| step.phase == Phase::Load);
            let highest = loads.max_by(|a, b| a.load.unwrap_or(0.0).total_cmp(&b.load.unwrap_or(0.0)));
            tiles.extend(
                highest
                    .and_then(|step| step.latency.as_ref())
                    .map(|it| latency("latency at the highest load", it)),
            );
        }
        Mode::Sessions | Mode::Soak => {
            tiles.extend(report.latency.as_ref().map(|it| latency("latency, all intervals", it)));
        }
    }
    if report.mode != Mode::Throughput {
        let missed = total.sent.saturating_sub(total.right);
        tiles.push((
            "frames sent",
            units::count(total.sent),
            format!("{} not at the right home agent", units::count(missed)),
        ));
    }
    tiles
}

fn latency(name: &'static str, latency: &Latency) -> Tile {
    let more = format!("99.9 %: {}, slowest: {}", units::latency(latency.p999), units::latency(latency.max));
    let value = format!("{} / {}", units::latency(latency.p50), units::latency(latency.p99));
    (name, value, format!("50 % / 99 %; {more}"))
}
