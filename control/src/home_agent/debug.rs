//! What is debugged of Mobile IP.

use crate::{
    command::EXEC,
    protocol::{Switch, SwitchGroup, debug_lines},
};

static GROUP: SwitchGroup = SwitchGroup { title: "IP Mobile", all: None, help: &[("mobile", "Mobile IP")] };

/// `debug ip mobile`
pub static MOBILE: Switch = Switch {
    group: &GROUP,
    lines: debug_lines!("ip mobile"),
    name: "ip_mobile",
    title: "IP mobility protocol",
    modes: &[&EXEC],
    help: &[("mobile", "Registrations, one by one")],
};
