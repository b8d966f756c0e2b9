//! Virtual server mode.

use common::slb::ClientRule;
use ipnet::Ipv4Net;

use super::{
    Args, ConfigError, ConfigSpec, EditResult, Form, Forms, Refusal, SlbConfig, VSERVER, VserverConfig, name,
    need, refused,
};
use crate::{
    command::Position,
    slb::{
        check::{changed_in_service, check_virtual},
        config::{FarmChoice, Replicate, ServiceKind, Sticky, SynGuard, Transport, VirtualConfig},
    },
};

pub(super) const SPECS: &[ConfigSpec<SlbConfig>] = &[
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "virtual ~ <address:ip> [<mask:mask>] {udp|tcp} {any|<port:port>} [service \
                  {ipmobile|dns|ftp|gtp|gtp-inspect|per-packet|radius|rtsp|wsp}]",
        help: &[
            ("virtual", "The address that clients use"),
            ("<address>", "Virtual address"),
            ("<mask>", "Mask of a range of addresses"),
            ("any", "Any port"),
            ("<port>", "Port, as a number or a name such as mobile-ip"),
            ("service", "What is balanced"),
            ("udp", "User Datagram Protocol"),
            ("tcp", "Transmission Control Protocol"),
            ("ipmobile", "Mobile IP registration requests"),
            ("dns", "Not supported here"),
            ("ftp", "Not supported here"),
            ("gtp", "Not supported here"),
            ("gtp-inspect", "Not supported here"),
            ("per-packet", "Not supported here"),
            ("radius", "Not supported here"),
            ("rtsp", "Not supported here"),
            ("wsp", "Not supported here"),
        ],
        forms: Forms::All,
        run: virtual_address,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "serverfarm ~ <farm:name> [backup <backup:name> [sticky]]",
        help: &[
            ("serverfarm", "The server farm in use"),
            ("<farm>", "Name of the server farm"),
            ("backup", "A farm for when no real server of the first can take a session"),
            ("<backup>", "Name of the backup farm"),
            ("sticky", "Not supported here"),
        ],
        forms: Forms::All,
        run: serverfarm,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "client <address:ip> <mask:mask> [exclude]",
        help: &[
            ("client", "Who may use the virtual server (the longest match decides)"),
            ("<address>", "Address of foreign agents"),
            ("<mask>", "Mask"),
            ("exclude", "They may not"),
        ],
        forms: Forms::SetNo,
        run: client,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "client-rate ~ <sessions:1-65535>",
        help: &[
            ("client-rate", "Limit the new sessions of each source"),
            ("<sessions>", "New sessions a second"),
        ],
        forms: Forms::All,
        run: client_rate,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "idle ipmobile request ~ <seconds:4-65535>",
        help: &[
            ("idle", "Life without a packet"),
            ("ipmobile", "Of a Mobile IP session"),
            ("request", "After the last registration request"),
            ("<seconds>", "Seconds"),
        ],
        forms: Forms::All,
        run: idle_request,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "idle ~ {<seconds:4-65535>|gtp request <seconds:4-65535>|radius {request|framed-ip} <seconds:4-65535>}",
        help: &[
            ("idle", "Life without a packet"),
            ("<seconds>", "Not supported here"),
            ("gtp", "Not supported here"),
            ("request", "Not supported here"),
            ("radius", "Not supported here"),
            ("framed-ip", "Not supported here"),
        ],
        forms: Forms::All,
        run: unsupported,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "{advertise|delay} [<rest:line>]",
        help: &[
            ("advertise", "Not supported here"),
            ("delay", "Not supported here"),
            ("<rest>", "Not supported here"),
        ],
        forms: Forms::All,
        run: unsupported,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "sticky ~ <seconds:0-65535> [group <group:0-255>] [netmask <netmask:mask>]",
        help: &[
            ("sticky", "Client stickiness (not with service ipmobile)"),
            ("<seconds>", "Seconds"),
            ("group", "Shared by the virtual servers of a group"),
            ("<group>", "Group"),
            ("netmask", "Clients of a subnet are one"),
            ("<netmask>", "Mask"),
        ],
        forms: Forms::All,
        run: sticky,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "synguard ~ <count:0-4294967295> [<interval:50-5000>]",
        help: &[
            ("synguard", "SYN limiter (not with service ipmobile)"),
            ("<count>", "Unanswered SYNs"),
            ("<interval>", "Milliseconds"),
        ],
        forms: Forms::All,
        run: synguard,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "replicate casa ~ <local:ip> <remote:ip> <port:1-65535> [<interval:1-300>]",
        help: &[
            ("replicate", "Stateful backup (not with service ipmobile)"),
            ("casa", "Cisco Appliance Services Architecture"),
            ("<local>", "Our address"),
            ("<remote>", "Address of the backup"),
            ("<port>", "Port of both"),
            ("<interval>", "Seconds between messages"),
        ],
        forms: Forms::All,
        run: replicate,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "home-agent strict",
        help: &[
            ("home-agent", "The Home Agent field of requests"),
            ("strict", "Drop a request whose field names neither the virtual address nor a real server"),
        ],
        forms: Forms::All,
        run: home_agent,
    },
    ConfigSpec {
        modes: &[&VSERVER],
        pattern: "inservice ~ [standby <group:word>] [active]",
        help: &[
            ("inservice", "Put the virtual server into service"),
            ("standby", "Not supported here"),
            ("<group>", "Not supported here"),
            ("active", "Not supported here"),
        ],
        forms: Forms::All,
        run: inservice,
    },
];

/// The virtual server that the session edits; it may have been deleted from elsewhere.
fn edited<'c>(slb: &'c mut SlbConfig, position: &Position) -> Result<&'c mut VserverConfig, ConfigError> {
    let name = position.key(&VSERVER).unwrap_or_default();
    slb.vservers
        .iter_mut()
        .find(|vserver| vserver.name.as_str() == name)
        .ok_or_else(|| refused(format!("virtual server {name} does not exist")))
}

/// Changes `virtual` or `serverfarm`, unless in service (a first value is no change: order does not matter).
fn change_address_or_farm(
    vserver: &mut VserverConfig,
    change: impl FnOnce(&mut VserverConfig),
) -> EditResult {
    let mut new = vserver.clone();
    change(&mut new);
    let first = (vserver.address.is_none() && new.farm == vserver.farm)
        || (vserver.farm.is_none() && new.address == vserver.address);
    if changed_in_service(vserver, &new) && !first {
        return Err(Refusal::MustBeOut(vserver.name.clone()).into());
    }
    *vserver = new;
    Ok(Vec::new())
}

fn virtual_address(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let address = if form.clears() { None } else { Some(read_virtual(args)?) };
    change_address_or_farm(edited(slb, position)?, |vserver| vserver.address = address)
}

fn read_virtual(args: &Args) -> Result<VirtualConfig, ConfigError> {
    const OTHERS: &[(&str, &str)] = &[
        ("dns", "service dns"),
        ("ftp", "service ftp"),
        ("gtp", "service gtp"),
        ("gtp-inspect", "service gtp-inspect"),
        ("per-packet", "service per-packet"),
        ("radius", "service radius"),
        ("rtsp", "service rtsp"),
        ("wsp", "service wsp"),
    ];
    if let Some((_, service)) = OTHERS.iter().find(|(word, _)| args.has(word)) {
        return Err(Refusal::NotSupported(service).into());
    }
    if !args.has("ipmobile") {
        return Err(Refusal::NotSupported("virtual without service ipmobile").into());
    }
    let mask = args.ip("mask").unwrap_or(std::net::Ipv4Addr::BROADCAST);
    let network = Ipv4Net::with_netmask(need(args.ip("address"))?, mask)
        .map_err(|_| refused("the mask is not contiguous"))?
        .trunc();
    let address = VirtualConfig {
        network,
        protocol: if args.has("tcp") { Transport::Tcp } else { Transport::Udp },
        port: args.int("port").unwrap_or(0),
        service: ServiceKind::IpMobile,
    };
    check_virtual(&address)?;
    Ok(address)
}

fn serverfarm(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    if args.has("sticky") {
        return Err(Refusal::NotSupported("serverfarm backup sticky").into());
    }
    let choice = if form.clears() {
        None
    } else {
        let backup = args.text("backup").map(|_| name(args, "backup")).transpose()?;
        Some(FarmChoice { primary: name(args, "farm")?, backup })
    };
    if let Some(choice) = choice.as_ref().filter(|choice| choice.backup.as_ref() == Some(&choice.primary)) {
        return Err(Refusal::OwnBackup(choice.primary.clone()).into());
    }
    change_address_or_farm(edited(slb, position)?, |vserver| vserver.farm = choice)
}

fn client(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let network = Ipv4Net::with_netmask(need(args.ip("address"))?, need(args.ip("mask"))?)
        .map_err(|_| refused("the mask is not contiguous"))?
        .trunc();
    let rule = ClientRule { network, exclude: args.has("exclude") };
    let clients = &mut edited(slb, position)?.clients;
    match (clients.iter().position(|old| old.network == network), form.clears()) {
        (Some(at), true) => {
            clients.remove(at);
        }
        (Some(at), false) => clients[at] = rule,
        (None, true) => {}
        (None, false) => clients.push(rule),
    }
    Ok(Vec::new())
}

fn client_rate(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let rate = if form.clears() { None } else { Some(need(args.int("sessions"))?) };
    edited(slb, position)?.client_rate = rate;
    Ok(Vec::new())
}

fn idle_request(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let seconds =
        if form.clears() { VserverConfig::DEFAULT_IDLE_REQUEST } else { need(args.int("seconds"))? };
    edited(slb, position)?.idle_request = seconds;
    Ok(Vec::new())
}

fn unsupported(_: &mut SlbConfig, _: &mut Position, args: &Args, _: Form) -> EditResult {
    const WORDS: &[(&str, &str)] = &[
        ("gtp", "idle gtp"),
        ("radius", "idle radius"),
        ("idle", "idle of connections"),
        ("advertise", "advertise"),
        ("delay", "delay"),
    ];
    let what = WORDS.iter().find(|(word, _)| args.has(word)).map_or("command", |(_, what)| what);
    Err(Refusal::NotSupported(what).into())
}

fn sticky(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let seconds = if form.clears() { 0 } else { need(args.int("seconds"))? };
    let sticky = Sticky { seconds, group: args.int("group"), netmask: args.ip("netmask") };
    edited(slb, position)?.sticky = (seconds > 0).then_some(sticky);
    Ok(Vec::new())
}

fn synguard(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let count = if form.clears() { 0 } else { need(args.int("count"))? };
    let interval = args.int("interval").unwrap_or(SynGuard::DEFAULT_INTERVAL);
    edited(slb, position)?.synguard = (count > 0).then_some(SynGuard { count, interval });
    Ok(Vec::new())
}

fn replicate(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let replicate = if form.clears() {
        None
    } else {
        Some(Replicate {
            local: need(args.ip("local"))?,
            remote: need(args.ip("remote"))?,
            port: need(args.int("port"))?,
            interval: args.int("interval"),
        })
    };
    edited(slb, position)?.replicate = replicate;
    Ok(Vec::new())
}

fn home_agent(slb: &mut SlbConfig, position: &mut Position, _: &Args, form: Form) -> EditResult {
    edited(slb, position)?.strict_home_agent = !form.clears();
    Ok(Vec::new())
}

fn inservice(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    if args.has("standby") || args.has("active") {
        return Err(Refusal::NotSupported("inservice standby").into());
    }
    edited(slb, position)?.inservice = !form.clears();
    Ok(Vec::new())
}
