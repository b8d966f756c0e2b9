//! The pure parts, with a clock of the tests' own.

mod ledger;
mod plan;
