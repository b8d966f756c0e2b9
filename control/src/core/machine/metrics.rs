//! `/metrics`: the facts of the shows in the OpenMetrics text format.

use std::{collections::BTreeMap, fmt};

use common::slb::{SlbCounter, VserverCounter};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::core::Core;

/// A family: help, counter or gauge, values by labels.
#[derive(Debug)]
struct Family {
    help: &'static str,
    counter: bool,
    values: Vec<(Labels, f64)>,
}

pub(in crate::core) type Labels = Vec<(&'static str, String)>;

/// Everything that one scrape reports, taken at once.
#[derive(Debug, Default)]
pub(in crate::core) struct Facts(BTreeMap<&'static str, Family>);

impl Facts {
    fn add(&mut self, name: &'static str, help: &'static str, counter: bool, labels: Labels, value: f64) {
        let family = self.0.entry(name).or_insert_with(|| Family { help, counter, values: Vec::new() });
        family.values.push((labels, value));
    }

    pub(in crate::core) fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
        value: u64,
    ) {
        self.add(name, help, true, labels, value as f64);
    }

    pub(in crate::core) fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
        value: f64,
    ) {
        self.add(name, help, false, labels, value);
    }
}

impl Collector for Facts {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for (name, family) in &self.0 {
            let kind = if family.counter { MetricType::Counter } else { MetricType::Gauge };
            let mut metric = encoder.encode_descriptor(name, family.help, None, kind)?;
            for (labels, value) in &family.values {
                let encoder = metric.encode_family(labels)?;
                if family.counter {
                    ConstCounter::new(*value).encode(encoder)?;
                } else {
                    ConstGauge::new(*value).encode(encoder)?;
                }
            }
        }
        Ok(())
    }
}

impl Core {
    /// All metrics.
    pub fn metrics(&self) -> String {
        let mut facts = Facts::default();
        self.dataplane_facts(&mut facts);
        self.port_facts(&mut facts);
        self.slb_facts(&mut facts);
        self.dfp_facts(&mut facts);
        for check in self.health().checks {
            let healthy = f64::from(u8::from(check.healthy));
            facts.gauge("homeward_healthy", "1 while it moves", vec![("check", check.name)], healthy);
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(facts));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    fn dataplane_facts(&self, facts: &mut Facts) {
        let view = self.dataplane_view();
        for verdict in &view.verdicts {
            let class = format!("{:?}", verdict.class).to_lowercase();
            let labels = vec![("verdict", verdict.verdict.name().to_owned()), ("class", class)];
            facts.counter("homeward_packets", "How received packets ended", labels, verdict.packets);
        }
        for worker in view.workers {
            let labels = || vec![("worker", worker.worker.to_string())];
            facts.counter("homeward_worker_received", "Packets received", labels(), worker.received);
            facts.counter(
                "homeward_worker_events_lost",
                "News lost on the way to control",
                labels(),
                worker.events_lost,
            );
            for (end, frames) in [
                ("sent", worker.injected),
                ("no_buffer", worker.inject_no_buffer),
                ("tx_full", worker.inject_tx_full),
                ("refused", worker.inject_refused),
            ] {
                let labels = [labels(), vec![("end", end.to_owned())]].concat();
                facts.counter("homeward_worker_injected", "How frames from the kernel ended", labels, frames);
            }
            for (end, frames) in [("sent", worker.replicas), ("dropped", worker.replicas_dropped)] {
                let labels = [labels(), vec![("end", end.to_owned())]].concat();
                facts.counter("homeward_worker_replicas", "How copies of packets ended", labels, frames);
            }
            facts.gauge(
                "homeward_worker_busy_ratio",
                "Share of busy cycles",
                labels(),
                worker.busy_percent / 100.0,
            );
            facts.gauge(
                "homeward_worker_snapshot",
                "Snapshot generation in use",
                labels(),
                worker.generation as f64,
            );
        }
        let shadows = self.machine.shadows;
        for (end, frames) in [
            ("to_kernel", shadows.to_kernel),
            ("to_kernel_refused", shadows.to_kernel_refused),
            ("unknown_interface", shadows.unknown_interface),
            ("malformed", shadows.malformed),
            ("from_kernel", shadows.from_kernel),
            ("from_control", shadows.from_control),
            ("inject_full", shadows.inject_full),
        ] {
            let labels = vec![("end", end.to_owned())];
            facts.counter("homeward_shadow_frames", "Frames to and from the kernel", labels, frames);
        }
        facts.gauge("homeward_snapshot", "Snapshot generation published", Vec::new(), view.generation as f64);
        let share = self.overload.share().ratio();
        facts.gauge(
            "homeward_shedding_ratio",
            "Share of new sessions refused under overload",
            Vec::new(),
            share,
        );
        let memory = self.memory_view();
        for pool in memory.pools {
            let labels = || vec![("pool", pool.info.name.clone())];
            facts.gauge("homeward_pool_buffers", "Packet buffers", labels(), pool.info.size.into());
            facts.gauge("homeward_pool_free", "Packet buffers not in use", labels(), pool.info.free.into());
        }
        for table in memory.tables {
            let labels = || vec![("table", table.name.to_owned())];
            facts.gauge("homeward_table_capacity", "Entries at most", labels(), table.capacity.into());
            facts.gauge("homeward_table_used", "Entries in use", labels(), table.used as f64);
            facts.counter("homeward_table_refused", "Entries that found no room", labels(), table.refused);
        }
    }

    fn port_facts(&self, facts: &mut Facts) {
        for interface in self.interface_views(None) {
            let labels = || vec![("interface", interface.name.clone())];
            let up = f64::from(u8::from(interface.line_up));
            facts.gauge("homeward_interface_up", "Up, with link", labels(), up);
            let Some(port) = &interface.port else { continue };
            let counters = &port.counters;
            for (name, help, value) in [
                ("homeward_port_rx_packets", "Packets received", counters.rx_packets),
                ("homeward_port_rx_bytes", "Bytes received", counters.rx_bytes),
                ("homeward_port_tx_packets", "Packets sent", counters.tx_packets),
                ("homeward_port_tx_bytes", "Bytes sent", counters.tx_bytes),
                ("homeward_port_rx_missed", "Dropped because the receive ring was full", counters.rx_missed),
                ("homeward_port_rx_errors", "Receive errors", counters.rx_errors),
                ("homeward_port_rx_no_buffer", "Dropped because the pool was dry", counters.rx_no_mbuf),
                ("homeward_port_tx_errors", "Transmit errors", counters.tx_errors),
            ] {
                facts.counter(name, help, labels(), value);
            }
        }
    }

    fn slb_facts(&self, facts: &mut Facts) {
        for real in self.real_views(|_| true) {
            let labels = || vec![("farm", real.farm.clone()), ("real", real.real.to_string())];
            facts.gauge("homeward_real_weight", "Operational weight", labels(), real.weight.into());
            facts.gauge("homeward_real_conns", "Live sessions", labels(), real.conns.into());
            facts.counter(
                "homeward_real_established",
                "Sessions since start",
                labels(),
                real.total_established,
            );
            facts.counter(
                "homeward_real_failures",
                "Sessions that moved away unanswered",
                labels(),
                real.total_failures,
            );
            let state = [labels(), vec![("state", real.state.clone())]].concat();
            facts.gauge("homeward_real_state", "1 for the state that it is in", state, 1.0);
        }
        for vserver in &self.running.slb.vservers {
            let Some((_, entry)) = self.slb.vservers.get(&vserver.name) else { continue };
            let labels = || vec![("vserver", vserver.name.to_string())];
            facts.gauge("homeward_vserver_conns", "Live sessions", labels(), entry.live.conns() as f64);
            for counter in VserverCounter::ALL {
                let labels = [labels(), vec![("counter", counter.name().to_owned())]].concat();
                let total = entry.live.total(*counter);
                facts.counter("homeward_vserver", "Counters of a virtual server", labels, total);
            }
        }
        let stats = self.director.stats();
        for counter in SlbCounter::ALL {
            let labels = vec![("counter", counter.name().to_owned())];
            facts.counter("homeward_slb", "Counters of the whole balancer", labels, stats.raw(*counter));
        }
    }
}
