//! Registration requests to a virtual server.

use common::verdict::Verdict;

use super::Context;
use crate::batch::{Batch, Next, Stage};

/// Ends every request: no real can take it while there is no session table.
pub fn run<F>(_cx: &mut Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::MobileIp) {
        batch.send(index, Next::Drop(Verdict::NoReal));
    }
}
