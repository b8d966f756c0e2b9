//! The lines of `debug ip slb sessions ipmobile`.

use std::net::Ipv4Addr;

use common::{event::SessionEvent, snapshot::Snapshot};

use super::{
    Slb,
    debug::{SessionLine, Timestamp},
};
use crate::protocol::Cx;

impl Slb {
    /// Writes the lines of one event.
    pub(super) fn print_session(snapshot: &Snapshot, event: &SessionEvent, cx: &Cx<'_, Self>) {
        let real = snapshot.real(event.real);
        let Some(vserver) = snapshot.vserver(event.vserver) else { return };
        let line = SessionLine {
            change: event.change,
            virtual_address: vserver.address,
            virtual_port: vserver.port,
            v_index: vserver.v_index,
            // A real that was deleted has left nothing but its sessions.
            real: real.map_or(Ipv4Addr::UNSPECIFIED, |real| real.address),
            nat_server: real.and_then(|real| snapshot.farm(real.farm)).is_some_and(|farm| farm.nat_server),
            client: event.client,
            client_port: event.client_port,
            hash: event.display_hash,
            nai: &event.nai,
        };
        let stamp = cx.shared.stamp();
        for text in line.lines(Timestamp { stamp: &stamp, synchronised: false }) {
            cx.shared.log.push(&text);
        }
    }
}
