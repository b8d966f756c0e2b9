//! An axis: what values it spans, where its marks are, linear or logarithmic.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, KeyPointWeight, NoDefaultFormatting, Ranged, ValueFormatter};

use super::units;

/// Values beyond it are not drawn: no measurement is that large, and arithmetic stays exact enough.
const MOST: f64 = 1e15;
/// Marks in a decade, by how closely they stand.
const ONE: &[f64] = &[1.0];
const THREE: &[f64] = &[1.0, 2.0, 5.0];
const NINE: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
    marks: Vec<f64>,
    minor: Vec<f64>,
}

/// Whether a value can be drawn.
pub fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= MOST
}

/// Least and most of the drawable values; `None` without any.
fn span(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| drawable(*value)).fold(None, |span, value| {
        let (low, high) = span.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// The largest of 1, 2 or 5 times a power of ten that is at most `value`, which is positive.
fn round_down(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let digit = THREE.iter().rev().find(|digit| *digit * decade <= value * (1.0 + 1e-9));
    digit.copied().unwrap_or(1.0) * decade
}

/// The smallest of them that is at least `value`.
fn round_up(value: f64) -> f64 {
    let below = round_down(value);
    if below >= value * (1.0 - 1e-9) {
        return below;
    }
    let decade = 10f64.powf(value.log10().floor());
    let digit = THREE.iter().find(|digit| *digit * decade >= value);
    digit.copied().unwrap_or(10.0) * decade
}

/// Marks of whole decades from `low` to `high`, these digits in each.
fn decades(low: f64, high: f64, digits: &[f64], stride: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = (first..=last).step_by(stride);
    let marks = decades.flat_map(|decade| digits.iter().map(move |digit| digit * 10f64.powi(decade)));
    marks.filter(|mark| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(mark)).collect()
}

impl Scale {
    /// From 0 to a round number above all values.
    pub fn from_zero(values: impl Iterator<Item = f64>) -> Self {
        let high = span(values).map_or(1.0, |(_, high)| high);
        let high = if high > 0.0 { high * 1.02 } else { 1.0 };
        let mark = round_up(high / 8.0);
        let count = (high / mark).ceil();
        Self::linear(0.0, mark * count, mark)
    }

    /// From 0 to just beyond the last value, for what runs to the right.
    pub fn until_last(values: impl Iterator<Item = f64> + Clone) -> Self {
        Self::in_units_of(values, 1.0)
    }

    /// Likewise, with marks at round numbers of a unit of that size: 60 where seconds read as minutes.
    pub fn in_units_of(values: impl Iterator<Item = f64>, unit: f64) -> Self {
        let last = span(values).map_or(unit, |(_, last)| last).max(0.0);
        let high = if last > 0.0 { last * 1.02 } else { unit };
        let mark = round_up(high / unit / 10.0) * unit;
        Self::linear(0.0, high, mark)
    }

    /// Whole numbers from 1, with room at both ends.
    pub fn ordinal(count: usize) -> Self {
        let count = count.max(1) as f64;
        let mark = round_up((count / 12.0).max(1.0)).round();
        Self { low: 0.5, high: count + 0.5, ..Self::linear(mark, count, mark) }
    }

    fn linear(low: f64, high: f64, mark: f64) -> Self {
        let count = ((high - low) / mark + 1e-6).floor() as u32;
        let marks: Vec<f64> = (0..=count).map(|at| low + f64::from(at) * mark).collect();
        Self { low, high, log: false, minor: marks.clone(), marks }
    }

    /// Logarithmic, from a round number to another one; what is not positive is not on it.
    pub fn log(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = span(values.filter(|value| *value > 1.0 / MOST)).unwrap_or((1.0, 10.0));
        let (low, mut high) = (round_down(low), round_up(high));
        if high <= low * 1.5 {
            high = low * 10.0;
        }
        let spanned = (high / low).log10();
        let (digits, stride) = match spanned {
            it if it <= 2.5 => (THREE, 1),
            it if it <= 10.0 => (ONE, 1),
            it => (ONE, (it / 10.0).ceil() as usize),
        };
        let minor = if spanned <= 10.0 { decades(low, high, NINE, 1) } else { Vec::new() };
        Self { low, high, log: true, marks: decades(low, high, digits, stride), minor }
    }

    /// Logarithmic over whole decades, a mark at each.
    pub fn decades(values: impl Iterator<Item = f64>) -> Self {
        let scale = Self::log(values);
        let whole = |value: f64| 10f64.powf(value);
        let (low, high) = (whole(scale.low.log10().floor()), whole((scale.high.log10() - 1e-6).ceil()));
        let stride = ((high / low).log10() / 10.0).ceil().max(1.0) as usize;
        Self {
            low,
            high,
            log: true,
            marks: decades(low, high, ONE, stride),
            minor: decades(low, high, NINE, stride),
        }
    }

    /// Logarithmic where a linear scale would hide the small values.
    pub fn fitting(values: impl Iterator<Item = f64> + Clone) -> Self {
        match span(values.clone().filter(|value| *value > 0.0)) {
            Some((low, high)) if high / low > 15.0 => Self::log(values),
            _ => Self::from_zero(values),
        }
    }

    /// Whether it is logarithmic.
    pub fn is_log(&self) -> bool {
        self.log
    }

    /// Whether the value lies on it.
    pub fn holds(&self, value: f64) -> bool {
        drawable(value) && (self.low..=self.high).contains(&value)
    }

    fn share(&self, value: f64) -> f64 {
        if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (f64::from(to - from) * self.share(*value)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight() {
            KeyPointWeight::Bold => self.marks.clone(),
            KeyPointWeight::Any => self.minor.clone(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// What an axis without words of its own says.
impl ValueFormatter<f64> for Scale {
    fn format(value: &f64) -> String {
        units::short(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_scale_ends_at_a_round_number() {
        let scale = Scale::from_zero([1_845_000.0, 2_000_000.0].into_iter());
        assert_eq!((scale.low, scale.high), (0.0, 2.5e6));
        assert_eq!(scale.marks, [0.0, 0.5e6, 1e6, 1.5e6, 2e6, 2.5e6]);
        assert_eq!(scale.map(&1.25e6, (0, 100)), 50);
        assert_eq!(scale.map(&2.5e6, (300, 0)), 0);
    }

    #[test]
    fn time_ends_where_the_last_step_does_with_marks_at_whole_units() {
        let scale = Scale::in_units_of([60.0, 1600.0].into_iter(), 60.0);
        assert_eq!(scale.marks, [0.0, 300.0, 600.0, 900.0, 1200.0, 1500.0]);
        assert_eq!((scale.low, scale.high), (0.0, 1632.0));
    }

    #[test]
    fn a_logarithmic_scale_has_decades_or_parts_of_them() {
        let scale = Scale::log([13.0, 78.0].into_iter());
        assert_eq!((scale.low, scale.high), (10.0, 100.0));
        assert_eq!(scale.marks, [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(scale.map(&(1000f64.sqrt()), (0, 100)), 50);
        let wide = Scale::log([1.0, 4e6].into_iter());
        assert_eq!((wide.high, wide.marks.len()), (5e6, 7));
    }

    #[test]
    fn small_values_beside_large_ones_make_it_logarithmic() {
        assert!(Scale::fitting([10.0, 1000.0].into_iter()).is_log());
        assert!(!Scale::fitting([0.0, 10.0, 100.0].into_iter()).is_log());
    }

    #[test]
    fn every_scale_is_bounded_whatever_the_values_are() {
        let values = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-300, 1e-20, 1.0, 7.0, 1e15, 1e300];
        let pairs = values.iter().flat_map(|a| values.iter().map(move |b| [*a, *b]));
        for pair in pairs {
            for scale in [Scale::from_zero, Scale::until_last, Scale::log, Scale::fitting, Scale::decades]
                .map(|make| make(pair.into_iter()))
            {
                assert!(
                    scale.low < scale.high && scale.low.is_finite() && scale.high.is_finite(),
                    "{scale:?}"
                );
                assert!((1..=20).contains(&scale.marks.len()), "{pair:?} {scale:?}");
                assert!(scale.minor.len() <= 120, "{pair:?} {scale:?}");
                for value in pair.into_iter().filter(|value| scale.holds(*value)) {
                    assert!((0..=100).contains(&scale.map(&value, (0, 100))), "{value} {scale:?}");
                }
            }
        }
        for count in [0, 1, 2, 13, 100_000] {
            assert!((1..=14).contains(&Scale::ordinal(count).marks.len()), "{count}");
        }
    }
}
