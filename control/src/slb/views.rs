//! From live state to what `show ip slb ...` renders.

use std::{net::Ipv4Addr, time::Duration};

use common::{
    id::VserverId,
    slb::{OWNER, SessionInfo as Session, SlbCounter, VserverCounter},
    snapshot::Snapshot,
    time::Tick,
    verdict::{Class, Verdict},
};
use ipnet::Ipv4Net;

use super::{
    Slb,
    config::{FarmConfig, ObjectName, PredictorConfig, RealConfig, Reassign, Transport, VserverConfig},
    fsm::{VserverStatus, retry_remaining},
    show::{FarmView, NaiHash, RealView, SessionView, StatsView, VserverView, sort_sessions},
    state::RealKey,
};
use crate::protocol::Cx;

/// Most sessions that one `show` lists.
pub(super) const SESSIONS: usize = 100_000;

/// Which sessions are meant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SessionFilter {
    /// Of this virtual server.
    pub vserver: Option<VserverId>,
    /// From these foreign agents.
    pub client: Option<Ipv4Net>,
}

impl Slb {
    /// Reals of the farms that `wanted` names, in the order of the configuration.
    pub(super) fn real_views(
        &self,
        wanted: impl Fn(&ObjectName) -> bool,
        cx: &Cx<'_, Self>,
    ) -> Vec<RealView> {
        let farms = cx.config.farms.iter().filter(|farm| wanted(&farm.name));
        farms.flat_map(|farm| farm.reals.iter().filter_map(|real| self.real_view(farm, real, cx))).collect()
    }

    pub(super) fn real_view(
        &self,
        farm: &FarmConfig,
        real: &RealConfig,
        cx: &Cx<'_, Self>,
    ) -> Option<RealView> {
        let key = RealKey::new(farm, real);
        let (index, entry) = self.state.reals.get(&key)?;
        let live = entry.live.view();
        let retry = Duration::from_secs(real.retry.into());
        let snapshot = cx.shared.snapshot();
        let adjacency = snapshot.slb.reals.get(index).and_then(|real| real.as_ref()?.adjacency);
        Some(RealView {
            real: real.address,
            port: real.port,
            farm: farm.name.to_string(),
            weight: live.weight,
            admin_weight: live.admin_weight,
            state: live.state.to_string(),
            conns: live.conns,
            maxconns: live.maxconns,
            reassign: match real.reassign {
                Reassign::After(retries) => Some(retries),
                Reassign::Never => None,
            },
            retry: real.retry,
            retry_remaining: retry_remaining(entry.live.failed_at(), retry, cx.now()).map(seconds_left),
            inband: live.inband,
            failconn_threshold: live.numconns,
            failconn_count: live.failconns,
            failclient_threshold: live.numclients,
            failclient_count: live.failclients,
            total_established: live.established,
            total_failures: live.failures,
            disregarded_failures: live.disregarded,
            doubted_failures: live.doubted,
            server_failures: live.server_failures,
            adjacency: adjacency.map(|adjacency| adjacency.destination.to_string()),
        })
    }

    pub(super) fn farm_view(&self, farm: &FarmConfig, cx: &Cx<'_, Self>) -> FarmView {
        let users = cx.config.vservers.iter();
        FarmView {
            server_farm: farm.name.to_string(),
            predictor: match farm.predictor {
                PredictorConfig::RoundRobin => "ROUNDROBIN",
                PredictorConfig::LeastConns => "LEASTCONNS",
            },
            nat: match (farm.nat_server, farm.nat_client.is_some()) {
                (false, false) => "none",
                (true, false) => "S",
                (false, true) => "C",
                (true, true) => "S,C",
            },
            bind_id: farm.bindid,
            probes: farm.probes.iter().map(ToString::to_string).collect(),
            failaction_purge: farm.purge,
            vservers: users
                .filter(|vserver| vserver.farms().any(|name| *name == farm.name))
                .map(|vserver| vserver.name.to_string())
                .collect(),
            reals: self.real_views(|name| *name == farm.name, cx),
        }
    }

    pub(super) fn vserver_view(&self, vserver: &VserverConfig) -> Option<VserverView> {
        let (_, entry) = self.state.vservers.get(&vserver.name)?;
        let total = |counter| entry.live.total(counter);
        let address = vserver.address.as_ref();
        Some(VserverView {
            vserver: vserver.name.to_string(),
            protocol: address.map_or("", |address| match address.protocol {
                Transport::Udp => "UDP",
                Transport::Tcp => "TCP",
            }),
            address: address
                .map_or_else(String::new, |address| format!("{}:{}", address.network, address.port)),
            state: VserverStatus::from_in_service(vserver.inservice && !self.stopping).name(),
            conns: entry.live.conns(),
            v_index: entry.v_index,
            service: if address.is_some() { "IPMOBILE" } else { "NONE" },
            server_farm: vserver.farm.as_ref().map(|choice| choice.primary.to_string()),
            backup_server_farm: vserver
                .farm
                .as_ref()
                .and_then(|choice| Some(choice.backup.as_ref()?.to_string())),
            backup_hits: total(VserverCounter::BackupHits),
            ipmobile_request_idle: vserver.idle_request,
            strict_home_agent: vserver.strict_home_agent,
            client_rate: vserver.client_rate,
            clients: vserver
                .clients
                .iter()
                .map(|rule| {
                    let exclude = if rule.exclude { " exclude" } else { "" };
                    format!("{}{exclude}", rule.network)
                })
                .collect(),
            total_conns: total(VserverCounter::TotalConns),
            no_nai: total(VserverCounter::NoNai),
            no_key: total(VserverCounter::NoKey),
            malformed: total(VserverCounter::Malformed),
            not_rrq: total(VserverCounter::NotRrq),
            ha_field_set: total(VserverCounter::HaFieldSet),
            deregistrations: total(VserverCounter::Deregistration),
            deregistrations_refused: total(VserverCounter::DeregistrationRefused),
            no_real: total(VserverCounter::NoReal),
            session_alloc_fail: total(VserverCounter::SessionAllocFail),
            client_rate_drops: total(VserverCounter::ClientRate),
        })
    }

    pub(super) fn stats_view(cx: &Cx<'_, Self>) -> StatsView {
        let stats = cx.shared.tables.slb.stats();
        let total = |counter| stats.total(counter);
        let verdicts = |wanted: &[Verdict]| {
            cx.shared.stats.iter().map(|worker| wanted.iter().map(|v| worker.verdict(*v)).sum::<u64>()).sum()
        };
        let dropped: Vec<Verdict> = Verdict::ALL
            .iter()
            .copied()
            .filter(|verdict| verdict.class() == Class::Dropped && verdict.owner() == OWNER)
            .collect();
        StatsView {
            pkts_via_normal_switching: 0,
            pkts_via_special_switching: verdicts(&[Verdict::SLB_DISPATCHED, Verdict::SLB_DIRECTED]),
            pkts_dropped: verdicts(&dropped),
            connections_created: total(SlbCounter::Created),
            connections_established: total(SlbCounter::Created),
            connections_destroyed: total(SlbCounter::Destroyed),
            connections_reassigned: total(SlbCounter::Reassigned),
            connections_evicted: total(SlbCounter::Evicted),
            client_rate_drops: total(SlbCounter::ClientRate),
            zombie_count: 0,
            connections_reused: 0,
            failed_connection_allocs: total(SlbCounter::FailedAllocs),
            failed_real_assignments: total(SlbCounter::FailedReals),
            sessions: cx.shared.tables.slb.occupancy(),
            lost_picks: total(SlbCounter::PicksLost),
        }
    }

    /// Sessions in the order of display, and how many more there are than are listed.
    pub(super) fn session_views(
        &self,
        filter: SessionFilter,
        cx: &Cx<'_, Self>,
    ) -> (Vec<SessionView>, usize) {
        let snapshot = cx.shared.snapshot();
        let now = self.polled.tick();
        let (mut list, mut more) = (Vec::new(), 0);
        let mut next = Some(0);
        while let Some(from) = next {
            next = cx.shared.tables.slb.sessions(now, from, u32::MAX, |session| {
                let wanted = filter.vserver.is_none_or(|vserver| vserver == session.vserver)
                    && filter.client.is_none_or(|network| network.contains(&session.client));
                if wanted && list.len() == SESSIONS {
                    more += 1;
                } else if wanted {
                    list.extend(session_view(&snapshot, &session, now));
                }
            });
        }
        sort_sessions(&mut list);
        (list, more)
    }
}

/// A session with the names of what it belongs to; `None` while those are being deleted.
pub(super) fn session_view(snapshot: &Snapshot, session: &Session, now: Tick) -> Option<SessionView> {
    let (vserver, real) = (snapshot.vserver(session.vserver)?, snapshot.real(session.session.real));
    let farm = real.and_then(|real| snapshot.farm(real.farm));
    Some(SessionView {
        vserver: vserver.name.clone(),
        nai_hash: NaiHash(session.display_hash),
        client: session.client,
        client_port: session.client_port,
        real: real.map_or(Ipv4Addr::UNSPECIFIED, |real| real.address),
        farm: farm.map_or_else(String::new, |farm| farm.name.clone()),
        nat: if farm.is_some_and(|farm| farm.nat_server) { "S" } else { "none" },
        state: if session.session.deregistered { "IPMOBILE_DEREG" } else { "IPMOBILE_ESTAB" },
        retry: session.session.retry,
        reassign: real.and_then(|real| real.reassign),
        remaining: seconds_left(now.until(session.deadline)),
        test: session.session.test,
    })
}

/// Seconds left, rounded up; deadlines are up to two ticks late, which is not shown.
fn seconds_left(time: Duration) -> u64 {
    const LATE: u128 = 2 << Tick::NANOS_SHIFT;
    time.as_nanos().saturating_sub(LATE).div_ceil(1_000_000_000) as u64
}
