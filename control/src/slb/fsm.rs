//! Control's half of the state machines. The states of a real live in one shared word that workers change from one
//! packet to the next (`common::slb`); control notices changes, to log them and to purge, and runs the timers. Pure:
//! time is an argument.

use std::time::Duration;

use common::{
    slb::RealState,
    time::{Nanos, Tick},
};

/// What control remembers of a real between two polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealWatch {
    state: RealState,
    failed_at: Option<Tick>,
    doubted: u64,
}

/// What a poll of a real found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// The state is another than at the last poll: to be logged.
    pub state: Option<RealState>,
    /// It failed since the last poll (perhaps once more, after a test): `failaction purge` runs.
    pub failed: bool,
    /// Its sessions failed enough since the last poll, but somebody vouched for it.
    pub doubted: bool,
}

impl Default for RealWatch {
    fn default() -> Self {
        Self { state: RealState::OutOfService, failed_at: None, doubted: 0 }
    }
}

impl RealWatch {
    /// Takes the state of a real: its printed state, when it failed, while it is FAILED, and how often that was
    /// [doubted](common::slb::RealStatus::doubted).
    pub fn observe(&mut self, state: RealState, failed_at: Option<Tick>, doubted: u64) -> Noticed {
        let before = std::mem::replace(self, Self { state, failed_at, doubted });
        Noticed {
            state: (before.state != state).then_some(state),
            failed: failed_at.is_some() && before.failed_at != failed_at,
            doubted: before.doubted != doubted,
        }
    }
}

/// Time until a failed real may be tested.
pub fn retry_remaining(failed_at: Option<Tick>, retry: Duration, now: Nanos) -> Option<Duration> {
    failed_at.map(|at| now.tick().until(at.after(retry)))
}

/// State of a virtual server (CISCO-SLB-MIB, SlbVirtualServerState).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VserverStatus {
    /// Not `inservice`.
    OutOfService,
    /// Takes requests.
    Operational,
}

impl VserverStatus {
    /// The state of a virtual server.
    pub fn from_in_service(in_service: bool) -> Self {
        if in_service { Self::Operational } else { Self::OutOfService }
    }

    /// As displayed.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfService => "OUTOFSERVICE",
            Self::Operational => "OPERATIONAL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_noticed_once() {
        let mut watch = RealWatch::default();
        let (first, second) = (Some(Tick(100)), Some(Tick(200)));
        let noticed = |state, failed| Noticed { state, failed, doubted: false };
        assert_eq!(
            watch.observe(RealState::Operational, None, 0),
            noticed(Some(RealState::Operational), false)
        );
        assert_eq!(watch.observe(RealState::Failed, first, 0), noticed(Some(RealState::Failed), true));
        assert_eq!(watch.observe(RealState::Failed, first, 0), Noticed::default());
        assert_eq!(watch.observe(RealState::Failed, second, 0), noticed(None, true), "a test failed unseen");
        assert_eq!(
            watch.observe(RealState::ReadyToTest, None, 0),
            noticed(Some(RealState::ReadyToTest), false)
        );
        let doubted = Noticed { doubted: true, ..Noticed::default() };
        assert_eq!(watch.observe(RealState::ReadyToTest, None, 1), doubted);
        assert_eq!(watch.observe(RealState::ReadyToTest, None, 1), Noticed::default());
    }

    #[test]
    fn the_time_left_of_retry_counts_from_the_failure() {
        let retry = Duration::from_secs(5);
        let at = |seconds: u64| Nanos(seconds * 1_000_000_000);
        assert_eq!(retry_remaining(None, retry, at(3)), None);
        let left = retry_remaining(Some(at(1).tick()), retry, at(4)).unwrap();
        assert!((1900..=2200).contains(&left.as_millis()), "{left:?}");
        assert_eq!(retry_remaining(Some(at(1).tick()), retry, at(9)), Some(Duration::ZERO));
    }

    #[test]
    fn virtual_servers_have_two_states() {
        assert_eq!(VserverStatus::from_in_service(false).name(), "OUTOFSERVICE");
        assert_eq!(VserverStatus::from_in_service(true).name(), "OPERATIONAL");
    }
}
