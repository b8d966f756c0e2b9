//! The page: every figure of a kept result is in it, nothing is fetched, and no text becomes markup.

use pktgen::{
    html::page,
    result::{Filled, Frames, HomeAgent, Latency, Mode, Phase, Report, Worker},
};
use serde_json::{Value, json};

const KEPT: &str = include_str!("../data/report.json");
const MODES: [Mode; 4] = [Mode::Throughput, Mode::Latency, Mode::Sessions, Mode::Soak];
/// Ends attributes, elements, comments, styles and scripts, and looks like an entity.
const HOSTILE: &str =
    "</title></style><script>alert(1)</script><!-- \"'> onload=x &lt;b&gt; http://evil.example/";

fn kept() -> Report {
    serde_json::from_str(KEPT).unwrap()
}

fn drawn(report: &Report) -> String {
    page(report).unwrap().replace('\u{202f}', " ")
}

/// The text of a page, without markup.
fn text(page: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for letter in page.chars() {
        match letter {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push('\n');
            }
            _ if !inside => text.push(letter),
            _ => {}
        }
    }
    text
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(" ")
}

/// Lines of the page that are this and nothing else.
fn occurrences(text: &str, wanted: &str) -> usize {
    text.lines().filter(|line| line.trim() == wanted).count()
}

#[test]
fn every_figure_of_the_account_the_balance_the_ports_and_the_steps_is_in_the_page() {
    // Numbers that are not twice in the page by chance.
    let mut report = kept();
    report.total = Frames {
        sent: 90_000_001,
        new: 1_000_003,
        retransmitted: 1_000_033,
        right: 80_000_023,
        created: 1_000_151,
        wrong: 5_000_011,
        corrupted: 4_000_037,
        lost: 999_930,
        duplicated: 1_000_099,
        late: 1_000_117,
        moved: 1_000_121,
        stray: 1_000_133,
    };
    report.workers = vec![Worker { worker: 7, frames: 70_000_027 }, Worker { worker: 11, frames: 1_100_009 }];
    let page = drawn(&report);
    let text = text(&page);
    let total = serde_json::to_value(report.total).unwrap();
    for (name, value) in total.as_object().unwrap() {
        assert_eq!(occurrences(&text, &grouped(value.as_u64().unwrap())), 1, "{name}");
    }
    assert!(text.contains("exactly one of these ends"), "{text}");
    for worker in &report.workers {
        assert!(
            occurrences(&text, &grouped(worker.frames)) == 1
                && occurrences(&text, &worker.worker.to_string()) >= 1
        );
    }
    let has = |value: u64| assert!(occurrences(&text, &grouped(value)) >= 1, "{value}");
    for agent in &report.home_agents {
        assert!(text.contains(&agent.name) && text.contains(&agent.address));
        [agent.right, agent.wrong, agent.nodes].into_iter().for_each(has);
    }
    for port in &report.ports {
        assert!(text.contains(&port.device));
        [port.received, port.sent, port.ring_full, port.no_buffer, port.missed].into_iter().for_each(has);
    }
    for step in &report.steps {
        assert!(occurrences(&text, &step.label) >= 1, "{}", step.label);
        [step.frames.sent, step.frames.lost, step.sessions, step.offered as u64, step.forwarded as u64]
            .into_iter()
            .for_each(has);
        step.losses.values().copied().for_each(has);
        step.losses.keys().for_each(|reason| assert!(occurrences(&text, reason) >= 1, "{reason}"));
        has(step.latency.as_ref().unwrap().count);
    }
    // 12, 17.2, 23.1, 23.9 and 72 µs: the warm-up's percentiles.
    for micros in ["12 µs", "13.2 µs", "17.2 µs", "23.1 µs", "23.9 µs", "72 µs"] {
        assert!(occurrences(&text, micros) >= 1, "{micros}");
    }
}

#[test]
fn scenario_machine_and_answer_are_in_the_page() {
    let mut value: Value = serde_json::from_str(KEPT).unwrap();
    value["machine"] = json!({"host": "lab7", "cpu": "Xeon 6980P", "cpus": 96, "memory": 137_438_953_472_u64,
        "kernel": "6.1.0-44", "dpdk": "DPDK 22.11.11", "pktgen": "0.1.0"});
    let text = text(&drawn(&serde_json::from_value(value).unwrap()));
    for wanted in [
        "lab7",
        "Xeon 6980P",
        "96",
        "128.0 GiB",
        "6.1.0-44",
        "DPDK 22.11.11",
        "118 bytes without FCS",
        "100 000",
        "zipf, exponent 1",
        "as the choice falls",
        "10.00 %",
        "10.1.1.10:434",
        "net_virtio_user0,path=/run/a.sock",
        "net_virtio_user1,path=/run/b.sock",
        "1 250 000",
        "250 k/s",
        "2023-11-14 22:13:20 UTC, 20 s",
        "passed",
    ] {
        assert!(text.contains(wanted), "{wanted}");
    }
}

#[test]
fn every_mode_has_its_plots_and_each_plot_its_lines() {
    let titles: [&[&str]; 4] = [
        &["Throughput: the trials of the search", "Latency by percentile", "Latency against rate"],
        &["Latency by percentile", "Latency against load"],
        &["Throughput against sessions", "Sessions over time", "Latency by percentile", "Latency over time"],
        &[
            "Throughput over time",
            "Frames lost and nodes moved",
            "Latency by percentile",
            "Latency over time",
        ],
    ];
    for (mode, titles) in MODES.into_iter().zip(titles) {
        let mut report = kept();
        report.mode = mode;
        for step in &mut report.steps {
            step.phase = [Phase::Trial, Phase::Load, Phase::Fill, Phase::Watch][mode as usize];
            step.load = Some(f64::from(step.index + 1) * 10.0);
        }
        let page = drawn(&report);
        let figures: Vec<&str> = page.split("<figure").skip(1).collect();
        assert_eq!(figures.len(), titles.len(), "{mode:?}");
        for (figure, title) in figures.iter().zip(titles) {
            assert!(figure.contains(title), "{mode:?} {title}");
            assert!(figure.contains("<polyline") && figure.contains("class=\"legend\""), "{mode:?} {title}");
        }
    }
}

#[test]
fn new_sessions_a_second_and_what_ended_the_fill_are_in_the_page() {
    let mut report = kept();
    report.mode = Mode::Sessions;
    report.outcome.rate = Some(12_345.4);
    report.outcome.churn_rate = Some(6_789.0);
    report.steps[0].frames.created = 31_338;
    report.steps[0].seconds = 2.0;
    for (filled, words) in [
        (Filled::Table, "the director's table was full, by its own counters"),
        (Filled::Nodes, "as many nodes were sent for"),
    ] {
        report.outcome.filled = Some(filled);
        let text = text(&drawn(&report));
        assert!(text.contains(words), "{filled:?}: {text}");
        for value in ["12 345", "6 789", "15 669"] {
            assert_eq!(occurrences(&text, value), 1, "{value}");
        }
        assert!(!text.contains("bit/s on the wire"), "sessions are no frames");
    }
}

#[test]
fn the_percentile_curve_is_drawn_on_the_scale_of_what_is_left() {
    let mut report = kept();
    report.mode = Mode::Latency;
    report.steps.truncate(1);
    report.steps[0].phase = Phase::Load;
    let curve = vec![(0.0, 100.0), (90.0, 100.0), (99.0, 100.0), (99.9, 100.0), (100.0, 100.0)];
    report.steps[0].latency =
        Some(Latency { count: 10_000, curve, ..report.steps[0].latency.clone().unwrap() });
    let page = drawn(&report);
    let line = page.split("<polyline").find(|line| line.contains("#0072B2")).unwrap();
    let line = line.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
    let across: Vec<i32> =
        line.split_whitespace().map(|point| point.split(',').next().unwrap().parse().unwrap()).collect();
    let steps: Vec<i32> = across.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Each decade as wide as the next; the slowest of ten thousand frames is at 99.99 %.
    assert_eq!(steps.len(), 4);
    assert!(steps.iter().all(|step| (step - steps[0]).abs() <= 1 && *step > 100), "{across:?}");
    for percentile in ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"] {
        assert!(occurrences(&text(&page), percentile) >= 1, "{percentile}");
    }
}

/// Replaces every text of the document, keys of maps included, but those that are one of a few words.
fn spoil(value: &mut Value, key: &str) {
    match value {
        Value::String(text) if !["mode", "phase"].contains(&key) => HOSTILE.clone_into(text),
        Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, key)),
        Value::Object(values) if key == "losses" => {
            values.clear();
            values.insert(HOSTILE.into(), 3.into());
        }
        Value::Object(values) => values.iter_mut().for_each(|(key, value)| spoil(value, key)),
        _ => {}
    }
}

#[test]
fn hostile_texts_stay_text() {
    for mode in MODES {
        let mut value: Value = serde_json::from_str(KEPT).unwrap();
        value["machine"] =
            json!({"host": "", "cpu": "", "cpus": 1, "memory": 1, "kernel": "", "dpdk": "", "pktgen": ""});
        value["mode"] = serde_json::to_value(mode).unwrap();
        spoil(&mut value, "");
        let page = page(&serde_json::from_value(value).unwrap()).unwrap();
        // Name, reason, choice, target, ports, labels, losses, home agents, machine.
        assert!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count() > 20, "{mode:?}");
        assert!(page.contains("&amp;lt;b&amp;gt;"), "an entity is not one of ours");
        for tag in ["<script", "</title></style>", "<!--", "<b>"] {
            assert!(!page.contains(tag), "{mode:?} {tag}");
        }
        // In an attribute a quote would end it: none of the attributes has a text of the result.
        let attributes: String = page.split('<').filter_map(|tag| tag.split('>').next()).collect();
        assert!(!attributes.contains("onload"), "{mode:?}");
        assert_eq!((page.matches("<style").count(), page.matches("<title").count()), (1, 1));
    }
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    for mode in MODES {
        let page = drawn(&Report { mode, ..kept() });
        for word in ["http", "//", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe", "<img"]
        {
            assert!(!page.contains(word), "{mode:?} {word}");
        }
        assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    }
}

#[test]
fn a_result_without_anything_or_with_absurd_numbers_is_a_page_too() {
    for mode in MODES {
        let mut empty = Report { mode, steps: Vec::new(), total: Frames::default(), ..kept() };
        (empty.workers, empty.home_agents, empty.ports) = (Vec::new(), Vec::new(), Vec::new());
        empty.seconds = 0.0;
        let text = text(&drawn(&empty));
        assert!(
            text.contains("not asked for its workers' counters")
                && text.contains("The result does not tell.")
        );

        let mut absurd = Report { mode, seconds: 1e300, began: u64::MAX, ..kept() };
        absurd.outcome.rate = Some(-1e300);
        absurd.home_agents = vec![
            HomeAgent {
                name: "a".into(),
                address: "b".into(),
                right: u64::MAX,
                wrong: u64::MAX,
                nodes: u64::MAX
            };
            2
        ];
        absurd.workers = vec![Worker { worker: u32::MAX, frames: u64::MAX }; 2];
        let most = Frames {
            sent: u64::MAX,
            right: u64::MAX,
            wrong: u64::MAX,
            corrupted: u64::MAX,
            ..Frames::default()
        };
        absurd.total = most;
        for (step, value) in absurd.steps.iter_mut().zip([1e300, -1e300, 1e-300, 0.0].into_iter().cycle()) {
            (step.at, step.seconds, step.offered, step.forwarded, step.loss) =
                (value, value, value, value, value);
            (step.load, step.frames, step.sessions) = (Some(value), most, u64::MAX);
            let latency = step.latency.as_mut().unwrap();
            (latency.count, latency.max, latency.p99) = (0, value, value);
            latency.curve = vec![(value, value), (1.0, 1.0), (100.0, value), (200.0, 2.0)];
        }
        assert!(drawn(&absurd).len() < 1 << 20, "{mode:?}");
    }
}
