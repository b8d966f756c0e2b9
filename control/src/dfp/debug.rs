//! The lines of `debug ip dfp agent` and `debug ip slb dfp`. No line holds a digest or a password.

use std::{
    fmt::{self, Write as _},
    net::SocketAddrV4,
};

use super::{
    manager::view::ConnectionState,
    packet::{Decoded, Load, Message, Protocol},
    security::TLV_SIZE,
};
use crate::{
    command::{EXEC, USER_EXEC},
    protocol::{Switch, SwitchGroup, debug_lines},
};

/// `debug ip dfp agent`; in user EXEC too, as IOS has it.
pub static AGENT: Switch = Switch {
    group: &SwitchGroup { title: "DFP", all: None, help: &[] },
    lines: debug_lines!("ip dfp agent"),
    name: "ip_dfp_agent",
    title: "DFP",
    modes: &[&USER_EXEC, &EXEC],
    help: &[
        ("debug", "Debugging functions"),
        ("undebug", "Disable debugging functions"),
        ("dfp", "Dynamic Feedback Protocol"),
        ("agent", "Agents"),
    ],
};

/// `debug ip slb dfp`
pub static MANAGER: Switch = Switch {
    group: &SwitchGroup { title: "IP SLB", all: None, help: &[] },
    lines: debug_lines!("ip slb dfp"),
    name: "ip_slb_dfp",
    title: "SLB DFP",
    modes: &[&EXEC],
    help: &[("slb", "Server load balancing"), ("dfp", "Dynamic Feedback Protocol manager")],
};

/// Most hosts that one line lists.
const HOSTS: usize = 16;

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// `DFP`: an agent of ours, and a manager's address.
    Agent,
    /// `SLB_DFP`: our manager, and an agent's address.
    Manager,
}

impl Facility {
    /// As debug lines and log messages write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "DFP",
            Self::Manager => "SLB_DFP",
        }
    }

    /// What wants its lines.
    pub fn switch(self) -> &'static Switch {
        match self {
            Self::Agent => &AGENT,
            Self::Manager => &MANAGER,
        }
    }

    /// Where a line of debug begins: our manager says that the address is an agent's.
    fn line(self, peer: SocketAddrV4) -> String {
        match self {
            Self::Agent => format!("DFP: {peer}"),
            Self::Manager => format!("SLB_DFP: agent {peer}"),
        }
    }
}

/// `DFP: 10.1.1.1:41022 rx DFP_PARAMETERS len 16 keepalive 30`: a message that has come.
pub fn received(facility: Facility, peer: SocketAddrV4, decoded: &Decoded) -> String {
    let mut bytes = Vec::new();
    // TLVs that were skipped are not told.
    let length = decoded.message.encode(&mut bytes, None).map_or(0, |()| bytes.len());
    let length = length + if decoded.proof.is_verified() { TLV_SIZE } else { 0 };
    message(facility, peer, "rx", &decoded.message, length)
}

/// The same with `tx`: a message that goes out with `length` bytes.
pub fn sent(facility: Facility, peer: SocketAddrV4, what: &Message, length: usize) -> String {
    message(facility, peer, "tx", what, length)
}

fn message(facility: Facility, peer: SocketAddrV4, way: &str, message: &Message, length: usize) -> String {
    let mut out = format!("{} {way} {} len {length}", facility.line(peer), message.message_type());
    // Writing to a string cannot fail.
    let _ = write_body(&mut out, message);
    out
}

fn write_body(out: &mut String, message: &Message) -> fmt::Result {
    match message {
        Message::PreferenceInfo(loads) | Message::ServerState(loads) => write_loads(out, loads),
        Message::Parameters { keep_alive: Some(seconds) } => write!(out, " keepalive {seconds}"),
        Message::Parameters { keep_alive: None } | Message::BindIdRequest | Message::BindIdChangeNotify => {
            Ok(())
        }
        Message::BindIdReport(table) if table.is_end() => write!(out, " end"),
        Message::BindIdReport(table) => {
            write_service(out, table.protocol, table.port)?;
            write!(out, " {} entries {}", table.server, table.entries.len())
        }
    }
}

fn write_service(out: &mut String, protocol: Protocol, port: u16) -> fmt::Result {
    let or_any = |is_any, text: String| if is_any { "any".to_owned() } else { text };
    let name = or_any(protocol == Protocol::ANY, protocol.to_string().to_ascii_lowercase());
    write!(out, " {name}/{}", or_any(port == 0, port.to_string()))
}

/// ` udp/434 10.1.1.51 bind 65535 weight 24`, for each host.
fn write_loads(out: &mut String, loads: &[Load]) -> fmt::Result {
    let mut listed = 0;
    for load in loads {
        for host in &load.hosts {
            listed += 1;
            if listed <= HOSTS {
                write_service(out, load.protocol, load.port)?;
                write!(out, " {} bind {} weight {}", host.address, host.bind_id, host.weight)?;
            }
        }
    }
    if listed > HOSTS { write!(out, " and {} more", listed - HOSTS) } else { Ok(()) }
}

/// `SLB_DFP: agent 10.1.1.51:500 CONNECTING -> OPEN`.
pub fn state(agent: SocketAddrV4, from: ConnectionState, to: ConnectionState) -> String {
    format!("{} {from} -> {to}", Facility::Manager.line(agent))
}

/// `SLB_DFP: agent 10.1.1.51:500 security error (mismatch), message discarded`; `what` is `security error (mismatch)`.
pub fn discarded(facility: Facility, peer: SocketAddrV4, what: impl fmt::Display) -> String {
    format!("{} {what}, message discarded", facility.line(peer))
}

/// `DFP: 10.1.1.1:41022 connection closed (too many messages)`.
pub fn closed(facility: Facility, peer: SocketAddrV4, why: impl fmt::Display) -> String {
    format!("{} connection closed ({why})", facility.line(peer))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::dfp::packet::{BindId, BindTable, Host, SecurityError};

    fn load(hosts: u8) -> Load {
        let host = |last| Host { address: Ipv4Addr::new(10, 1, 1, last), bind_id: BindId::ANY, weight: 24 };
        Load { port: 434, protocol: Protocol::UDP, hosts: (51..51 + hosts).map(host).collect() }
    }

    #[test]
    fn messages_print_the_lines_of_the_manual() {
        let peer = "10.1.1.1:41022".parse().unwrap();
        let line = |way, what: &Message, length| message(Facility::Agent, peer, way, what, length);
        assert_eq!(
            line("rx", &Message::Parameters { keep_alive: Some(30) }, 16),
            "DFP: 10.1.1.1:41022 rx DFP_PARAMETERS len 16 keepalive 30"
        );
        assert_eq!(
            line("tx", &Message::PreferenceInfo(vec![load(1)]), 28),
            "DFP: 10.1.1.1:41022 tx PREFERENCE_INFO len 28 udp/434 10.1.1.51 bind 65535 weight 24"
        );
        assert_eq!(
            line("tx", &Message::PreferenceInfo(vec![]), 8),
            "DFP: 10.1.1.1:41022 tx PREFERENCE_INFO len 8"
        );
        assert_eq!(
            line("tx", &Message::BindIdReport(BindTable::END), 24),
            "DFP: 10.1.1.1:41022 tx BIND_ID_REPORT len 24 end"
        );
        let wildcard = Load { port: 0, protocol: Protocol::ANY, ..load(1) };
        let long = line("rx", &Message::ServerState(vec![wildcard, load(19)]), 200);
        assert!(
            long.starts_with("DFP: 10.1.1.1:41022 rx SERVER_STATE len 200 any/any 10.1.1.51 bind"),
            "{long}"
        );
        assert!(long.ends_with(" and 4 more"), "{long}");
    }

    #[test]
    fn our_manager_prints_the_lines_of_the_manual() {
        let agent = "10.1.1.51:500".parse().unwrap();
        assert_eq!(
            state(agent, ConnectionState::Connecting, ConnectionState::Open),
            "SLB_DFP: agent 10.1.1.51:500 CONNECTING -> OPEN"
        );
        assert_eq!(
            state(agent, ConnectionState::NotOpen, ConnectionState::SecurityError),
            "SLB_DFP: agent 10.1.1.51:500 NOT_OPEN -> SECURITY_ERROR"
        );
        let what = format!("security error ({})", SecurityError::Mismatch);
        assert_eq!(
            discarded(Facility::Manager, agent, what),
            "SLB_DFP: agent 10.1.1.51:500 security error (mismatch), message discarded"
        );
        assert_eq!(
            closed(Facility::Agent, agent, "too many messages"),
            "DFP: 10.1.1.51:500 connection closed (too many messages)"
        );
    }
}
