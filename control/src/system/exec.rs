//! EXEC commands of the system: interfaces, ARP, routes, workers, memory, the log.

use std::sync::Arc;

use super::{
    System,
    show::{
        access_list::{self, AccessListView},
        arp, dataplane, duplicates, interface, memory, route, system,
    },
};
use crate::{
    access_list::AccessList,
    command::{Args, EXEC, ExecError, ExecResult, Form, Forms, Mode, Output, Spec},
    protocol::{Cx, ExecFn},
};

const PRIVILEGED: &[&Mode] = &[&EXEC];

type Run = ExecFn<System>;

/// All of them.
pub(super) fn specs() -> Vec<Spec<Run>> {
    let show = Spec::<Run>::show;
    vec![
        show(
            "show interfaces [<name:interface>]",
            &[
                ("interfaces", "Ports, VLANs and loopbacks with their state and counters"),
                ("<name>", "Only this one"),
            ],
            show_interfaces,
        ),
        show("show ip arp", &[("arp", "Neighbours on our interfaces")], |system, cx, _, _| {
            Ok(Output::named("arp", system.arp_views(cx), |views| arp::text(views)))
        }),
        show(
            "show ip arp duplicates",
            &[
                ("arp", "Neighbours on our interfaces"),
                ("duplicates", "Addresses that more than one station has"),
            ],
            |system, cx, _, _| {
                Ok(Output::named("duplicates", system.duplicate_views(cx), |views| duplicates::text(views)))
            },
        ),
        show("show ip route", &[("route", "Routes in use")], |system, cx, _, _| {
            Ok(Output::named("routes", system.route_views(cx), |views| route::text(views)))
        }),
        show(
            "show dataplane",
            &[("dataplane", "Workers, and how every packet ended")],
            |system, cx, _, _| Ok(Output::of(system.dataplane_view(cx), dataplane::text)),
        ),
        show("show memory", &[("memory", "Packet pools and tables")], |system, cx, _, _| {
            Ok(Output::of(system.memory_view(cx), memory::text))
        }),
        show("show version", &[("version", "Program, library, uptime")], |_, cx, _, _| {
            let shared = cx.shared;
            let view = system::VersionView {
                version: env!("CARGO_PKG_VERSION"),
                dpdk: shared.library.clone(),
                hostname: cx.config.hostname.clone(),
                uptime_seconds: cx.now().0 / 1_000_000_000,
                workers: shared.stats.len(),
                startup: shared.startup.as_ref().map(|path| path.display().to_string()),
            };
            Ok(Output::of(view, system::version))
        }),
        show("show clock", &[("clock", "The time of day")], |_, cx, _, _| {
            let text = system::clock(cx.wall());
            Ok(Output::named("clock", text.trim_end().to_owned(), |text| format!("{text}\n")))
        }),
        show("show logging", &[("logging", "The last lines of the log")], |_, cx, _, _| {
            Ok(Output::of(cx.shared.log.view(), system::logging))
        }),
        show(
            "show [ip] access-lists [<list:word>]",
            &[
                ("access-lists", "Access lists, and how often each line has decided"),
                ("<list>", "Number or name"),
            ],
            show_access_lists,
        ),
        Spec {
            modes: PRIVILEGED,
            pattern: "clear [ip] access-list counters [<list:word>]",
            help: &[
                ("access-list", "Access lists"),
                ("counters", "How often each line has decided"),
                ("<list>", "Number or name"),
            ],
            forms: Forms::SetOnly,
            run: |system, _, args, _| {
                named_lists(system, args)?.into_iter().for_each(|list| list.clear());
                Ok(Output::default())
            },
        },
        Spec {
            modes: PRIVILEGED,
            pattern: "clear logging",
            help: &[("logging", "The buffered lines of the log")],
            forms: Forms::SetOnly,
            run: |_, cx, _, _| {
                cx.shared.log.clear();
                Ok(Output::default())
            },
        },
    ]
}

fn show_interfaces(system: &mut System, cx: &mut Cx<'_, System>, args: &Args, _: Form) -> ExecResult {
    let name = args.interface("name").map(ToString::to_string);
    let views = system.interface_views(name.as_deref(), cx);
    if let (true, Some(name)) = (views.is_empty(), name) {
        return Err(ExecError::new(format!("Interface {name} is not configured")));
    }
    Ok(Output::named("interfaces", views, |views| interface::text(views)))
}

/// The lists that are asked for; a name must be known.
fn named_lists<'s>(system: &'s System, args: &Args) -> Result<Vec<&'s Arc<AccessList>>, ExecError> {
    let name = args.text("list");
    let lists = system.lists(name);
    match name {
        Some(name) if lists.is_empty() => Err(ExecError::new(format!("Access list {name} does not exist"))),
        _ => Ok(lists),
    }
}

fn show_access_lists(system: &mut System, _: &mut Cx<'_, System>, args: &Args, _: Form) -> ExecResult {
    let views =
        named_lists(system, args)?.into_iter().map(|list| AccessListView::of(list)).collect::<Vec<_>>();
    Ok(Output::named("access_lists", views, |views| access_list::text(views)))
}
