//! The commonest request in the fewest steps: a session that stays where it is.

use std::{net::Ipv4Addr, sync::atomic::Ordering::Relaxed};

use super::Balancer;
use crate::{
    slb::Target,
    table::{Identity, Slot},
    time::Tick,
};

impl Balancer {
    /// Counts a repeated request of an IPv4 packet of `length` bytes if its session lives, its real is in good health and
    /// the packet may leave towards it: where it goes.
    ///
    /// Exactly what [`Balancer::handle`] would do with a request that neither deregisters nor names a real; the session
    /// then lives until `deadline`. `None`, and nothing changed, leaves everything else to it.
    ///
    /// What only display needs follows with [`Balancer::record_client`], when it is near.
    #[inline(always)]
    pub fn repeat<'a>(
        &self,
        targets: &'a [Option<Target>],
        identity: Identity,
        length: u16,
        (now, deadline): (Tick, Tick),
    ) -> Option<(&'a Target, Slot)> {
        let read = self.table.read_optimistic(identity)?;
        self.table.prefetch_cold(read.slot);
        let word = read.word;
        let target = targets.get(usize::from(word.real().index))?.as_ref()?;
        let new = word.repeated(deadline);
        let stays = !word.is_past(now)
            && word.is_settled_at(target.id)
            && target.live.is_healthy()
            && new.retry() <= target.reassign
            && length <= target.mtu;
        // A saturated retry count within one tick: nothing to write, so the read is proved by another.
        if !stays || !(if new == word { read.holds() } else { read.replace(new) }) {
            return None;
        }
        Some((target, read.slot))
    }

    /// Remembers from where a session's last request came. Written only where it differs, and never over the virtual server.
    #[inline(always)]
    pub fn record_client(&self, slot: Slot, (address, port): (Ipv4Addr, u16)) {
        let [_, client, ports] = self.table.cold(slot);
        let address = u32::from(address);
        if client.load(Relaxed) != address {
            client.store(address, Relaxed);
        }
        let old = ports.load(Relaxed);
        if old >> 16 != u32::from(port) {
            let new = u32::from(port) << 16 | old & 0xffff;
            // Lost only if the slot changed hands or another request of the session was faster.
            let _ = ports.compare_exchange(old, new, Relaxed, Relaxed);
        }
    }
}
