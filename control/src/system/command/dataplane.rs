//! `dataplane` and what stands under it.

use common::config::{Hugepages, Poll};

use super::{Args, CONFIG, ConfigError, ConfigSpec, DATAPLANE, EditResult, Form, Forms, Position, need};
use crate::system::{DataplaneSettings, SystemConfig, Workers};

pub(super) const SPECS: &[ConfigSpec<SystemConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "dataplane",
        help: &[("dataplane", "Workers, tables and memory of the dataplane")],
        forms: Forms::All,
        run: enter,
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "workers ~ <count:1-64>",
        help: &[("workers", "Number of poll-mode workers"), ("<count>", "Workers, on the last CPUs")],
        forms: Forms::All,
        run: workers,
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "cores ~ <list:cpus>",
        help: &[("cores", "Pin one worker to each CPU of a list"), ("<list>", "CPUs, such as 2-3,6")],
        forms: Forms::All,
        run: cores,
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "sessions ~ <count:1024-64000000>",
        help: &[("sessions", "Capacity of the session table"), ("<count>", "Sessions")],
        forms: Forms::All,
        run: sessions,
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "flows ~ <count:1024-64000000>",
        help: &[("flows", "Capacity of the flow engine (not in this release)"), ("<count>", "Flows")],
        forms: Forms::All,
        run: |_, _, _, form| absent("flows", form),
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "bindings ~ <count:1024-64000000>",
        help: &[("bindings", "Capacity of the home agent (not in this release)"), ("<count>", "Bindings")],
        forms: Forms::All,
        run: |_, _, _, form| absent("bindings", form),
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "hugepages ~ {auto|required|off}",
        help: &[
            ("hugepages", "Whether huge pages are used"),
            ("auto", "When they are reserved"),
            ("required", "Refuse to start without"),
            ("off", "Never"),
        ],
        forms: Forms::All,
        run: hugepages,
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "memory ~ <size:64-1048576>",
        help: &[("memory", "Memory for packets"), ("<size>", "Megabytes")],
        forms: Forms::All,
        run: |c, _, args, form| {
            let size = if form.clears() { None } else { Some(need(args.int("size"))?) };
            c.dataplane.memory_mb = size;
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "poll ~ {always|adaptive}",
        help: &[
            ("poll", "What an idle worker does"),
            ("always", "Spin"),
            ("adaptive", "Sleep up to 1 ms after 1000 empty polls"),
        ],
        forms: Forms::All,
        run: |c, _, args, form| {
            let always = !form.clears() && args.has("always");
            c.dataplane.poll = if always { Poll::Always } else { Poll::Adaptive };
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&DATAPLANE],
        pattern: "eal ~ <arguments:line>",
        help: &[("eal", "Arguments passed to EAL unchanged"), ("<arguments>", "EAL arguments")],
        forms: Forms::All,
        run: |c, _, args, form| {
            c.dataplane.eal =
                if form.clears() { None } else { Some(need(args.text("arguments"))?.to_owned()) };
            Ok(Vec::new())
        },
    },
];

fn enter(c: &mut SystemConfig, position: &mut Position, _: &Args, form: Form) -> EditResult {
    if form.clears() {
        c.dataplane = DataplaneSettings::default();
    } else {
        position.enter(&DATAPLANE, "");
    }
    Ok(Vec::new())
}

fn workers(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let workers = &mut c.dataplane.workers;
    match (form.clears(), &workers) {
        (true, Workers::Count(_)) => *workers = Workers::Count(1),
        (true, Workers::Cores(_)) => {}
        (false, Workers::Cores(_)) => {
            return Err(ConfigError::new("workers and cores exclude each other"));
        }
        (false, Workers::Count(_)) => *workers = Workers::Count(need(args.int("count"))?),
    }
    Ok(Vec::new())
}

fn cores(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let workers = &mut c.dataplane.workers;
    if form.clears() {
        if matches!(workers, Workers::Cores(_)) {
            *workers = Workers::Count(1);
        }
        return Ok(Vec::new());
    }
    if matches!(workers, Workers::Count(count) if *count != 1) {
        return Err(ConfigError::new("workers and cores exclude each other"));
    }
    let list = need(args.cpus("list"))?;
    if list.len() > 64 {
        return Err(ConfigError::new("more than 64 cores"));
    }
    *workers = Workers::Cores(list.to_vec());
    Ok(Vec::new())
}

fn sessions(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    c.dataplane.sessions =
        if form.clears() { DataplaneSettings::default().sessions } else { need(args.int("count"))? };
    Ok(Vec::new())
}

fn hugepages(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    c.dataplane.hugepages = match args.which(&["required", "off"]) {
        Some("required") if !form.clears() => Hugepages::Required,
        Some("off") if !form.clears() => Hugepages::Off,
        _ => Hugepages::Auto,
    };
    Ok(Vec::new())
}

/// An engine that this release does not have: off is all that it can be.
fn absent(what: &str, form: Form) -> EditResult {
    if form.clears() { Ok(Vec::new()) } else { Err(ConfigError::new(format!("{what} is not supported"))) }
}
