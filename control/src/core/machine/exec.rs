//! EXEC commands of the machine part.

use serde::Serialize;
use serde_json::json;

use crate::{
    command::{Args, EXEC, Exec, ExecError, ExecResult, ExecSpec, Form, Forms, Mode, Output, USER_EXEC},
    core::Core,
    machine::show::{arp, dataplane, interface, memory, route, system},
};

const SHOW: &[&Mode] = &[&USER_EXEC, &EXEC];

const PRIVILEGED: &[&Mode] = &[&EXEC];

type Run = fn(&mut Core, &Args, Form) -> ExecResult;

/// Everything that shows the machine.
pub fn specs() -> Vec<ExecSpec<Core>> {
    let show = |pattern, help, run: Run| ExecSpec {
        modes: SHOW,
        pattern,
        help,
        forms: Forms::SetOnly,
        run: Exec::new(run),
    };
    vec![
        show(
            "show interfaces [<name:interface>]",
            &[
                ("interfaces", "Ports, VLANs and loopbacks with their state and counters"),
                ("<name>", "Only this one"),
            ],
            show_interfaces,
        ),
        show("show ip arp", &[("arp", "Neighbours on our interfaces")], |core, _, _| {
            let views = core.arp_views();
            Ok(Output::new(arp::text(&views), facts("arp", &views)))
        }),
        show("show ip route", &[("route", "Routes in use")], |core, _, _| {
            let views = core.route_views();
            Ok(Output::new(route::text(&views), facts("routes", &views)))
        }),
        show("show dataplane", &[("dataplane", "Workers, and how every packet ended")], |core, _, _| {
            let view = core.dataplane_view();
            Ok(Output::new(dataplane::text(&view), value(&view)))
        }),
        show("show memory", &[("memory", "Packet pools and tables")], |core, _, _| {
            let view = core.memory_view();
            Ok(Output::new(memory::text(&view), value(&view)))
        }),
        show("show version", &[("version", "Program, library, uptime")], |core, _, _| {
            let view = system::VersionView {
                version: env!("CARGO_PKG_VERSION"),
                dpdk: core.machine.library.clone(),
                hostname: core.running.machine.hostname.clone(),
                uptime_seconds: core.now.0 / 1_000_000_000,
                workers: core.stats.len(),
                startup: core.startup.as_ref().map(|path| path.display().to_string()),
            };
            Ok(Output::new(system::version(&view), value(&view)))
        }),
        show("show clock", &[("clock", "The time of day")], |core, _, _| {
            let text = system::clock(core.wall);
            let facts = json!({ "clock": text.trim_end() });
            Ok(Output::new(text, facts))
        }),
        show("show logging", &[("logging", "The last lines of the log")], |core, _, _| {
            let view = core.log.view();
            Ok(Output::new(system::logging(&view), value(&view)))
        }),
        ExecSpec {
            modes: PRIVILEGED,
            pattern: "clear logging",
            help: &[("logging", "The buffered lines of the log")],
            forms: Forms::SetOnly,
            run: Exec::new(|core: &mut Core, _, _| {
                core.log.clear();
                Ok(Output::default())
            }),
        },
    ]
}

fn show_interfaces(core: &mut Core, args: &Args, _: Form) -> ExecResult {
    let name = args.interface("name").map(ToString::to_string);
    let views = core.interface_views(name.as_deref());
    if let (true, Some(name)) = (views.is_empty(), name) {
        return Err(ExecError::new(format!("Interface {name} is not configured")));
    }
    Ok(Output::new(interface::text(&views), facts("interfaces", &views)))
}

fn facts(name: &str, of: &impl Serialize) -> serde_json::Value {
    json!({ name: value(of) })
}

/// Views have string keys only: they always serialise.
fn value(of: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(of).unwrap_or_default()
}
