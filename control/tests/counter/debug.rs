//! What can be debugged.

use control::{
    command::EXEC,
    protocol::{Switch, SwitchGroup},
};

static GROUP: SwitchGroup = SwitchGroup { title: "Counter", all: None, help: &[] };

/// `debug counter beats`
pub(super) static BEATS: Switch = Switch {
    group: &GROUP,
    lines: ["debug counter beats", "undebug counter beats"],
    name: "counter_beats",
    title: "Counter beats",
    modes: &[&EXEC],
    help: &[("counter", "Counters"), ("beats", "Each time that one rises")],
};
