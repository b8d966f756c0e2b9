//! One frame of any bytes through a whole worker: the entry for fuzzing.

use std::{cell::RefCell, sync::Arc};

use common::{
    id::PortId,
    net::{ReachableVia, SourceCheck, VerifySource},
    slb::ClientRate,
};

use crate::{backend::sim::Marks, harness::Harness};

thread_local! {
    static HARNESSES: RefCell<[Harness; 2]> = RefCell::new([Harness::new(1), guarded()]);
}

/// One that checks sources and limits clients.
fn guarded() -> Harness {
    let harness = Harness::new(1);
    harness.change(|snapshot| {
        for interface in snapshot.net_mut().interfaces_mut() {
            let verify = VerifySource { via: ReachableVia::Rx, allow_default: false };
            interface.source_check = Some(SourceCheck { verify, drops: Arc::default() });
        }
        for vserver in snapshot.slb_mut().vservers.iter_mut().flatten() {
            vserver.client_rate = Some(Arc::new(ClientRate::new(10)));
        }
    });
    harness
}

/// Sends a frame into a worker of the example network ([`crate::harness`]) and empties everything that it filled.
///
/// The first byte says how the frame comes (bit 0: port, bit 1: tag 15 stripped by the device, bit 2: header checksum
/// good by the device, bit 3: in two segments, bit 4: into a worker that checks
/// sources and limits clients); the rest is the frame. Sessions stay, so inputs may build on each
/// other within a thread.
///
/// # Panics
/// If a stage panics, or the packet has not exactly one verdict.
pub fn frame(input: &[u8]) {
    let Some((how, bytes)) = input.split_first() else { return };
    HARNESSES.with_borrow_mut(|harnesses| {
        let harness = &mut harnesses[usize::from(how & 16 != 0)];
        let port = PortId(u16::from(how & 1));
        let marks = Marks {
            rss_hash: None,
            vlan: (how & 2 != 0).then_some(15),
            ip_checksum_ok: (how & 4 != 0).then_some(true),
        };
        let before = harness.received();
        let fed = if how & 8 == 0 {
            harness.wire.feed_marked(port, 0, bytes, marks)
        } else {
            harness.wire.feed_segmented(port, 0, bytes, bytes.len() / 2, true)
        };
        harness.run();
        assert_eq!(harness.received(), before + u64::from(fed));
        let mut buffer = Vec::new();
        while harness.control.punts[0].receive(&mut buffer).is_some() {}
        while harness.control.events[0].pop().is_ok() {}
    });
}
