//! Every way a packet can end. A packet that enters leaves exactly one verdict, so `received = sum of verdicts`.

use serde::Serialize;

macro_rules! verdicts {
    ($($(#[$doc:meta])* $name:ident => $text:literal, $class:ident;)*) => {
        /// How a received packet ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Verdict { $($(#[$doc])* $name,)* }

        impl Verdict {
            /// All of them, in the order of display.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in `show dataplane`, JSON and metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What kind of end this is.
            pub fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)* }
            }
        }
    };
}

/// The kinds of end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Sent on: to a real, or by the routing table.
    Forwarded,
    /// Answered by the dataplane itself.
    Answered,
    /// Handed to the kernel.
    Punted,
    /// Dropped for the named reason.
    Dropped,
}

verdicts! {
    /// An RRQ sent to a real in dispatched mode.
    SlbDispatched => "slb_dispatched", Forwarded;
    /// An RRQ sent to a real in directed mode.
    SlbDirected => "slb_directed", Forwarded;
    /// Transit IPv4, routed.
    Routed => "routed", Forwarded;
    /// An ARP request for a virtual address, answered.
    ArpReply => "arp_reply", Answered;
    /// An ICMP echo request to a virtual address, answered.
    EchoReply => "echo_reply", Answered;
    /// A packet answered with an ICMP error.
    IcmpError => "icmp_error", Answered;
    /// A TCP segment to a virtual address, answered with a reset.
    TcpReset => "tcp_reset", Answered;
    /// Handed to the shadow interface.
    Punted => "punted", Punted;
    /// The punt ring was full.
    PuntFull => "punt_full", Dropped;
    /// The source is our own MAC: our own frame came back (one listener a wire).
    OwnFrame => "own_frame", Dropped;
    /// Shorter than its headers say.
    Truncated => "truncated", Dropped;
    /// An IPv4 header that is none: version, length or checksum.
    BadIpHeader => "bad_ip_header", Dropped;
    /// Unicast to another station's MAC (promiscuous reception).
    NotForUs => "not_for_us", Dropped;
    /// A VLAN that no interface has.
    UnknownVlan => "unknown_vlan", Dropped;
    /// An ethertype that nothing here handles.
    UnknownEthertype => "unknown_ethertype", Dropped;
    /// The interface is shut down.
    InterfaceDown => "interface_down", Dropped;
    /// A fragment to a virtual address.
    Fragment => "fragment", Dropped;
    /// UDP length and IP length disagree.
    UdpLength => "udp_length", Dropped;
    /// Mobile IP payload too short.
    TooShort => "too_short", Dropped;
    /// A Mobile IP message that is not a registration request.
    NotRrq => "not_rrq", Dropped;
    /// An extension header is incomplete.
    ExtTruncated => "ext_truncated", Dropped;
    /// An extension's data runs past the payload.
    ExtOverrun => "ext_overrun", Dropped;
    /// A NAI of length 0.
    NaiEmpty => "nai_empty", Dropped;
    /// Two NAIs that differ.
    NaiDuplicate => "nai_duplicate", Dropped;
    /// Strict mode: the Home Agent field names someone else.
    HaFieldMismatch => "ha_field_mismatch", Dropped;
    /// Neither NAI nor home address.
    NoIdentity => "no_identity", Dropped;
    /// No real can take the session.
    NoReal => "no_real", Dropped;
    /// Under overload not every new session is begun.
    Overload => "overload", Dropped;
    /// The real's MAC is not resolved.
    NoAdjacency => "no_adjacency", Dropped;
    /// TTL used up and the error generator's rate limit reached, or no route back.
    TtlExpired => "ttl_expired", Dropped;
    /// No route to the destination and no error sent.
    NoRoute => "no_route", Dropped;
    /// The next hop's MAC is not resolved yet.
    NoNeighbour => "no_neighbour", Dropped;
    /// Larger than the egress MTU and no error sent.
    TooBig => "too_big", Dropped;
    /// A packet to a virtual address that nothing serves, or whose answer the rate limit withheld.
    NoService => "no_service", Dropped;
    /// Source or destination may not be forwarded (multicast, loopback, martian).
    Martian => "martian", Dropped;
    /// IP options that we do not forward (source routing).
    IpOption => "ip_option", Dropped;
    /// The egress port's transmit ring stayed full.
    TxFull => "tx_full", Dropped;
    /// The egress port is down.
    TxDown => "tx_down", Dropped;
    /// No buffer for a copy or a reply.
    NoBuffer => "no_buffer", Dropped;
    /// A frame in several segments that could not be made one.
    NotLinear => "not_linear", Dropped;
}

impl Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
