//! Active probes: servers are asked at intervals, and who does not answer gets no new sessions.
//!
//! `target` is one server that one probe asks, `fsm` says when whom to ask and what its answers make of it, `packet` is the
//! bytes, `io` the sockets, on tasks of their own: nothing of a single try comes to the balancer's state, but while it is
//! debugged. `state` is what control keeps: who is asked, and what is known of them.

mod fsm;
mod io;
mod packet;
mod state;
mod target;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use serde::{Deserialize, Serialize};

pub use self::{
    io::run,
    state::{Asked, Probes},
    target::{ProbeState, Target, TargetId},
};
use super::{
    Slb,
    config::ProbeKind,
    debug,
    show::{ProbeView, ProbedView, Span},
};
use crate::protocol::{Cx, Report};

/// What the tasks tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// A server has changed its state.
    Changed(TargetId, ProbeState),
    /// A try is over, in words; told only while that is debugged.
    Tried(TargetId, String),
}

/// What is asked of the tasks.
#[derive(Clone, Debug)]
pub enum Order {
    /// Ask these servers, and no others.
    Ask(Arc<[Arc<Target>]>),
    /// Tell of every try, or no longer.
    Debug(bool),
}

impl Slb {
    /// Takes over which servers are asked.
    pub(super) fn configure_probes(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(order) = self.probes.configure(cx.config, &self.state) {
            cx.order(order);
        }
    }

    /// New tasks know nothing.
    pub(super) fn resume_probes(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(order) = self.probes.resume() {
            cx.order(order);
        }
        if self.probes.debug {
            cx.order(Order::Debug(true));
        }
    }

    pub(super) fn debug_probes(&mut self, cx: &mut Cx<'_, Self>) {
        let wanted = cx.is_debugging(&debug::PROBE);
        if std::mem::replace(&mut self.probes.debug, wanted) != wanted {
            cx.order(Order::Debug(wanted));
        }
    }

    pub(super) fn probe_message(&mut self, message: &Message, cx: &mut Cx<'_, Self>) {
        match message {
            Message::Changed(target, to) => {
                let now = cx.now();
                let Some((asked, outage)) = self.probes.changed(*target, *to, &self.state, now) else {
                    return;
                };
                let Target { probe, server, .. } = &*asked.target;
                match to {
                    ProbeState::Failed => {
                        tracing::warn!(mnemonic = "SLB-4-PROBE", "Probe {probe}: {server} does not answer");
                    }
                    ProbeState::Testing => {}
                    ProbeState::Operational => {
                        let outage = Span(outage);
                        tracing::info!(
                            mnemonic = "SLB-6-PROBE",
                            "Probe {probe}: {server} answers again, after {outage}"
                        );
                    }
                }
                // Others hear of it with the next poll: a thousand may change at once, and to tell means to look at all.
            }
            Message::Tried(target, text) => {
                let Some(asked) = self.probes.get(*target) else { return };
                let Target { probe, server, .. } = &*asked.target;
                cx.debug(&debug::PROBE, || format!("SLB_PROBE: {probe}: {server}: {text}"));
            }
        }
    }

    /// Probes with whom they ask.
    pub(super) fn probe_views(&self, cx: &Cx<'_, Self>) -> Vec<ProbeView> {
        let view = |asked: &Asked| {
            let counters = &asked.target.counters;
            ProbedView {
                server: *asked.target.server.ip(),
                port: asked.target.server.port(),
                state: asked.state.name(),
                outages: asked.outages,
                current: Span(asked.current(cx.now())),
                cumulative: Span(asked.cumulative(cx.now())),
                tries: counters.tries.load(Relaxed),
                answers: counters.answers.load(Relaxed),
                not_sent: counters.not_sent.load(Relaxed),
                round_trip: counters.round_trip(),
            }
        };
        let probes = cx.config.probes.iter().map(|probe| ProbeView {
            probe: probe.name.to_string(),
            kind: probe.kind.words(),
            script: match &probe.kind {
                ProbeKind::Script(Some(script)) => Some(script.to_string()),
                _ => None,
            },
            interval: probe.interval,
            timeout: probe.timeout(),
            faildetect: probe.faildetect,
            retry: probe.retry,
            farms: cx
                .config
                .farms
                .iter()
                .filter(|farm| farm.probes.contains(&probe.name))
                .map(|farm| farm.name.to_string())
                .collect(),
            servers: self.probes.iter().filter(|asked| asked.target.probe == probe.name).map(view).collect(),
        });
        probes.collect()
    }

    pub(super) fn probe_metrics(&self, out: &mut Report, cx: &Cx<'_, Self>) {
        for probe in self.probe_views(cx) {
            for asked in probe.servers {
                let labels = || vec![("probe", probe.probe.clone()), ("server", asked.name())];
                let up = f64::from(u8::from(asked.state == ProbeState::Operational.name()));
                out.gauge("homeward_probe_up", "1 while the server answers the probe", labels(), up);
                out.counter("homeward_probe_tries", "Times that a server was asked", labels(), asked.tries);
                out.counter("homeward_probe_answers", "Answers in time", labels(), asked.answers);
                out.counter(
                    "homeward_probe_not_sent",
                    "Tries that this host could not make",
                    labels(),
                    asked.not_sent,
                );
                out.counter(
                    "homeward_probe_outages",
                    "Times that a server failed",
                    labels(),
                    asked.outages.into(),
                );
                if let Some(took) = asked.round_trip {
                    let seconds = took.as_secs_f64();
                    out.gauge(
                        "homeward_probe_round_trip_seconds",
                        "Time of the last answer",
                        labels(),
                        seconds,
                    );
                }
            }
        }
    }
}
