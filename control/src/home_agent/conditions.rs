//! What can be wrong with the home agent.

use super::HomeAgent;
use crate::{
    health::{Condition, Found, condition},
    protocol::Cx,
};

/// Registrations are judged by the time of day.
static CLOCK_UNSYNCHRONISED: Condition = condition!(
    "clock-unsynchronised",
    "The clock is not kept, by which a home agent tells replays",
    after: 10, above: none, unready: false
);

/// All of them.
pub(super) fn all() -> Vec<&'static Condition> {
    vec![&CLOCK_UNSYNCHRONISED]
}

/// What of that is so.
pub(super) fn found(cx: &Cx<'_, HomeAgent>) -> Vec<Found> {
    if !cx.config.is_active() || hw::is_clock_synchronised() != Some(false) {
        return Vec::new();
    }
    let reason = "nobody keeps it (NTP or PTP): the time stamps of registration requests are judged by it";
    vec![Found::new(&CLOCK_UNSYNCHRONISED, "clock", reason)]
}
