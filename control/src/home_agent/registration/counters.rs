//! What became of registration requests, counted (RFC 2006; CISCO-MOBILE-IP-MIB).

use common::wire::mobile_ip::Code;

use super::discard::Discard;

/// One line a counter: name and words, in the order of `show ip mobile traffic`.
macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident, $words:literal;)+) => {
        /// Something that happens to requests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Counter {
            $($(#[$meta])* $name,)+
        }

        impl Counter {
            /// Every counter, in the order of their display.
            pub const ALL: [Self; [$($words),+].len()] = [$(Self::$name),+];

            /// The words of the display.
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)+
                }
            }
        }
    };
}

counters! {
    /// Requests with a lifetime.
    Register, "Register requests";
    /// Requests with lifetime 0.
    Deregister, "Deregister requests";
    /// Replies with code 0 or 1.
    Accepted, "Accepted";
    /// Those with code 1.
    NoSimultaneous, "No simultaneous bindings";
    /// Replies with any other code.
    Denied, "Denied";
    /// Requests without a reply.
    Ignored, "Ignored";
    /// Code 128.
    Unspecified, "Unspecified";
    /// Code 136.
    UnknownHomeAgent, "Unknown HA";
    /// Code 129.
    Prohibited, "Administratively prohibited";
    /// Code 130.
    NoResources, "No resource";
    /// Code 131.
    MobileAuthentication, "Authentication failed MN";
    /// Code 132.
    ForeignAuthentication, "Authentication failed FA";
    /// Code 133.
    Identification, "Bad identification";
    /// Code 134.
    PoorlyFormed, "Bad request form";
    /// Code 135.
    TooManyBindings, "Too many bindings";
    /// Code 139.
    Encapsulation, "Unavailable encapsulation";
    /// Code 142.
    UdpEncapsulation, "Unavailable UDP encapsulation";
    /// Code 137.
    NoReverseTunnel, "No reverse tunnel";
    /// Code 138.
    ReverseTunnelMandatory, "Reverse tunnel mandatory";
    /// Code 140.
    CriticalVendorMobile, "Unrecognised CVSE from MN";
    /// Code 141.
    CriticalVendorForeign, "Unrecognised CVSE from FA";
    /// Normal vendor extensions of mobile nodes, skipped.
    NormalVendorMobile, "Neglected NVSE from MN";
    /// Those of foreign agents.
    NormalVendorForeign, "Neglected NVSE from FA";
    /// MN-AAA authentications that nobody has verified.
    AaaUnverified, "Unverified MN-AAA";
    /// Replies that were sent again to the same request.
    Repeated, "Repeated replies";
}

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A first binding.
    Initial,
    /// Another one, or longer.
    Again,
    /// Less.
    Deregistration,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It came.
    Received,
    /// Code 0 or 1.
    Accepted,
    /// Another code.
    Denied,
    /// No reply.
    Discarded,
    /// The reply was sent before, and is again.
    Repeated,
}

/// All counters. A request counts once as received, and once as what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    events: [u64; Counter::ALL.len()],
    discards: [u64; Discard::ALL.len()],
    kinds: [[u64; 5]; 3],
}

impl Counters {
    /// One counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.events[counter as usize]
    }

    /// Requests without a reply for this reason.
    pub fn discarded(&self, reason: Discard) -> u64 {
        self.discards[reason as usize]
    }

    /// Requests of a kind to which this happened.
    pub fn of(&self, kind: Kind, fate: Fate) -> u64 {
        self.kinds[kind as usize][fate as usize]
    }

    pub(super) fn add(&mut self, counter: Counter, count: u64) {
        self.events[counter as usize] += count;
    }

    fn note(&mut self, kind: Kind, fate: Fate) {
        let requests = if kind == Kind::Deregistration { Counter::Deregister } else { Counter::Register };
        self.add(requests, 1);
        self.kinds[kind as usize][Fate::Received as usize] += 1;
        self.kinds[kind as usize][fate as usize] += 1;
    }

    pub(super) fn discard(&mut self, kind: Kind, reason: Discard) {
        self.note(kind, Fate::Discarded);
        self.add(Counter::Ignored, 1);
        self.discards[reason as usize] += 1;
    }

    pub(super) fn repeat(&mut self, kind: Kind) {
        self.note(kind, Fate::Repeated);
        self.add(Counter::Repeated, 1);
    }

    pub(super) fn reply(&mut self, kind: Kind, code: Code) {
        let accepted = code.is_accepted();
        self.note(kind, if accepted { Fate::Accepted } else { Fate::Denied });
        self.add(if accepted { Counter::Accepted } else { Counter::Denied }, 1);
        let counter = match code {
            Code::ACCEPTED => return,
            Code::ACCEPTED_NO_SIMULTANEOUS => Counter::NoSimultaneous,
            Code::PROHIBITED => Counter::Prohibited,
            Code::NO_RESOURCES => Counter::NoResources,
            Code::MN_AUTHENTICATION => Counter::MobileAuthentication,
            Code::FA_AUTHENTICATION => Counter::ForeignAuthentication,
            Code::IDENTIFICATION => Counter::Identification,
            Code::POORLY_FORMED => Counter::PoorlyFormed,
            Code::TOO_MANY_BINDINGS => Counter::TooManyBindings,
            Code::UNKNOWN_HOME_AGENT => Counter::UnknownHomeAgent,
            Code::REVERSE_TUNNEL_UNAVAILABLE => Counter::NoReverseTunnel,
            Code::REVERSE_TUNNEL_MANDATORY => Counter::ReverseTunnelMandatory,
            Code::ENCAPSULATION_UNAVAILABLE => Counter::Encapsulation,
            Code::VENDOR_FROM_MN => Counter::CriticalVendorMobile,
            Code::VENDOR_FROM_FA => Counter::CriticalVendorForeign,
            Code::UDP_ENCAPSULATION_UNAVAILABLE => Counter::UdpEncapsulation,
            _ => Counter::Unspecified,
        };
        self.add(counter, 1);
    }
}
