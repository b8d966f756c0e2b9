//! Under overload a share of the sessions that would begin is refused, so that those which live go on undisturbed.
//!
//! Control decides how many; a worker reads the share only where a session would begin.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::Balancer;
use crate::table::Identity;

/// The share of new sessions that is refused, in 256ths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Shedding(u16);

impl Shedding {
    /// Every session may begin.
    pub const NONE: Self = Self(0);
    /// None may.
    pub const ALL: Self = Self(256);

    /// This share and `part` 256ths more.
    #[must_use]
    pub fn more(self, part: u16) -> Self {
        Self((self.0.saturating_add(part)).min(Self::ALL.0))
    }

    /// This share without `part` 256ths.
    #[must_use]
    pub fn less(self, part: u16) -> Self {
        Self(self.0.saturating_sub(part))
    }

    /// 0 to 1.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ALL.0)
    }

    /// The share in percent; at least 1 unless it is none.
    pub fn percent(self) -> u16 {
        (self.0 * 100).div_ceil(Self::ALL.0)
    }
}

impl Balancer {
    /// Refuses this share of the sessions that would begin from now on.
    pub fn shed(&self, share: Shedding) {
        self.shedding.store(share.0.into(), Relaxed);
    }

    /// What share is refused.
    pub fn shedding(&self) -> Shedding {
        Shedding(self.shedding.load(Relaxed) as u16)
    }

    /// Whether the session of an identity may not begin now. By identity, so that a node's retransmissions meet the same
    /// answer: half of all nodes served is more than half of all requests.
    pub(super) fn sheds(&self, identity: Identity) -> bool {
        // Bits that the place in the table does not depend on alone, so that what remains still fills it evenly.
        let lot = identity.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        lot < self.shedding.load(Relaxed).into()
    }
}
