//! A measurement's result as a page: one file, with its style and its plots in it, that asks for nothing else.
//!
//! Every text of the result is escaped, by maud in the page and by plotters in the plots.

mod charts;
mod page;
mod plot;
mod scale;
mod tables;
mod units;

pub use page::page;
pub use plot::PlotError;
