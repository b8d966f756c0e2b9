//! What the sockets tell of the port and the managers of an agent, and what they are to do.

use std::net::{Ipv4Addr, SocketAddrV4};

use common::time::Nanos;

use super::{
    Agent,
    admission::{Admission, admit},
    listener::Listener,
    peer::Peer,
};
use crate::dfp::{
    counter::Counter,
    debug::{self, Facility},
    inbound::Received,
    log::Notice,
    packet::{DecodeError, Decoded, Load, Message},
    sockets::{End, LinkId, SocketEvent, SocketOrder},
};

impl Agent {
    /// True if what the sockets tell is about this agent.
    pub fn concerns(&self, event: &SocketEvent) -> bool {
        match event {
            SocketEvent::Listening(port)
            | SocketEvent::ListenFailed(port, _)
            | SocketEvent::Accepted { port, .. } => self.listener.asked == Some(*port),
            other => other.link().is_some_and(|link| self.peers.contains_key(&link)),
        }
    }

    /// Takes over what the sockets tell of this agent.
    pub fn event(&mut self, event: SocketEvent, now: Nanos) {
        match event {
            SocketEvent::Listening(port) => self.listening(port),
            SocketEvent::ListenFailed(port, error) => {
                let said = error.clone();
                if self.listen_failed(error, now) {
                    let mnemonic = "DFP-3-LISTEN";
                    tracing::error!(mnemonic, "DFP agent cannot listen on port {port}: {said}");
                }
            }
            SocketEvent::Accepted { link, remote, local, .. } => {
                if !self.accept(link, remote, local, now) {
                    self.orders.push(SocketOrder::End(link, End::Reset));
                }
            }
            SocketEvent::Input(link, bytes) => {
                if !self.input(link, &bytes, now) {
                    // What is wrong with it was a matter between both; no need for a reset.
                    self.orders.push(SocketOrder::End(link, End::Close));
                }
            }
            SocketEvent::Written(link) => self.written(link, now),
            SocketEvent::Finished(link) => self.finished(link, now),
            SocketEvent::Lost(link) => self.lost(link, now),
            SocketEvent::Connected(_) | SocketEvent::Failed(..) => {}
        }
    }

    /// What the sockets are to do now, since the last call.
    pub fn take_orders(&mut self, now: Nanos) -> Vec<SocketOrder> {
        let (wanted, mut orders) = (self.listen(now), Vec::new());
        self.listener.turn_to(wanted, self.address, &mut orders);
        orders.append(&mut self.orders);
        for link in self.peers.keys().copied().collect::<Vec<_>>() {
            orders.extend(self.next(link, now).map(|bytes| SocketOrder::Write(link, bytes)));
        }
        orders
    }

    /// The port to listen on now; none: on none.
    pub(super) fn listen(&self, now: Nanos) -> Option<u16> {
        let may = self.is_active() && self.listener.retry.is_none_or(|retry| retry <= now);
        self.config.port.filter(|_| may)
    }

    /// The port is listened on.
    pub(super) fn listening(&mut self, port: u16) {
        if self.config.port == Some(port) && self.is_active() {
            self.listener.opened();
            self.listened = true;
        }
    }

    /// The port cannot be listened on; it is tried again after an interval. True if that is news.
    pub(super) fn listen_failed(&mut self, error: String, now: Nanos) -> bool {
        self.listener.failed(error, now.after(self.interval()))
    }

    /// A manager has connected from `remote` to our address `local`. False: close it.
    pub(super) fn accept(&mut self, id: LinkId, remote: SocketAddrV4, local: Ipv4Addr, now: Nanos) -> bool {
        if !self.listener.open {
            return false;
        }
        let present = self.peers.iter().map(|(id, peer)| (*id, *peer.remote.ip(), peer.proven));
        match admit(*remote.ip(), &present) {
            Admission::Yes => {}
            Admission::InsteadOf(old) => {
                self.counters.count(Counter::Evicted);
                self.abort(old, "replaced by a newer connection");
            }
            Admission::No => {
                self.counters.count(Counter::Refused);
                return false;
            }
        }
        self.peers.insert(id, Peer::new(remote, local, now));
        true
    }

    /// Bytes from a manager. False: the connection has ended.
    pub(super) fn input(&mut self, id: LinkId, mut bytes: &[u8], now: Nanos) -> bool {
        loop {
            let Some(peer) = self.peers.get_mut(&id) else { return false };
            let remote = peer.remote;
            match peer.inbound.next(&mut bytes, &self.keys, now) {
                None => return true,
                Some(Received::Message(decoded)) => self.message(id, &decoded, now),
                Some(Received::Discarded(error)) => {
                    if error != DecodeError::Unsolicited {
                        self.notice(Notice::Discarded { error, peer: remote }, now);
                    }
                    self.line(|| debug::discarded(Facility::Agent, remote, error));
                }
                Some(Received::Closed(close)) => {
                    self.notice(Notice::Closed { close, peer: remote }, now);
                    self.forget(id, close);
                    return false;
                }
            }
        }
    }

    fn message(&mut self, id: LinkId, decoded: &Decoded, now: Nanos) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.proven = true;
        let remote = peer.remote;
        let manager = *remote.ip();
        match &decoded.message {
            Message::Parameters { keep_alive: Some(seconds) } => {
                peer.timeout = *seconds;
                if (1..3).contains(seconds) {
                    self.notice(Notice::KeepAlive { seconds: *seconds, manager }, now);
                }
            }
            // Never more than a line of the log: else two boxes that report to each other could sway.
            Message::ServerState(loads) => {
                for row in loads.iter().flat_map(Load::rows) {
                    self.notice(Notice::ServerState { manager, row }, now);
                }
            }
            Message::BindIdRequest => {
                let binds = self.table.as_ref().map_or(&[][..], |table| &table.binds);
                peer.answer(binds, now);
            }
            // The others do not come this way; the receiving half has discarded them.
            Message::Parameters { keep_alive: None }
            | Message::PreferenceInfo(_)
            | Message::BindIdReport(_)
            | Message::BindIdChangeNotify => {}
        }
        self.line(|| debug::received(Facility::Agent, remote, decoded));
    }

    /// The manager has sent its last byte.
    pub(super) fn finished(&mut self, id: LinkId, now: Nanos) {
        self.over(id, "by the manager", now);
    }

    pub(super) fn lost(&mut self, id: LinkId, now: Nanos) {
        self.over(id, "lost", now);
    }

    /// The sockets are no more, and all connections with them. The port is listened on anew.
    pub fn lose_all(&mut self, now: Nanos) {
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            self.lost(id, now);
        }
        self.orders.clear();
        self.listener = Listener::default();
    }

    fn over(&mut self, id: LinkId, why: &str, now: Nanos) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let remote = peer.remote;
        match peer.inbound.finish() {
            Some(close) => {
                self.notice(Notice::Closed { close, peer: remote }, now);
                self.forget(id, close);
            }
            None => self.forget(id, why),
        }
    }

    /// The message for the manager, if there is one now; TCP is to have it in one write.
    pub(super) fn next(&mut self, id: LinkId, now: Nanos) -> Option<Vec<u8>> {
        let peer = self.peers.get_mut(&id)?;
        let message = peer.next(self.table.as_ref()?, now)?;
        let mut bytes = Vec::new();
        if let Err(error) = message.encode(&mut bytes, self.keys.sending(now)) {
            // A BindID table is cut to what fits, weights too: what is left is a fault of ours.
            tracing::error!("DFP: {} cannot be sent: {error}", message.message_type());
            peer.dropped();
            return None;
        }
        let (remote, length) = (peer.remote, bytes.len());
        self.line(|| debug::sent(Facility::Agent, remote, &message, length));
        Some(bytes)
    }

    /// TCP has taken the message to a manager.
    pub(super) fn written(&mut self, id: LinkId, now: Nanos) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.written(now);
        }
    }

    /// Slow messages, managers that do not read, reports that were put off.
    pub(super) fn expire_connections(&mut self, now: Nanos) {
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            peer.report_deferred(now);
            let remote = peer.remote;
            if let Some(close) = peer.inbound.expire(now) {
                self.notice(Notice::Closed { close, peer: remote }, now);
                self.abort(id, close);
            } else if peer.is_stalled(now) {
                peer.inbound.count(Counter::StalledClose);
                self.abort(id, "the manager does not read");
            }
        }
    }

    fn abort(&mut self, id: LinkId, why: impl std::fmt::Display) {
        self.forget(id, why);
        self.orders.push(SocketOrder::End(id, End::Reset));
    }

    fn forget(&mut self, id: LinkId, why: impl std::fmt::Display) {
        let Some(peer) = self.peers.remove(&id) else { return };
        self.counters.merge(peer.inbound.counters());
        self.line(|| debug::closed(Facility::Agent, peer.remote, why));
    }
}
