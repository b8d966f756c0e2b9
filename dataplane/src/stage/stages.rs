//! The list of stages, in the order in which they take frames out of a batch.
//!
//! A stage is one file with `run`, which [`Batch::take`]s the frames that wait for it and [`Batch::send`]s each on. It may
//! send them to an earlier stage, too: the loop goes on until no stage has any. A new stage is its file and one line here;
//! what takes headers off stands in front of `classify` (IPsec, ends of tunnels), what copies or keeps state behind it (flow,
//! multicast), what puts headers on in front of `output`.

use super::{
    Context, classify, forward, local, mobile_ip, output, parse, path_mtu, punt, reassemble, registration,
    tunnel_in, tunnel_out,
};
use crate::{backend::Frame, batch::Batch};

/// Which stages a worker has. Calls are static.
pub trait StageList {
    /// Runs one stage. A stage that is not in the list takes its frames, which end so.
    fn run<F: Frame>(stage: Stage, cx: &mut Context<'_>, batch: &mut Batch<F>);
}

/// The product's.
#[derive(Clone, Copy, Debug)]
pub struct Stages;

/// One of the list, by its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage(u8);

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident => $module:ident;)*) => {
        #[expect(clippy::upper_case_acronyms, non_camel_case_types, reason = "they number the constants")]
        enum Position { $($name,)* End }

        impl Stage {
            $($(#[$doc])* pub const $name: Self = Self(Position::$name as u8);)*
            const COUNT: u8 = Position::End as u8;
        }

        impl StageList for Stages {
            #[inline]
            fn run<F: Frame>(stage: Stage, cx: &mut Context<'_>, batch: &mut Batch<F>) {
                match stage {
                    $(Stage::$name => $module::run(cx, batch),)*
                    Stage(_) => drop(batch.take(stage)),
                }
            }
        }
    };
}

stages! {
    /// Fresh frames: link header and IPv4 header.
    PARSE => parse;
    /// Part of a packet to a tunnel's end: kept until the packet is whole.
    REASSEMBLE => reassemble;
    /// IPv4 with a sound header: whose is it?
    CLASSIFY => classify;
    /// UDP for a virtual server in service.
    MOBILE_IP => mobile_ip;
    /// To the end of a tunnel: taken out of it.
    TUNNEL_IN => tunnel_in;
    /// To the end of a tunnel: a router on its way says how much fits.
    PATH_MTU => path_mtu;
    /// For the home agent itself: a registration request.
    REGISTRATION => registration;
    /// For a home address: into a tunnel if its node is away.
    TUNNEL_OUT => tunnel_out;
    /// Transit: to the next hop of its route.
    FORWARD => forward;
    /// For an address that the dataplane answers itself, or ARP.
    LOCAL => local;
    /// For the host.
    PUNT => punt;
    /// From the host.
    OUTPUT => output;
}

impl Stage {
    /// Stages at most.
    pub const ROOM: usize = 32;

    /// Number `at` behind the product's: of a list that has more.
    ///
    /// # Panics
    /// If there is no room for as many.
    pub const fn joined(at: u8) -> Self {
        assert!(((Self::COUNT + at) as usize) < Self::ROOM);
        Self(Self::COUNT + at)
    }

    /// Its place in arrays of [`Stage::ROOM`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize % Self::ROOM
    }

    /// The first of a set, a bit each.
    #[inline]
    pub(crate) fn first_of(set: u32) -> Option<Self> {
        (set != 0).then(|| Self(set.trailing_zeros() as u8))
    }
}
