//! One frame of any bytes through a whole worker: the entry for fuzzing.

use std::cell::RefCell;

use common::id::PortId;

use crate::{backend::sim::Marks, harness::Harness};

thread_local! {
    static HARNESS: RefCell<Harness> = RefCell::new(Harness::new(1));
}

/// Sends a frame into a worker of the example network ([`crate::harness`]) and empties everything that it filled.
///
/// The first byte says how the frame comes (bit 0: port, bit 1: tag 15 stripped by the device, bit 2: header checksum
/// good by the device, bit 3: in two segments); the rest is the frame. Sessions stay, so inputs may build on each
/// other within a thread.
///
/// # Panics
/// If a stage panics, or the packet has not exactly one verdict.
pub fn frame(input: &[u8]) {
    let Some((how, bytes)) = input.split_first() else { return };
    HARNESS.with_borrow_mut(|harness| {
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
