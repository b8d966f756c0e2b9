//! `ip slb serverfarm|vserver`, and the global commands that are refused.

use super::{Args, CONFIG, ConfigSpec, EditResult, FARM, Form, Forms, Refusal, SlbConfig, VSERVER, name};
use crate::command::Position;

pub(super) const SPECS: &[ConfigSpec<SlbConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip slb serverfarm <name:name>",
        help: &[
            ("serverfarm", "Server farm"),
            ("slb", "Server load balancing"),
            ("<name>", "Name of the server farm, up to 15 characters"),
        ],
        forms: Forms::SetNo,
        run: serverfarm,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip slb vserver/vservers <name:name>",
        help: &[
            ("slb", "Server load balancing"),
            ("vserver", "Virtual server"),
            ("<name>", "Name of the virtual server, up to 15 characters"),
        ],
        forms: Forms::SetNo,
        run: vserver,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip slb {capp|entries|map|maxbuffers|natpool|replicate|route|static|timers} [<rest:line>]",
        help: &[
            ("slb", "Server load balancing"),
            ("capp", "Not supported here"),
            ("entries", "Not supported here"),
            ("map", "Not supported here"),
            ("maxbuffers", "Not supported here"),
            ("natpool", "Not supported here"),
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
        modes: &[&CONFIG],
        pattern: "snmp-server enable traps slb [<rest:line>]",
        help: &[
            ("slb", "Server load balancing"),
            ("snmp-server", "Not supported here"),
            ("enable", "Not supported here"),
            ("traps", "Not supported here"),
            ("<rest>", "Not supported here"),
        ],
        forms: Forms::SetNo,
        run: unsupported,
    },
];

fn serverfarm(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let name = name(args, "name")?;
    if !form.clears() {
        slb.farm_entry(&name);
        position.enter(&FARM, name.as_str());
    } else if slb.is_farm_used(&name) {
        return Err(Refusal::FarmInUse(name).into());
    } else {
        slb.farms.retain(|farm| farm.name != name);
    }
    Ok(Vec::new())
}

fn vserver(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let name = name(args, "name")?;
    if form.clears() {
        slb.vservers.retain(|vserver| vserver.name != name);
    } else {
        slb.vserver_entry(&name);
        position.enter(&VSERVER, name.as_str());
    }
    Ok(Vec::new())
}

/// The commands of IOS that nothing here would obey.
fn unsupported(_: &mut SlbConfig, _: &mut Position, args: &Args, _: Form) -> EditResult {
    const WORDS: &[&str] = &[
        "capp",
        "entries",
        "map",
        "maxbuffers",
        "natpool",
        "replicate",
        "route",
        "static",
        "timers",
        "snmp-server",
    ];
    Err(Refusal::NotSupported(args.which(WORDS).unwrap_or("command")).into())
}
