//! Zipf's distribution by rejection-inversion.
//!
//! Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions" (1996): no
//! table, constant expected time whatever the number of ranks, so that ten million nodes cost nothing to set up.

use fastrand::Rng;

/// Ranks 1 to `ranks`, rank k with a probability proportional to 1 / k^exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zipf {
    ranks: u32,
    exponent: f64,
    /// Integral at 1.5, less 1: where rank 1 begins.
    lowest: f64,
    /// Integral at `ranks` + 0.5.
    highest: f64,
    /// Within this much of its rank a value is taken without a further look.
    squeeze: f64,
}

impl Zipf {
    /// For at least one rank and an exponent over 0.
    pub fn new(ranks: u32, exponent: f64) -> Self {
        let squeeze = 2.0 - inverse(integral(2.5, exponent) - density(2.0, exponent), exponent);
        Self {
            ranks,
            exponent,
            lowest: integral(1.5, exponent) - 1.0,
            highest: integral(f64::from(ranks) + 0.5, exponent),
            squeeze,
        }
    }

    /// How many ranks there are.
    pub fn ranks(&self) -> u32 {
        self.ranks
    }

    pub fn draw(&self, random: &mut Rng) -> u32 {
        loop {
            let area = self.highest + random.f64() * (self.lowest - self.highest);
            let x = inverse(area, self.exponent);
            let rank = x.round().clamp(1.0, f64::from(self.ranks));
            if rank - x <= self.squeeze
                || area >= integral(rank + 0.5, self.exponent) - density(rank, self.exponent)
            {
                return rank as u32;
            }
        }
    }
}

/// x^-exponent.
fn density(x: f64, exponent: f64) -> f64 {
    (-exponent * x.ln()).exp()
}

/// Antiderivative of the density: (x^(1 - exponent) - 1) / (1 - exponent), ln x in the limit.
fn integral(x: f64, exponent: f64) -> f64 {
    let log = x.ln();
    relative_exp((1.0 - exponent) * log) * log
}

/// Its inverse.
fn inverse(area: f64, exponent: f64) -> f64 {
    let t = (area * (1.0 - exponent)).max(-1.0);
    (relative_log(t) * area).exp()
}

/// (e^x - 1) / x, also near 0.
fn relative_exp(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x / 2.0 }
}

/// ln(1 + x) / x, also near 0.
fn relative_log(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x / 2.0 }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::*;

    /// How often each of the first ranks should come and came.
    fn shares(ranks: u32, exponent: f64) -> Vec<(f64, f64)> {
        const DRAWS: u32 = 200_000;
        let zipf = Zipf::new(ranks, exponent);
        let mut random = Rng::with_seed(5);
        let mut counts = vec![0u32; ranks as usize];
        for _ in 0..DRAWS {
            counts[zipf.draw(&mut random) as usize - 1] += 1;
        }
        let sum: f64 = (1..=ranks).map(|rank| density(rank.into(), exponent)).sum();
        let expected = (1..=ranks).map(|rank| density(rank.into(), exponent) / sum);
        expected.zip(counts).map(|(p, count)| (p, f64::from(count) / f64::from(DRAWS))).collect()
    }

    #[test]
    fn ranks_come_as_often_as_the_law_says() {
        for (ranks, exponent) in [(1, 1.0), (2, 1.0), (10, 0.5), (1000, 1.0), (1000, 1.2), (50, 2.5)] {
            for (rank, (expected, got)) in shares(ranks, exponent).into_iter().enumerate().take(20) {
                // Five standard deviations.
                let bound = 5.0 * (expected * (1.0 - expected) / 200_000.0).sqrt() + 1e-9;
                assert!((expected - got).abs() <= bound, "{ranks} {exponent} {rank}: {expected} {got}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_rank_is_one_of_the_ranks(ranks in 1u32.., exponent in 0.01f64..8.0, seed: u64) {
            let zipf = Zipf::new(ranks, exponent);
            let mut random = Rng::with_seed(seed);
            for _ in 0..50 {
                prop_assert!((1..=ranks).contains(&zipf.draw(&mut random)));
            }
        }
    }
}
