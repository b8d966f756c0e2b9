//! EXEC commands of the balancer: `show ip slb`, `clear ip slb`, `debug ip slb`.

use std::fmt::Write as _;

use ipnet::Ipv4Net;
use serde_json::json;

use super::{Core, dfp::debug_line, view::SessionFilter};
use crate::{
    command::{
        Args, EXEC, Exec, ExecError, ExecResult, ExecSpec, Form, Forms, Mode, Output, USER_EXEC, need,
    },
    dfp::debug::Facility,
    health::health_text,
    slb::{
        config::ObjectName,
        show::{conns_text, farms_text, reals_text, sessions_text, vservers_text},
    },
};

const SHOW: &[&Mode] = &[&USER_EXEC, &EXEC];
const PRIVILEGED: &[&Mode] = &[&EXEC];

type Run = fn(&mut Core, &Args, Form) -> ExecResult;

/// Everything that acts on a core.
pub(super) fn specs() -> Vec<ExecSpec<Core>> {
    let show = |pattern, help, run: Run| ExecSpec {
        modes: SHOW,
        pattern,
        help,
        forms: Forms::SetOnly,
        run: Exec::new(run),
    };
    let act = |pattern, help, forms, run: Run| ExecSpec {
        modes: PRIVILEGED,
        pattern,
        help,
        forms,
        run: Exec::new(run),
    };
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
            |_, _, _| Ok(Output::new(conns_text(), json!({ "conns": [] }))),
        ),
        show(
            "show ip slb stats",
            &[("slb", "Server load balancing"), ("stats", "Counters of the whole balancer")],
            |core, _, _| {
                let stats = core.stats_view();
                Ok(Output::new(stats.text(), facts("stats", &stats)))
            },
        ),
        show("show health", &[("health", "Whether everything that must move moves")], |core, _, _| {
            let health = core.health();
            Ok(Output::new(health_text(&health), serde_json::to_value(&health).unwrap_or_default()))
        }),
        show("show debugging", &[("debugging", "What is being debugged")], show_debugging),
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
        act(
            "debug ip slb {all|sessions [ipmobile]}",
            &[
                ("slb", "Server load balancing"),
                ("sessions", "Sessions"),
                ("ipmobile", "Of Mobile IP"),
                ("debug", "Debugging functions"),
                ("all", "Everything"),
            ],
            Forms::SetNo,
            |core, args, form| Ok(debug(core, args, form == Form::Set)),
        ),
        act("debug all", &[("all", "Everything")], Forms::SetNo, |core, _, form| {
            Ok(debug_all(core, form == Form::Set))
        }),
        act(
            "undebug ip slb {all|sessions [ipmobile]}",
            &[
                ("slb", "Server load balancing"),
                ("all", "Everything"),
                ("sessions", "Sessions"),
                ("ipmobile", "Of Mobile IP"),
                ("undebug", "Disable debugging functions"),
            ],
            Forms::SetOnly,
            |core, args, _| Ok(debug(core, args, false)),
        ),
        act(
            "undebug all",
            &[("all", "Everything"), ("undebug", "Disable debugging functions")],
            Forms::SetOnly,
            |core, _, _| Ok(debug_all(core, false)),
        ),
    ]
}

fn facts(name: &str, value: &impl serde::Serialize) -> serde_json::Value {
    // Views have string keys and no maps: they always serialise.
    json!({ name: serde_json::to_value(value).unwrap_or_default() })
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
fn farms_named(core: &Core, args: &Args) -> Result<Option<Vec<ObjectName>>, ExecError> {
    let slb = &core.running.slb;
    if let Some(farm) = name(args, "sfarm")? {
        slb.farm(&farm).ok_or_else(|| no_farm(&farm))?;
        return Ok(Some(vec![farm]));
    }
    let Some(vserver) = name(args, "vserver")? else { return Ok(None) };
    let found = slb.vserver(&vserver).ok_or_else(|| no_vserver(&vserver))?;
    Ok(Some(found.farms().cloned().collect()))
}

fn show_reals(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    let wanted = farms_named(core, args)?;
    let reals = core.real_views(|farm| wanted.as_ref().is_none_or(|wanted| wanted.contains(farm)));
    Ok(Output::new(reals_text(&reals, args.has("detail")), facts("reals", &reals)))
}

fn show_farms(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    let only = name(args, "name")?;
    let slb = &core.running.slb;
    if let Some(farm) = only.as_ref().filter(|farm| slb.farm(farm).is_none()) {
        return Err(no_farm(farm));
    }
    let farms = slb.farms.iter().filter(|farm| only.as_ref().is_none_or(|only| *only == farm.name));
    let farms: Vec<_> = farms.map(|farm| core.farm_view(farm)).collect();
    Ok(Output::new(farms_text(&farms, args.has("detail")), facts("serverfarms", &farms)))
}

fn show_vservers(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    let only = name(args, "name")?;
    let slb = &core.running.slb;
    if let Some(vserver) = only.as_ref().filter(|vserver| slb.vserver(vserver).is_none()) {
        return Err(no_vserver(vserver));
    }
    let vservers =
        slb.vservers.iter().filter(|vserver| only.as_ref().is_none_or(|only| *only == vserver.name));
    let vservers: Vec<_> = vservers.filter_map(|vserver| core.vserver_view(vserver)).collect();
    Ok(Output::new(vservers_text(&vservers, args.has("detail")), facts("vservers", &vservers)))
}

fn show_sessions(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    let vserver = name(args, "vserver")?
        .map(|name| {
            let (_, entry) = core.slb.vservers.get(&name).ok_or_else(|| no_vserver(&name))?;
            Ok::<_, ExecError>(entry.id)
        })
        .transpose()?;
    let mask = args.ip("mask").unwrap_or(std::net::Ipv4Addr::BROADCAST);
    let client = args.ip("client").and_then(|address| Ipv4Net::with_netmask(address, mask).ok());
    let (sessions, more) = core.session_views(SessionFilter { vserver, client });
    let mut text = sessions_text(&sessions, args.has("detail"));
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "... and {more} more: filter by vserver, client or nai");
    }
    Ok(Output::new(text, json!({ "sessions": sessions, "not_listed": more })))
}

fn show_nai(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    let nai = unescape(need(args.text("nai"))?);
    let vserver = name(args, "vserver")?;
    if let Some(vserver) = vserver.as_ref().filter(|name| core.running.slb.vserver(name).is_none()) {
        return Err(no_vserver(vserver));
    }
    let traces = core.traces(&nai, vserver.as_ref());
    let texts: Vec<_> = traces.iter().map(super::super::slb::show::TraceView::text).collect();
    Ok(Output::new(texts.join("\n"), facts("traces", &traces)))
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

fn clear_sessions(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    let snapshot = core.publisher.current();
    let farm = name(args, "sfarm")?
        .map(|name| core.slb.farms.get(&name).map(|(_, entry)| entry.id).ok_or_else(|| no_farm(&name)))
        .transpose()?;
    let vserver = name(args, "vserver")?
        .map(|name| core.slb.vservers.get(&name).map(|(_, entry)| entry.id).ok_or_else(|| no_vserver(&name)))
        .transpose()?;
    core.clear_sessions(0, u32::MAX, |session| {
        let of_farm = |farm| snapshot.real(session.session.real).is_some_and(|real| real.farm == farm);
        vserver.is_none_or(|vserver| session.vserver == vserver) && farm.is_none_or(of_farm)
    });
    Ok(Output::default())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn clear_counters(core: &mut Core, _: &Args, _: Form) -> ExecResult {
    core.director.stats().clear();
    core.slb.vservers.iter().for_each(|(_, _, entry)| entry.live.clear());
    Ok(Output::default())
}

fn debug(core: &mut Core, args: &Args, on: bool) -> Output {
    core.set_debug_sessions(on);
    let mut text = format!("IP SLB Session debugging is {}\n", if on { "on" } else { "off" });
    if args.has("all") {
        core.dfp.debug(Facility::Manager, on);
        text += &debug_line(Facility::Manager, on);
    }
    Output::text(text)
}

fn debug_all(core: &mut Core, on: bool) -> Output {
    core.set_debug_sessions(on);
    for facility in [Facility::Agent, Facility::Manager] {
        core.dfp.debug(facility, on);
    }
    Output::text(format!("All possible debugging has been turned {}\n", if on { "on" } else { "off" }))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
fn show_debugging(core: &mut Core, _: &Args, _: Form) -> ExecResult {
    let sessions = core.debug_sessions;
    let (agent, manager) = (core.dfp.is_debugging(Facility::Agent), core.dfp.is_debugging(Facility::Manager));
    let mut text = String::new();
    if agent {
        text = "DFP:\n  ".to_owned() + &debug_line(Facility::Agent, true);
    }
    if sessions || manager {
        text += "IP SLB:\n";
    }
    if sessions {
        text += "  IP SLB Session debugging is on\n";
    }
    if manager {
        text += "  ";
        text += &debug_line(Facility::Manager, true);
    }
    Ok(Output::new(
        text,
        json!({ "ip_slb_sessions": sessions, "ip_slb_dfp": manager, "ip_dfp_agent": agent }),
    ))
}
