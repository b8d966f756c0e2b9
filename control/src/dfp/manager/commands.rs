//! `ip slb dfp` and the lines under it.

use super::config::{DfpAgent, MAX_AGENTS, ManagerConfig};
use crate::{
    command::{Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, Position, need},
    dfp::password::DfpPassword,
};

/// `(config-slb-dfp)`
pub static DFP: Mode = Mode { name: "dfp", tag: "(config-slb-dfp)", parent: Some(&CONFIG) };

pub const COMMANDS: &[ConfigSpec<Option<ManagerConfig>>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip slb dfp",
        help: &[("slb", "Server load balancing"), ("dfp", "Dynamic Feedback Protocol manager")],
        forms: Forms::SetNo,
        run: dfp,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip slb dfp password ~ <secret:secret> [<timeout:0-65535>]",
        help: &[
            ("slb", "Server load balancing"),
            ("dfp", "Dynamic Feedback Protocol manager"),
            ("password", "MD5 key of all agents"),
            ("<secret>", "The secret, up to 64 characters"),
            ("<timeout>", "Seconds during which the old key is accepted too"),
        ],
        forms: Forms::SetNo,
        run: password,
    },
    ConfigSpec {
        modes: &[&DFP],
        pattern: "agent <address:ip> <port:1-65535> ~ [<timeout:0-65535> [<retries:0-65535> [<interval:1-65535>]]]",
        help: &[
            ("agent", "A DFP agent to connect to"),
            ("<address>", "Address of the agent"),
            ("<port>", "TCP port of the agent"),
            ("<timeout>", "Seconds without a message before the connection is closed; 0: never"),
            ("<retries>", "Attempts before the agent is given up; 0: no limit"),
            ("<interval>", "Seconds between attempts"),
        ],
        forms: Forms::SetNo,
        run: agent,
    },
];

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn dfp(manager: &mut Option<ManagerConfig>, position: &mut Position, _: &Args, form: Form) -> EditResult {
    if form.clears() {
        *manager = None;
    } else {
        manager.get_or_insert_default();
        position.enter(&DFP, "");
    }
    Ok(Vec::new())
}

fn password(
    manager: &mut Option<ManagerConfig>,
    position: &mut Position,
    args: &Args,
    form: Form,
) -> EditResult {
    if form.clears() {
        if let Some(dfp) = manager {
            dfp.password = None;
        }
        return Ok(Vec::new());
    }
    manager.get_or_insert_default().password = Some(DfpPassword::from_args(args)?);
    position.enter(&DFP, "");
    Ok(Vec::new())
}

fn agent(manager: &mut Option<ManagerConfig>, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let mut agent = DfpAgent::new(need(args.ip("address"))?, need(args.int("port"))?);
    let dfp = manager.get_or_insert_default();
    let at = dfp.agents.iter().position(|old| (old.address, old.port) == (agent.address, agent.port));
    if form.clears() {
        dfp.agents.remove(at.ok_or_else(|| ConfigError::new("DFP agent not found"))?);
        return Ok(Vec::new());
    }
    let address = agent.address;
    if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        return Err(ConfigError::new("Invalid DFP agent address"));
    }
    agent.timeout = args.int("timeout").unwrap_or(agent.timeout);
    agent.retries = args.int("retries").unwrap_or(agent.retries);
    agent.interval = args.int("interval").unwrap_or(agent.interval);
    match at {
        Some(at) => dfp.agents[at] = agent,
        None if dfp.agents.len() >= MAX_AGENTS => {
            return Err(ConfigError::new("Maximum number of DFP agents reached"));
        }
        None => dfp.agents.push(agent),
    }
    let warning = "% DFP agents need a timeout of 0 or at least 3 seconds";
    Ok(if matches!(agent.timeout, 1 | 2) { vec![warning.to_owned()] } else { Vec::new() })
}
