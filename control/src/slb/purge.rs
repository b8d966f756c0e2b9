//! Sessions of what is gone are deleted in passes over the table, the last one begun when no worker could make new ones any
//! more from an older snapshot.

use common::{
    event::SessionEvent,
    id::{RealId, VserverId},
    slb::SessionInfo,
};

use super::{Slb, debug::SESSIONS};
use crate::protocol::Cx;

/// One purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purge {
    of: PurgeOf,
    /// The first snapshot that makes no such sessions.
    generation: u64,
    /// Where the pass goes on.
    line: u32,
    /// Every worker had that snapshot when the pass began.
    last: bool,
}

/// Lines of the session table that one purge looks at in one go: some 4 million sessions.
const LINES: u32 = 1 << 20;

/// Whose sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PurgeOf {
    Vserver(VserverId),
    Real(RealId),
}

impl PurgeOf {
    fn is(self, session: &SessionInfo) -> bool {
        match self {
            Self::Vserver(vserver) => session.vserver == vserver,
            Self::Real(real) => session.session.real == real,
        }
    }
}

impl Slb {
    /// Deletes sessions that the snapshot of `generation` makes no more.
    pub(super) fn begin_purge(&mut self, of: PurgeOf, generation: u64, cx: &Cx<'_, Self>) {
        self.purges.push(Purge { of, generation, line: 0, last: cx.shared.is_settled(generation) });
        let at = self.purges.len() - 1;
        if self.step_purge(at, cx) {
            self.purges.remove(at);
        }
    }

    /// Goes on with the purges.
    pub(crate) fn run_purges(&mut self, cx: &Cx<'_, Self>) {
        for at in (0..self.purges.len()).rev() {
            if self.step_purge(at, cx) {
                self.purges.remove(at);
            }
        }
    }

    /// True when it is done.
    fn step_purge(&mut self, at: usize, cx: &Cx<'_, Self>) -> bool {
        let Purge { of, generation, line, last } = self.purges[at];
        let (line, last) = match Self::clear_sessions(line, LINES, |session| of.is(session), cx) {
            Some(line) => (line, last),
            None if last => return true,
            None => (0, cx.shared.is_settled(generation)),
        };
        self.purges[at] = Purge { of, generation, line, last };
        false
    }

    /// Deletes the sessions that `which` names in a part of the table; where to go on, or `None` at the end.
    pub(super) fn clear_sessions(
        from: u32,
        lines: u32,
        which: impl FnMut(&SessionInfo) -> bool,
        cx: &Cx<'_, Self>,
    ) -> Option<u32> {
        let snapshot = cx.shared.snapshot();
        let wanted = cx.is_debugging(&SESSIONS);
        let mut ended = Vec::new();
        let next = cx.shared.tables.slb.clear(&snapshot, from, lines, which, |end| {
            if wanted {
                ended.push(SessionEvent::from(end));
            }
        });
        for event in &ended {
            Self::print_session(&snapshot, event, cx);
        }
        next
    }
}
