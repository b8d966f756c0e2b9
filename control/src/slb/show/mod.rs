//! The texts of `show ip slb ...`: pure functions from views (plain data, which is also the JSON) to lines.

mod columns;
mod farm;
mod probe;
mod real;
mod session;
mod stats;
mod trace;
mod vserver;

pub use columns::Columns;
pub use farm::{FarmView, farms_text};
pub use probe::{ProbeView, ProbedView, Span, probes_text};
pub use real::{RealView, reals_text};
pub use session::{NaiHash, SessionView, conns_text, sessions_text, sort_sessions};
pub use stats::StatsView;
pub use trace::{CandidateView, TraceView};
pub use vserver::{VserverView, vservers_text};

#[cfg(test)]
mod tests;
