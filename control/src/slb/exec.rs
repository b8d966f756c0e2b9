//! EXEC commands of the balancer: `show ip slb`, `clear ip slb`.

use std::{fmt::Write as _, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::Serialize;

use super::{
    Slb,
    config::ObjectName,
    show::{
        SessionView, StatsView, TraceView, conns_text, farms_text, probes_text, reals_text, sessions_text,
        vservers_text,
    },
    views::SessionFilter,
};
use crate::{
    command::{Args, EXEC, ExecError, ExecResult, Form, Forms, Mode, Output, Spec, need},
    protocol::{Cx, ExecFn},
};

const PRIVILEGED: &[&Mode] = &[&EXEC];

type Run = ExecFn<Slb>;

/// All of them.
pub(super) fn specs() -> Vec<Spec<Run>> {
    let show = Spec::<Run>::show;
    let act = |pattern, help, forms, run: Run| Spec { modes: PRIVILEGED, pattern, help, forms, run };
    vec![
        show(
            "show ip slb reals [{sfarm <sfarm:name>|vserver <vserver:name>}] [detail]",
            &[
                ("slb", "Server load balancing"),
                ("vserver", "Virtual server"),
                ("<vserver>", "Name of the virtual server"),
                ("reals", "Real servers"),
                ("sfarm", "Of a server farm"),
                ("<sfarm>", "Name of the server farm"),
            ],
            show_reals,
        ),
        show(
            "show ip slb serverfarms [name <name:name>] [detail]",
            &[
                ("slb", "Server load balancing"),
                ("serverfarms", "Server farms"),
                ("name", "Only one"),
                ("<name>", "Its name"),
            ],
            show_farms,
        ),
        show(
            "show ip slb vservers [name <name:name>] [detail]",
            &[
                ("slb", "Server load balancing"),
                ("vservers", "Virtual servers"),
                ("name", "Only one"),
                ("<name>", "Its name"),
            ],
            show_vservers,
        ),
        show(
            "show ip slb sessions [ipmobile] [vserver <vserver:name>] [client <client:ip> [<mask:mask>]] [detail]",
            &[
                ("slb", "Server load balancing"),
                ("vserver", "Virtual server"),
                ("<vserver>", "Name of the virtual server"),
                ("sessions", "Sessions"),
                ("ipmobile", "Of Mobile IP"),
                ("client", "From a foreign agent, or a subnet of them"),
                ("<client>", "Address of the foreign agent"),
                ("<mask>", "Mask of the subnet"),
            ],
            show_sessions,
        ),
        show(
            "show ip slb sessions ipmobile nai <nai:word> [vserver <vserver:name>]",
            &[
                ("slb", "Server load balancing"),
                ("vserver", "Virtual server"),
                ("<vserver>", "Name of the virtual server"),
                ("sessions", "Sessions"),
                ("ipmobile", "Of Mobile IP"),
                ("nai", "Where a subscriber goes, and why"),
                ("<nai>", "The NAI; \\xHH for a byte that cannot be typed"),
            ],
            show_nai,
        ),
        show(
            "show ip slb conns [vserver <vserver:name>] [client <client:ip>] [detail]",
            &[
                ("slb", "Server load balancing"),
                ("vserver", "Virtual server"),
                ("<vserver>", "Name of the virtual server"),
                ("client", "From a client"),
                ("<client>", "Address of the client"),
                ("conns", "Connections"),
            ],
            |_, _, _, _| Ok(Output::named("conns", Vec::<()>::new(), |_| conns_text())),
        ),
        show(
            "show ip slb stats",
            &[("slb", "Server load balancing"), ("stats", "Counters of the whole balancer")],
            |_, cx, _, _| Ok(Output::named("stats", Slb::stats_view(cx), StatsView::text)),
        ),
        show(
            "show ip slb probe [name <name:name>] [detail]",
            &[
                ("slb", "Server load balancing"),
                ("probe", "Probes and the servers that they ask"),
                ("name", "Only one"),
                ("<name>", "Its name"),
            ],
            show_probes,
        ),
        act(
            "clear ip slb {connections|sessions} [{serverfarm <sfarm:name>|vserver <vserver:name>}]",
            &[
                ("slb", "Server load balancing"),
                ("vserver", "Virtual server"),
                ("<vserver>", "Name of the virtual server"),
                ("clear", "Reset functions"),
                ("connections", "Delete sessions"),
                ("sessions", "Delete sessions"),
                ("serverfarm", "Of a server farm"),
                ("<sfarm>", "Name of the server farm"),
            ],
            Forms::SetOnly,
            clear_sessions,
        ),
        act(
            "clear ip slb counters",
            &[("slb", "Server load balancing"), ("counters", "Set counters to zero")],
            Forms::SetOnly,
            clear_counters,
        ),
    ]
}

/// The name that an argument gives, if it was given.
fn name(args: &Args, argument: &str) -> Result<Option<ObjectName>, ExecError> {
    let parse = |text: &str| text.parse().map_err(|_| ExecError::new("Invalid name"));
    args.text(argument).map(parse).transpose()
}

fn no_farm(name: &ObjectName) -> ExecError {
    ExecError::new(format!("SLB: server farm {name} does not exist"))
}

fn no_vserver(name: &ObjectName) -> ExecError {
    ExecError::new(format!("SLB: virtual server {name} does not exist"))
}

/// The farms that `sfarm` or `vserver` names; `None`: all.
fn farms_named(cx: &Cx<'_, Slb>, args: &Args) -> Result<Option<Vec<ObjectName>>, ExecError> {
    let slb = cx.config;
    if let Some(farm) = name(args, "sfarm")? {
        slb.farm(&farm).ok_or_else(|| no_farm(&farm))?;
        return Ok(Some(vec![farm]));
    }
    let Some(vserver) = name(args, "vserver")? else { return Ok(None) };
    let found = slb.vserver(&vserver).ok_or_else(|| no_vserver(&vserver))?;
    Ok(Some(found.farms().cloned().collect()))
}

fn show_reals(slb: &mut Slb, cx: &mut Cx<'_, Slb>, args: &Args, _: Form) -> ExecResult {
    let wanted = farms_named(cx, args)?;
    let reals = slb.real_views(|farm| wanted.as_ref().is_none_or(|wanted| wanted.contains(farm)), cx);
    let detail = args.has("detail");
    Ok(Output::named("reals", reals, move |reals| reals_text(reals, detail)))
}

fn show_farms(slb: &mut Slb, cx: &mut Cx<'_, Slb>, args: &Args, _: Form) -> ExecResult {
    let only = name(args, "name")?;
    if let Some(farm) = only.as_ref().filter(|farm| cx.config.farm(farm).is_none()) {
        return Err(no_farm(farm));
    }
    let farms = cx.config.farms.iter().filter(|farm| only.as_ref().is_none_or(|only| *only == farm.name));
    let farms: Vec<_> = farms.map(|farm| slb.farm_view(farm, cx)).collect();
    let detail = args.has("detail");
    Ok(Output::named("serverfarms", farms, move |farms| farms_text(farms, detail)))
}

fn show_vservers(slb: &mut Slb, cx: &mut Cx<'_, Slb>, args: &Args, _: Form) -> ExecResult {
    let only = name(args, "name")?;
    if let Some(vserver) = only.as_ref().filter(|vserver| cx.config.vserver(vserver).is_none()) {
        return Err(no_vserver(vserver));
    }
    let vservers = cx.config.vservers.iter();
    let vservers = vservers.filter(|vserver| only.as_ref().is_none_or(|only| *only == vserver.name));
    let vservers: Vec<_> = vservers.filter_map(|vserver| slb.vserver_view(vserver)).collect();
    let detail = args.has("detail");
    Ok(Output::named("vservers", vservers, move |vservers| vservers_text(vservers, detail)))
}

fn show_probes(slb: &mut Slb, cx: &mut Cx<'_, Slb>, args: &Args, _: Form) -> ExecResult {
    let only = name(args, "name")?;
    if let Some(probe) = only.as_ref().filter(|probe| cx.config.probe(probe).is_none()) {
        return Err(ExecError::new(format!("SLB: probe {probe} does not exist")));
    }
    let mut probes = slb.probe_views(cx);
    probes.retain(|probe| only.as_ref().is_none_or(|only| only.as_str() == probe.probe));
    let detail = args.has("detail");
    Ok(Output::named("probes", probes, move |probes| probes_text(probes, detail)))
}

/// What `show ip slb sessions` lists.
#[derive(Serialize)]
struct SessionList {
    sessions: Vec<SessionView>,
    not_listed: usize,
}

impl SessionList {
    fn text(&self, detail: bool) -> String {
        let mut text = sessions_text(&self.sessions, detail);
        if self.not_listed > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "... and {} more: filter by vserver, client or nai", self.not_listed);
        }
        text
    }
}

fn show_sessions(slb: &mut Slb, cx: &mut Cx<'_, Slb>, args: &Args, _: Form) -> ExecResult {
    let vserver = name(args, "vserver")?
        .map(|name| {
            let (_, entry) = slb.state.vservers.get(&name).ok_or_else(|| no_vserver(&name))?;
            Ok::<_, ExecError>(entry.id)
        })
        .transpose()?;
    let mask = args.ip("mask").unwrap_or(Ipv4Addr::BROADCAST);
    let client = args.ip("client").and_then(|address| Ipv4Net::with_netmask(address, mask).ok());
    let (sessions, not_listed) = slb.session_views(SessionFilter { vserver, client }, cx);
    let detail = args.has("detail");
    Ok(Output::of(SessionList { sessions, not_listed }, move |list| list.text(detail)))
}

fn show_nai(slb: &mut Slb, cx: &mut Cx<'_, Slb>, args: &Args, _: Form) -> ExecResult {
    let nai = unescape(need(args.text("nai"))?);
    let vserver = name(args, "vserver")?;
    if let Some(vserver) = vserver.as_ref().filter(|name| cx.config.vserver(name).is_none()) {
        return Err(no_vserver(vserver));
    }
    let traces = slb.traces(&nai, vserver.as_ref(), cx);
    Ok(Output::named("traces", traces, |traces| {
        traces.iter().map(TraceView::text).collect::<Vec<_>>().join("\n")
    }))
}

/// The bytes of a NAI typed with `\xHH` for what cannot be typed, as debug lines print it.
fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = text.get(at + 2..at + 4).filter(|_| bytes[at..].starts_with(b"\\x"));
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

fn clear_sessions(slb: &mut Slb, cx: &mut Cx<'_, Slb>, args: &Args, _: Form) -> ExecResult {
    let snapshot = cx.shared.snapshot();
    let farm = name(args, "sfarm")?
        .map(|name| slb.state.farms.get(&name).map(|(_, entry)| entry.id).ok_or_else(|| no_farm(&name)))
        .transpose()?;
    let vserver = name(args, "vserver")?
        .map(|name| slb.state.vservers.get(&name).map(|(_, entry)| entry.id).ok_or_else(|| no_vserver(&name)))
        .transpose()?;
    let which = |session: &common::slb::SessionInfo| {
        let of_farm = |farm| snapshot.real(session.session.real).is_some_and(|real| real.farm == farm);
        vserver.is_none_or(|vserver| session.vserver == vserver) && farm.is_none_or(of_farm)
    };
    Slb::clear_sessions(0, u32::MAX, which, cx);
    Ok(Output::default())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn clear_counters(slb: &mut Slb, cx: &mut Cx<'_, Slb>, _: &Args, _: Form) -> ExecResult {
    cx.shared.tables.slb.stats().clear();
    slb.state.vservers.iter().for_each(|(_, _, entry)| entry.live.clear());
    Ok(Output::default())
}
