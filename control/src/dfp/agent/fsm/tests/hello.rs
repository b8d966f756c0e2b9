//! The hello rule, by Keep-alive Time.

use super::*;

const HELLO: &[Message] = &[Message::PreferenceInfo(Vec::new())];

/// Seconds from the last message to each hello of a manager with this Keep-alive Time, for ten minutes.
fn hellos(seconds_of: Option<u32>) -> Vec<u64> {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    if let Some(seconds) = seconds_of {
        bench.keep_alive(id, seconds);
    }
    let mut last = 0;
    let mut hellos = Vec::new();
    for second in 1..=600 {
        bench.pass(seconds(1));
        let read = bench.read(id);
        if !read.is_empty() {
            assert_eq!(read, HELLO);
            hellos.push(second - last);
            last = second;
        }
    }
    hellos
}

#[test]
fn without_keep_alive_time_or_with_0_there_are_none() {
    assert_eq!(hellos(None), [] as [u64; 0]);
    assert_eq!(hellos(Some(0)), [] as [u64; 0]);
}

#[test]
fn they_come_after_three_quarters_of_the_time_within_3_and_60_seconds() {
    for (time, period) in [
        (1, 3),
        (2, 3),
        (3, 3),
        (4, 3),
        (5, 3),
        (6, 4),
        (8, 6),
        (30, 22),
        (79, 59),
        (80, 60),
        (81, 60),
        (600, 60),
        // Would overflow 32 bits of milliseconds, or of three times the time.
        (2_863_312, 60),
        (u32::MAX, 60),
    ] {
        let hellos = hellos(Some(time));
        assert!(hellos.len() as u64 == 600 / period && hellos.iter().all(|one| *one == period), "{time}");
    }
}

#[test]
fn times_below_the_minimum_are_warned_of() {
    for time in 0..=3 {
        let mut bench = Bench::new(&[]);
        let id = bench.greet(1);
        bench.keep_alive(id, time);
        let warned = bench.logged();
        if matches!(time, 1 | 2) {
            let line = format!(
                "DFP-4-KEEP_ALV: Keep-alive of {time} seconds from manager 10.1.1.1 is below the minimum of 3, using 3"
            );
            assert_eq!(warned, [line]);
        } else {
            assert_eq!(warned, [] as [String; 0]);
        }
    }
}

#[test]
fn any_message_puts_the_hello_off() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.keep_alive(id, 8);
    bench.pass(seconds(5));
    bench.agent.computed(table(&[row(51, 24)]));
    assert_eq!(bench.reports(id), [vec![row(51, 24)]]);
    bench.pass(seconds(5));
    assert_eq!(bench.read(id), []);
    bench.pass(seconds(1));
    assert_eq!(bench.read(id), HELLO);
}

#[test]
fn a_new_time_counts_at_once_and_an_overdue_hello_goes_out() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let id = bench.greet(1);
    bench.keep_alive(id, 80);
    bench.pass(seconds(30));
    assert_eq!(bench.read(id), []);
    bench.keep_alive(id, 40);
    assert_eq!(bench.read(id), HELLO, "due at 30");
    bench.keep_alive(id, 8);
    assert_eq!(bench.agent.peers[&id].deadline(), Some(bench.now.after(seconds(6))));
    bench.keep_alive(id, 0);
    bench.pass(seconds(3600));
    assert_eq!(bench.read(id), []);
}

#[test]
fn each_manager_has_its_own() {
    let mut bench = Bench::new(&[row(51, 25)]);
    let (often, rarely) = (bench.greet(1), bench.greet(2));
    bench.keep_alive(often, 4);
    bench.keep_alive(rarely, 80);
    bench.pass(seconds(3));
    assert_eq!((bench.read(often), bench.read(rarely)), (HELLO.to_vec(), vec![]));
}

#[test]
fn of_several_keep_alive_tlvs_the_last_counts() {
    let mut bench = Bench::new(&[]);
    let id = bench.greet(1);
    let bytes = crate::dfp::packet::tests::hex("0100030100000018 0101000800000003 0101000800000050");
    assert!(bench.agent.input(id, &bytes, bench.now));
    assert_eq!(bench.agent.view(bench.now).managers[0].timeout, 80);
}
