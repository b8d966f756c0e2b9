//! `real IP [PORT]` and its commands (IOS `config-slb-real`).

use std::net::Ipv4Addr;

/// One real server of a farm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealConfig {
    /// Address of the home agent (or of the pair that shares one).
    pub address: Ipv4Addr,
    /// Destination port in directed mode; `None` keeps the packet's.
    pub port: Option<u16>,
    /// Share of new sessions, 1 to 255.
    pub weight: u8,
    /// Most sessions, 1 to 4 294 967 295.
    pub maxconns: u32,
    /// When a session moves away.
    pub reassign: Reassign,
    /// When the real is taken for dead.
    pub faildetect: FailDetect,
    /// Seconds in FAILED before a test session is allowed, 1 to 3600.
    pub retry: u16,
    /// In service.
    pub inservice: bool,
}

/// `reassign N` or `no reassign`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reassign {
    /// A session moves when its retries are greater than this, 1 to 255.
    After(u8),
    /// A session never moves.
    Never,
}

/// `faildetect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailDetect {
    /// Failures that must be reached, 1 to 255.
    pub numconns: u8,
    /// Distinct mobile nodes that they must come from, 1 to 8.
    pub numclients: u8,
    /// Off after `no faildetect inband`: nothing is counted.
    pub inband: bool,
}

impl Default for FailDetect {
    fn default() -> Self {
        Self { numconns: 8, numclients: 2, inband: true }
    }
}

impl RealConfig {
    /// `weight` without the command (CISCO-SLB-MIB).
    pub const DEFAULT_WEIGHT: u8 = 8;
    /// `reassign` without the command.
    pub const DEFAULT_REASSIGN: Reassign = Reassign::After(3);
    /// `retry` without the command, in seconds.
    pub const DEFAULT_RETRY: u16 = 60;

    /// A real with nothing but its address.
    pub fn new(address: Ipv4Addr, port: Option<u16>) -> Self {
        Self {
            address,
            port,
            weight: Self::DEFAULT_WEIGHT,
            maxconns: u32::MAX,
            reassign: Self::DEFAULT_REASSIGN,
            faildetect: FailDetect::default(),
            retry: Self::DEFAULT_RETRY,
            inservice: false,
        }
    }

    /// The real as its `real` line writes it: `10.1.1.51` or `10.1.1.51 4434`.
    pub fn key(&self) -> String {
        self.port.map_or_else(|| self.address.to_string(), |port| format!("{} {port}", self.address))
    }
}
