//! Verdicts of the router itself.

/// The owner's name.
pub const OWNER: &str = "system";

super::verdicts! {
    INPUT of OWNER;
    /// Handed to the shadow interface.
    PUNTED => "punted", Punted;
    /// The punt ring was full.
    PUNT_FULL => "punt_full", Dropped;
    /// The source is our own MAC: our own frame came back (one listener a wire).
    OWN_FRAME => "own_frame", Dropped;
    /// Shorter than its headers say.
    TRUNCATED => "truncated", Dropped;
    /// An IPv4 header that is none: version, length or checksum.
    BAD_IP_HEADER => "bad_ip_header", Dropped;
    /// Unicast to another station's MAC (promiscuous reception).
    NOT_FOR_US => "not_for_us", Dropped;
    /// A VLAN that no interface has.
    UNKNOWN_VLAN => "unknown_vlan", Dropped;
    /// An ethertype that nothing here handles.
    UNKNOWN_ETHERTYPE => "unknown_ethertype", Dropped;
    /// The interface is shut down.
    INTERFACE_DOWN => "interface_down", Dropped;
    /// Part of a packet to ourselves that is kept until the other parts are there; the last one goes on as the whole packet.
    FRAGMENT_HELD => "fragment_held", Held;
    /// Part of a packet to ourselves that cannot be put together: parts overlap, some are behind the last one, they are more than 16
    /// or 9216 bytes, or the whole does not fit into a buffer.
    REASSEMBLY => "reassembly", Dropped;
    /// The source does not route back, on an interface that checks it (`ip verify unicast source`).
    RPF_FAILED => "rpf_failed", Dropped;
}

super::verdicts! {
    OUTPUT of OWNER;
    /// Transit IPv4, routed.
    ROUTED => "routed", Forwarded;
    /// An ARP request for a virtual address, answered.
    ARP_REPLY => "arp_reply", Answered;
    /// An ICMP echo request to a virtual address, answered.
    ECHO_REPLY => "echo_reply", Answered;
    /// A packet answered with an ICMP error.
    ICMP_ERROR => "icmp_error", Answered;
    /// A TCP segment to a virtual address, answered with a reset.
    TCP_RESET => "tcp_reset", Answered;
    /// TTL used up and the error generator's rate limit reached, or no route back.
    TTL_EXPIRED => "ttl_expired", Dropped;
    /// No route to the destination and no error sent.
    NO_ROUTE => "no_route", Dropped;
    /// The route's next hop is none that we can send to, an IPv6 address for one; `show ip route` has the reason.
    UNUSABLE_ROUTE => "unusable_route", Dropped;
    /// The next hop's MAC is not resolved yet.
    NO_NEIGHBOUR => "no_neighbour", Dropped;
    /// Larger than the egress MTU and no error sent.
    TOO_BIG => "too_big", Dropped;
    /// A packet to a virtual address that nothing serves, or whose answer the rate limit withheld.
    NO_SERVICE => "no_service", Dropped;
    /// Source or destination may not be forwarded (multicast, loopback, martian).
    MARTIAN => "martian", Dropped;
    /// IP options that we do not forward (source routing).
    IP_OPTION => "ip_option", Dropped;
    /// The egress port's transmit ring stayed full.
    TX_FULL => "tx_full", Dropped;
    /// The egress port is down.
    TX_DOWN => "tx_down", Dropped;
    /// No buffer for a copy or a reply.
    NO_BUFFER => "no_buffer", Dropped;
    /// A frame in several segments that could not be made one.
    NOT_LINEAR => "not_linear", Dropped;
    /// A packet in more tunnels, one within the other, than are taken off.
    NESTED_TOO_DEEP => "nested_too_deep", Dropped;
    /// Taken by a stage that did not say what becomes of it: a fault of ours.
    UNENDED => "unended", Dropped;
}
