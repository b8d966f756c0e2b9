//! EXEC commands of DFP: `show ip slb dfp`, `show ip dfp`.

use super::{
    Dfp,
    agent::{
        command::{IPMOBILE, MOBILEIP, NAME, SLB, name_of},
        config::{AgentName, Subsystem},
        view::{self as agent, ManagerView},
    },
    manager::view::{AgentView, View, weights_text},
};
use crate::{
    command::{Args, ExecError, ExecResult, Form, Output, Spec, need},
    protocol::{Cx, ExecFn},
};

type Run = ExecFn<Dfp>;

/// Everything that shows DFP.
pub(super) fn specs() -> Vec<Spec<Run>> {
    let show = Spec::<Run>::show;
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
                IPMOBILE,
                MOBILEIP,
                SLB,
                NAME,
                ("detail", "With errors, weights and Bind IDs"),
            ],
            show_agents,
        ),
    ]
}

impl Dfp {
    pub(super) fn manager_view(&self, cx: &Cx<'_, Self>) -> View {
        self.manager.view(cx.config.manager.as_ref(), cx.now())
    }

    pub(super) fn agent_views(&self, only: Option<Subsystem>, cx: &Cx<'_, Self>) -> Vec<agent::View> {
        let configured = cx.config.agents.iter().map(|agent| agent.name.subsystem());
        let wanted = configured.filter(|subsystem| only.is_none_or(|only| only == *subsystem));
        let agents = wanted.filter_map(|subsystem| self.agents.get(&subsystem));
        agents.map(|agent| agent.view(cx.now())).collect()
    }
}

fn show_manager(dfp: &mut Dfp, cx: &mut Cx<'_, Dfp>, args: &Args, _: Form) -> ExecResult {
    if args.has("manager") {
        return show_upstream(dfp, cx, need(args.ip("manager"))?);
    }
    let view = dfp.manager_view(cx);
    if args.has("agent") {
        let (address, port) = (need(args.ip("address"))?, need(args.int("port"))?);
        let agent = view.agent(address, port).ok_or_else(|| ExecError::new("DFP agent not found"))?;
        let text = |agents: &Vec<AgentView>| agents.iter().map(AgentView::text).collect();
        return Ok(Output::named("agents", vec![agent.clone()], text));
    }
    if args.has("weights") {
        return Ok(Output::named("weights", view.weights, |weights| weights_text(weights)));
    }
    Ok(Output::of(view, if args.has("detail") { View::detail_text } else { View::text }))
}

/// A manager that our agent `slb` reports to, by its address.
fn show_upstream(dfp: &Dfp, cx: &Cx<'_, Dfp>, address: std::net::Ipv4Addr) -> ExecResult {
    let agents = dfp.agent_views(Some(Subsystem::Slb), cx).into_iter();
    let managers = agents.flat_map(|agent| agent.managers).filter(|manager| manager.address == address);
    let managers: Vec<ManagerView> = managers.collect();
    if managers.is_empty() {
        return Err(ExecError::new("DFP manager not found"));
    }
    Ok(Output::named("managers", managers, |managers| managers.iter().map(ManagerView::text).collect()))
}

fn show_agents(dfp: &mut Dfp, cx: &mut Cx<'_, Dfp>, args: &Args, _: Form) -> ExecResult {
    let only = name_of(args)?;
    let views = dfp.agent_views(only.map(AgentName::subsystem), cx);
    if only.is_some() && views.is_empty() {
        return Err(ExecError::new("DFP agent not found"));
    }
    let detail = args.has("detail");
    Ok(Output::named("agents", views, move |views| agent::text(views, detail)))
}
