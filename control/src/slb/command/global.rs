//! `ip slb serverfarm|vserver|dfp`, DFP manager mode, and the global commands that are refused.

use super::{Args, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, Refusal, name, need};
use crate::{
    command::Position,
    configuration::Configuration,
    slb::config::{DfpAgent, DfpConfig, DfpPassword, MAX_AGENTS},
};

pub(super) const SPECS: &[ConfigSpec] = &[
    ConfigSpec {
        modes: &[Mode::Config],
        pattern: "ip slb serverfarm <name:name>",
        help: &[("<name>", "Name of the server farm, up to 15 characters")],
        forms: Forms::SetNo,
        run: serverfarm,
    },
    ConfigSpec {
        modes: &[Mode::Config],
        pattern: "ip slb vserver/vservers <name:name>",
        help: &[("<name>", "Name of the virtual server, up to 15 characters")],
        forms: Forms::SetNo,
        run: vserver,
    },
    ConfigSpec {
        modes: &[Mode::Config],
        pattern: "ip slb dfp",
        help: &[("dfp", "Dynamic Feedback Protocol manager")],
        forms: Forms::SetNo,
        run: dfp,
    },
    ConfigSpec {
        modes: &[Mode::Config],
        pattern: "ip slb dfp password ~ [0|7] <secret:word> [<timeout:0-65535>]",
        help: &[
            ("dfp", "Dynamic Feedback Protocol manager"),
            ("password", "MD5 key of all agents"),
            ("0", "The secret follows in clear text"),
            ("7", "The secret follows in type 7 notation"),
            ("<secret>", "The secret, up to 64 characters"),
            ("<timeout>", "Seconds during which the old key is accepted too"),
        ],
        forms: Forms::SetNo,
        run: dfp_password,
    },
    ConfigSpec {
        modes: &[Mode::Dfp],
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
    ConfigSpec {
        modes: &[Mode::Config],
        pattern: "ip slb {capp|entries|map|maxbuffers|natpool|probe|replicate|route|static|timers} [<rest:line>]",
        help: &[
            ("capp", "Not supported here"),
            ("entries", "Not supported here"),
            ("map", "Not supported here"),
            ("maxbuffers", "Not supported here"),
            ("natpool", "Not supported here"),
            ("probe", "Not supported here"),
            ("replicate", "Not supported here"),
            ("route", "Not supported here"),
            ("static", "Not supported here"),
            ("timers", "Not supported here"),
            ("<rest>", "Not supported here"),
        ],
        forms: Forms::SetNo,
        run: unsupported,
    },
    ConfigSpec {
        modes: &[Mode::Config],
        pattern: "snmp-server enable traps slb [<rest:line>]",
        help: &[
            ("snmp-server", "Not supported here"),
            ("enable", "Not supported here"),
            ("traps", "Not supported here"),
            ("<rest>", "Not supported here"),
        ],
        forms: Forms::SetNo,
        run: unsupported,
    },
];

fn serverfarm(
    configuration: &mut Configuration,
    position: &mut Position,
    args: &Args,
    form: Form,
) -> EditResult {
    let name = name(args, "name")?;
    let slb = &mut configuration.slb;
    if !form.clears() {
        slb.farm_entry(&name);
        position.enter(Mode::Farm, name.as_str());
    } else if slb.is_farm_used(&name) {
        return Err(Refusal::FarmInUse(name).into());
    } else {
        slb.farms.retain(|farm| farm.name != name);
    }
    Ok(Vec::new())
}

fn vserver(
    configuration: &mut Configuration,
    position: &mut Position,
    args: &Args,
    form: Form,
) -> EditResult {
    let name = name(args, "name")?;
    if form.clears() {
        configuration.slb.vservers.retain(|vserver| vserver.name != name);
    } else {
        configuration.slb.vserver_entry(&name);
        position.enter(Mode::Vserver, name.as_str());
    }
    Ok(Vec::new())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn dfp(configuration: &mut Configuration, position: &mut Position, _: &Args, form: Form) -> EditResult {
    if form.clears() {
        configuration.slb.dfp = None;
    } else {
        configuration.slb.dfp.get_or_insert_default();
        position.enter(Mode::Dfp, "");
    }
    Ok(Vec::new())
}

fn dfp_password(
    configuration: &mut Configuration,
    position: &mut Position,
    args: &Args,
    form: Form,
) -> EditResult {
    if form.clears() {
        if let Some(dfp) = &mut configuration.slb.dfp {
            dfp.password = None;
        }
        return Ok(Vec::new());
    }
    configuration.slb.dfp.get_or_insert_default().password = Some(DfpPassword::from_args(args)?);
    position.enter(Mode::Dfp, "");
    Ok(Vec::new())
}

fn agent(configuration: &mut Configuration, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let mut agent = DfpAgent::new(need(args.ip("address"))?, need(args.int("port"))?);
    let dfp: &mut DfpConfig = configuration.slb.dfp.get_or_insert_default();
    let at = dfp.agents.iter().position(|old| (old.address, old.port) == (agent.address, agent.port));
    if form.clears() {
        dfp.agents.remove(at.ok_or_else(|| ConfigError::machine("DFP agent not found"))?);
        return Ok(Vec::new());
    }
    let address = agent.address;
    if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        return Err(ConfigError::machine("Invalid DFP agent address"));
    }
    agent.timeout = args.int("timeout").unwrap_or(agent.timeout);
    agent.retries = args.int("retries").unwrap_or(agent.retries);
    agent.interval = args.int("interval").unwrap_or(agent.interval);
    match at {
        Some(at) => dfp.agents[at] = agent,
        None if dfp.agents.len() >= MAX_AGENTS => {
            return Err(ConfigError::machine("Maximum number of DFP agents reached"));
        }
        None => dfp.agents.push(agent),
    }
    let warning = "% DFP agents need a timeout of 0 or at least 3 seconds";
    Ok(if matches!(agent.timeout, 1 | 2) { vec![warning.to_owned()] } else { Vec::new() })
}

/// The commands of IOS that nothing here would obey.
fn unsupported(_: &mut Configuration, _: &mut Position, args: &Args, _: Form) -> EditResult {
    const WORDS: &[&str] = &[
        "capp",
        "entries",
        "map",
        "maxbuffers",
        "natpool",
        "probe",
        "replicate",
        "route",
        "static",
        "timers",
        "snmp-server",
    ];
    Err(Refusal::NotSupported(args.which(WORDS).unwrap_or("command")).into())
}
