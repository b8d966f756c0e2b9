//! How packets of mobile nodes end.

use crate::verdict::verdicts;

/// The name of the owner of these verdicts.
pub const OWNER: &str = "mobile";

verdicts! {
    VERDICTS of OWNER;
    /// Sent to a care-of address, in a tunnel.
    TUNNELLED => "tunnelled", Forwarded;
    /// Handed to the home agent.
    REGISTRATION => "registration", Punted;
    /// The ring to the home agent was full.
    REGISTRATION_FULL => "registration_full", Dropped;
    /// A tunnelled packet that no binding explains: not from the node's care-of address, not its home address, another
    /// encapsulation than agreed, or no reverse tunnel granted (RFC 3024, 4.3.2).
    TUNNEL_SOURCE_MISMATCH => "tunnel_source_mismatch", Dropped;
    /// A tunnel header with something in it that is not read: GRE of another version or with what only RFC 1701
    /// knows, a payload that is not IPv4.
    TUNNEL_HEADER => "tunnel_header", Dropped;
    /// The checksum of a tunnel's UDP or GRE header is wrong.
    TUNNEL_CHECKSUM => "tunnel_checksum", Dropped;
    /// From one of our own addresses or from the end of the tunnel that it would enter (RFC 2003, 3.2), or it came from the
    /// care-of address that it would go to (RFC 5944, 4.2.3).
    TUNNEL_LOOP => "tunnel_loop", Dropped;
    /// For a home address of a virtual network that has no binding, where no ICMP error was due.
    NOT_REGISTERED => "not_registered", Dropped;
}
