//! `ip slb probe` and probe mode.

use super::{
    Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, PROBE, Refusal, SlbConfig, name, need,
    refused,
};
use crate::{
    command::Position,
    slb::config::{Bytes, Exchange, ProbeConfig, ProbeKind, Script, UdpRequest},
};

pub(super) const SPECS: &[ConfigSpec<SlbConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip slb probe <name:name> ~ {ping|tcp|custom udp|script|http [<rest:line>]|dns [<rest:line>]|wsp [<rest:line>]}",
        help: &[
            ("slb", "Server load balancing"),
            ("probe", "What is asked of servers, to see that they are alive"),
            ("<name>", "Name of the probe, up to 15 characters"),
            ("ping", "An ICMP echo request"),
            ("tcp", "A connection"),
            ("custom", "A datagram of your own"),
            ("udp", "Over UDP: a registration request, or any bytes"),
            ("script", "A program of your own asks"),
            ("http", "Not supported here"),
            ("dns", "Not supported here"),
            ("wsp", "Not supported here"),
            ("<rest>", "Not supported here"),
        ],
        forms: Forms::SetNo,
        run: probe,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "address ~ <address:ip> [routed]",
        help: &[
            ("address", "Asked in place of each real server"),
            ("<address>", "Its address"),
            ("routed", "By the routing table"),
        ],
        forms: Forms::All,
        run: address,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "interval ~ <interval:1-65535>",
        help: &[("interval", "Time between two tries"), ("<interval>", "Seconds")],
        forms: Forms::All,
        run: interval,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "timeout ~ <timeout:1-65535>",
        help: &[("timeout", "Time that an answer may take"), ("<timeout>", "Seconds, at most the interval")],
        forms: Forms::All,
        run: timeout,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "faildetect ~ <tries:1-255>",
        help: &[("faildetect", "When a server has failed"), ("<tries>", "Tries in a row without an answer")],
        forms: Forms::All,
        run: faildetect,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "retry ~ <answers:1-255>",
        help: &[("retry", "When a failed server is back"), ("<answers>", "Answers in a row")],
        forms: Forms::All,
        run: retry,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "port ~ <port:1-65535>",
        help: &[("port", "In place of the port of the service"), ("<port>", "Port")],
        forms: Forms::All,
        run: port,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "request mobile-ip ~ [nai <nai:word>]",
        help: &[
            ("request", "What is sent"),
            ("mobile-ip", "A registration request; any reply to it is an answer"),
            ("nai", "Of the node that asks"),
            ("<nai>", "The NAI"),
        ],
        forms: Forms::All,
        run: request_mobile_ip,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "request data <offset:0-1499> ~ <bytes:hex>",
        help: &[
            ("request", "What is sent"),
            ("data", "Bytes of your own"),
            ("<offset>", "Where they begin in the payload"),
            ("<bytes>", "The bytes, as hexadecimal digits"),
        ],
        forms: Forms::SetNo,
        run: request_data,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "response <clause:1-255> ~ data <offset:0-1499> <bytes:hex>",
        help: &[
            ("response", "What must be in an answer (without: anything)"),
            ("<clause>", "Number of the clause; all must be met"),
            ("data", "Bytes"),
            ("<offset>", "Where they begin in the payload"),
            ("<bytes>", "The bytes, as hexadecimal digits"),
        ],
        forms: Forms::SetNo,
        run: response,
    },
    ConfigSpec {
        modes: &[&PROBE],
        pattern: "script ~ <file:word> [<arguments:line>]",
        help: &[
            ("script", "The program that asks; exit status 0 is an answer"),
            ("<file>", "Its name in the folder of scripts"),
            ("<arguments>", "Its arguments, with blanks between; none has a blank in it"),
        ],
        forms: Forms::All,
        run: script,
    },
];

fn probe(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let name = name(args, "name")?;
    if form.clears() {
        if slb.farms.iter().any(|farm| farm.probes.contains(&name)) {
            return Err(Refusal::ProbeInUse(name).into());
        }
        slb.probes.retain(|probe| probe.name != name);
        return Ok(Vec::new());
    }
    let kind = match args.which(&["ping", "tcp", "custom", "script", "http", "dns", "wsp"]) {
        Some("ping") => ProbeKind::Ping,
        Some("tcp") => ProbeKind::Tcp,
        Some("custom") => ProbeKind::CustomUdp(Exchange::default()),
        Some("script") => ProbeKind::Script(None),
        Some("http") => return Err(Refusal::NotSupported("probe http").into()),
        Some("dns") => return Err(Refusal::NotSupported("probe dns").into()),
        _ => return Err(Refusal::NotSupported("probe wsp").into()),
    };
    match slb.probe(&name) {
        Some(probe) if probe.kind.words() != kind.words() => {
            return Err(Refusal::ProbeKind { name, kind: probe.kind.words() }.into());
        }
        Some(_) => {}
        None => slb.probes.push(ProbeConfig::new(name.clone(), kind)),
    }
    position.enter(&PROBE, name.as_str());
    Ok(Vec::new())
}

/// The probe that the session edits; it may have been deleted from elsewhere.
fn edited<'c>(slb: &'c mut SlbConfig, position: &Position) -> Result<&'c mut ProbeConfig, ConfigError> {
    let name = position.key(&PROBE).unwrap_or_default();
    slb.probes
        .iter_mut()
        .find(|probe| probe.name.as_str() == name)
        .ok_or_else(|| refused(format!("probe {name} does not exist")))
}

/// What it exchanges; only a `custom udp` has that.
fn exchange<'c>(slb: &'c mut SlbConfig, position: &Position) -> Result<&'c mut Exchange, ConfigError> {
    let probe = edited(slb, position)?;
    match &mut probe.kind {
        ProbeKind::CustomUdp(exchange) => Ok(exchange),
        other => Err(Refusal::NotOfThisProbe(other.words()).into()),
    }
}

fn address(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let probe = edited(slb, position)?;
    if form.clears() {
        probe.address = None;
    } else if args.has("routed") {
        probe.address = Some(need(args.ip("address"))?);
    } else {
        return Err(Refusal::NotSupported("an address that is not routed").into());
    }
    Ok(Vec::new())
}

fn interval(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let seconds = if form.clears() { ProbeConfig::DEFAULT_INTERVAL } else { need(args.int("interval"))? };
    edited(slb, position)?.interval = seconds;
    Ok(Vec::new())
}

fn timeout(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let seconds = if form.clears() { None } else { Some(need(args.int("timeout"))?) };
    edited(slb, position)?.timeout = seconds;
    Ok(Vec::new())
}

fn faildetect(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let probe = edited(slb, position)?;
    probe.faildetect = if form.clears() { probe.kind.default_faildetect() } else { need(args.int("tries"))? };
    Ok(Vec::new())
}

fn retry(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let answers = if form.clears() { ProbeConfig::DEFAULT_RETRY } else { need(args.int("answers"))? };
    edited(slb, position)?.retry = answers;
    Ok(Vec::new())
}

fn port(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let port = if form.clears() { None } else { Some(need(args.int("port"))?) };
    let probe = edited(slb, position)?;
    if probe.kind == ProbeKind::Ping {
        return Err(Refusal::NotOfThisProbe("ping").into());
    }
    probe.port = port;
    Ok(Vec::new())
}

fn request_mobile_ip(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let nai = args.text("nai").map(str::to_owned);
    if nai.as_ref().is_some_and(|nai| nai.len() > usize::from(u8::MAX)) {
        return Err(Refusal::NaiTooLong.into());
    }
    let exchange = exchange(slb, position)?;
    if !form.clears() {
        exchange.request = Some(UdpRequest::MobileIp { nai });
    } else if matches!(exchange.request, Some(UdpRequest::MobileIp { .. })) {
        exchange.request = None;
    }
    Ok(Vec::new())
}

fn request_data(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let offset = need(args.int("offset"))?;
    let exchange = exchange(slb, position)?;
    if form.clears() {
        if let Some(UdpRequest::Data(pieces)) = &mut exchange.request {
            pieces.remove(&offset);
            if pieces.is_empty() {
                exchange.request = None;
            }
        }
        return Ok(Vec::new());
    }
    let bytes = payload(offset, args)?;
    if let Some(UdpRequest::Data(pieces)) = &mut exchange.request {
        pieces.insert(offset, bytes);
    } else {
        exchange.request = Some(UdpRequest::Data([(offset, bytes)].into()));
    }
    Ok(Vec::new())
}

fn response(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let clause = need(args.int("clause"))?;
    if form.clears() {
        exchange(slb, position)?.responses.remove(&clause);
        return Ok(Vec::new());
    }
    let offset = need(args.int("offset"))?;
    let bytes = payload(offset, args)?;
    exchange(slb, position)?.responses.insert(clause, Bytes { offset, bytes });
    Ok(Vec::new())
}

fn script(slb: &mut SlbConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let wanted = if form.clears() { None } else { Some(script_of(args)?) };
    let probe = edited(slb, position)?;
    let ProbeKind::Script(script) = &mut probe.kind else {
        return Err(Refusal::NotOfThisProbe(probe.kind.words()).into());
    };
    *script = wanted;
    Ok(Vec::new())
}

fn script_of(args: &Args) -> Result<Script, ConfigError> {
    let file = need(args.text("file"))?.parse().map_err(Refusal::ScriptName)?;
    let arguments = args.text("arguments").unwrap_or_default().split_whitespace().map(str::to_owned);
    let script = Script { file, arguments: arguments.collect() };
    if script.arguments.join(" ").len() > ProbeConfig::ARGUMENTS {
        return Err(Refusal::ArgumentsTooLong.into());
    }
    Ok(script)
}

/// The bytes of a line, which must end within a payload.
fn payload(offset: u16, args: &Args) -> Result<Vec<u8>, ConfigError> {
    let bytes = need(args.bytes("bytes"))?;
    if usize::from(offset) + bytes.len() > ProbeConfig::PAYLOAD {
        return Err(Refusal::PayloadTooLong.into());
    }
    Ok(bytes.to_vec())
}
