//! A row's rounds beside its baseline's.

use super::{
    measure::{Measured, Spread},
    plan::Run,
};

/// All rounds of a run beside those of the baseline on the same capture.
#[derive(Clone, Debug)]
pub struct Row {
    pub run: Run,
    /// By round.
    pub rounds: Vec<Measured>,
    /// testpmd macswap on the same capture, by round.
    pub baseline: Vec<Measured>,
}

impl Row {
    /// Million packets a second.
    pub fn mpps(&self) -> Spread {
        Spread::from_values(self.rounds.iter().map(|round| round.mpps))
    }

    /// Nanoseconds a packet; of several workers, of all together.
    pub fn ns(&self) -> Spread {
        Spread::from_values(self.rounds.iter().map(|round| 1e3 / round.mpps))
    }

    /// Ratio to the baseline, round by round: drift of the machine hits both.
    pub fn ratio(&self) -> Spread {
        Spread::from_values(ratios(&self.rounds, &self.baseline))
    }

    /// Bytes of the session table by its capacity.
    pub fn bytes_per_session(&self) -> Option<Spread> {
        let tables: Option<Vec<f64>> =
            self.rounds.iter().map(|round| round.table.map(|table| table.bytes_per_session)).collect();
        tables.map(Spread::from_values)
    }
}

/// One's rates over another's, round by round.
pub fn ratios<'a>(ours: &'a [Measured], theirs: &'a [Measured]) -> impl Iterator<Item = f64> + 'a {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours.mpps / theirs.mpps)
}
