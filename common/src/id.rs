//! Small integers with a meaning.

use serde::{Deserialize, Serialize};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl $name {
            /// The value as an index into a `Vec`.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

index!(/// A port of the dataplane, in the order of the configuration.
    PortId(u16));
index!(/// A queue of a port.
    QueueId(u16));
index!(/// A worker, 0 first.
    WorkerId(u8));
index!(/// A layer-3 interface: a port or one of its VLANs; index into [`crate::net::Network::interfaces`].
    InterfaceId(u16));
impl InterfaceId {
    /// No interface: the kernel's device for packets that the dataplane is to route itself.
    pub const DATAPLANE: Self = Self(u16::MAX);
}

index!(/// A virtual server's slot; stable while it is configured.
    VserverId(u16));
index!(/// A server farm's slot; stable while it is configured.
    FarmId(u16));

/// Most reals that one director knows; a session names its real in 12 bits.
pub const MAX_REALS: usize = 4096;

/// A real server's slot with the generation that tells a reused slot from the one a session was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RealId {
    /// Slot, below [`MAX_REALS`].
    pub index: u16,
    /// Incremented each time the slot is given to another real.
    pub generation: u8,
}
