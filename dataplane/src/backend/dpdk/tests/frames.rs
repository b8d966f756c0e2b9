//! Frames in DPDK's buffers, single and chained.

use super::config;
use crate::backend::{
    Burst, Frame, PortQueue,
    dpdk::{DpdkFrame, DpdkQueue, Started, start},
};

fn ring() -> (Started, DpdkQueue) {
    let mut started = start(&config(&["net_ring0"])).unwrap();
    let queue = started.queues().remove(0).remove(0);
    (started, queue)
}

fn frame(queue: &mut DpdkQueue, bytes: &[u8]) -> DpdkFrame {
    let mut frame = queue.allocate().unwrap();
    frame.append(bytes.len()).unwrap().copy_from_slice(bytes);
    frame
}

/// Three segments: 0..100, 100..150, 150..200.
fn chain(queue: &mut DpdkQueue) -> DpdkFrame {
    let bytes: Vec<u8> = (0..200).collect();
    let mut head = frame(queue, &bytes[..100]);
    for part in [&bytes[100..150], &bytes[150..]] {
        let tail = frame(queue, part);
        assert!(head.chain(tail).is_none());
    }
    assert_eq!((head.segments(), head.total_len(), head.data().len()), (3, 200, 100));
    head.check().unwrap();
    head
}

#[test]
fn room_in_front_and_behind_ends_where_the_buffer_does() {
    let (started, mut queue) = ring();
    let mut frame = frame(&mut queue, b"payload");
    frame.prepend(128).unwrap()[127] = b'<';
    assert!(frame.prepend(1).is_none());
    frame.append(1).unwrap()[0] = b'>';
    assert_eq!(&frame.data()[127..], b"<payload>");
    assert!(frame.append(2048).is_none());
    assert!(frame.append(2048 - 8).is_some());
    assert!(frame.append(1).is_none());
    assert!(frame.truncate(136) && frame.trim_front(127));
    assert_eq!(frame.data(), b"<payload>");
    frame.check().unwrap();
    assert!(!frame.truncate(10) && !frame.trim_front(10));
    assert!(frame.trim_front(9) && frame.data().is_empty());
    assert!(frame.prepend(70000).is_none() && frame.append(70000).is_none());
    drop(frame);
    drop(queue);
    let pool = started.control().pools().remove(0);
    assert_eq!(pool.free, pool.size);
}

#[test]
fn chains_are_cut_joined_and_given_back_whole() {
    let (started, mut queue) = ring();
    let control = started.control();
    let free = || control.pools()[0].size - control.pools()[0].free;
    let bytes: Vec<u8> = (0..200).collect();

    let mut whole = chain(&mut queue);
    assert!(whole.linearize());
    assert_eq!((whole.segments(), whole.data()), (1, &bytes[..]));
    assert_eq!(free(), 1, "the copied segments went back");

    let mut cut = chain(&mut queue);
    assert!(cut.truncate(120));
    assert_eq!((cut.segments(), cut.total_len(), free()), (2, 120, 3));
    cut.check().unwrap();
    assert!(cut.truncate(40));
    assert_eq!((cut.segments(), cut.data(), free()), (1, &bytes[..40], 2));

    let mut front = chain(&mut queue);
    assert!(front.trim_front(120));
    assert_eq!((front.total_len(), front.data()[0]), (80, 120));
    front.check().unwrap();

    let mut longer = chain(&mut queue);
    longer.append(10).unwrap().fill(7);
    assert_eq!((longer.total_len(), longer.data().len(), longer.segments()), (210, 100, 3));
    assert!(longer.linearize());
    assert_eq!(&longer.data()[190..], [&bytes[190..], &[7; 10]].concat());

    drop((whole, cut, front, longer));
    assert_eq!(free(), 0);
}

#[test]
fn sharers_see_the_same_bytes_and_the_last_one_gives_them_back() {
    let (started, mut queue) = ring();
    let control = started.control();
    let mut first = chain(&mut queue);
    let second = first.share();
    assert_eq!((first.references(), second.data().as_ptr()), (2, first.data().as_ptr()));
    assert!(first.prepend(4).is_none() && first.append(4).is_none());
    assert!(!first.trim_front(1) && !first.truncate(1) && !first.linearize());
    let extra = frame(&mut queue, b"x");
    let extra = first.chain(extra).expect("a shared frame takes no segment");
    drop((first, extra));
    assert_eq!(control.pools()[0].size - control.pools()[0].free, 3);
    assert_eq!((second.references(), second.total_len()), (1, 200));

    // Both references go through a device and come back.
    let mut burst: Burst<DpdkFrame> = [second.share(), second].into_iter().collect();
    assert_eq!(queue.transmit(&mut burst), 2);
    assert_eq!(queue.receive(&mut burst), 2);
    assert_eq!(burst[0].references(), 2);
    burst.clear();
    assert_eq!(control.pools()[0].size, control.pools()[0].free);
}

#[test]
fn a_copy_is_one_segment_of_its_own() {
    let (started, mut queue) = ring();
    let free = || started.control().pools()[0].free;
    let whole = free();
    let chained = chain(&mut queue);
    let mut copy = chained.copy().unwrap();
    assert_eq!((copy.segments(), copy.references()), (1, 1));
    assert_eq!(copy.data(), (0..200).collect::<Vec<u8>>());
    copy.check().unwrap();
    copy.data_mut()[0] = 99;
    assert_eq!((chained.data()[0], whole - free()), (0, 4));
    let mut large = frame(&mut queue, &[7; 1900]);
    assert!(large.chain(frame(&mut queue, &[7; 200])).is_none());
    assert!(large.copy().is_none(), "more than a buffer has");
    drop((chained, copy, large));
    assert_eq!(free(), whole);
}

#[test]
fn offloads_say_nothing_where_the_device_said_nothing() {
    let (_started, mut queue) = ring();
    let frame = frame(&mut queue, &[0; 60]);
    assert_eq!((frame.rss_hash(), frame.stripped_vlan(), frame.ip_checksum_ok()), (None, None, None));
    assert!(!queue.checksum_offload());
}

#[test]
fn a_requested_checksum_leaves_the_pseudo_header_for_the_device() {
    let (_started, mut queue) = ring();
    // 10.1.1.1:434 -> 10.1.1.2:435, eight bytes of datagram; the sum by hand: 0a01 + 0101 + 0a01 + 0102 + 11 + 8.
    let ip = [69, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0xab, 0xcd, 10, 1, 1, 1, 10, 1, 1, 2];
    let udp = [1, 178, 1, 179, 0, 8, 0x55, 0x55];
    let bytes = [&[0; 14][..], &ip, &udp].concat();
    let mut frame = frame(&mut queue, &bytes);
    assert!(frame.request_checksum(14, 20, true));
    assert_eq!(frame.data()[24..26], [0, 0]);
    assert_eq!(u16::from_be_bytes([frame.data()[40], frame.data()[41]]), 0x161e);

    for (l2, l3) in [(14, 21 + 8), (14, 16), (128, 20), (14, 512)] {
        let before = frame.data().to_vec();
        assert!(!frame.request_checksum(l2, l3, true), "{l2} {l3}");
        assert_eq!(frame.data(), before);
    }
}

#[test]
fn a_dry_pool_gives_nothing_and_recovers() {
    let (started, mut queue) = ring();
    let control = started.control();
    let mut held = Vec::new();
    while let Some(frame) = queue.allocate() {
        held.push(frame);
    }
    // What is in the cache of another thread cannot be had; here there is none.
    assert_eq!((held.len() as u32, control.pools()[0].free), (control.pools()[0].size, 0));
    held.clear();
    assert_eq!(control.pools()[0].free, control.pools()[0].size);
    assert!(queue.allocate().is_some());
}
