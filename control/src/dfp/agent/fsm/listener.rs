//! The port that an agent listens on, as the sockets were told and as they say.

use std::net::{Ipv4Addr, SocketAddrV4};

use common::time::Nanos;

use crate::dfp::sockets::SocketOrder;

#[derive(Clone, Debug, Default)]
pub(super) struct Listener {
    /// The sockets were told to listen on it.
    pub(super) asked: Option<u16>,
    /// They do.
    pub(super) open: bool,
    /// Why they could not the last time.
    pub(super) error: Option<String>,
    /// Nothing is tried before.
    pub(super) retry: Option<Nanos>,
}

impl Listener {
    /// None is wanted, or another one.
    pub(super) fn close(&mut self) {
        *self = Self { asked: self.asked, ..Self::default() };
    }

    pub(super) fn opened(&mut self) {
        *self = Self { asked: self.asked, open: true, ..Self::default() };
    }

    /// It is tried again at `retry`. True if the error is news.
    pub(super) fn failed(&mut self, error: String, retry: Nanos) -> bool {
        let news = self.error.as_ref() != Some(&error);
        *self = Self { error: Some(error), retry: Some(retry), ..Self::default() };
        news
    }

    /// What the sockets are to do, so that they listen on the `wanted` port only.
    pub(super) fn turn_to(&mut self, wanted: Option<u16>, address: Ipv4Addr, orders: &mut Vec<SocketOrder>) {
        if self.asked != wanted {
            let listen = |port| SocketOrder::Listen(SocketAddrV4::new(address, port));
            orders.extend(self.asked.map(SocketOrder::Unlisten));
            orders.extend(wanted.map(listen));
            (self.asked, self.retry) = (wanted, None);
        }
    }
}
