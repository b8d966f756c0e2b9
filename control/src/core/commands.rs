//! EXEC commands of the core itself: health, and `debug` as the switches of all subsystems declare it.

use serde_json::json;

use super::Core;
use crate::{
    command::{EXEC, Exec, ExecResult, ExecSpec, Form, Forms, Mode, Output, SHOW},
    health::health_text,
    protocol::{Lines, Protocols, Switch, SwitchGroup},
};

const PRIVILEGED: &[&Mode] = &[&EXEC];

type Help = &'static [(&'static str, &'static str)];

/// All of them.
pub(super) fn own<L: Protocols>() -> Vec<ExecSpec<Core<L>>> {
    let mut lines = vec![
        line(
            SHOW,
            "show health",
            &[("health", "Live, ready, degraded: and what is wrong")],
            Forms::SetOnly,
            |core, _| {
                let health = core.health();
                Ok(Output::of(health, health_text))
            },
        ),
        line(
            SHOW,
            "show debugging",
            &[("debugging", "What is being debugged")],
            Forms::SetOnly,
            |core, _| Ok(show_debugging(core)),
        ),
        line(
            PRIVILEGED,
            "debug all",
            &[("debug", "Debugging functions"), ("all", "Everything")],
            Forms::SetNo,
            |core, form| Ok(turn_all(core, form == Form::Set)),
        ),
        line(
            PRIVILEGED,
            "undebug all",
            &[("all", "Everything"), ("undebug", "Disable debugging functions")],
            Forms::SetOnly,
            |core, _| Ok(turn_all(core, false)),
        ),
    ];
    for switch in L::switches() {
        lines.extend(lines_of(switch.modes, switch.lines, switch.help, vec![switch]));
    }
    for group in groups::<L>() {
        if let Some(all) = group.all {
            let members = L::switches().into_iter().filter(|switch| switch.group.title == group.title);
            lines.extend(lines_of(PRIVILEGED, all, group.help, members.collect()));
        }
    }
    lines
}

fn line<L: Protocols>(
    modes: &'static [&'static Mode],
    pattern: &'static str,
    help: Help,
    forms: Forms,
    run: impl Fn(&mut Core<L>, Form) -> ExecResult + Send + Sync + 'static,
) -> ExecSpec<Core<L>> {
    let run = Exec::new(move |core: &mut Core<L>, _: &_, form| run(core, form));
    ExecSpec { modes, pattern, help, forms, run }
}

/// `debug WORDS`, `no debug WORDS` and `undebug WORDS`.
fn lines_of<L: Protocols>(
    modes: &'static [&'static Mode],
    [debug, undebug]: Lines,
    help: Help,
    switches: Vec<&'static Switch>,
) -> [ExecSpec<Core<L>>; 2] {
    let turn = move |core: &mut Core<L>, on: bool| {
        for switch in &switches {
            core.turn(switch, on);
        }
        Ok(Output::text(switches.iter().map(|switch| switch.line(on)).collect::<String>()))
    };
    let undo = turn.clone();
    [
        line(modes, debug, help, Forms::SetNo, move |core, form| turn(core, form == Form::Set)),
        line(modes, undebug, help, Forms::SetOnly, move |core, _| undo(core, false)),
    ]
}

fn turn_all<L: Protocols>(core: &mut Core<L>, on: bool) -> Output {
    for switch in L::switches() {
        core.turn(switch, on);
    }
    Output::text(format!("All possible debugging has been turned {}\n", if on { "on" } else { "off" }))
}

/// The groups by title.
fn groups<L: Protocols>() -> Vec<&'static SwitchGroup> {
    let mut groups: Vec<_> = L::switches().iter().map(|switch| switch.group).collect();
    groups.sort_by_key(|group| group.title);
    groups.dedup_by_key(|group| group.title);
    groups
}

fn show_debugging<L: Protocols>(core: &Core<L>) -> Output {
    let switches = L::switches();
    let is_on = |switch: &Switch| core.shared().switches.is_on(switch);
    let mut text = String::new();
    for group in groups::<L>() {
        let of_group = switches.iter().filter(|switch| switch.group.title == group.title);
        let on: Vec<_> = of_group.filter(|switch| is_on(switch)).collect();
        if !on.is_empty() {
            text.push_str(group.title);
            text.push_str(":\n");
        }
        for switch in on {
            text.push_str("  ");
            text.push_str(&switch.line(true));
        }
    }
    let facts: serde_json::Map<_, _> =
        switches.iter().map(|switch| (switch.name.to_owned(), json!(is_on(switch)))).collect();
    Output::of(serde_json::Value::from(facts), move |_| text)
}
