//! Which connections an agent keeps.

use std::net::Ipv4Addr;

use crate::dfp::sockets::LinkId;

pub const MAX_PEERS: usize = 16;

pub const MAX_PEERS_OF_ADDRESS: usize = 2;

/// Whether one more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Yes,
    InsteadOf(LinkId),
    No,
}

/// Decides on a connection from `address`; `present` are the others from the oldest to the newest, and whether each has
/// sent a sound message.
///
/// Where there is no room, the oldest goes that has never sent one: it may be a port scan, or the half of a connection
/// whose other half is gone. Else the oldest of the same address goes: a manager that has restarted. An address that has
/// its two takes no one else's place: it would have three then.
pub(super) fn admit(
    address: Ipv4Addr,
    present: &(impl Iterator<Item = (LinkId, Ipv4Addr, bool)> + Clone),
) -> Admission {
    let oldest = |wanted: &dyn Fn(Ipv4Addr, bool) -> bool| {
        present.clone().find(|(_, from, proven)| wanted(*from, *proven)).map(|(id, ..)| id)
    };
    let of_address = present.clone().filter(|(_, from, _)| *from == address).count();
    let own = oldest(&|from, _| from == address);
    let victim = if of_address >= MAX_PEERS_OF_ADDRESS {
        oldest(&|from, proven| from == address && !proven).or(own)
    } else if present.clone().count() >= MAX_PEERS {
        oldest(&|_, proven| !proven).or(own)
    } else {
        return Admission::Yes;
    };
    victim.map_or(Admission::No, Admission::InsteadOf)
}
