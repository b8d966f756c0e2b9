//! The entries of the fuzz targets.

use std::collections::BTreeMap;

use common::{id::InterfaceId, ring::MAX_FRAME};
use rtnetlink::packet_core::{NetlinkBuffer, NetlinkMessage};

use super::{
    netlink::{Notice, Notification, notice},
    shadow_io::{TAG, from_kernel, to_kernel},
    state::KernelTables,
    view::{HostState, RouteEntry},
};

/// What datagrams tell, as the library reads them; it ends where it cannot know where the next message begins.
fn notices(mut datagrams: &[u8]) -> Vec<Notice> {
    let mut notices = Vec::new();
    while let Ok(header) = NetlinkBuffer::new_checked(datagrams)
        && let Some((one, rest)) = datagrams.split_at_checked(header.length() as usize)
    {
        notices.extend(NetlinkMessage::<Notification>::deserialize(one).ok().and_then(notice));
        datagrams = rest;
    }
    notices
}

fn apply(tables: &mut KernelTables, notice: &Notice) {
    match notice {
        Notice::Message { message, replace } => _ = tables.apply(message, *replace),
        Notice::NextHop(id) => _ = tables.next_hop_changed(*id),
        Notice::Overrun => {
            tables.clear_devices();
            tables.clear_routes();
        }
    }
}

/// Feeds arbitrary bytes as what the kernel notifies of. The shadows are the devices 2 and 3.
///
/// # Panics
/// When a view that followed each message is not the one that is made of all of them at once.
pub fn fuzz_netlink(datagrams: &[u8]) {
    let shadows = BTreeMap::from([(2, InterfaceId(0)), (3, InterfaceId(1))]);
    let (mut followed, mut at_once) = (KernelTables::default(), KernelTables::default());
    let mut view = HostState::default();
    for notice in notices(datagrams) {
        apply(&mut followed, &notice);
        apply(&mut at_once, &notice);
        let last = view.generation;
        view = followed.view(&shadows, &view);
        assert!((last..=last + 1).contains(&view.generation), "generations rise by one");
    }
    let wanted = at_once.view(&shadows, &HostState::default());
    assert_eq!(view.links, wanted.links);
    assert_eq!(view.addresses, wanted.addresses);
    assert_eq!(view.arp, wanted.arp);
    assert_eq!(view.neighbours, wanted.neighbours);
    assert!(view.routes.iter().eq(wanted.routes.iter()), "routes that drift");
    assert_eq!(unnamed(&view), unnamed(&wanted), "a routing table that drifts");
}

/// The routing table without the names of devices: one that goes takes its routes along, which are read anew then.
fn unnamed(view: &HostState) -> Vec<RouteEntry> {
    let mut entries: Vec<_> = view.route_entries().cloned().collect();
    entries.iter_mut().flat_map(|entry| &mut entry.hops).for_each(|hop| hop.device = None);
    entries
}

/// A frame that the kernel sends to the shadow of an interface, as the workers' ring has it; `None` if it is none.
///
/// # Panics
/// When the tag that it gets is not the one that is taken off on the way back.
pub fn fuzz_from_kernel(frame: &[u8], vlan: Option<u16>) -> Option<Vec<u8>> {
    let length = frame.len().min(MAX_FRAME);
    let mut buffer = vec![0; TAG + MAX_FRAME + 1];
    buffer[TAG..TAG + length].copy_from_slice(&frame[..length]);
    let sent = from_kernel(&mut buffer, length, vlan)?.to_vec();
    if vlan.is_some() {
        let mut back = sent.clone();
        assert!(to_kernel(&mut back, vlan));
        assert_eq!(back, frame[..length]);
    }
    Some(sent)
}

/// A frame out of a worker's ring as the shadow of its interface is given it; `None` if it is none.
pub fn fuzz_to_kernel(mut frame: Vec<u8>, vlan: Option<u16>) -> Option<Vec<u8>> {
    to_kernel(&mut frame, vlan).then_some(frame)
}
