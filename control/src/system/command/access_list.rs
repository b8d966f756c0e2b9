//! `access-list`, `ip access-list`, and the modes of lists.

use std::net::Ipv4Addr;

use super::{
    Args, CONFIG, ConfigError, ConfigSpec, EXTENDED_LIST, EditResult, Form, Forms, Position, STANDARD_LIST,
    need,
};
use crate::{
    access_list::{Action, Addresses, Entry, Kind, Match, Name, PROTOCOLS, Ports, Rule},
    system::{AccessListConfig, SystemConfig},
};

/// Most lists, and most entries of one.
const MOST: usize = 1000;

type Help = &'static [(&'static str, &'static str)];

const HELP: Help = &[
    ("access-list", "Lists of what is permitted"),
    ("<standard>", "Standard list"),
    ("<standard-2>", "Standard list, further numbers"),
    ("<extended>", "Extended list"),
    ("<extended-2>", "Extended list, further numbers"),
    ("<sequence>", "Place of the entry in the list"),
    ("standard", "By source address"),
    ("extended", "By protocol, addresses and ports"),
    ("<name>", "Number or name of the list"),
    ("remark", "Comment"),
    ("<remark>", "Its text"),
    ("permit", "Permit what matches"),
    ("deny", "Deny what matches"),
    ("any", "Any address"),
    ("host", "One address"),
    ("<source-host>", "Source address"),
    ("<source>", "Source address"),
    ("<source-wildcard>", "Ones where addresses may differ"),
    ("<destination-host>", "Destination address"),
    ("<destination>", "Destination address"),
    ("<destination-wildcard>", "Ones where addresses may differ"),
    ("ip", "Any protocol"),
    ("tcp", "TCP"),
    ("udp", "UDP"),
    ("icmp", "ICMP"),
    ("gre", "GRE"),
    ("ipinip", "IP in IP"),
    ("esp", "Encapsulation security payload"),
    ("ahp", "Authentication header"),
    ("<protocol>", "Number of an IP protocol"),
    ("eq", "This port"),
    ("neq", "All ports but this"),
    ("gt", "Ports above this"),
    ("lt", "Ports below this"),
    ("range", "Ports from one to another"),
    ("<source-eq>", "Port"),
    ("<source-neq>", "Port"),
    ("<source-gt>", "Port"),
    ("<source-lt>", "Port"),
    ("<source-low>", "First port"),
    ("<source-high>", "Last port"),
    ("<destination-eq>", "Port"),
    ("<destination-neq>", "Port"),
    ("<destination-gt>", "Port"),
    ("<destination-lt>", "Port"),
    ("<destination-low>", "First port"),
    ("<destination-high>", "Last port"),
];

/// What an entry of a standard list says.
macro_rules! standard {
    () => {
        "{remark <remark:line>|{permit|deny} {any|host <source-host:ip>|<source:ip> [<source-wildcard:ip>]}}"
    };
}

/// What an entry of an extended list says.
macro_rules! extended {
    () => {
        "{remark <remark:line>|{permit|deny} {ip|tcp|udp|icmp|gre|ipinip|esp|ahp|<protocol:0-255>} {any|host <source-host:ip>|<source:ip> <source-wildcard:ip>} [eq <source-eq:port>|neq <source-neq:port>|gt <source-gt:port>|lt <source-lt:port>|range <source-low:port> <source-high:port>] {any|host <destination-host:ip>|<destination:ip> <destination-wildcard:ip>} [eq <destination-eq:port>|neq <destination-neq:port>|gt <destination-gt:port>|lt <destination-lt:port>|range <destination-low:port> <destination-high:port>]}"
    };
}

pub(super) const SPECS: &[ConfigSpec<SystemConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: concat!("access-list {<standard:1-99>|<standard-2:1300-1999>} ~ ", standard!()),
        help: HELP,
        forms: Forms::SetNo,
        run: numbered,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: concat!("access-list {<extended:100-199>|<extended-2:2000-2699>} ~ ", extended!()),
        help: HELP,
        forms: Forms::SetNo,
        run: numbered,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip access-list {standard|extended} <name:word>",
        help: HELP,
        forms: Forms::SetNo,
        run: named,
    },
    ConfigSpec {
        modes: &[&STANDARD_LIST],
        pattern: standard!(),
        help: HELP,
        forms: Forms::SetNo,
        run: entry,
    },
    ConfigSpec {
        modes: &[&STANDARD_LIST],
        pattern: concat!("<sequence:1-2147483647> ~ ", standard!()),
        help: HELP,
        forms: Forms::SetNo,
        run: entry,
    },
    ConfigSpec {
        modes: &[&EXTENDED_LIST],
        pattern: extended!(),
        help: HELP,
        forms: Forms::SetNo,
        run: entry,
    },
    ConfigSpec {
        modes: &[&EXTENDED_LIST],
        pattern: concat!("<sequence:1-2147483647> ~ ", extended!()),
        help: HELP,
        forms: Forms::SetNo,
        run: entry,
    },
];

fn refused(list: &Name, text: impl std::fmt::Display) -> ConfigError {
    ConfigError::new(format!("Access list {list}: {text}"))
}

/// An entry of a numbered list; `no` deletes the list.
fn numbered(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let number =
        ["standard", "standard-2", "extended", "extended-2"].iter().find_map(|name| args.int::<u32>(name));
    let number = need(number)?;
    let kind = need(Kind::of_number(number))?;
    let name = Name::parse(&number.to_string(), kind).map_err(|error| ConfigError::new(error.to_string()))?;
    if form.clears() {
        c.access_lists.retain(|list| list.name != name);
        return Ok(Vec::new());
    }
    let rule = rule(&name, kind, args)?;
    add(list(c, name, kind)?, None, rule)
}

fn named(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let kind = if args.has("standard") { Kind::Standard } else { Kind::Extended };
    let text = need(args.text("name"))?;
    let name =
        Name::parse(text, kind).map_err(|error| ConfigError::new(format!("Access list {text}: {error}")))?;
    if form.clears() {
        c.access_lists.retain(|list| (&list.name, list.kind) != (&name, kind));
        return Ok(Vec::new());
    }
    list(c, name.clone(), kind)?;
    let mode = if kind == Kind::Standard { &STANDARD_LIST } else { &EXTENDED_LIST };
    position.enter(mode, name.as_str());
    Ok(Vec::new())
}

/// The list of that name, which is made if it is not there.
fn list(c: &mut SystemConfig, name: Name, kind: Kind) -> Result<&mut AccessListConfig, ConfigError> {
    let lists = &mut c.access_lists;
    match lists.binary_search_by(|list| list.name.place().cmp(&name.place())) {
        Ok(at) if lists[at].kind == kind => Ok(&mut lists[at]),
        Ok(at) => Err(refused(&name, format_args!("is {} already", lists[at].kind.keyword()))),
        Err(_) if lists.len() == MOST => {
            Err(refused(&name, format_args!("there are {MOST} lists, which is the most")))
        }
        Err(at) => {
            lists.insert(at, AccessListConfig::new(name, kind));
            Ok(&mut lists[at])
        }
    }
}

/// An entry of the list that the session edits.
fn entry(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let key =
        [&STANDARD_LIST, &EXTENDED_LIST].into_iter().find_map(|mode| position.key(mode)).unwrap_or_default();
    let list = c.access_lists.iter_mut().find(|list| list.name.as_str() == key);
    // It may have been deleted from elsewhere.
    let list = list.ok_or_else(|| ConfigError::new(format!("Access list {key} does not exist")))?;
    let sequence: Option<u32> = args.int("sequence");
    if !form.clears() {
        let rule = rule(&list.name, list.kind, args)?;
        return add(list, sequence, rule);
    }
    let before = list.entries.len();
    if let Some(sequence) = sequence {
        list.entries.retain(|entry| entry.sequence != sequence);
    } else {
        let rule = rule(&list.name, list.kind, args)?;
        list.entries.retain(|entry| entry.rule != rule);
    }
    if list.entries.len() < before { Ok(Vec::new()) } else { Err(refused(&list.name, "no such entry")) }
}

/// Adds an entry in its place; one that is there already stays as it is.
fn add(list: &mut AccessListConfig, sequence: Option<u32>, rule: Rule) -> EditResult {
    let known = list.entries.iter().find(|entry| entry.rule == rule);
    if let Some(known) = known {
        return match sequence {
            Some(sequence) if sequence != known.sequence => {
                Err(refused(&list.name, format_args!("entry {} says the same", known.sequence)))
            }
            _ => Ok(Vec::new()),
        };
    }
    if list.entries.len() == MOST {
        return Err(refused(&list.name, format_args!("it has {MOST} entries, which is the most")));
    }
    let sequence = match sequence {
        Some(sequence) => sequence,
        None => list
            .next_sequence()
            .ok_or_else(|| refused(&list.name, "no number is left behind the last entry"))?,
    };
    match list.entries.binary_search_by_key(&sequence, |entry| entry.sequence) {
        Ok(_) => Err(refused(&list.name, format_args!("there is an entry {sequence} already"))),
        Err(at) => {
            list.entries.insert(at, Entry { sequence, rule });
            Ok(Vec::new())
        }
    }
}

fn rule(name: &Name, kind: Kind, args: &Args) -> Result<Rule, ConfigError> {
    if let Some(text) = args.text("remark") {
        return Ok(Rule::Remark(text.trim_end().to_owned()));
    }
    let action = if args.has("permit") { Action::Permit } else { Action::Deny };
    let source = addresses(args, "source-host", "source", "source-wildcard");
    if kind == Kind::Standard {
        return Ok(Rule::Match(action, Match::source(source)));
    }
    let named = PROTOCOLS.iter().find(|(word, _)| args.has(word)).and_then(|(_, number)| *number);
    let protocol = args.int("protocol").or(named);
    let source_ports =
        ports(args, ["source-eq", "source-neq", "source-gt", "source-lt"], ["source-low", "source-high"]);
    let destination_ports = ports(
        args,
        ["destination-eq", "destination-neq", "destination-gt", "destination-lt"],
        ["destination-low", "destination-high"],
    );
    let what = Match {
        protocol,
        source,
        source_ports,
        destination: addresses(args, "destination-host", "destination", "destination-wildcard"),
        destination_ports,
    };
    for ports in [source_ports, destination_ports] {
        if ports != Ports::Any && !what.has_ports() {
            return Err(refused(name, "only tcp and udp have ports"));
        }
        if matches!(ports, Ports::Range(first, last) if first > last) {
            return Err(refused(name, format_args!("`{}` has no ports", ports.to_string().trim_start())));
        }
    }
    Ok(Rule::Match(action, what))
}

/// `any`, if nothing else was given.
fn addresses(args: &Args, host: &str, address: &str, wildcard: &str) -> Addresses {
    match (args.ip(host), args.ip(address)) {
        (Some(host), _) => Addresses::host(host),
        (None, Some(address)) => Addresses::new(address, args.ip(wildcard).unwrap_or(Ipv4Addr::UNSPECIFIED)),
        (None, None) => Addresses::ANY,
    }
}

fn ports(args: &Args, [eq, neq, gt, lt]: [&str; 4], [low, high]: [&str; 2]) -> Ports {
    let one = |name, ports: fn(u16) -> Ports| args.int(name).map(ports);
    let range = || Some(Ports::Range(args.int(low)?, args.int(high)?));
    one(eq, Ports::Equal)
        .or_else(|| one(neq, Ports::NotEqual))
        .or_else(|| one(gt, Ports::Greater))
        .or_else(|| one(lt, Ports::Less))
        .or_else(range)
        .unwrap_or_default()
}
