//! The balancer in `/metrics`.

use common::slb::{SlbCounter, VserverCounter};

use super::Slb;
use crate::protocol::{Cx, Report};

impl Slb {
    /// Real servers, virtual servers, sessions.
    pub(super) fn metrics(&self, out: &mut Report, cx: &Cx<'_, Self>) {
        for real in self.real_views(|_| true, cx) {
            let labels = || vec![("farm", real.farm.clone()), ("real", real.real.to_string())];
            out.gauge("homeward_real_weight", "Operational weight", labels(), real.weight.into());
            out.gauge("homeward_real_conns", "Live sessions", labels(), real.conns.into());
            out.counter(
                "homeward_real_established",
                "Sessions since start",
                labels(),
                real.total_established,
            );
            out.counter(
                "homeward_real_failures",
                "Sessions that moved away unanswered",
                labels(),
                real.total_failures,
            );
            out.counter(
                "homeward_real_failures_disregarded",
                "Unanswered sessions that prove nothing of the real server",
                labels(),
                real.disregarded_failures,
            );
            out.counter(
                "homeward_real_failures_doubted",
                "Times that a DFP report or a registration of a probe stood against enough unanswered sessions",
                labels(),
                real.doubted_failures,
            );
            let state = [labels(), vec![("state", real.state.clone())]].concat();
            out.gauge("homeward_real_state", "1 for the state that it is in", state, 1.0);
        }
        for vserver in &cx.config.vservers {
            let Some((_, entry)) = self.state.vservers.get(&vserver.name) else { continue };
            let labels = || vec![("vserver", vserver.name.to_string())];
            out.gauge("homeward_vserver_conns", "Live sessions", labels(), entry.live.conns() as f64);
            for counter in VserverCounter::ALL {
                let labels = [labels(), vec![("counter", counter.name().to_owned())]].concat();
                let total = entry.live.total(*counter);
                out.counter("homeward_vserver", "Counters of a virtual server", labels, total);
            }
        }
        self.probe_metrics(out, cx);
        let stats = cx.shared.tables.slb.stats();
        for counter in SlbCounter::ALL {
            let labels = vec![("counter", counter.name().to_owned())];
            out.counter("homeward_slb", "Counters of the whole balancer", labels, stats.raw(*counter));
        }
        let share = self.overload.share().ratio();
        out.gauge(
            "homeward_shedding_ratio",
            "Share of new sessions refused under overload",
            Vec::new(),
            share,
        );
    }
}
