//! `show ip slb stats`.

use std::fmt::Write as _;

use serde::Serialize;

/// Totals of the whole balancer. `created = destroyed + live`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatsView {
    /// Packets for a virtual address that control handled: none.
    pub pkts_via_normal_switching: u64,
    /// Packets forwarded to reals by workers.
    pub pkts_via_special_switching: u64,
    /// Packets to virtual addresses dropped.
    pub pkts_dropped: u64,
    /// Sessions created.
    pub connections_created: u64,
    /// Sessions established; the same event for Mobile IP.
    pub connections_established: u64,
    /// Sessions deleted.
    pub connections_destroyed: u64,
    /// Sessions moved to another real.
    pub connections_reassigned: u64,
    /// Sessions seen once that gave way to new ones in a full table.
    pub connections_evicted: u64,
    /// Requests dropped because their source begins more sessions a second than it may.
    pub client_rate_drops: u64,
    /// Closed connections still remembered: none for Mobile IP.
    pub zombie_count: u64,
    /// Reused zombies: none for Mobile IP.
    pub connections_reused: u64,
    /// Requests forwarded without a session because the table was full.
    pub failed_connection_allocs: u64,
    /// Requests that no real could take.
    pub failed_real_assignments: u64,
    /// Sessions that live.
    pub sessions: u64,
    /// Picks lost to another worker that served the same mobile node first.
    pub lost_picks: u64,
}

impl StatsView {
    /// As IOS prints it.
    pub fn text(&self) -> String {
        let rows = [
            ("Pkts via normal switching:", self.pkts_via_normal_switching),
            ("Pkts via special switching:", self.pkts_via_special_switching),
            ("Pkts Dropped:", self.pkts_dropped),
            ("Connections Created:", self.connections_created),
            ("Connections Established:", self.connections_established),
            ("Connections Destroyed:", self.connections_destroyed),
            ("Connections Reassigned:", self.connections_reassigned),
            ("Zombie Count:", self.zombie_count),
            ("Connections Reused:", self.connections_reused),
            ("Failed Connection Allocs:", self.failed_connection_allocs),
            ("Failed Real Assignments:", self.failed_real_assignments),
        ];
        // IOS has no such lines: each is there once there is something to say.
        let own = [
            ("Connections Evicted:", self.connections_evicted),
            ("Client Rate Drops:", self.client_rate_drops),
        ];
        let own = own.into_iter().filter(|(_, count)| *count > 0);
        let mut out = String::new();
        for (label, value) in rows.into_iter().chain(own) {
            // Writing to a string cannot fail.
            let _ = writeln!(out, " {label:<28} {value}");
        }
        out
    }
}
