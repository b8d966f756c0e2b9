//! The lines of `debug ip slb sessions ipmobile`.

use std::{fmt::Write as _, net::Ipv4Addr};

use common::event::SessionChange;

use super::show::NaiHash;
use crate::{
    command::EXEC,
    protocol::{Switch, SwitchGroup, debug_lines},
};

/// What is debugged of server load balancing.
pub static GROUP: SwitchGroup = SwitchGroup {
    title: "IP SLB",
    all: Some(debug_lines!("ip slb all")),
    help: &[("slb", "Server load balancing"), ("all", "Everything")],
};

/// `debug ip slb sessions ipmobile`
pub static SESSIONS: Switch = Switch {
    group: &GROUP,
    lines: debug_lines!("ip slb sessions [ipmobile]"),
    name: "ip_slb_sessions",
    title: "IP SLB Session",
    modes: &[&EXEC],
    help: &[("slb", "Server load balancing"), ("sessions", "Sessions"), ("ipmobile", "Of Mobile IP")],
};

/// `debug ip slb probe`
pub static PROBE: Switch = Switch {
    group: &GROUP,
    lines: debug_lines!("ip slb probe"),
    name: "ip_slb_probe",
    title: "IP SLB Probe",
    modes: &[&EXEC],
    help: &[("slb", "Server load balancing"), ("probe", "Each try of the probes")],
};

/// What the lines of one event say.
#[derive(Clone, Copy, Debug)]
pub struct SessionLine<'a> {
    /// What happened.
    pub change: SessionChange,
    /// Virtual address.
    pub virtual_address: Ipv4Addr,
    /// Virtual port.
    pub virtual_port: u16,
    /// The virtual server's number.
    pub v_index: u32,
    /// The real that the session is on (was on, if it ended).
    pub real: Ipv4Addr,
    /// Directed mode.
    pub nat_server: bool,
    /// Source address of the last RRQ.
    pub client: Ipv4Addr,
    /// Source port of the last RRQ.
    pub client_port: u16,
    /// Displayed hash.
    pub hash: u32,
    /// The NAI as received; empty if the key is a home address or not at hand.
    pub nai: &'a [u8],
}

/// How the log stamps its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp<'a> {
    /// `Apr 21 15:26:03` or `Apr 21 15:26:03.513`.
    pub stamp: &'a str,
    /// The clock is known to be right; else `*` precedes the stamp.
    pub synchronised: bool,
}

impl SessionLine<'_> {
    /// The lines, each with its stamp, in the order of IOS.
    pub fn lines(&self, clock: Timestamp<'_>) -> Vec<String> {
        let mark = if clock.synchronised { "" } else { "*" };
        self.bodies().into_iter().map(|body| format!("{mark}{}: {body}", clock.stamp)).collect()
    }

    fn bodies(&self) -> Vec<String> {
        let request = || {
            let nai = if self.nai.is_empty() { "<none>".to_owned() } else { escape(self.nai) };
            format!("SLB_SESSION_IPMOBILE: client = {}, NAI: {nai}, length: {}", self.client, self.nai.len())
        };
        let event = |name: &str, from: &str, to: &str| {
            format!("SLB_SESSION_IPMOBILE: event= {name}, state= IPMOBILE_{from} -> IPMOBILE_{to}")
        };
        let mut lines = match self.change {
            SessionChange::Created => vec![request(), event("IPMOBILE_REQ_REQUEST", "INIT", "ESTAB")],
            SessionChange::Repeated => vec![request()],
            SessionChange::Reassigned => vec![event("IPMOBILE_REASSIGN", "ESTAB", "ESTAB")],
            SessionChange::TimedOut => vec![event("IPMOBILE_TIMEOUT", "ESTAB", "INIT")],
            SessionChange::Cleared => vec![event("IPMOBILE_CLEAR", "ESTAB", "INIT")],
            SessionChange::Deregistered => vec![request(), event("IPMOBILE_DEREG", "ESTAB", "INIT")],
            SessionChange::Evicted => vec![event("IPMOBILE_EVICT", "ESTAB", "INIT")],
        };
        lines.push(format!(
            "SLB_SESSION: v_ip= {}:{} ({:>2}), real= {}, NAT= {}",
            self.virtual_address,
            self.virtual_port,
            self.v_index,
            self.real,
            if self.nat_server { "S" } else { "none" }
        ));
        lines.push(format!(
            "SLB_SESSION: client= {}:{} session_key= {}",
            self.client,
            self.client_port,
            NaiHash(self.hash)
        ));
        lines
    }
}

/// Bytes outside 0x20..0x7E as `\xHH`, so that no NAI can forge a line or drive a terminal.
pub fn escape(nai: &[u8]) -> String {
    let mut text = String::with_capacity(nai.len());
    for byte in nai {
        if (0x20..=0x7e).contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: SessionLine<'_> = SessionLine {
        change: SessionChange::Created,
        virtual_address: Ipv4Addr::new(15, 1, 1, 10),
        virtual_port: 434,
        v_index: 7,
        real: Ipv4Addr::new(10, 1, 1, 51),
        nat_server: true,
        client: Ipv4Addr::new(15, 1, 1, 51),
        client_port: 434,
        hash: 0x47E2_FD1B,
        nai: b"mwts-mip-np-user1@ispxyz.com",
    };

    #[test]
    fn a_new_session_prints_the_four_lines_of_the_guide() {
        let lines = SAMPLE.lines(Timestamp { stamp: "Apr 21 15:26:03", synchronised: false });
        let expected = "\
*Apr 21 15:26:03: SLB_SESSION_IPMOBILE: client = 15.1.1.51, NAI: mwts-mip-np-user1@ispxyz.com, length: 28
*Apr 21 15:26:03: SLB_SESSION_IPMOBILE: event= IPMOBILE_REQ_REQUEST, state= IPMOBILE_INIT -> IPMOBILE_ESTAB
*Apr 21 15:26:03: SLB_SESSION: v_ip= 15.1.1.10:434 ( 7), real= 10.1.1.51, NAT= S
*Apr 21 15:26:03: SLB_SESSION: client= 15.1.1.51:434 session_key= 47E2FD1B00000000";
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn a_timeout_prints_the_three_lines_of_the_guide() {
        let line = SessionLine {
            change: SessionChange::TimedOut,
            real: Ipv4Addr::new(99, 99, 11, 12),
            hash: 0xA984_DF0A,
            nai: b"",
            ..SAMPLE
        };
        let expected = "\
*Jul  1 05:25:25.513: SLB_SESSION_IPMOBILE: event= IPMOBILE_TIMEOUT, state= IPMOBILE_ESTAB -> IPMOBILE_INIT
*Jul  1 05:25:25.513: SLB_SESSION: v_ip= 15.1.1.10:434 ( 7), real= 99.99.11.12, NAT= S
*Jul  1 05:25:25.513: SLB_SESSION: client= 15.1.1.51:434 session_key= A984DF0A00000000";
        let clock = Timestamp { stamp: "Jul  1 05:25:25.513", synchronised: false };
        assert_eq!(line.lines(clock).join("\n"), expected);
    }

    #[test]
    fn other_changes_and_modes_have_their_own_lines() {
        let clock = Timestamp { stamp: "Apr 21 15:26:03", synchronised: true };
        let lines = |change| SessionLine { change, nat_server: false, v_index: 123, ..SAMPLE }.lines(clock);
        let place = "Apr 21 15:26:03: SLB_SESSION: v_ip= 15.1.1.10:434 (123), real= 10.1.1.51, NAT= none";
        for (change, count, first) in [
            (SessionChange::Repeated, 3, "client = 15.1.1.51, NAI: mwts-mip-np-user1@ispxyz.com, length: 28"),
            (
                SessionChange::Reassigned,
                3,
                "event= IPMOBILE_REASSIGN, state= IPMOBILE_ESTAB -> IPMOBILE_ESTAB",
            ),
            (SessionChange::Cleared, 3, "event= IPMOBILE_CLEAR, state= IPMOBILE_ESTAB -> IPMOBILE_INIT"),
            (
                SessionChange::Deregistered,
                4,
                "client = 15.1.1.51, NAI: mwts-mip-np-user1@ispxyz.com, length: 28",
            ),
        ] {
            let lines = lines(change);
            assert_eq!(lines.len(), count, "{change:?}");
            assert_eq!(lines[0], format!("Apr 21 15:26:03: SLB_SESSION_IPMOBILE: {first}"));
            assert_eq!(lines[count - 2], place);
        }
    }

    #[test]
    fn a_nai_cannot_forge_a_line() {
        assert_eq!(escape(b"a\r\n\x1b[2J\x7f\xff~ "), "a\\x0D\\x0A\\x1B[2J\\x7F\\xFF~ ");
    }
}
