//! Whether the process is live, whether it is ready, and what is wrong: the word of every subsystem, put together.

use std::time::Duration;

use super::{Core, steps::Surroundings};
use crate::{
    health::{Found, TASKS_DIED},
    manage::operator::{Check, Health},
    protocol::{Instance, Member, Protocol, Protocols, Report, Visitor},
};

/// How often it is looked for what is wrong.
pub(super) const DIAGNOSIS: Duration = Duration::from_millis(200);

struct Checks<'a, L: Protocols>(Surroundings<'a, L>, Vec<Check>);

impl<L: Protocols> Visitor<L> for Checks<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self(at, checks) = self;
        checks.extend(instance.checks(L::config(at.running), at.shared, at.out));
    }
}

struct Diagnose<'a, L: Protocols>(Surroundings<'a, L>, Vec<Found>);

impl<L: Protocols> Visitor<L> for Diagnose<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self(at, found) = self;
        if instance.are_tasks_dead() {
            found.push(Found::new(&TASKS_DIED, P::NAME, "they are started again"));
        }
        found.extend(instance.diagnose(L::config(at.running), at.shared, at.out));
    }
}

impl<L: Protocols> Core<L> {
    /// Whether the process is live, whether it is ready, and what is wrong at this moment.
    pub fn health(&mut self) -> Health {
        self.diagnose();
        let now = self.shared.now;
        let mut checks = self.shared.supervisor.checks(now);
        checks.extend(self.checks());
        checks.extend(self.shared.checks.iter().cloned());
        let conditions = self.conditions.views(&self.shared.settings.health, now);
        Health::new(checks, conditions, self.draining)
    }

    /// Looks for what is wrong; what begins and what ends is logged.
    pub(super) fn diagnose(&mut self) {
        // What is withdrawn at the end is no fault.
        if self.draining {
            return;
        }
        let (list, at) = self.parts();
        let mut ask = Diagnose(at, Vec::new());
        list.each(&mut ask);
        let mut found = ask.1;
        found.extend(self.shared.supervisor.behind());
        found.extend(self.shared.found.iter().cloned());
        let settings = &self.shared.settings.health;
        for change in self.conditions.update(found, settings, self.shared.now) {
            change.log();
        }
    }

    /// The answers in `/metrics`.
    pub(super) fn report_health(&mut self, report: &mut Report) {
        let health = self.health();
        let number = |yes: bool| f64::from(u8::from(yes));
        report.gauge("homeward_live", "1 while the process is well", Vec::new(), number(health.live));
        report.gauge("homeward_ready", "1 while it takes traffic", Vec::new(), number(health.ready));
        report.gauge("homeward_degraded", "1 while something is wrong", Vec::new(), number(health.degraded));
        for check in health.checks {
            let labels = vec![("check", check.name)];
            report.gauge("homeward_healthy", "1 while it moves", labels, number(check.healthy));
        }
        for condition in L::conditions() {
            let held = health.conditions.iter().filter(|held| held.condition == condition.name).count();
            let labels = vec![("condition", condition.name.to_owned())];
            report.gauge("homeward_conditions", "Of how many it holds", labels, held as f64);
        }
        for held in health.conditions {
            let labels = vec![("condition", held.condition.to_owned()), ("subject", held.subject)];
            report.gauge("homeward_condition", "1 while it holds", labels, 1.0);
        }
    }

    /// What the launcher did, if there is one.
    pub(super) fn report_launcher(&self, report: &mut Report) {
        let Some(totals) = self.shared.launcher.totals() else { return };
        let up = f64::from(u8::from(!self.shared.launcher.has_ended()));
        report.gauge("homeward_launcher_up", "1 while scripts can be started", Vec::new(), up);
        for (outcome, count) in
            [("started", totals.started), ("busy", totals.busy), ("not_started", totals.not_started)]
        {
            let labels = vec![("outcome", outcome.to_owned())];
            report.counter("homeward_launcher_scripts", "Scripts that were to be run", labels, count);
        }
    }

    /// The word of each subsystem on what must move.
    fn checks(&mut self) -> Vec<Check> {
        let (list, at) = self.parts();
        let mut ask = Checks(at, Vec::new());
        list.each(&mut ask);
        ask.1
    }
}
