//! The word of a real: independent facts, from which the printed state follows (`ios-slb` section 6).

use serde::{Deserialize, Serialize};

use crate::time::Tick;

/// State of a real, as `show ip slb reals` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RealState {
    /// Not `inservice`.
    #[serde(rename = "OUTOFSERVICE")]
    OutOfService,
    /// Takes new sessions.
    Operational,
    /// Failure threshold reached; the retry timer runs.
    Failed,
    /// The next new session is a test.
    ReadyToTest,
    /// A test session is outstanding.
    Testing,
    /// As many sessions as `maxconns`.
    #[serde(rename = "MAXCONNS")]
    MaxConns,
    /// A name of the MIB for sticky subscribers; Mobile IP never reaches it.
    #[serde(rename = "MAXCLIENTS")]
    MaxClients,
    /// Weight 0 by DFP.
    DfpThrottled,
    /// A probe failed.
    ProbeFailed,
    /// A probe answers again and is not yet trusted.
    ProbeTesting,
    /// The address of a dispatched real is not resolved.
    ArpFailed,
    /// A name of the MIB for virtual servers behind HSRP; a real never reaches it.
    Standby,
}

impl RealState {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfService => "OUTOFSERVICE",
            Self::Operational => "OPERATIONAL",
            Self::Failed => "FAILED",
            Self::ReadyToTest => "READY_TO_TEST",
            Self::Testing => "TESTING",
            Self::MaxConns => "MAXCONNS",
            Self::MaxClients => "MAXCLIENTS",
            Self::DfpThrottled => "DFP_THROTTLED",
            Self::ProbeFailed => "PROBE_FAILED",
            Self::ProbeTesting => "PROBE_TESTING",
            Self::ArpFailed => "ARP_FAILED",
            Self::Standby => "STANDBY",
        }
    }
}

impl std::fmt::Display for RealState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The printed name.
impl Serialize for RealState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What the probes of a real say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// All answer, or there are none.
    #[default]
    Ok = 0,
    /// One failed.
    Failed = 1,
    /// It answered once.
    Testing = 2,
}

/// The in-band failure machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Inband {
    #[default]
    Ok = 0,
    Failed = 1,
    Ready = 2,
    Testing = 3,
}

/// The facts of a real's word: connections 32 bits, flags, and the tick at which it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RealFacts {
    pub conns: u32,
    pub in_service: bool,
    pub throttled: bool,
    pub arp_failed: bool,
    pub probe: Probe,
    pub inband: Inband,
    pub failed_at: Tick,
}

impl RealFacts {
    #[inline]
    pub fn unpack(word: u64) -> Self {
        Self {
            conns: word as u32,
            in_service: word >> 32 & 1 == 1,
            throttled: word >> 33 & 1 == 1,
            arp_failed: word >> 34 & 1 == 1,
            probe: match word >> 35 & 3 {
                0 => Probe::Ok,
                1 => Probe::Failed,
                _ => Probe::Testing,
            },
            inband: match word >> 37 & 3 {
                0 => Inband::Ok,
                1 => Inband::Failed,
                2 => Inband::Ready,
                _ => Inband::Testing,
            },
            failed_at: Tick((word >> 39) as u32 & Tick::MASK),
        }
    }

    #[inline]
    pub fn pack(self) -> u64 {
        u64::from(self.conns)
            | u64::from(self.in_service) << 32
            | u64::from(self.throttled) << 33
            | u64::from(self.arp_failed) << 34
            | (self.probe as u64) << 35
            | (self.inband as u64) << 37
            | u64::from(self.failed_at.0 & Tick::MASK) << 39
    }

    /// True of a word whose real keeps its sessions without a second thought: in service, nothing failed or in doubt.
    /// False says nothing.
    #[inline(always)]
    pub fn is_healthy(word: u64) -> bool {
        const IN_SERVICE: u64 = 1 << 32;
        const TROUBLE: u64 = 0b1_1111 << 34;
        word & (IN_SERVICE | TROUBLE) == IN_SERVICE
    }

    /// The printed state: the reason that counts most.
    #[inline]
    pub fn state(self, maxconns: u32) -> RealState {
        if !self.in_service {
            return RealState::OutOfService;
        }
        match (self.probe, self.inband) {
            (Probe::Failed, _) => RealState::ProbeFailed,
            (Probe::Testing, _) => RealState::ProbeTesting,
            (Probe::Ok, Inband::Failed) => RealState::Failed,
            (Probe::Ok, Inband::Ready) => RealState::ReadyToTest,
            (Probe::Ok, Inband::Testing) => RealState::Testing,
            (Probe::Ok, Inband::Ok) if self.arp_failed => RealState::ArpFailed,
            (Probe::Ok, Inband::Ok) if self.throttled => RealState::DfpThrottled,
            (Probe::Ok, Inband::Ok) if self.conns >= maxconns => RealState::MaxConns,
            (Probe::Ok, Inband::Ok) => RealState::Operational,
        }
    }

    /// May take one more session; a real that is ready for its test takes exactly one.
    #[inline]
    pub fn takes_session(self, maxconns: u32) -> bool {
        let unhindered = self.in_service
            && !self.throttled
            && !self.arp_failed
            && self.probe == Probe::Ok
            && self.conns < maxconns;
        unhindered && matches!(self.inband, Inband::Ok | Inband::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_survives_its_word_and_shows_the_first_reason() {
        for bits in 0..(1u64 << 7) {
            let word = bits << 32 | 5 | 1234 << 39;
            let facts = RealFacts::unpack(word);
            if bits >> 3 & 3 == 3 {
                continue; // No such probe state.
            }
            assert_eq!(facts.pack(), word);
            let state = facts.state(5);
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<RealState>(&json).unwrap(), state);
            let expected = match facts {
                RealFacts { in_service: false, .. } => RealState::OutOfService,
                RealFacts { probe: Probe::Failed, .. } => RealState::ProbeFailed,
                RealFacts { probe: Probe::Testing, .. } => RealState::ProbeTesting,
                RealFacts { inband: Inband::Failed, .. } => RealState::Failed,
                RealFacts { inband: Inband::Ready, .. } => RealState::ReadyToTest,
                RealFacts { inband: Inband::Testing, .. } => RealState::Testing,
                RealFacts { arp_failed: true, .. } => RealState::ArpFailed,
                RealFacts { throttled: true, .. } => RealState::DfpThrottled,
                _ => RealState::MaxConns,
            };
            assert_eq!(state, expected);
            assert!(!facts.takes_session(5));
            let is_healthy = matches!(state, RealState::MaxConns | RealState::DfpThrottled);
            assert_eq!(RealFacts::is_healthy(word), is_healthy, "{facts:?}");
            let free = facts.takes_session(6);
            assert!(!free || matches!(facts.state(6), RealState::Operational | RealState::ReadyToTest));
            assert_eq!(
                free,
                !facts.throttled
                    && !facts.arp_failed
                    && matches!(facts.state(6), RealState::Operational | RealState::ReadyToTest)
            );
        }
    }
}
