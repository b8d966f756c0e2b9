//! EXEC commands of Mobile IP: `show ip mobile`, `clear ip mobile`.

use std::{net::Ipv4Addr, sync::Arc};

use super::{
    HomeAgent,
    hosts::HostList,
    registrar::{Registrar, now},
    registration::{Clear, HostCounters, Identity},
    show::{BindingList, GlobalsView, TrafficView, TunnelList, ViolationView},
};
use crate::{
    command::{Args, EXEC, ExecError, ExecResult, Form, Forms, Mode, Output, Spec, need},
    protocol::{Cx, ExecFn},
};

/// Bindings that are listed at most.
const LISTED: usize = 1000;

/// Bindings that are copied in one go: registrations wait meanwhile.
const PAGE: usize = 64;

const PRIVILEGED: &[&Mode] = &[&EXEC];

type Run = ExecFn<HomeAgent>;

/// All of them.
pub(super) fn specs() -> Vec<Spec<Run>> {
    let show = Spec::<Run>::show;
    let act = |pattern, help, run: Run| Spec { modes: PRIVILEGED, pattern, help, forms: Forms::SetOnly, run };
    vec![
        show(
            "show ip mobile binding [summary|<home:ip>|nai <nai:word>]",
            &[
                ("mobile", "Mobile IP"),
                ("binding", "Mobility bindings"),
                ("summary", "How many there are"),
                ("<home>", "Of a home address"),
                ("nai", "Of a node"),
                ("<nai>", "Its network access identifier"),
            ],
            show_binding,
        ),
        show(
            "show ip mobile traffic",
            &[("mobile", "Mobile IP"), ("traffic", "Registrations that were counted")],
            show_traffic,
        ),
        show(
            "show ip mobile tunnel",
            &[("mobile", "Mobile IP"), ("tunnel", "Tunnels to care-of addresses, with their bindings")],
            show_tunnel,
        ),
        show(
            "show ip mobile host [<home:ip>|nai <nai:word>]",
            &[
                ("mobile", "Mobile IP"),
                ("host", "Mobile nodes that may register, and what became of their requests"),
                ("<home>", "The line that a home address falls under"),
                ("nai", "The line that a node falls under"),
                ("<nai>", "Its network access identifier"),
            ],
            show_host,
        ),
        show(
            "show ip mobile violation",
            &[("mobile", "Mobile IP"), ("violation", "Who was not who he said")],
            show_violation,
        ),
        show(
            "show ip mobile globals",
            &[("mobile", "Mobile IP"), ("globals", "Settings of the home agent")],
            |_, cx, _, _| Ok(Output::named("globals", GlobalsView::new(cx.config), GlobalsView::text)),
        ),
        act(
            "clear ip mobile binding {all|<home:ip>|nai <nai:word>}",
            &[
                ("mobile", "Mobile IP"),
                ("binding", "End bindings"),
                ("all", "All of them"),
                ("<home>", "Those of a home address"),
                ("nai", "Those of a node"),
                ("<nai>", "Its network access identifier"),
            ],
            clear_binding,
        ),
        act(
            "clear ip mobile host-counters [<home:ip>|nai <nai:word>]",
            &[
                ("mobile", "Mobile IP"),
                ("host-counters", "Count anew for each line of mobile nodes"),
                ("<home>", "For the line that a home address falls under"),
                ("nai", "For the line that a node falls under"),
                ("<nai>", "Its network access identifier"),
            ],
            |agent, _, args, _| {
                agent.hosts.clear(counters(agent, args)?.as_ref());
                Ok(Output::default())
            },
        ),
        act(
            "clear ip mobile traffic",
            &[("mobile", "Mobile IP"), ("traffic", "Count anew")],
            |agent, _, _, _| {
                agent.shard.ask(Registrar::clear_counters);
                Ok(Output::default())
            },
        ),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn show_binding(agent: &mut HomeAgent, cx: &mut Cx<'_, HomeAgent>, args: &Args, _: Form) -> ExecResult {
    let time = now(cx.now(), cx.wall());
    let shard = &agent.shard;
    let total = shard.ask(|registrar| registrar.agent().bindings());
    let mut list = BindingList { total, ..BindingList::default() };
    if args.has("summary") {
        return Ok(Output::of(list, BindingList::summary));
    }
    if let Some(who) = who(args) {
        list = shard.ask(move |registrar| {
            list.add(registrar.agent().bindings_of(who.identity(), time));
            list
        });
        list.total = list.bindings.len();
        return Ok(Output::of(list, BindingList::text));
    }
    let mut from = Some(Ipv4Addr::UNSPECIFIED);
    while let Some(next) = from
        && list.bindings.len() < LISTED
    {
        let before = list.bindings.len();
        list = shard.ask(move |registrar| {
            list.add_nodes(registrar.agent().bindings_from(next, time), PAGE);
            list
        });
        from = list.bindings[before..]
            .last()
            .and_then(|last| u32::from(last.home).checked_add(1))
            .map(Ipv4Addr::from);
    }
    Ok(Output::of(list, BindingList::text))
}

/// The node that a command is about.
enum Who {
    Home(Ipv4Addr),
    Nai(String),
}

impl Who {
    fn identity(&self) -> Identity<'_> {
        match self {
            Self::Home(home) => Identity::Address(*home),
            Self::Nai(nai) => Identity::Nai(nai.as_bytes()),
        }
    }

    fn clear(&self) -> Clear<'_> {
        match self {
            Self::Home(home) => Clear::Address(*home),
            Self::Nai(nai) => Clear::Nai(nai.as_bytes()),
        }
    }
}

fn who(args: &Args) -> Option<Who> {
    let nai = || args.text("nai").map(|nai| Who::Nai(nai.to_owned()));
    args.ip("home").map(Who::Home).or_else(nai)
}

/// Those of the line that a node falls under; none: of all lines.
fn counters(agent: &HomeAgent, args: &Args) -> Result<Option<Arc<HostCounters>>, ExecError> {
    let Some(who) = who(args) else { return Ok(None) };
    let host = agent.policy.host(who.identity());
    let unknown = || ExecError::new("No line of `ip mobile host` is about that node");
    host.map(|host| Some(Arc::clone(&host.counters))).ok_or_else(unknown)
}

fn show_host(agent: &mut HomeAgent, cx: &mut Cx<'_, HomeAgent>, args: &Args, _: Form) -> ExecResult {
    let only = counters(agent, args)?;
    Ok(Output::of(agent.hosts.list(cx.config, only.as_ref(), cx.now()), HostList::text))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn show_tunnel(agent: &mut HomeAgent, _: &mut Cx<'_, HomeAgent>, _: &Args, _: Form) -> ExecResult {
    let list = agent.shard.ask(|registrar| {
        let agent = registrar.agent();
        TunnelList::new(agent.tunnel_count(), agent.tunnels(), LISTED)
    });
    Ok(Output::of(list, TunnelList::text))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn show_traffic(agent: &mut HomeAgent, _: &mut Cx<'_, HomeAgent>, _: &Args, _: Form) -> ExecResult {
    let traffic = agent.shard.ask(|registrar| {
        TrafficView::new(registrar.agent().counters(), registrar.full(), registrar.unsent())
    });
    Ok(Output::named("traffic", traffic, TrafficView::text))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn show_violation(agent: &mut HomeAgent, _: &mut Cx<'_, HomeAgent>, _: &Args, _: Form) -> ExecResult {
    let violations: Vec<_> =
        agent.shard.ask(|registrar| registrar.agent().violations().iter().map(ViolationView::new).collect());
    Ok(Output::named("violations", violations, |violations| ViolationView::table(violations)))
}

fn clear_binding(agent: &mut HomeAgent, cx: &mut Cx<'_, HomeAgent>, args: &Args, _: Form) -> ExecResult {
    let time = now(cx.now(), cx.wall());
    if args.has("all") {
        // A part at a time: registrations go on in between.
        while agent.shard.ask(move |registrar| registrar.clear(Clear::All, time)) {}
    } else {
        let who = need(who(args))?;
        agent.shard.ask(move |registrar| registrar.clear(who.clear(), time));
    }
    Ok(Output::default())
}
