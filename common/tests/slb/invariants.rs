//! A million random requests with everything happening to the reals, on one thread and a fake clock.

use std::time::Duration;

use common::slb::{Outcome, Probe, RealSettings, SlbCounter, VserverCounter};

use crate::harness::Harness;

#[test]
fn accounts_hold_after_a_million_random_requests() {
    let mut harness = Harness::sized(4096, &[3, 1, 2], &[1, 1]);
    harness.real_mut('C').purge = true;
    harness.real_mut('D').reassign = None;
    let requests: Vec<_> = (0..6000).map(|user| harness.request(user)).collect();
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let (mut forwarded, mut dropped) = (0u64, 0u64);
    for step in 0..1_000_000u32 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let dice = random >> 16;
        // Some nodes are impatient: a tenth of them send half of the requests.
        let user = if dice & 1 == 0 { dice >> 8 & 0x1ff } else { (dice >> 8) % 6000 };
        let mut request = requests[user as usize];
        request.deregistration = (dice >> 24).is_multiple_of(64);
        match harness.handle(&request) {
            Outcome::Forward { .. } => forwarded += 1,
            Outcome::NoReal => dropped += 1,
            outcome @ (Outcome::Stale | Outcome::Shed | Outcome::OverRate) => {
                panic!("{outcome:?} with one snapshot and at ease")
            }
        }
        harness.now = harness.now.after(Duration::from_micros(dice >> 30 & 0xfff));
        if step % 100 == 0 {
            let now = harness.tick();
            harness.balancer.sweep(&harness.snapshot, now, 20, |_| {});
        }
        if step % 5000 == 0 {
            let real = harness.real(char::from(b'A' + (dice % 5) as u8));
            match dice >> 40 & 7 {
                0 => real.set_in_service(false),
                1 => real.set_probe(Probe::Failed),
                2 => real.set_dfp(Some(0)),
                3 => real.set_dfp(Some(3)),
                4 => real.configure(RealSettings { weight: 2, maxconns: 50, ..RealSettings::default() }),
                _ => {
                    real.set_in_service(true);
                    real.set_probe(Probe::Ok);
                    real.set_dfp(None);
                }
            }
            for name in 'A'..='E' {
                harness.real(name).retry_expired(harness.tick(), Duration::from_secs(1));
            }
            harness.ends.clear();
        }
        if step % 100_000 == 0 {
            harness.check_accounts();
        }
    }
    harness.check_accounts();
    assert_eq!(forwarded + dropped, 1_000_000);
    assert_eq!(dropped, harness.vstat(VserverCounter::NoReal));
    assert_eq!(harness.stat(SlbCounter::FailedReals), dropped);
    for counter in [SlbCounter::Created, SlbCounter::Destroyed, SlbCounter::Reassigned, SlbCounter::TimedOut]
    {
        assert!(harness.stat(counter) > 1000, "{counter:?} {}", harness.stat(counter));
    }
}
