//! `ip slb probe NAME TYPE` and its commands (IOS `config-slb-probe`).

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use super::ObjectName;
use crate::launcher::ScriptName;

/// One probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeConfig {
    /// In upper case.
    pub name: ObjectName,
    /// What is asked, and what is an answer.
    pub kind: ProbeKind,
    /// Seconds between two tries, 1 to 65535.
    pub interval: u16,
    /// Seconds that an answer may take, 1 to 65535; `None`: [`ProbeConfig::timeout`] says.
    pub timeout: Option<u16>,
    /// Tries in a row without an answer after which a server has failed, 1 to 255.
    pub faildetect: u8,
    /// Answers in a row that a failed server needs, 1 to 255.
    pub retry: u8,
    /// Asked in place of each real: `address IP routed`.
    pub address: Option<Ipv4Addr>,
    /// Asked in place of the port of the real or of the virtual server.
    pub port: Option<u16>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// An ICMP echo request.
    Ping,
    /// A connection is opened.
    Tcp,
    /// A datagram is sent.
    CustomUdp(Exchange),
    /// A program of the operator's asks; a probe without it cannot be used.
    Script(Option<Script>),
}

/// `script FILE [ARGUMENT...]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// A file of the folder of scripts.
    pub file: ScriptName,
    /// Words without blanks; together at most [`ProbeConfig::ARGUMENTS`] characters with a blank between two.
    pub arguments: Vec<String>,
}

/// A datagram and what answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What is sent; a probe without cannot be used.
    pub request: Option<UdpRequest>,
    /// What must be in the answer, by the number of the clause: bytes from an offset on. Not with a registration request.
    pub responses: BTreeMap<u8, Bytes>,
}

/// The payload of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UdpRequest {
    /// Bytes, by the offset where they begin; between them zeros.
    Data(BTreeMap<u16, Vec<u8>>),
    /// A registration request (RFC 5944). Any reply with its identification answers it.
    MobileIp {
        /// Of the node that asks; `None`: [`ProbeConfig::NAI`].
        nai: Option<String>,
    },
}

/// Some bytes of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Of the first, from the start of the payload.
    pub offset: u16,
    /// Not empty.
    pub bytes: Vec<u8>,
}

impl ProbeKind {
    /// The words of the command.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Tcp => "tcp",
            Self::CustomUdp(_) => "custom udp",
            Self::Script(_) => "script",
        }
    }

    /// `faildetect` without the command (the command reference gives 10 for a ping and 3 for UDP).
    pub fn default_faildetect(&self) -> u8 {
        if *self == Self::Ping { 10 } else { 3 }
    }
}

impl ProbeConfig {
    /// `interval` without the command, in seconds.
    pub const DEFAULT_INTERVAL: u16 = 10;
    /// `timeout` without the command, in seconds, where `interval` is not shorter.
    pub const DEFAULT_TIMEOUT: u16 = 5;
    /// `retry` without the command.
    pub const DEFAULT_RETRY: u8 = 2;
    /// Who registers in a probe's request, without `nai`.
    pub const NAI: &'static str = "probe@homeward";
    /// Most bytes of a payload.
    pub const PAYLOAD: usize = 1500;
    /// Most characters of a script's arguments.
    pub const ARGUMENTS: usize = 255;

    /// A probe with nothing but its name and type.
    pub fn new(name: ObjectName, kind: ProbeKind) -> Self {
        Self {
            name,
            interval: Self::DEFAULT_INTERVAL,
            timeout: None,
            faildetect: kind.default_faildetect(),
            retry: Self::DEFAULT_RETRY,
            address: None,
            port: None,
            kind,
        }
    }

    /// Seconds that an answer may take.
    pub fn timeout(&self) -> u16 {
        self.timeout.unwrap_or(Self::DEFAULT_TIMEOUT.min(self.interval))
    }

    /// Lines below `ip slb probe`.
    pub(super) fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        if let Some(address) = self.address {
            writeln!(out, " address {address} routed")?;
        }
        if self.interval != Self::DEFAULT_INTERVAL {
            writeln!(out, " interval {}", self.interval)?;
        }
        if let Some(timeout) = self.timeout {
            writeln!(out, " timeout {timeout}")?;
        }
        if self.faildetect != self.kind.default_faildetect() {
            writeln!(out, " faildetect {}", self.faildetect)?;
        }
        if self.retry != Self::DEFAULT_RETRY {
            writeln!(out, " retry {}", self.retry)?;
        }
        if let Some(port) = self.port {
            writeln!(out, " port {port}")?;
        }
        let exchange = match &self.kind {
            ProbeKind::Ping | ProbeKind::Tcp | ProbeKind::Script(None) => return Ok(()),
            ProbeKind::Script(Some(script)) => return writeln!(out, " script {script}"),
            ProbeKind::CustomUdp(exchange) => exchange,
        };
        match &exchange.request {
            Some(UdpRequest::MobileIp { nai: Some(nai) }) => writeln!(out, " request mobile-ip nai {nai}")?,
            Some(UdpRequest::MobileIp { nai: None }) => writeln!(out, " request mobile-ip")?,
            Some(UdpRequest::Data(pieces)) => {
                for (offset, bytes) in pieces {
                    writeln!(out, " request data {offset} {}", Hex(bytes))?;
                }
            }
            None => {}
        }
        for (clause, Bytes { offset, bytes }) in &exchange.responses {
            writeln!(out, " response {clause} data {offset} {}", Hex(bytes))?;
        }
        Ok(())
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}
