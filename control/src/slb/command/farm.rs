//! Server farm mode.

use super::{
    Args, ConfigError, ConfigSpec, EditResult, FARM, FarmConfig, Form, Forms, REAL, Refusal, SlbConfig, name,
    need, refused,
};
use crate::{command::Position, slb::config::PredictorConfig};

pub(super) const SPECS: &[ConfigSpec<SlbConfig>] = &[
    ConfigSpec {
        modes: &[&FARM],
        pattern: "nat server",
        help: &[
            ("nat", "How addresses are rewritten"),
            ("server", "Directed mode: the destination becomes the real's"),
        ],
        forms: Forms::All,
        run: nat_server,
    },
    ConfigSpec {
        modes: &[&FARM],
        pattern: "nat client ~ <pool:word>",
        help: &[
            ("nat", "How addresses are rewritten"),
            ("client", "The source becomes one of a pool"),
            ("<pool>", "Name of the pool"),
        ],
        forms: Forms::All,
        run: nat_client,
    },
    ConfigSpec {
        modes: &[&FARM],
        pattern: "predictor ~ {roundrobin|leastconns|route-map [<rest:line>]}",
        help: &[
            ("predictor", "How a real server is chosen"),
            ("roundrobin", "Weighted round robin in runs"),
            ("leastconns", "Least connections (not with service ipmobile)"),
            ("route-map", "Not supported here"),
            ("<rest>", "Not supported here"),
        ],
        forms: Forms::All,
        run: predictor,
    },
    ConfigSpec {
        modes: &[&FARM],
        pattern: "bindid ~ [<id:0-65533>]",
        help: &[("bindid", "Which DFP weights apply"), ("<id>", "Bind ID")],
        forms: Forms::All,
        run: bindid,
    },
    ConfigSpec {
        modes: &[&FARM],
        pattern: "failaction purge",
        help: &[
            ("failaction", "What happens when a real server fails"),
            ("purge", "Delete its sessions at once"),
        ],
        forms: Forms::All,
        run: failaction,
    },
    ConfigSpec {
        modes: &[&FARM],
        pattern: "probe <probe:name>",
        help: &[
            ("probe", "What is asked of each real server, to see that it is alive"),
            ("<probe>", "Name of the probe"),
        ],
        forms: Forms::SetNo,
        run: probe,
    },
    ConfigSpec {
        modes: &[&FARM],
        pattern: "real <address:ip> [<port:1-65535>]",
        help: &[
            ("real", "A real server"),
            ("<address>", "Address of the real server"),
            ("<port>", "Destination port, with nat server"),
        ],
        forms: Forms::SetNo,
        run: real,
    },
];

/// The farm that the session edits; it may have been deleted from elsewhere.
pub(super) fn edited<'c>(
    slb: &'c mut SlbConfig,
    position: &Position,
) -> Result<&'c mut FarmConfig, ConfigError> {
    let name = position.key(&FARM).unwrap_or_default();
    slb.farms
        .iter_mut()
        .find(|farm| farm.name.as_str() == name)
        .ok_or_else(|| refused(format!("server farm {name} does not exist")))
}

fn nat_server(slb: &mut SlbConfig, position: &mut Position, _: &Args, form: Form) -> EditResult {
    edited(slb, position)?.nat_server = !form.clears();
    Ok(Vec::new())
}

fn nat_client(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let pool = if form.clears() { None } else { Some(need(args.text("pool"))?.to_owned()) };
    edited(slb, position)?.nat_client = pool;
    Ok(Vec::new())
}

fn predictor(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let farm = edited(slb, position)?;
    farm.predictor = if form.clears() || args.has("roundrobin") {
        PredictorConfig::RoundRobin
    } else if args.has("leastconns") {
        PredictorConfig::LeastConns
    } else {
        return Err(Refusal::NotSupported("predictor route-map").into());
    };
    Ok(Vec::new())
}

fn bindid(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let id = if form.clears() { 0 } else { args.int("id").unwrap_or(0) };
    edited(slb, position)?.bindid = id;
    Ok(Vec::new())
}

fn failaction(slb: &mut SlbConfig, position: &mut Position, _: &Args, form: Form) -> EditResult {
    edited(slb, position)?.purge = !form.clears();
    Ok(Vec::new())
}

fn probe(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let name = name(args, "probe")?;
    if !form.clears() && slb.probe(&name).is_none() {
        return Err(Refusal::NoProbe(name).into());
    }
    let farm = edited(slb, position)?;
    if form.clears() {
        farm.probes.retain(|probe| *probe != name);
    } else if !farm.probes.contains(&name) {
        farm.probes.push(name);
    }
    Ok(Vec::new())
}

fn real(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let (address, port) = (need(args.ip("address"))?, args.int::<u16>("port"));
    let farm = edited(slb, position)?;
    if form.clears() {
        farm.reals.retain(|real| (real.address, real.port) != (address, port));
    } else {
        let real = farm.real_entry(address, port);
        position.enter(&REAL, real.key());
    }
    Ok(Vec::new())
}
