//! Requests that `fast_path` recognised and could not send on: most are the first of their nodes, whose sessions begin
//! together. The others are decided about alone, in their place.

use common::{
    event::SessionChange,
    slb::{BATCH, display_hashes},
};

use super::{Context, mobile_ip};
use crate::{
    backend::{BURST, Frame},
    batch::Batch,
};

const _: () = assert!(BURST <= BATCH, "a burst is one call");

/// Keys that are hashed side by side.
const LANES: usize = 4;

/// Decides about all requests of the batch, which `fast_path` handed over, in their order.
pub fn run<F: Frame>(cx: &mut Context<'_>, batch: &mut Batch<F>) {
    let hashes = request_hashes(batch);
    let mut from = 0;
    while from < batch.requests.len() {
        let (requests, hashes) = (&batch.requests[from..], &hashes[from..]);
        let now = cx.now.tick();
        let begun = cx.tables.slb.create_batch(cx.snapshot, requests, hashes, now, cx.worker);
        for real in &begun {
            match *real {
                Some(real) => {
                    let (index, request) = batch.requests[from];
                    let (frame, packet) = batch.at(index.into());
                    let change = Some(SessionChange::Created);
                    let next = mobile_ip::deliver(cx, frame, packet, &request, (real, change));
                    batch.send(index.into(), next);
                }
                None => mobile_ip::alone(cx, batch, from),
            }
            from += 1;
        }
        if from < batch.requests.len() {
            mobile_ip::alone(cx, batch, from);
            from += 1;
        }
    }
}

/// The display hashes of all requests.
fn request_hashes<F: Frame>(batch: &Batch<F>) -> [u32; BURST] {
    let mut all = [0; BURST];
    let mut keys = [&[][..]; BURST];
    for (key, (index, _)) in keys.iter_mut().zip(&batch.requests) {
        let (at, length) = batch.packets[usize::from(*index)].nai;
        let data = batch.frames[usize::from(*index)].data();
        *key = data.get(usize::from(at)..usize::from(at) + usize::from(length)).unwrap_or_default();
    }
    let (groups, _) = keys.as_chunks::<LANES>();
    let wanted = batch.requests.len().div_ceil(LANES);
    for (hashes, keys) in all.as_chunks_mut::<LANES>().0.iter_mut().zip(groups).take(wanted) {
        *hashes = display_hashes(*keys);
    }
    all
}
