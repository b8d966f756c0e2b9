//! Control's half of the state machines: workers change a real's live word (FAILED, TESTING, MAXCONNS) from one packet
//! to the next; control runs the retry timer and decides what is displayed. Pure: time is an argument.

use std::{fmt, time::Duration};

use common::time::Nanos;
use serde::{Serialize, Serializer};

/// State of a real server as displayed (CISCO-SLB-MIB, SlbRealServerState; `ARP_FAILED` is ours for a real whose next
/// hop has no MAC address yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RealStatus {
    /// Not `inservice`, or no virtual server in service uses its farm.
    OutOfService,
    /// Takes sessions.
    Operational,
    /// The failure threshold was reached; the retry timer runs.
    Failed,
    /// The retry timer expired; the next new session is a test.
    ReadyToTest,
    /// The test session lives.
    Testing,
    /// As many sessions as `maxconns` allows.
    MaxConns,
    /// Weight 0.
    DfpThrottled,
    /// No MAC address.
    ArpFailed,
}

impl fmt::Display for RealStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OutOfService => "OUTOFSERVICE",
            Self::Operational => "OPERATIONAL",
            Self::Failed => "FAILED",
            Self::ReadyToTest => "READY_TO_TEST",
            Self::Testing => "TESTING",
            Self::MaxConns => "MAXCONNS",
            Self::DfpThrottled => "DFP_THROTTLED",
            Self::ArpFailed => "ARP_FAILED",
        })
    }
}

impl Serialize for RealStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the live word says of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing against it.
    Good,
    /// Threshold reached.
    Failed,
    /// One session may test it.
    ReadyToTest,
    /// That session lives.
    Testing,
}

/// All that bears on what is displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `inservice`, and a virtual server in service uses the farm.
    pub in_service: bool,
    /// Failures.
    pub health: Health,
    /// The next hop has a MAC address.
    pub resolved: bool,
    /// Operational weight.
    pub weight: u32,
    /// Live sessions.
    pub conns: u32,
    /// Most sessions.
    pub maxconns: u32,
}

/// The state displayed, by priority: OUTOFSERVICE, failure and test, ARP_FAILED, DFP_THROTTLED, MAXCONNS.
pub fn status(facts: &Facts) -> RealStatus {
    match facts.health {
        _ if !facts.in_service => RealStatus::OutOfService,
        Health::Failed => RealStatus::Failed,
        Health::ReadyToTest => RealStatus::ReadyToTest,
        Health::Testing => RealStatus::Testing,
        Health::Good if !facts.resolved => RealStatus::ArpFailed,
        Health::Good if facts.weight == 0 => RealStatus::DfpThrottled,
        Health::Good if facts.conns >= facts.maxconns => RealStatus::MaxConns,
        Health::Good => RealStatus::Operational,
    }
}

/// The retry timer of one real: from FAILED to READY_TO_TEST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryTimer {
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    since: Nanos,
    failures: u64,
}

/// What control must do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAction {
    /// Nothing.
    None,
    /// The real has just failed: log it, and purge its sessions if the farm says so.
    Failed,
    /// The time is over: make it READY_TO_TEST.
    ReadyToTest,
}

impl RetryTimer {
    /// Looks at the real: its health, how often it ever failed, and the `retry` in force.
    ///
    /// A real that failed, was tested and failed again between two looks starts anew: the count tells.
    pub fn poll(&mut self, health: Health, failures: u64, retry: Duration, now: Nanos) -> RetryAction {
        if health != Health::Failed {
            self.running = None;
            return RetryAction::None;
        }
        match self.running {
            Some(running) if running.failures == failures => {
                if now >= running.since.after(retry) {
                    RetryAction::ReadyToTest
                } else {
                    RetryAction::None
                }
            }
            Some(_) | None => {
                self.running = Some(Running { since: now, failures });
                RetryAction::Failed
            }
        }
    }

    /// Time left, while it runs.
    pub fn remaining(&self, retry: Duration, now: Nanos) -> Option<Duration> {
        self.running.map(|running| running.since.after(retry).since(now))
    }
}

/// State of a virtual server (CISCO-SLB-MIB, SlbVirtualServerState).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VserverStatus {
    /// Not `inservice`.
    OutOfService,
    /// Takes requests.
    Operational,
    /// Another director of its group takes them.
    Standby,
}

impl VserverStatus {
    /// The state of a virtual server; `active` is false while its standby group's other member is the active one.
    pub fn of(in_service: bool, active: bool) -> Self {
        match (in_service, active) {
            (false, _) => Self::OutOfService,
            (true, true) => Self::Operational,
            (true, false) => Self::Standby,
        }
    }

    /// As displayed.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfService => "OUTOFSERVICE",
            Self::Operational => "OPERATIONAL",
            Self::Standby => "STANDBY",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Facts =
        Facts { in_service: true, health: Health::Good, resolved: true, weight: 8, conns: 0, maxconns: 2 };

    #[test]
    fn the_most_important_reason_is_displayed() {
        let mut facts = GOOD;
        assert_eq!(status(&facts).to_string(), "OPERATIONAL");
        facts.conns = 2;
        assert_eq!(status(&facts).to_string(), "MAXCONNS");
        facts.weight = 0;
        assert_eq!(status(&facts).to_string(), "DFP_THROTTLED");
        facts.resolved = false;
        assert_eq!(status(&facts).to_string(), "ARP_FAILED");
        for (health, name) in
            [(Health::Testing, "TESTING"), (Health::ReadyToTest, "READY_TO_TEST"), (Health::Failed, "FAILED")]
        {
            facts.health = health;
            assert_eq!(status(&facts).to_string(), name);
        }
        facts.in_service = false;
        assert_eq!(status(&facts).to_string(), "OUTOFSERVICE");
    }

    #[test]
    fn the_retry_timer_runs_from_the_failure_for_exactly_the_time_set() {
        let retry = Duration::from_secs(5);
        let at = |millis: u64| Nanos(millis * 1_000_000);
        let mut timer = RetryTimer::default();
        assert_eq!(timer.poll(Health::Good, 0, retry, at(0)), RetryAction::None);
        assert_eq!(timer.remaining(retry, at(0)), None);
        assert_eq!(timer.poll(Health::Failed, 1, retry, at(1000)), RetryAction::Failed);
        assert_eq!(timer.poll(Health::Failed, 1, retry, at(5999)), RetryAction::None);
        assert_eq!(timer.remaining(retry, at(4000)), Some(Duration::from_secs(2)));
        assert_eq!(timer.poll(Health::Failed, 1, retry, at(6000)), RetryAction::ReadyToTest);
        assert_eq!(timer.poll(Health::ReadyToTest, 1, retry, at(6001)), RetryAction::None);
        assert_eq!(timer.poll(Health::Testing, 1, retry, at(6100)), RetryAction::None);
        assert_eq!(timer.poll(Health::Failed, 2, retry, at(7000)), RetryAction::Failed, "the test failed");
        assert_eq!(
            timer.poll(Health::Failed, 3, retry, at(9000)),
            RetryAction::Failed,
            "and once more unseen"
        );
        assert_eq!(timer.poll(Health::Failed, 3, retry, at(13_999)), RetryAction::None);
        assert_eq!(
            timer.poll(Health::Failed, 3, Duration::from_secs(1), at(13_999)),
            RetryAction::ReadyToTest
        );
    }

    #[test]
    fn virtual_servers_have_three_states() {
        assert_eq!(VserverStatus::of(false, true).name(), "OUTOFSERVICE");
        assert_eq!(VserverStatus::of(true, true).name(), "OPERATIONAL");
        assert_eq!(VserverStatus::of(true, false).name(), "STANDBY");
    }
}
