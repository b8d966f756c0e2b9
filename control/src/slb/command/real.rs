//! Real server mode.

use super::{
    Args, ConfigError, ConfigSpec, EditResult, Form, Forms, REAL, RealConfig, Refusal, SlbConfig, farm, need,
    refused,
};
use crate::{
    command::Position,
    slb::config::{FailDetect, Reassign},
};

pub(super) const SPECS: &[ConfigSpec<SlbConfig>] = &[
    ConfigSpec {
        modes: &[&REAL],
        pattern: "weight ~ <weight:1-255>",
        help: &[
            ("weight", "Share of new sessions"),
            ("<weight>", "Sessions in a row before the next real server"),
        ],
        forms: Forms::All,
        run: weight,
    },
    ConfigSpec {
        modes: &[&REAL],
        pattern: "maxconns ~ <maxconns:1-4294967295> [sticky-override]",
        help: &[
            ("maxconns", "Most concurrent sessions"),
            ("<maxconns>", "Sessions"),
            ("sticky-override", "Not supported here"),
        ],
        forms: Forms::All,
        run: maxconns,
    },
    ConfigSpec {
        modes: &[&REAL],
        pattern: "reassign ~ <reassign:1-255>",
        help: &[
            ("reassign", "When a session moves to another real server"),
            ("<reassign>", "It moves when its retransmissions are more than this"),
        ],
        forms: Forms::All,
        run: reassign,
    },
    ConfigSpec {
        modes: &[&REAL],
        pattern: "faildetect numconns ~ <numconns:1-255> [numclients <numclients:1-8>]",
        help: &[
            ("faildetect", "When the real server is taken for dead"),
            ("numconns", "Sessions that had to move away"),
            ("<numconns>", "Failures"),
            ("numclients", "Foreign agents that they must come from, or mobile nodes of a single one"),
            ("<numclients>", "Foreign agents or mobile nodes"),
        ],
        forms: Forms::All,
        run: faildetect,
    },
    ConfigSpec {
        modes: &[&REAL],
        pattern: "faildetect inband",
        help: &[
            ("faildetect", "When the real server is taken for dead"),
            ("inband", "Count sessions that had to move away"),
        ],
        forms: Forms::All,
        run: inband,
    },
    ConfigSpec {
        modes: &[&REAL],
        pattern: "retry ~ <retry:1-3600>",
        help: &[("retry", "Time until a failed real server is tried again"), ("<retry>", "Seconds")],
        forms: Forms::All,
        run: retry,
    },
    ConfigSpec {
        modes: &[&REAL],
        pattern: "{rate|maxclients} [<rest:line>]",
        help: &[
            ("rate", "Not supported here"),
            ("maxclients", "Not supported here"),
            ("<rest>", "Not supported here"),
        ],
        forms: Forms::All,
        run: unsupported,
    },
    ConfigSpec {
        modes: &[&REAL],
        pattern: "inservice ~",
        help: &[("inservice", "Put the real server into service")],
        forms: Forms::All,
        run: inservice,
    },
];

/// The real that the session edits; it may have been deleted from elsewhere.
fn edited<'c>(slb: &'c mut SlbConfig, position: &Position) -> Result<&'c mut RealConfig, ConfigError> {
    let key = position.key(&REAL).unwrap_or_default();
    farm::edited(slb, position)?
        .reals
        .iter_mut()
        .find(|real| real.key() == key)
        .ok_or_else(|| refused(format!("real {key} does not exist")))
}

fn weight(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let value = if form.clears() { RealConfig::DEFAULT_WEIGHT } else { need(args.int("weight"))? };
    edited(slb, position)?.weight = value;
    Ok(Vec::new())
}

fn maxconns(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    if args.has("sticky-override") {
        return Err(Refusal::NotSupported("sticky-override").into());
    }
    let value = if form.clears() { u32::MAX } else { need(args.int("maxconns"))? };
    edited(slb, position)?.maxconns = value;
    Ok(Vec::new())
}

fn reassign(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    edited(slb, position)?.reassign = match form {
        Form::Set => Reassign::After(need(args.int("reassign"))?),
        Form::No => Reassign::Never,
        Form::Default => RealConfig::DEFAULT_REASSIGN,
    };
    Ok(Vec::new())
}

fn faildetect(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let default = FailDetect::default();
    let numconns = if form.clears() { default.numconns } else { need(args.int("numconns"))? };
    let numclients = args.int("numclients").unwrap_or(default.numclients);
    let detect = &mut edited(slb, position)?.faildetect;
    *detect = FailDetect { numconns, numclients, ..*detect };
    Ok(Vec::new())
}

fn inband(slb: &mut SlbConfig, position: &mut Position, _: &Args, form: Form) -> EditResult {
    edited(slb, position)?.faildetect.inband = form != Form::No;
    Ok(Vec::new())
}

fn retry(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let value = if form.clears() { RealConfig::DEFAULT_RETRY } else { need(args.int("retry"))? };
    edited(slb, position)?.retry = value;
    Ok(Vec::new())
}

fn unsupported(_: &mut SlbConfig, _: &mut Position, args: &Args, _: Form) -> EditResult {
    Err(Refusal::NotSupported(args.which(&["rate", "maxclients"]).unwrap_or("command")).into())
}

fn inservice(slb: &mut SlbConfig, position: &mut Position, _: &Args, form: Form) -> EditResult {
    edited(slb, position)?.inservice = !form.clears();
    Ok(Vec::new())
}
