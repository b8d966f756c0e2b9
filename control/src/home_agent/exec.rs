//! EXEC commands of Mobile IP: `show ip mobile`, `clear ip mobile`.

use std::net::Ipv4Addr;

use super::{
    HomeAgent,
    registrar::{lock, now},
    registration::{Clear, Identity},
    show::{BindingList, GlobalsView, TrafficView, ViolationView},
};
use crate::{
    command::{Args, EXEC, ExecResult, Form, Forms, Mode, Output, Spec, need},
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
            "clear ip mobile traffic",
            &[("mobile", "Mobile IP"), ("traffic", "Count anew")],
            |agent, _, _, _| {
                lock(&agent.registrar).clear_counters();
                Ok(Output::default())
            },
        ),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn show_binding(agent: &mut HomeAgent, cx: &mut Cx<'_, HomeAgent>, args: &Args, _: Form) -> ExecResult {
    let time = now(cx.now(), cx.wall());
    let registrar = &agent.registrar;
    let mut list = BindingList { total: lock(registrar).agent().bindings(), ..BindingList::default() };
    if args.has("summary") {
        return Ok(Output::of(list, BindingList::summary));
    }
    let one = args.ip("home").map(Identity::Address);
    let one = one.or_else(|| args.text("nai").map(|nai| Identity::Nai(nai.as_bytes())));
    if let Some(identity) = one {
        let registrar = lock(registrar);
        list.add(registrar.agent().bindings_of(identity, time));
        list.total = list.bindings.len();
        return Ok(Output::of(list, BindingList::text));
    }
    let mut from = Some(Ipv4Addr::UNSPECIFIED);
    while let Some(next) = from
        && list.bindings.len() < LISTED
    {
        let registrar = lock(registrar);
        let before = list.bindings.len();
        list.add_nodes(registrar.agent().bindings_from(next, time), PAGE);
        from = list.bindings[before..]
            .last()
            .and_then(|last| u32::from(last.home).checked_add(1))
            .map(Ipv4Addr::from);
    }
    Ok(Output::of(list, BindingList::text))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn show_traffic(agent: &mut HomeAgent, _: &mut Cx<'_, HomeAgent>, _: &Args, _: Form) -> ExecResult {
    let registrar = lock(&agent.registrar);
    let traffic = TrafficView::new(registrar.agent().counters(), registrar.full());
    Ok(Output::named("traffic", traffic, TrafficView::text))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn show_violation(agent: &mut HomeAgent, _: &mut Cx<'_, HomeAgent>, _: &Args, _: Form) -> ExecResult {
    let registrar = lock(&agent.registrar);
    let violations: Vec<_> = registrar.agent().violations().iter().map(ViolationView::new).collect();
    Ok(Output::named("violations", violations, |violations| ViolationView::table(violations)))
}

fn clear_binding(agent: &mut HomeAgent, cx: &mut Cx<'_, HomeAgent>, args: &Args, _: Form) -> ExecResult {
    let time = now(cx.now(), cx.wall());
    let which = if args.has("all") {
        Clear::All
    } else if let Some(home) = args.ip("home") {
        Clear::Address(home)
    } else {
        Clear::Nai(need(args.text("nai"))?.as_bytes())
    };
    lock(&agent.registrar).clear(which, time);
    Ok(Output::default())
}
