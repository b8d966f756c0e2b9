//! How packets to a virtual server end.

use super::VserverCounter;
use crate::verdict::{Verdict, verdicts};

/// The name of the owner of these verdicts.
pub const OWNER: &str = "slb";

verdicts! {
    VERDICTS of OWNER;
    /// An RRQ sent to a real in dispatched mode.
    SLB_DISPATCHED => "slb_dispatched", Forwarded;
    /// An RRQ sent to a real in directed mode.
    SLB_DIRECTED => "slb_directed", Forwarded;
    /// A fragment to a virtual address.
    FRAGMENT => "fragment", Dropped;
    /// UDP length and IP length disagree.
    UDP_LENGTH => "udp_length", Dropped, VserverCounter::Malformed;
    /// Mobile IP payload too short.
    TOO_SHORT => "too_short", Dropped, VserverCounter::Malformed;
    /// A Mobile IP message that is not a registration request.
    NOT_RRQ => "not_rrq", Dropped, VserverCounter::NotRrq;
    /// An extension header is incomplete.
    EXT_TRUNCATED => "ext_truncated", Dropped, VserverCounter::Malformed;
    /// An extension's data runs past the payload.
    EXT_OVERRUN => "ext_overrun", Dropped, VserverCounter::Malformed;
    /// A NAI of length 0.
    NAI_EMPTY => "nai_empty", Dropped, VserverCounter::Malformed;
    /// Two NAIs that differ.
    NAI_DUPLICATE => "nai_duplicate", Dropped, VserverCounter::Malformed;
    /// Strict mode: the Home Agent field names someone else.
    HA_FIELD_MISMATCH => "ha_field_mismatch", Dropped, VserverCounter::HaFieldMismatch;
    /// Neither NAI nor home address.
    NO_IDENTITY => "no_identity", Dropped, VserverCounter::NoKey;
    /// No real can take the session.
    NO_REAL => "no_real", Dropped;
    /// Under overload not every new session is begun.
    OVERLOAD => "overload", Dropped;
    /// Its source begins more sessions a second than it may.
    CLIENT_RATE => "client_rate", Dropped;
    /// The real's MAC is not resolved.
    NO_ADJACENCY => "no_adjacency", Dropped;
}

impl VserverCounter {
    /// What the virtual server counts when the worker refuses a request with this verdict.
    pub fn from_verdict(verdict: Verdict) -> Option<Self> {
        let counter = verdict.declaration().counter.filter(|_| verdict.owner() == OWNER)?;
        Self::ALL.get(usize::from(counter)).copied()
    }
}
