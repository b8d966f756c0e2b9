//! The commands of `ip dfp agent`, declared once for file, shell and help.

#![expect(clippy::ptr_arg, reason = "every command has the shape of its table")]

use super::config::{AgentConfig, AgentName, Subsystem};
use crate::{
    command::{Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, Position, need},
    dfp::password::DfpPassword,
};

/// What `?` says of the subsystems; for every command that names one.
pub const IPMOBILE: (&str, &str) = ("ipmobile", "Home agent of Mobile IP");
pub const MOBILEIP: (&str, &str) = ("mobileip", "Home agent of Mobile IP, by its older name");
pub const SLB: (&str, &str) = ("slb", "Virtual servers of server load balancing");
pub const NAME: (&str, &str) = ("<name>", "Name of the subsystem, up to 15 characters");

/// `(config-dfp)`; key: the agent's name.
pub static DFP_AGENT: Mode = Mode { name: "dfp_agent", tag: "(config-dfp)", parent: Some(&CONFIG) };

pub const COMMANDS: &[ConfigSpec<Vec<AgentConfig>>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip dfp agent {ipmobile|mobileip|slb|<name:other>}",
        help: &[
            ("dfp", "Dynamic Feedback Protocol"),
            ("agent", "An agent, which reports weights"),
            IPMOBILE,
            MOBILEIP,
            SLB,
            NAME,
        ],
        forms: Forms::SetNo,
        run: agent,
    },
    ConfigSpec {
        modes: &[&DFP_AGENT],
        pattern: "interval ~ <seconds:5-65535>",
        help: &[("interval", "How often the weights are computed"), ("<seconds>", "Seconds, default 10")],
        forms: Forms::All,
        run: |agents, position, args, form| {
            entry(agents, position)?.interval =
                if form.clears() { AgentConfig::DEFAULT_INTERVAL } else { need(args.int("seconds"))? };
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&DFP_AGENT],
        pattern: "password ~ <secret:secret> [<timeout:0-65535>]",
        help: &[
            ("password", "MD5 key of all managers"),
            ("<secret>", "The secret, up to 64 characters"),
            ("<timeout>", "Seconds during which the old key is in use and the new one is accepted too"),
        ],
        forms: Forms::All,
        run: password,
    },
    ConfigSpec {
        modes: &[&DFP_AGENT],
        pattern: "port ~ <port:1-65535>",
        help: &[("port", "Where to listen"), ("<port>", "TCP port")],
        forms: Forms::All,
        run: port,
    },
    ConfigSpec {
        modes: &[&DFP_AGENT],
        pattern: "inservice",
        help: &[("inservice", "Accept managers")],
        forms: Forms::All,
        run: |agents, position, _, form| {
            let agent = entry(agents, position)?;
            agent.inservice = !form.clears();
            Ok(agent.without_port().into_iter().collect())
        },
    },
];

/// The agent's name that a line gives, as a keyword or as something else; `None`: neither.
///
/// # Errors
/// The name is too long or nobody's.
pub fn name_of(args: &Args) -> Result<Option<AgentName>, ConfigError> {
    let keyword = args.which(&AgentName::ALL.map(AgentName::as_str));
    keyword.or_else(|| args.text("name")).map(str::parse).transpose()
}

fn absent() -> ConfigError {
    ConfigError::new("DFP agent not found")
}

fn find(agents: &[AgentConfig], subsystem: Subsystem) -> Option<usize> {
    agents.iter().position(|agent| agent.name.subsystem() == subsystem)
}

fn agent(agents: &mut Vec<AgentConfig>, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let name = need(name_of(args)?)?;
    let known = find(agents, name.subsystem());
    if form.clears() {
        agents.remove(known.ok_or_else(absent)?);
        return Ok(Vec::new());
    }
    let at = known.unwrap_or_else(|| {
        agents.push(AgentConfig::new(name));
        agents.len() - 1
    });
    position.enter(&DFP_AGENT, agents[at].name.as_str());
    Ok(Vec::new())
}

/// The agent that the session edits; another session may have deleted it.
fn entry<'c>(agents: &'c mut [AgentConfig], position: &Position) -> Result<&'c mut AgentConfig, ConfigError> {
    let name: Option<AgentName> = position.key(&DFP_AGENT).and_then(|key| key.parse().ok());
    let at = name.and_then(|name| find(agents, name.subsystem())).ok_or_else(absent)?;
    Ok(&mut agents[at])
}

fn password(agents: &mut Vec<AgentConfig>, position: &mut Position, args: &Args, form: Form) -> EditResult {
    entry(agents, position)?.password =
        if form.clears() { None } else { Some(DfpPassword::from_args(args)?) };
    Ok(Vec::new())
}

fn port(agents: &mut Vec<AgentConfig>, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let port = if form.clears() { None } else { Some(need(args.int("port"))?) };
    let own = entry(agents, position)?.name;
    let user = agents.iter().find(|agent| agent.name != own && agent.port == port);
    if let (Some(port), Some(user)) = (port, user) {
        let reason = format!("Port {port} is already in use by DFP agent {}", user.name);
        return Err(ConfigError::new(reason));
    }
    let agent = entry(agents, position)?;
    agent.port = port;
    Ok(agent.without_port().into_iter().collect())
}
