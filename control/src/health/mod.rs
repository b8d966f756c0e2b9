//! Three questions, three answers. **Live**: the process is well, whatever happens around it: workers move, tasks run. The
//! watchdog of systemd asks that. **Ready**: it takes traffic sensibly. **Degraded**: what is wrong, by name.
//!
//! What must move for the process to be live is a [`Check`]. What can be wrong is a [`Condition`], which its owner declares;
//! which of them make the director not ready is set under `management`.

mod condition;
mod own;
mod supervisor;
mod tracker;

pub use self::{
    condition::{Condition, Found, HealthSettings, Lines, condition},
    own::{DESCRIPTORS, DEVICE_ADDRESS, LAUNCHER_ENDED, TASKS_DIED, WORKER_BEHIND, own},
    supervisor::{Supervisor, WORKER_TIMEOUT, WorkerChange},
    tracker::{Change, Conditions, Turn},
};
use crate::manage::operator::{Check, Health};

/// The text of `show health`.
pub fn health_text(health: &Health) -> String {
    use std::fmt::Write as _;
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let mut out = format!("live: {}\n", yes_no(health.live));
    // Writing to a string cannot fail.
    for check in &health.checks {
        let word = if check.healthy { "good" } else { "bad" };
        let _ = writeln!(out, "  {:<16} {word:<5} {}", check.name, check.reason);
    }
    let against = health.against_ready();
    let why = if against.is_empty() { String::new() } else { format!(": {}", against.join(", ")) };
    let _ = writeln!(out, "ready: {}{why}", yes_no(health.ready));
    let _ = writeln!(out, "degraded: {}", yes_no(health.degraded));
    for held in &health.conditions {
        let unready = if held.unready { ", not ready" } else { "" };
        let _ = writeln!(
            out,
            "  {:<16} {:<24} {} ({} s{unready})",
            held.condition, held.subject, held.reason, held.seconds
        );
    }
    out
}

/// How full a table of fixed size is.
pub fn table_check(name: &str, used: u64, capacity: u64) -> Check {
    let reason = format!("{used} of {capacity} in use ({} %)", percent(used, capacity));
    Check { name: name.to_owned(), healthy: true, reason }
}

/// `part` of `whole`, rounded down; 0 of nothing.
pub fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::operator::ConditionView;

    fn check(healthy: bool) -> Check {
        Check { name: "worker 0".into(), healthy, reason: "as said".into() }
    }

    fn held(condition: &'static str, unready: bool) -> ConditionView {
        let (subject, reason) = ("Ethernet0".into(), "no link".into());
        ConditionView { condition, subject, reason, seconds: 12, unready }
    }

    #[test]
    fn a_table_says_how_full_it_is() {
        assert_eq!(table_check("sessions", 80, 100).reason, "80 of 100 in use (80 %)");
        assert_eq!(table_check("sessions", 0, 0).reason, "0 of 0 in use (0 %)");
    }

    #[test]
    fn the_three_answers_differ() {
        let answers = |health: &Health| (health.live, health.ready, health.degraded, health.healthy);
        let good = Health::new(vec![check(true)], Vec::new(), false);
        assert_eq!(answers(&good), (true, true, false, true));
        let degraded = Health::new(vec![check(true)], vec![held("drops", false)], false);
        assert_eq!(answers(&degraded), (true, true, true, true));
        let unready = Health::new(vec![check(true)], vec![held("port-down", true)], false);
        assert_eq!(answers(&unready), (true, false, true, false));
        // Who stands still takes no traffic, and whoever is about to end wants none.
        let dead = Health::new(vec![check(true), check(false)], Vec::new(), false);
        assert_eq!(answers(&dead), (false, false, false, false));
        let draining = Health::new(vec![check(true)], Vec::new(), true);
        assert_eq!(answers(&draining), (true, false, false, false));
    }

    #[test]
    fn the_text_says_what_is_wrong_by_name() {
        let conditions = vec![held("drops", false), held("port-down", true), held("port-down", true)];
        let text = health_text(&Health::new(vec![check(true)], conditions, true));
        assert_eq!(
            text,
            "live: yes\n  worker 0         good  as said\nready: no: draining, port-down\ndegraded: yes\n  \
             drops            Ethernet0                no link (12 s)\n  \
             port-down        Ethernet0                no link (12 s, not ready)\n  \
             port-down        Ethernet0                no link (12 s, not ready)\n"
        );
        let text = health_text(&Health::new(vec![check(false)], Vec::new(), false));
        assert_eq!(text, "live: no\n  worker 0         bad   as said\nready: no: not live\ndegraded: no\n");
    }
}
