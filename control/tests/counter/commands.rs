//! Configuration lines and their mode.

use std::time::Duration;

use control::command::{
    Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, Position, need,
};

use super::config::{CounterConfig, CountersConfig};

/// `(config-counter)`; key: the counter's name.
static COUNTER: Mode = Mode { name: "counter", tag: "(config-counter)", parent: Some(&CONFIG) };

pub(super) const SPECS: &[ConfigSpec<CountersConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "counter <name:name>",
        help: &[("counter", "Counter"), ("<name>", "Its name, up to 15 characters")],
        forms: Forms::SetNo,
        run: counter,
    },
    ConfigSpec {
        modes: &[&COUNTER],
        pattern: "key ~ <key:secret>",
        help: &[("key", "Key"), ("<key>", "The key, up to 64 characters")],
        forms: Forms::All,
        run: |config, position, args, form| {
            let key = if form.clears() { None } else { Some(args.secret("key", "Counter: key")?) };
            edit(config, position, |counter| counter.key = key)
        },
    },
    ConfigSpec {
        modes: &[&COUNTER],
        pattern: "interval ~ <milliseconds:1-60000>",
        help: &[("interval", "Rises by itself"), ("<milliseconds>", "Milliseconds from one to the next")],
        forms: Forms::All,
        run: |config, position, args, form| {
            let interval = if form.clears() { None } else { Some(need(args.int("milliseconds"))?) };
            edit(config, position, |counter| counter.interval = interval.map(Duration::from_millis))
        },
    },
    ConfigSpec {
        modes: &[&COUNTER],
        pattern: "limit ~ <limit:1-1000000>",
        help: &[("limit", "When the bell is rung"), ("<limit>", "The count")],
        forms: Forms::All,
        run: |config, position, args, form| {
            let limit = if form.clears() { CounterConfig::DEFAULT_LIMIT } else { need(args.int("limit"))? };
            edit(config, position, |counter| counter.limit = limit)
        },
    },
    ConfigSpec {
        modes: &[&COUNTER],
        pattern: "address ~ <address:ip>",
        help: &[("address", "Packets that are counted"), ("<address>", "Their destination")],
        forms: Forms::All,
        run: |config, position, args, form| {
            let address = if form.clears() { None } else { Some(need(args.ip("address"))?) };
            edit(config, position, |counter| counter.address = address)
        },
    },
];

fn counter(config: &mut CountersConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let name = need(args.text("name"))?;
    if form.clears() {
        config.counters.retain(|counter| counter.name != name);
    } else {
        if config.counter(name).is_none() {
            config.counters.push(CounterConfig::new(name));
        }
        position.enter(&COUNTER, name);
    }
    Ok(Vec::new())
}

/// Edits the counter that the session is in; it may have been deleted from elsewhere.
fn edit(
    config: &mut CountersConfig,
    position: &Position,
    edit: impl FnOnce(&mut CounterConfig),
) -> EditResult {
    let name = position.key(&COUNTER).unwrap_or_default();
    let gone = || ConfigError::new(format!("Counter: {name} does not exist"));
    edit(config.counter_mut(name).ok_or_else(gone)?);
    Ok(Vec::new())
}
