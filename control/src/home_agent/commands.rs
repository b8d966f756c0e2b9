//! Configuration lines of Mobile IP.

use std::net::Ipv4Addr;

use common::wire::mobile_ip::auth::{Algorithm, Key};
use ipnet::Ipv4Net;

use super::config::{
    AddressConfig, AgentConfig, HostConfig, MobileConfig, PoolConfig, SecureConfig, VirtualNetwork, Who,
};
use crate::{
    access_list::{Kind, Name},
    command::{Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, Position, need},
};

/// Smallest SPI (RFC 4721, section 7).
const LEAST_SPI: u32 = 0x100;

type Help = &'static [(&'static str, &'static str)];

const HOST: Help = &[
    ("mobile", "Mobile IP"),
    ("host", "Mobile nodes that may register"),
    ("<low>", "Home address, or the first of a range"),
    ("<high>", "The last of the range"),
    ("nai", "By network access identifier"),
    ("<nai>", "user@realm, or @realm for all of a realm"),
    ("static-address", "Addresses that the node may name itself"),
    ("<first>", "Home address"),
    ("<second>", "Another one"),
    ("<third>", "Another one"),
    ("<fourth>", "Another one"),
    ("<fifth>", "Another one"),
    ("local-pool", "Any of a pool"),
    ("<allowed>", "Name of the pool"),
    ("address", "What the node gets if it names none"),
    ("<address>", "Always this one"),
    ("pool", "One of a pool"),
    ("local", "Of this machine"),
    ("<pool>", "Name of the pool"),
    ("dhcp-proxy-client", "From a DHCP server (not supported)"),
    ("dhcp-server", "From this one"),
    ("<server>", "Its address"),
    ("interface", "At home behind an interface (not supported)"),
    ("<interface>", "Its name"),
    ("aaa", "Associations from AAA (not supported)"),
    ("load-sa", "Keep them while there is a binding"),
    ("permanent", "Keep them for ever"),
    ("virtual-network", "Where the node is at home"),
    ("<net>", "Address of the virtual network"),
    ("<mask>", "Its mask"),
    ("care-of-access", "Care-of addresses that are permitted"),
    ("<care-of>", "Standard access list"),
    ("lifetime", "Longest lifetime of a binding"),
    ("<lifetime>", "Seconds, 65535 for ever"),
];

const SECURE: Help = &[
    ("mobile", "Mobile IP"),
    ("secure", "Security associations"),
    ("host", "With mobile nodes"),
    ("<low>", "Home address, or the first of a range"),
    ("<high>", "The last of the range"),
    ("nai", "By network access identifier"),
    ("<nai>", "user@realm, or @realm for all of a realm"),
    ("foreign-agent", "With a foreign agent"),
    ("<agent>", "Its address"),
    ("inbound-spi", "Index of what they sign"),
    ("<inbound>", "Hexadecimal, 100 to FFFFFFFF"),
    ("outbound-spi", "Index of what we sign"),
    ("<outbound>", "Hexadecimal, 100 to FFFFFFFF"),
    ("spi", "Index of both"),
    ("<spi>", "Hexadecimal, 100 to FFFFFFFF"),
    ("key", "The key"),
    ("hex", "In hexadecimal"),
    ("<hex>", "32 digits"),
    ("ascii", "As it is"),
    ("<ascii>", "1 to 16 characters"),
    ("replay", "Protection against replays"),
    ("timestamp", "By time stamps"),
    ("<seconds>", "Seconds that they may be off"),
    ("algorithm", "How messages are authenticated"),
    ("hmac-md5", "HMAC-MD5 (RFC 5944)"),
    ("md5", "Keyed MD5 (RFC 2002)"),
    ("mode", "Where the key stands"),
    ("prefix-suffix", "Before and behind the message"),
];

const AGENT: Help = &[
    ("mobile", "Mobile IP"),
    ("home-agent", "Home agent of mobile nodes"),
    ("address", "Told to those who ask at a broadcast or balancer's address"),
    ("<address>", "Address of an interface"),
    ("broadcast", "Forward broadcasts of home networks (not supported)"),
    ("care-of-access", "Care-of addresses that are permitted"),
    ("<care-of>", "Standard access list"),
    ("roam-access", "Home addresses that may be away"),
    ("<roam>", "Standard access list"),
    ("lifetime", "Longest lifetime of a binding"),
    ("<lifetime>", "Seconds, 65535 for ever"),
    ("replay", "Seconds that a time stamp may be off"),
    ("<replay>", "Seconds"),
    ("reverse-tunnel-off", "Grant no reverse tunnels"),
    ("reverse-tunnel", "Reverse tunnels"),
    ("mandatory", "Deny who asks for none"),
    ("strip-realm", "Look for user@realm also as user"),
    ("suppress-unreachable", "Do not tell who sends to a home address without a binding"),
    ("unknown-ha", "Requests that name another home agent"),
    ("accept", "Are accepted"),
    ("deny", "Are denied"),
];

pub(super) const SPECS: &[ConfigSpec<MobileConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "router mobile",
        help: &[("router", "Enable a routing process"), ("mobile", "Mobile IP")],
        forms: Forms::SetNo,
        run: |config, _, _, form| {
            config.router = !form.clears();
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip local pool <name:word> ^ <low:ip> <high:ip>",
        help: &[
            ("local", "Of this machine"),
            ("pool", "Addresses to choose from"),
            ("<name>", "Name of the pool"),
            ("<low>", "First address"),
            ("<high>", "Last address"),
        ],
        forms: Forms::SetNo,
        run: pool,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile virtual-network <net:ip> <mask:mask>",
        help: &[
            ("mobile", "Mobile IP"),
            ("virtual-network", "A home network without a place"),
            ("<net>", "Its address"),
            ("<mask>", "Its mask"),
        ],
        forms: Forms::SetNo,
        run: virtual_network,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile home-agent [address <address:ip>] [broadcast] [care-of-access <care-of:word>] [lifetime <lifetime:3-65535>] [replay <replay:1-255>] [reverse-tunnel-off|reverse-tunnel mandatory] [roam-access <roam:word>] [strip-realm] [suppress-unreachable] [unknown-ha {accept|deny}]",
        help: AGENT,
        forms: Forms::SetNo,
        run: home_agent,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile home-agent dynamic-address ~ <address:ip>",
        help: &[
            ("mobile", "Mobile IP"),
            ("home-agent", "Home agent of mobile nodes"),
            ("dynamic-address", "Told to all nodes, and end of all tunnels"),
            ("<address>", "Address of an interface"),
        ],
        forms: Forms::SetNo,
        run: |config, _, args, form| {
            let address = if form.clears() { None } else { Some(need(args.ip("address"))?) };
            edit(config, form, |agent| agent.dynamic_address = address)
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile home-agent virtual-address <address:ip>",
        help: &[
            ("mobile", "Mobile IP"),
            ("home-agent", "Home agent of mobile nodes"),
            ("virtual-address", "A load balancer's before us, that nodes may know"),
            ("<address>", "The address"),
        ],
        forms: Forms::SetNo,
        run: |config, _, args, form| {
            let address = need(args.ip("address"))?;
            edit(config, form, |agent| {
                agent.virtual_addresses.retain(|known| *known != address);
                if !form.clears() {
                    agent.virtual_addresses.push(address);
                }
            })
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile home-agent max-binding ~ <bindings:1-4000000>",
        help: &[
            ("mobile", "Mobile IP"),
            ("home-agent", "Home agent of mobile nodes"),
            ("max-binding", "Most bindings"),
            ("<bindings>", "Bindings"),
        ],
        forms: Forms::SetNo,
        run: |config, _, args, form| {
            let most = if form.clears() { AgentConfig::MAX_BINDING } else { need(args.int("bindings"))? };
            edit(config, form, |agent| agent.max_binding = most)
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile home-agent max-cps ~ <calls:1-4000000>",
        help: &[
            ("mobile", "Mobile IP"),
            ("home-agent", "Home agent of mobile nodes"),
            ("max-cps", "Registrations a second that it is made for, for its weight"),
            ("<calls>", "Registrations a second"),
        ],
        forms: Forms::SetNo,
        run: |config, _, args, form| {
            let most = if form.clears() { None } else { Some(need(args.int("calls"))?) };
            edit(config, form, |agent| agent.max_cps = most)
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile home-agent dfp-max-weight ~ <weight:1-65535>",
        help: &[
            ("mobile", "Mobile IP"),
            ("home-agent", "Home agent of mobile nodes"),
            ("dfp-max-weight", "Weight that is reported while there are no bindings"),
            ("<weight>", "Weight"),
        ],
        forms: Forms::SetNo,
        run: |config, _, args, form| {
            let weight = if form.clears() { AgentConfig::DFP_MAX_WEIGHT } else { need(args.int("weight"))? };
            edit(config, form, |agent| agent.dfp_max_weight = weight)
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile home-agent reject-static-addr",
        help: &[
            ("mobile", "Mobile IP"),
            ("home-agent", "Home agent of mobile nodes"),
            ("reject-static-addr", "Deny who names a home address that it does not hold"),
        ],
        forms: Forms::SetNo,
        run: |config, _, _, form| edit(config, form, |agent| agent.reject_static_addr = !form.clears()),
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile home-agent nat traversal ~ [keepalive <keepalive:0-65535>] [forced {accept|reject}]",
        help: &[
            ("mobile", "Mobile IP"),
            ("home-agent", "Home agent of mobile nodes"),
            ("nat", "Network address translation on the way"),
            ("traversal", "Tunnels over UDP (RFC 3519)"),
            ("keepalive", "Time between two keepalives of a node"),
            ("<keepalive>", "Seconds, 0 for the node's own"),
            ("forced", "Nodes that ask for it without a NAT"),
            ("accept", "Are granted it"),
            ("reject", "Are denied"),
        ],
        forms: Forms::SetNo,
        run: |config, _, args, form| {
            let keepalive = args.int("keepalive").unwrap_or(AgentConfig::KEEPALIVE);
            let traversal = (!form.clears()).then(|| (keepalive, args.has("accept")));
            edit(config, form, |agent| agent.nat_traversal = traversal)
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile host <low:ip> [<high:ip>] ~ {interface <interface:interface>|virtual-network <net:ip> <mask:mask>} [aaa [load-sa [permanent]]] [care-of-access <care-of:word>] [lifetime <lifetime:3-65535>]",
        help: HOST,
        forms: Forms::SetNo,
        run: host,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile host nai <nai:word> ~ [static-address {<first:ip> [<second:ip> [<third:ip> [<fourth:ip> [<fifth:ip>]]]]|local-pool <allowed:word>}] [address {<address:ip>|pool {local <pool:word>|dhcp-proxy-client [dhcp-server <server:ip>]}}] {interface <interface:interface>|virtual-network <net:ip> <mask:mask>} [aaa [load-sa [permanent]]] [care-of-access <care-of:word>] [lifetime <lifetime:3-65535>]",
        help: HOST,
        forms: Forms::SetNo,
        run: host,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip mobile secure {host {<low:ip> [<high:ip>]|nai <nai:word>}|foreign-agent <agent:ip>} {inbound-spi <inbound:word> outbound-spi <outbound:word>|spi <spi:word>} ~ key {hex <hex:secret>|ascii <ascii:secret>} [replay timestamp [<seconds:1-255>]] [algorithm {hmac-md5|md5 [mode prefix-suffix]}]",
        help: SECURE,
        forms: Forms::SetNo,
        run: secure,
    },
];

fn refused(text: impl std::fmt::Display) -> ConfigError {
    ConfigError::new(format!("IP Mobile: {text}"))
}

#[expect(clippy::unnecessary_wraps, reason = "the result of every line")]
/// Edits the home agent, which a line makes but not its `no`.
fn edit(config: &mut MobileConfig, form: Form, edit: impl FnOnce(&mut AgentConfig)) -> EditResult {
    match &mut config.agent {
        Some(agent) => edit(agent),
        None if form.clears() => {}
        none => edit(none.insert(AgentConfig::default())),
    }
    Ok(Vec::new())
}

fn range(args: &Args) -> Result<Option<(Ipv4Addr, Ipv4Addr)>, ConfigError> {
    let Some(low) = args.ip("low") else { return Ok(None) };
    let high = args.ip("high").unwrap_or(low);
    if high < low {
        return Err(refused(format_args!("{high} is before {low}")));
    }
    Ok(Some((low, high)))
}

fn prefix(args: &Args) -> Result<Ipv4Net, ConfigError> {
    let (net, mask) = (need(args.ip("net"))?, need(args.ip("mask"))?);
    let prefix = Ipv4Net::with_netmask(net, mask).map_err(refused)?;
    if prefix.trunc() == prefix { Ok(prefix) } else { Err(refused("address and mask do not match")) }
}

fn pool(config: &mut MobileConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let name = need(args.text("name"))?.to_owned();
    let made = match (form.clears(), range(args)?) {
        (true, _) => None,
        (false, range) => Some(need(range)?),
    };
    let known = config.pools.iter().position(|pool| pool.name == name);
    match (known, made) {
        (Some(at), None) => drop(config.pools.remove(at)),
        (None, None) => {}
        (known, Some((low, high))) => {
            let pool = PoolConfig { name, low, high };
            match known {
                Some(at) => config.pools[at] = pool,
                None => config.pools.push(pool),
            }
        }
    }
    Ok(Vec::new())
}

fn virtual_network(config: &mut MobileConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let network = VirtualNetwork { prefix: prefix(args)? };
    let known = config.virtual_networks.iter().position(|known| *known == network);
    match known {
        Some(at) if form.clears() => drop(config.virtual_networks.remove(at)),
        None if !form.clears() => config.virtual_networks.push(network),
        _ => {}
    }
    Ok(Vec::new())
}

fn home_agent(config: &mut MobileConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    if form.clears() {
        clear_home_agent(config, args);
        return Ok(Vec::new());
    }
    if args.has("broadcast") {
        return Err(refused("broadcasts are not forwarded: home networks are virtual"));
    }
    let (care_of, roam) = (access_list(args, "care-of")?, access_list(args, "roam")?);
    // Words that are not there leave what is: each has its own line, in effect.
    edit(config, form, |agent| {
        agent.care_of_access = care_of.or_else(|| agent.care_of_access.take());
        agent.roam_access = roam.or_else(|| agent.roam_access.take());
        agent.address = args.ip("address").or(agent.address);
        agent.lifetime = args.int("lifetime").unwrap_or(agent.lifetime);
        agent.replay = args.int("replay").unwrap_or(agent.replay);
        if args.has("reverse-tunnel-off") || args.has("mandatory") {
            agent.reverse_tunnel_off = args.has("reverse-tunnel-off");
            agent.reverse_tunnel_mandatory = args.has("mandatory");
        }
        agent.strip_realm |= args.has("strip-realm");
        agent.suppress_unreachable |= args.has("suppress-unreachable");
        if args.has("unknown-ha") {
            agent.unknown_ha_accept = args.has("accept");
        }
    })
}

/// Words after `no` go back to what they are by themselves; without any, the home agent goes with all its lines.
fn clear_home_agent(config: &mut MobileConfig, args: &Args) {
    type Reset = fn(&mut AgentConfig, AgentConfig);
    const WORDS: [(&str, Reset); 10] = [
        ("address", |agent, standard| agent.address = standard.address),
        ("care-of", |agent, standard| agent.care_of_access = standard.care_of_access),
        ("lifetime", |agent, standard| agent.lifetime = standard.lifetime),
        ("replay", |agent, standard| agent.replay = standard.replay),
        ("reverse-tunnel-off", |agent, standard| agent.reverse_tunnel_off = standard.reverse_tunnel_off),
        ("mandatory", |agent, standard| agent.reverse_tunnel_mandatory = standard.reverse_tunnel_mandatory),
        ("roam", |agent, standard| agent.roam_access = standard.roam_access),
        ("strip-realm", |agent, standard| agent.strip_realm = standard.strip_realm),
        ("suppress-unreachable", |agent, standard| {
            agent.suppress_unreachable = standard.suppress_unreachable;
        }),
        ("unknown-ha", |agent, standard| agent.unknown_ha_accept = standard.unknown_ha_accept),
    ];
    let Some(agent) = &mut config.agent else { return };
    let mut words = false;
    for (_, reset) in WORDS.iter().filter(|(name, _)| args.get(name).is_some() || args.has(name)) {
        reset(agent, AgentConfig::default());
        words = true;
    }
    if !words {
        config.agent = None;
    }
}

/// The standard access list that is named.
fn access_list(args: &Args, name: &str) -> Result<Option<Name>, ConfigError> {
    args.text(name).map(|text| Name::parse(text, Kind::Standard).map_err(refused)).transpose()
}

fn who(args: &Args) -> Result<Who, ConfigError> {
    if let Some(nai) = args.text("nai") {
        if nai.len() > 255 || !nai.contains('@') {
            return Err(refused("expected user@realm or @realm"));
        }
        return Ok(Who::Nai(nai.to_owned()));
    }
    if let Some(agent) = args.ip("agent") {
        return Ok(Who::ForeignAgent(agent));
    }
    let (low, high) = need(range(args)?)?;
    Ok(Who::Range(low, high))
}

fn host(config: &mut MobileConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let who = who(args)?;
    let known = config.hosts.iter().position(|host| host.who == who);
    if form.clears() {
        if let Some(at) = known {
            config.hosts.remove(at);
        }
        return Ok(Vec::new());
    }
    for (word, why) in [
        ("dhcp-proxy-client", "addresses from DHCP are not supported: say `address pool local`"),
        ("interface", "home networks behind an interface are not supported: say `virtual-network`"),
        ("aaa", "AAA is not supported: say `ip mobile secure host` for its associations"),
    ] {
        if args.has(word) {
            return Err(refused(why));
        }
    }
    let addresses = ["first", "second", "third", "fourth", "fifth"];
    let host = HostConfig {
        static_addresses: addresses.iter().filter_map(|name| args.ip(name)).collect(),
        static_pool: args.text("allowed").map(str::to_owned),
        address: match (args.ip("address"), args.text("pool")) {
            (Some(address), _) => Some(AddressConfig::Fixed(address)),
            (None, Some(name)) => Some(AddressConfig::Pool(name.to_owned())),
            (None, None) => None,
        },
        network: prefix(args)?,
        care_of_access: access_list(args, "care-of")?,
        lifetime: args.int("lifetime"),
        who,
    };
    if matches!(&host.who, Who::Nai(nai) if nai.starts_with('@')) && !host.static_addresses.is_empty() {
        return Err(refused("a realm has no static addresses of its own, but may have a pool of them"));
    }
    match known {
        Some(at) => config.hosts[at] = host,
        None => config.hosts.push(host),
    }
    Ok(Vec::new())
}

fn spi(args: &Args, name: &str) -> Result<Option<u32>, ConfigError> {
    let Some(text) = args.text(name) else { return Ok(None) };
    let spi = u32::from_str_radix(text, 16).ok().filter(|spi| *spi >= LEAST_SPI && !text.starts_with('+'));
    spi.map(Some).ok_or_else(|| refused("an SPI is 100 to FFFFFFFF, in hexadecimal"))
}

fn secure(config: &mut MobileConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let who = who(args)?;
    let both = spi(args, "spi")?;
    let inbound_spi = need(spi(args, "inbound")?.or(both))?;
    let outbound_spi = need(spi(args, "outbound")?.or(both))?;
    let same = |known: &SecureConfig| known.who == who && known.inbound_spi == inbound_spi;
    let known = config.associations.iter().position(same);
    if form.clears() {
        if let Some(at) = known {
            config.associations.remove(at);
        }
        return Ok(Vec::new());
    }
    let hex = args.has("hex");
    let key = args.secret(if hex { "hex" } else { "ascii" }, "IP Mobile: key")?;
    let made = if hex { Key::from_hex(key.expose()) } else { Key::from_ascii(key.expose()) };
    made.map_err(refused)?;
    let replay = match args.int("seconds") {
        None if args.has("timestamp") => Some(AgentConfig::REPLAY),
        seconds => seconds,
    };
    let algorithm = if args.has("md5") { Algorithm::Md5PrefixSuffix } else { Algorithm::HmacMd5 };
    let association = SecureConfig { who, inbound_spi, outbound_spi, key, hex, replay, algorithm };
    match known {
        Some(at) => config.associations[at] = association,
        None => config.associations.push(association),
    }
    Ok(Vec::new())
}
