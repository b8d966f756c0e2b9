//! EXEC commands of DFP: `show ip slb dfp`, `show ip dfp`, and what debugs them.

use serde_json::{Value, json};

use crate::{
    command::{
        Args, EXEC, Exec, ExecError, ExecResult, ExecSpec, Form, Forms, Mode, Output, USER_EXEC, need,
    },
    core::Core,
    dfp::{
        agent::{command::name_of, config::AgentName, show::text},
        debug::Facility,
    },
};

/// Also for the debugging of agents: IOS has that in user EXEC.
const ANYBODY: &[&Mode] = &[&USER_EXEC, &EXEC];
const PRIVILEGED: &[&Mode] = &[&EXEC];

type Run = fn(&mut Core, &Args, Form) -> ExecResult;

/// Everything that shows and debugs DFP.
pub(in crate::core) fn specs() -> Vec<ExecSpec<Core>> {
    let show = |pattern, help, run: Run| ExecSpec {
        modes: ANYBODY,
        pattern,
        help,
        forms: Forms::SetOnly,
        run: Exec::new(run),
    };
    let act =
        |modes, pattern, help, forms, run: Run| ExecSpec { modes, pattern, help, forms, run: Exec::new(run) };
    vec![
        show(
            "show ip slb dfp [agent <address:ip> <port:1-65535>|manager <manager:ip>|detail|weights]",
            &[
                ("slb", "Server load balancing"),
                ("dfp", "Dynamic Feedback Protocol manager"),
                ("agent", "One agent"),
                ("<address>", "Address of the agent"),
                ("<port>", "TCP port of the agent"),
                ("manager", "A manager that our own agent slb reports to"),
                ("<manager>", "Address of the manager"),
                ("weights", "Weights that agents have reported"),
            ],
            show_manager,
        ),
        show(
            "show ip dfp [agent {ipmobile|mobileip|slb|<name:other>}] [detail]",
            &[
                ("dfp", "Dynamic Feedback Protocol agents"),
                ("agent", "One agent"),
                ("ipmobile", "Home agent of Mobile IP"),
                ("mobileip", "Home agent of Mobile IP, by its older name"),
                ("slb", "Virtual servers of server load balancing"),
                ("<name>", "Name of the subsystem, up to 15 characters"),
                ("detail", "With errors, weights and Bind IDs"),
            ],
            show_agents,
        ),
        act(
            ANYBODY,
            "debug ip dfp agent",
            &[("debug", "Debugging functions"), ("dfp", "Dynamic Feedback Protocol"), ("agent", "Agents")],
            Forms::SetNo,
            |core, _, form| Ok(debug(core, Facility::Agent, form == Form::Set)),
        ),
        act(
            ANYBODY,
            "undebug ip dfp agent",
            &[
                ("undebug", "Disable debugging functions"),
                ("dfp", "Dynamic Feedback Protocol"),
                ("agent", "Agents"),
            ],
            Forms::SetOnly,
            |core, _, _| Ok(debug(core, Facility::Agent, false)),
        ),
        act(
            PRIVILEGED,
            "debug ip slb dfp",
            &[("slb", "Server load balancing"), ("dfp", "Dynamic Feedback Protocol manager")],
            Forms::SetNo,
            |core, _, form| Ok(debug(core, Facility::Manager, form == Form::Set)),
        ),
        act(
            PRIVILEGED,
            "undebug ip slb dfp",
            &[("slb", "Server load balancing"), ("dfp", "Dynamic Feedback Protocol manager")],
            Forms::SetOnly,
            |core, _, _| Ok(debug(core, Facility::Manager, false)),
        ),
    ]
}

fn debug(core: &mut Core, facility: Facility, on: bool) -> Output {
    core.dfp.debug(facility, on);
    Output::text(debug_line(facility, on))
}

/// `DFP debugging is on`, as IOS prints it.
pub(in crate::core) fn debug_line(facility: Facility, on: bool) -> String {
    let name = match facility {
        Facility::Agent => "DFP",
        Facility::Manager => "SLB DFP",
    };
    format!("{name} debugging is {}\n", if on { "on" } else { "off" })
}

/// Views have string keys only: they always serialise.
fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

fn show_manager(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    if args.has("manager") {
        return show_upstream(core, need(args.ip("manager"))?);
    }
    let view = core.dfp_manager_view();
    if args.has("agent") {
        let (address, port) = (need(args.ip("address"))?, need(args.int("port"))?);
        let agent = view.agent(address, port).ok_or_else(|| ExecError::new("DFP agent not found"))?;
        return Ok(Output::new(agent.text(), json!({ "agents": [value(agent)] })));
    }
    if args.has("weights") {
        return Ok(Output::new(view.weights_text(), json!({ "weights": value(&view.sorted_weights()) })));
    }
    let text = if args.has("detail") { view.detail_text() } else { view.text() };
    Ok(Output::new(text, value(&view)))
}

/// A manager that our agent `slb` reports to, by its address.
fn show_upstream(core: &Core, address: std::net::Ipv4Addr) -> ExecResult {
    let slb = "slb".parse::<AgentName>().ok().map(AgentName::subsystem);
    let agents = core.dfp_agent_views(slb);
    let managers: Vec<_> = agents
        .iter()
        .flat_map(|agent| &agent.managers)
        .filter(|manager| manager.address == address)
        .collect();
    if managers.is_empty() {
        return Err(ExecError::new("DFP manager not found"));
    }
    let text: String = managers.iter().map(|manager| manager.text()).collect();
    Ok(Output::new(text, json!({ "managers": value(&managers) })))
}

fn show_agents(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    let only = name_of(args)?;
    let views = core.dfp_agent_views(only.map(AgentName::subsystem));
    if only.is_some() && views.is_empty() {
        return Err(ExecError::new("DFP agent not found"));
    }
    Ok(Output::new(text(&views, args.has("detail")), json!({ "agents": value(&views) })))
}
