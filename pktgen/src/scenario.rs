//! Scenario files: what to send, as whom, to whom, how fast; and which home agents to play.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use common::{
    config::{DataplaneConfig, Hugepages, Poll, PortConfig, RssFields},
    id::PortId,
    mac::MacAddr,
    wire::mobile_ip::{
        Flags,
        auth::{Algorithm, Association, Key},
    },
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, de};

use crate::{
    check,
    measure::config::{Director, Mode, Sink},
    nai::NaiPattern,
    rate_schedule::RateSchedule,
};

/// A scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{file}: {reason}")]
    Read { file: PathBuf, reason: std::io::Error },
    /// It is not a scenario: the text has line, column and the line itself.
    #[error("{file}: {reason}")]
    Syntax { file: PathBuf, reason: Box<toml::de::Error> },
    /// A value that cannot be, or one that is missing.
    #[error("{file}: {field}: {reason}")]
    Field {
        file: PathBuf,
        /// Which field, such as `agent[1].address`.
        field: String,
        reason: String,
    },
}

/// What the file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// For the report; the file's name if absent.
    #[serde(default)]
    pub name: String,
    /// Of everything that is drawn at random.
    #[serde(default = "one")]
    pub seed: u64,
    pub port: Option<Port>,
    /// The foreign agents that send requests.
    #[serde(default, rename = "agent")]
    pub agents: Vec<Agent>,
    /// To whom they send.
    pub target: Option<Target>,
    /// For whom they send.
    pub nodes: Option<Nodes>,
    /// What a request says.
    #[serde(default)]
    pub request: Request,
    /// How fast and how often.
    #[serde(default)]
    pub traffic: Traffic,
    /// Mobile-Home authentication of requests and replies; absent: none.
    #[serde(default)]
    pub authentication: Option<Authentication>,
    /// The home agents to play.
    #[serde(default, rename = "home_agent")]
    pub home_agents: Vec<HomeAgent>,
    /// What they have in common.
    #[serde(default)]
    pub respond: Respond,
    /// The port on the home agents' side, for measurements that see both ends.
    pub sink: Option<Sink>,
    #[serde(default)]
    pub director: Director,
    pub mode: Option<Mode>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// PCI address or DPDK device string.
    pub device: String,
    /// Replaces the device's address.
    #[serde(default, deserialize_with = "optional_from_text")]
    pub mac: Option<MacAddr>,
    /// Layer-3 MTU in bytes.
    #[serde(default = "mtu")]
    pub mtu: u16,
    /// `auto`, `required` or `off`.
    #[serde(default, deserialize_with = "from_text")]
    pub hugepages: Pages,
    /// CPU of the worker; absent: the last one.
    pub core: Option<u16>,
    /// Spin instead of sleeping when there is nothing to do.
    #[serde(default)]
    pub busy: bool,
    /// Descriptors of each ring.
    #[serde(default = "descriptors")]
    pub descriptors: u16,
    /// Memory for packets in MB; absent: by need.
    pub memory_mb: Option<u32>,
    /// Passed to EAL unchanged.
    pub eal: Option<String>,
    /// Speed of the link in Mbit/s, instead of what the device says.
    pub speed_mbps: Option<u32>,
}

impl Port {
    /// A device with the defaults of all the rest.
    pub fn new(device: String) -> Self {
        Self {
            device,
            mac: None,
            mtu: mtu(),
            hugepages: Pages::default(),
            core: None,
            busy: false,
            descriptors: descriptors(),
            memory_mb: None,
            eal: None,
            speed_mbps: None,
        }
    }
}

/// Huge pages, as the configuration of the daemon says it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages(pub Hugepages);

impl FromStr for Pages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self(Hugepages::Auto)),
            "required" => Ok(Self(Hugepages::Required)),
            "off" => Ok(Self(Hugepages::Off)),
            _ => Err("expected auto, required or off".into()),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Source of its requests and care-of address.
    pub address: Ipv4Addr,
    /// Its address on the wire; absent: the port's.
    #[serde(default, deserialize_with = "optional_from_text")]
    pub mac: Option<MacAddr>,
    /// Its next hop towards the target; absent: the target's `gateway`.
    pub gateway: Option<Ipv4Addr>,
}

/// To whom requests go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A virtual server, or a home agent.
    pub address: Ipv4Addr,
    #[serde(default = "mobile_ip")]
    pub port: u16,
    /// Next hop; absent: the target is on the wire itself.
    pub gateway: Option<Ipv4Addr>,
    /// Ethernet address of the next hop; absent: by ARP.
    #[serde(default, deserialize_with = "optional_from_text")]
    pub mac: Option<MacAddr>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nodes {
    /// Their NAIs; `{n}` is the node's number, `{n:08}` with leading zeros.
    #[serde(deserialize_with = "from_text")]
    pub nai: NaiPattern,
    pub count: u32,
    /// Number of the first.
    #[serde(default = "first")]
    pub first: u32,
    /// How the next one is chosen.
    #[serde(default)]
    pub choice: Choice,
    /// Exponent of the Zipf distribution.
    #[serde(default = "exponent")]
    pub zipf: f64,
}

/// How the next node is chosen, new ones and retransmissions left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// One after the other.
    #[default]
    Turn,
    /// All alike.
    Uniform,
    /// The first ones more often: the k-th with a probability proportional to 1 / k^`zipf`.
    Zipf,
}

/// What a request says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    pub home_agent: Ipv4Addr,
    pub home_address: Ipv4Addr,
    /// Seconds; 0 deregisters.
    pub lifetime: u16,
    /// Letters out of S B D M G T.
    #[serde(deserialize_with = "flags")]
    pub flags: Flags,
    pub source_port: u16,
    /// Bytes of a frame without FCS, filled up with extensions that a receiver skips; absent: as it comes.
    pub frame_size: Option<u16>,
    /// Whether the UDP checksum is computed (else 0).
    pub udp_checksum: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            home_agent: Ipv4Addr::UNSPECIFIED,
            home_address: Ipv4Addr::UNSPECIFIED,
            lifetime: 1800,
            flags: Flags::REVERSE_TUNNEL,
            source_port: mobile_ip(),
            frame_size: None,
            udp_checksum: true,
        }
    }
}

/// How fast and how often. The default: every node once, 100 a second.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// Requests a second; 0: as fast as the port takes them.
    pub rate: f64,
    /// Share of the port's line rate, 0 to 1, instead of `rate`.
    pub line: Option<f64>,
    /// Seconds in which the rate rises from 0.
    #[serde(deserialize_with = "seconds")]
    pub ramp: Duration,
    /// Requests in all, retransmissions not counted; absent: one a node, or no end if there is a `duration`.
    pub requests: Option<u64>,
    /// Seconds after which no more are sent.
    #[serde(deserialize_with = "optional_seconds")]
    pub duration: Option<Duration>,
    /// Share, 0 to 1, of requests that repeat a node that was sent before, drawn at random.
    pub repeat: f64,
    /// The other way round, for every `choice`: share of nodes in turn among requests that are no retransmissions.
    /// Absent: 1 - `repeat` for the choice `turn`, else all are drawn among all nodes.
    pub new: Option<f64>,
    /// Share, 0 to 1, of requests that repeat one of the last thousand.
    pub retransmit: f64,
    /// Seconds without an answer after which a request is sent again; 0: never.
    #[serde(deserialize_with = "seconds")]
    pub retransmit_after: Duration,
    /// How often at most.
    pub retransmissions: u8,
    /// New nodes in random order instead of by number.
    pub shuffle: bool,
    /// Seconds to wait for the last answers.
    #[serde(deserialize_with = "seconds")]
    pub drain: Duration,
    /// Seconds to wait for the next hop's ARP reply.
    #[serde(deserialize_with = "seconds")]
    pub resolve: Duration,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            rate: 100.0,
            line: None,
            ramp: Duration::ZERO,
            requests: None,
            duration: None,
            repeat: 0.0,
            new: None,
            retransmit: 0.0,
            retransmit_after: Duration::ZERO,
            retransmissions: 3,
            shuffle: false,
            drain: Duration::from_secs(2),
            resolve: Duration::from_secs(10),
        }
    }
}

impl Traffic {
    /// Share of nodes in turn; `None`: all are drawn among all.
    pub fn new_share(&self, choice: Choice) -> Option<f64> {
        match (self.new, choice) {
            (Some(new), _) => Some(new),
            (None, Choice::Uniform | Choice::Zipf) if self.repeat == 0.0 => None,
            (None, _) => Some(1.0 - self.repeat),
        }
    }

    /// The rate, reached by the ramp.
    pub fn rate_schedule(&self) -> RateSchedule {
        RateSchedule::new(self.rate).with_ramp(self.ramp)
    }
}

/// Mobile-Home authentication.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawAuthentication")]
pub struct Authentication(pub Association);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAuthentication {
    spi: u32,
    key_hex: Option<String>,
    key_ascii: Option<String>,
    #[serde(default)]
    algorithm: Option<String>,
}

impl TryFrom<RawAuthentication> for Authentication {
    type Error = String;

    fn try_from(raw: RawAuthentication) -> Result<Self, String> {
        if raw.spi < 0x100 {
            return Err("spi: 0 to 0xff are reserved".into());
        }
        let key = match (raw.key_hex, raw.key_ascii) {
            (Some(text), None) => Key::from_hex(&text),
            (None, Some(text)) => Key::from_ascii(&text),
            _ => return Err("exactly one of key_hex and key_ascii is needed".into()),
        };
        let algorithm = match raw.algorithm.as_deref() {
            None | Some("hmac-md5") => Algorithm::HmacMd5,
            Some("md5-prefix-suffix") => Algorithm::Md5PrefixSuffix,
            Some(other) => {
                return Err(format!("algorithm: expected hmac-md5 or md5-prefix-suffix, found {other}"));
            }
        };
        let key = key.map_err(|error| error.to_string())?;
        Ok(Self(Association { spi: raw.spi, algorithm, key }))
    }
}

/// A home agent to play.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeAgent {
    /// Its name in commands and reports.
    pub name: String,
    pub address: Ipv4Addr,
    /// Its address on the wire, by which dispatched requests tell home agents apart; absent: 02:00 and the real
    /// address.
    #[serde(default, deserialize_with = "optional_from_text")]
    pub mac: Option<MacAddr>,
    /// Home addresses that it gives.
    #[serde(default = "pool")]
    pub pool: Ipv4Net,
    /// It begins deaf.
    #[serde(default)]
    pub deaf: bool,
}

impl HomeAgent {
    /// Its address on the wire.
    pub fn mac(&self) -> MacAddr {
        let [a, b, c, d] = self.address.octets();
        self.mac.unwrap_or(MacAddr([2, 0, a, b, c, d]))
    }
}

/// What home agents have in common.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Respond {
    /// Addresses of virtual servers whose requests come dispatched; they are not answered for by ARP.
    #[serde(rename = "virtual")]
    pub virtual_addresses: Vec<Ipv4Addr>,
    /// Next hop of replies; absent: whoever sent the request's frame.
    pub gateway: Option<Ipv4Addr>,
    /// Longest lifetime granted, seconds.
    pub lifetime: u16,
    /// Seconds after which to end; absent: when told.
    #[serde(deserialize_with = "optional_seconds")]
    pub duration: Option<Duration>,
}

impl Default for Respond {
    fn default() -> Self {
        Self { virtual_addresses: Vec::new(), gateway: None, lifetime: 36000, duration: None }
    }
}

impl Scenario {
    /// Reads a file, or the bundled scenario of that name if there is no such file.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let bundled =
            path.to_str().and_then(crate::bundled::find).filter(|_| !path.exists() || path.is_dir());
        let text = match bundled {
            Some(text) => text.to_owned(),
            None => std::fs::read_to_string(path)
                .map_err(|reason| ScenarioError::Read { file: path.into(), reason })?,
        };
        Self::parse(path, &text)
    }

    /// Reads the text of `file`.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Self = toml::from_str(text)
            .map_err(|reason| ScenarioError::Syntax { file: file.into(), reason: Box::new(reason) })?;
        if scenario.name.is_empty() {
            scenario.name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        }
        check::values(&scenario).map_err(|problem| problem.in_file(file))?;
        Ok(scenario)
    }

    /// The association, if there is one.
    pub fn association(&self) -> Option<&Association> {
        self.authentication.as_ref().map(|Authentication(association)| association)
    }

    /// The port as a backend wants it, and the sink behind it if there is one: one worker, one queue pair each.
    pub fn dataplane(&self, port: &Port, sink: Option<&Sink>) -> DataplaneConfig {
        let sending = (port.device.clone(), port.mac);
        let receiving = sink.map(|sink| (sink.device.clone(), sink.mac));
        let ports = std::iter::once(sending).chain(receiving).enumerate();
        DataplaneConfig {
            workers: 1,
            cores: port.core.into_iter().collect(),
            sessions: 1024,
            hugepages: port.hugepages.0,
            memory_mb: port.memory_mb,
            poll: if port.busy { Poll::Always } else { Poll::Adaptive },
            eal: port.eal.clone(),
            ports: ports
                .map(|(index, (device, mac))| PortConfig {
                    id: PortId(index as u16),
                    name: if index == 0 { "port" } else { "sink" }.into(),
                    device,
                    mac,
                    mtu: port.mtu,
                    rx_queues: Some(1),
                    tx_queues: Some(1),
                    rx_descriptors: port.descriptors,
                    tx_descriptors: port.descriptors,
                    rss_key: None,
                    rss: RssFields::Udp,
                    // Home agents have addresses of their own on one port.
                    promiscuous: true,
                })
                .collect(),
        }
    }
}

pub(crate) fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: std::fmt::Display>>(
    from: D,
) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(de::Error::custom)
}

pub(crate) fn optional_from_text<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    from_text(from).map(Some)
}

fn flags<'de, D: Deserializer<'de>>(from: D) -> Result<Flags, D::Error> {
    let letters = String::deserialize(from)?;
    Flags::from_letters(&letters).ok_or_else(|| de::Error::custom("expected letters out of S B D M G R T X"))
}

pub(crate) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(from)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| de::Error::custom("expected seconds, 0 or more"))
}

pub(crate) fn optional_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    seconds(from).map(Some)
}

fn exponent() -> f64 {
    1.0
}

fn one() -> u64 {
    1
}

fn first() -> u32 {
    1
}

fn mtu() -> u16 {
    1500
}

fn descriptors() -> u16 {
    1024
}

fn mobile_ip() -> u16 {
    common::wire::udp::MOBILE_IP
}

fn pool() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(10, 9, 0, 0), 16)
}
