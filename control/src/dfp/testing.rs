//! What tests of the whole core do with DFP: agents that speak, and sockets that do what is ordered.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::SystemTime,
};

use common::time::Nanos;

use super::{Dfp, Message as FromTask, Order, debug::Facility, host_load::HostLoad, manager::fsm::Event};
pub(crate) use super::{
    agent::{
        config::Subsystem,
        fsm::Table,
        view::{View as AgentView, text as agent_text},
    },
    counter::Counter,
    manager::view::{AgentView as PeerView, ConnectionState, View as ManagerView},
    packet::{
        BindEntry, BindId, BindTable, Header, Host, Load, Message, Protocol, Role, Row, RowKey, reports,
    },
    security::{Key, Keyring},
    sockets::{LinkId, SocketEvent, SocketOrder},
    view::PasswordView,
};
use crate::{
    bus::Fact,
    core::Core,
    protocol::{Cx, Holds as _, Input, Protocol as _},
    protocols::All,
};

/// The agent on 10.1.1.`last`.
pub(crate) fn agent(last: u8) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 1, 1, last), 500)
}

/// A report of one row.
pub(crate) fn load(row: Row) -> Load {
    let host = Host { address: row.key.address, bind_id: row.key.bind_id, weight: row.weight };
    Load { port: row.key.port, protocol: row.key.protocol, hosts: vec![host] }
}

pub(crate) fn with<R>(core: &mut Core<All>, what: impl FnOnce(&mut Dfp, &mut Cx<'_, Dfp>) -> R) -> R {
    core.with::<Dfp, _>(what)
}

/// The sockets tell something.
pub(crate) fn tell(core: &mut Core<All>, event: SocketEvent) {
    core.message::<Dfp>(FromTask::Socket(event));
}

/// What there is of TCP to an agent.
pub(crate) fn link(core: &mut Core<All>, agent: SocketAddrV4) -> Option<LinkId> {
    with(core, |dfp, _| Some(dfp.manager.peers.get(&agent)?.tcp.as_ref()?.link))
}

/// Whether an agent's last byte was the end of a message.
pub(crate) fn is_between_messages(core: &mut Core<All>, agent: SocketAddrV4) -> bool {
    with(core, |dfp, _| {
        let tcp = dfp.manager.peers.get(&agent).and_then(|peer| peer.tcp.as_ref());
        tcp.is_some_and(|tcp| tcp.inbound.deadline().is_none())
    })
}

/// Of an agent that is configured.
pub(crate) fn peer(core: &mut Core<All>, agent: SocketAddrV4) -> PeerView {
    let view = manager(core);
    view.agent(*agent.ip(), agent.port()).expect("configured").clone()
}

pub(crate) fn manager(core: &mut Core<All>) -> ManagerView {
    with(core, |dfp, cx| dfp.manager_view(cx))
}

pub(crate) fn agents(core: &mut Core<All>) -> Vec<AgentView> {
    with(core, |dfp, cx| dfp.agent_views(None, cx))
}

/// An agent says something, by this password; it connects first if it has not.
pub(crate) fn say(core: &mut Core<All>, agent: SocketAddrV4, message: &Message, key: Option<&Key>) {
    let link = link(core, agent).expect("an attempt");
    if peer(core, agent).state == ConnectionState::Connecting {
        tell(core, SocketEvent::Connected(link));
    }
    let mut bytes = Vec::new();
    message.encode(&mut bytes, key).unwrap();
    tell(core, SocketEvent::Input(link, bytes));
}

/// An agent reports.
pub(crate) fn report(core: &mut Core<All>, agent: SocketAddrV4, rows: &[Row]) {
    for loads in reports(rows.iter().copied()) {
        say(core, agent, &Message::PreferenceInfo(loads), None);
    }
}

/// The connection of an agent breaks.
pub(crate) fn lose(core: &mut Core<All>, agent: SocketAddrV4) {
    let link = link(core, agent).expect("a connection");
    tell(core, SocketEvent::Lost(link));
}

/// What the sockets were ordered to do since the last call.
pub(crate) fn orders(core: &mut Core<All>) -> Vec<SocketOrder> {
    let socket = |order| match order {
        Order::Socket(order) => Some(order),
        Order::Measure => None,
    };
    core.take_orders::<Dfp>().into_iter().filter_map(socket).collect()
}

/// Messages of these orders to an agent, or to a manager.
pub(crate) fn messages(orders: &[SocketOrder], to: LinkId, role: Role) -> Vec<Message> {
    let decode = |bytes: &[u8]| Message::decode(bytes, role, &Keyring::default(), Nanos(0)).unwrap().message;
    let written = orders.iter().filter_map(|order| match order {
        SocketOrder::Write(link, bytes) if *link == to => Some(decode(bytes)),
        _ => None,
    });
    written.collect()
}

/// The table that a subsystem reports.
pub(crate) fn table(core: &mut Core<All>, subsystem: Subsystem) -> Option<Table> {
    with(core, |dfp, _| dfp.table(subsystem))
}

/// Both roles have something to say in debug.
pub(crate) fn debug(core: &mut Core<All>) {
    with(core, |_, cx| {
        cx.debug(Facility::Agent.switch(), || "DFP: a".into());
        cx.debug(Facility::Manager.switch(), || "SLB_DFP: m".into());
    });
}

/// Whether our agents, and our manager, are debugged.
pub(crate) fn is_debugging(core: &mut Core<All>) -> (bool, bool) {
    with(core, |_, cx| {
        let is = |facility: Facility| cx.is_debugging(facility.switch());
        (is(Facility::Agent), is(Facility::Manager))
    })
}

/// Our agents listen on this address.
pub(crate) fn listen_on(core: &mut Core<All>, address: Ipv4Addr) {
    with(core, |dfp, _| dfp.address = address);
}

/// Every agent is told of these servers.
pub(crate) fn server_states(core: &mut Core<All>, rows: &[Row]) {
    with(core, |dfp, cx| {
        for agent in dfp.manager.peers.keys().copied().collect::<Vec<_>>() {
            for loads in reports(rows.iter().copied()) {
                dfp.manager.handle(agent, Event::ServerState(loads), cx);
            }
        }
    });
}

/// Another subsystem tells a fact.
pub(crate) fn hear(core: &mut Core<All>, fact: &Fact) {
    with(core, |dfp, cx| dfp.handle(Input::Fact(fact), cx));
}

/// What is left of the host was measured.
pub(crate) fn host_measured(core: &mut Core<All>, load: Option<HostLoad>) {
    core.message::<Dfp>(FromTask::HostLoad(load));
}

/// 14:59:15 UTC 04/21/03 and some seconds.
pub(crate) fn clock(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_050_937_155 + seconds)
}
