//! Workers, pools, tables, ports and shadows in `/metrics`.

use super::System;
use crate::protocol::{Cx, Report};

impl System {
    /// All of them.
    pub(super) fn metrics(&self, out: &mut Report, cx: &Cx<'_, Self>) {
        self.dataplane_metrics(out, cx);
        self.port_metrics(out, cx);
    }

    fn dataplane_metrics(&self, out: &mut Report, cx: &Cx<'_, Self>) {
        let view = self.dataplane_view(cx);
        for verdict in &view.verdicts {
            let class = format!("{:?}", verdict.class).to_lowercase();
            let labels = vec![("verdict", verdict.verdict.name().to_owned()), ("class", class)];
            out.counter("homeward_packets", "How received packets ended", labels, verdict.packets);
        }
        for worker in view.workers {
            let labels = || vec![("worker", worker.worker.to_string())];
            out.counter("homeward_worker_received", "Packets received", labels(), worker.received);
            out.counter(
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
                out.counter("homeward_worker_injected", "How frames from the kernel ended", labels, frames);
            }
            for (end, frames) in [("sent", worker.replicas), ("dropped", worker.replicas_dropped)] {
                let labels = [labels(), vec![("end", end.to_owned())]].concat();
                out.counter("homeward_worker_replicas", "How copies of packets ended", labels, frames);
            }
            for (end, packets) in [("whole", worker.reassembled), ("given_up", worker.reassembly_given_up)] {
                let labels = [labels(), vec![("end", end.to_owned())]].concat();
                out.counter(
                    "homeward_worker_reassembly",
                    "How packets to ourselves ended that came in parts",
                    labels,
                    packets,
                );
            }
            out.gauge(
                "homeward_worker_busy_ratio",
                "Share of busy cycles",
                labels(),
                worker.busy_percent / 100.0,
            );
            out.gauge(
                "homeward_worker_snapshot",
                "Snapshot generation in use",
                labels(),
                worker.generation as f64,
            );
        }
        let shadows = cx.shared.shadows;
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
            out.counter("homeward_shadow_frames", "Frames to and from the kernel", labels, frames);
        }
        out.gauge("homeward_snapshot", "Snapshot generation published", Vec::new(), view.generation as f64);
        let memory = self.memory_view(cx);
        for pool in memory.pools {
            let labels = || vec![("pool", pool.info.name.clone())];
            out.gauge("homeward_pool_buffers", "Packet buffers", labels(), pool.info.size.into());
            out.gauge("homeward_pool_free", "Packet buffers not in use", labels(), pool.info.free.into());
        }
        for table in memory.tables {
            let labels = || vec![("table", table.name.to_owned())];
            out.gauge("homeward_table_capacity", "Entries at most", labels(), table.capacity.into());
            out.gauge("homeward_table_used", "Entries in use", labels(), table.used as f64);
            out.counter("homeward_table_refused", "Entries that found no room", labels(), table.refused);
        }
    }

    fn port_metrics(&self, out: &mut Report, cx: &Cx<'_, Self>) {
        for interface in self.interface_views(None, cx) {
            let labels = || vec![("interface", interface.name.clone())];
            let up = f64::from(u8::from(interface.line_up));
            out.gauge("homeward_interface_up", "Up, with link", labels(), up);
            let duplicates = self.layout.id(&interface.name).map_or(0, |id| self.duplicates.total(id));
            out.counter(
                "homeward_duplicate_addresses",
                "Times that an address was heard from a second station, once a second for each",
                labels(),
                duplicates,
            );
            if let Some(check) = interface.source_check {
                let help = "Packets dropped because their source does not route back";
                out.counter("homeward_interface_rpf_drops", help, labels(), check.drops);
            }
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
                out.counter(name, help, labels(), value);
            }
        }
    }
}
