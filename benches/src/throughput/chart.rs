//! Ratios to macswap as a picture: a bar a row, whiskers from the least to the most, targets marked.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    case::{Mode, Threshold},
    plan::{Program, Run},
    row::Row,
};

/// Why a chart could not be drawn.
pub type ChartError = DrawingAreaErrorKind<std::io::Error>;

/// Told apart by the colour-blind, and in grey.
const DISPATCHED: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const DIRECTED: RGBColor = RGBColor(0x56, 0xb4, 0xe9);
const TESTPMD: RGBColor = RGBColor(0xa8, 0xae, 0xb6);
const MARK: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const TEXT: RGBColor = RGBColor(0x22, 0x28, 0x30);
const GRID: RGBColor = RGBColor(0xd5, 0xda, 0xe1);

/// Sizes in units of the picture.
const WIDTH: u32 = 1080;
const ROW: u32 = 22;
const HEAD: i32 = 56;
const FOOT: u32 = 44;
const NAMES: i32 = 400;
/// Right of the bars, for figures beyond the last one.
const MARGIN: u32 = 150;

/// The picture as SVG; with no rows an empty one.
pub fn svg(rows: &[Row]) -> Result<String, ChartError> {
    let mut svg = String::new();
    {
        let height = HEAD as u32 + ROW * rows.len() as u32 + FOOT;
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let most =
            rows.iter().map(|row| row.ratio().max).chain(rows.iter().filter_map(goal)).fold(1.0, f64::max);
        let most = if most.is_finite() { most } else { 1.0 };
        let across = f64::from(WIDTH - MARGIN) - f64::from(NAMES);
        let x = |ratio: f64| NAMES + (ratio.clamp(0.0, most) / most * across) as i32;
        let foot = HEAD + (ROW * rows.len() as u32) as i32;
        grid(&area, &x, most, foot)?;
        for (at, row) in rows.iter().enumerate() {
            bar(&area, row, &x, HEAD + (ROW * at as u32) as i32)?;
        }
        head(&area)?;
        area.present()?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The ratio that a row must reach.
fn goal(row: &Row) -> Option<f64> {
    match row.run.case()?.target()? {
        Threshold::AtLeast(least) => Some(least),
        Threshold::AtMost(_) => None,
    }
}

fn colour(run: &Run) -> RGBColor {
    match run.program {
        Program::Testpmd(_) => TESTPMD,
        Program::Homeward(case) if case.mode == Mode::Dispatched => DISPATCHED,
        Program::Homeward(_) => DIRECTED,
    }
}

fn words(area: &Area<'_>, text: &str, at: (i32, i32), across: HPos, size: i32) -> Result<(), ChartError> {
    let style = ("sans-serif", size).into_font().color(&TEXT).pos(Pos::new(across, VPos::Center));
    area.draw_text(text, &style, at)
}

fn line(area: &Area<'_>, from: (i32, i32), to: (i32, i32), style: ShapeStyle) -> Result<(), ChartError> {
    area.draw(&PathElement::new([from, to], style))
}

fn grid(area: &Area<'_>, x: &impl Fn(f64) -> i32, most: f64, foot: i32) -> Result<(), ChartError> {
    let step = [0.1, 0.2, 0.5, 1.0].into_iter().find(|step| most / step <= 12.0).unwrap_or(5.0);
    for mark in (0..=(most / step) as u32).map(|count| f64::from(count) * step) {
        let baseline = (mark - 1.0).abs() < 1e-9;
        let style = if baseline { TEXT.stroke_width(1) } else { GRID.stroke_width(1) };
        line(area, (x(mark), HEAD - 4), (x(mark), foot + 4), style)?;
        words(area, &format!("{mark:.1}"), (x(mark), foot + 14), HPos::Center, 12)?;
    }
    let name = "million packets/s over those of dpdk-testpmd macswap on the same capture";
    words(area, name, (x(most / 2.0), foot + 32), HPos::Center, 13)
}

fn bar(area: &Area<'_>, row: &Row, x: &impl Fn(f64) -> i32, top: i32) -> Result<(), ChartError> {
    let (ratio, middle) = (row.ratio(), top + ROW as i32 / 2);
    words(area, &row.run.to_string(), (NAMES - 8, middle), HPos::Right, 13)?;
    let body = [(x(0.0), top + 4), (x(ratio.median), top + ROW as i32 - 4)];
    area.draw(&Rectangle::new(body, colour(&row.run).filled()))?;
    let thin = TEXT.stroke_width(1);
    line(area, (x(ratio.min), middle), (x(ratio.max), middle), thin)?;
    for end in [ratio.min, ratio.max] {
        line(area, (x(end), middle - 4), (x(end), middle + 4), thin)?;
    }
    let mut right = ratio.max;
    if let Some(goal) = goal(row) {
        line(area, (x(goal), top + 1), (x(goal), top + ROW as i32 - 1), MARK.stroke_width(3))?;
        right = right.max(goal);
    }
    words(area, &ratio.text(2), (x(right) + 8, middle), HPos::Left, 12)
}

fn head(area: &Area<'_>) -> Result<(), ChartError> {
    words(area, "Ratio to macswap: median, least and most of the rounds", (16, 18), HPos::Left, 16)?;
    let legend = [
        (DISPATCHED, "Homeward, dispatched", 0),
        (DIRECTED, "Homeward, directed", 180),
        (TESTPMD, "testpmd", 340),
        (MARK, "target", 430),
    ];
    for (colour, name, at) in legend {
        let left = 16 + at;
        area.draw(&Rectangle::new([(left, 32), (left + 12, 44)], colour.filled()))?;
        words(area, name, (left + 18, 38), HPos::Left, 13)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throughput::{measure::Measured, plan::groups};

    #[test]
    fn every_row_has_a_bar_and_only_rows_with_a_target_a_mark() {
        let measured = |mpps| Measured { mpps, received: 1, sent: 1, table: None };
        let groups = groups(|run| run.to_string().contains("repeats"));
        let rows: Vec<Row> = groups
            .iter()
            .flatten()
            .map(|run| Row {
                run: *run,
                rounds: [10.0, 14.0, 12.0].map(measured).to_vec(),
                baseline: [20.0; 3].map(measured).to_vec(),
            })
            .collect();
        let svg = svg(&rows).unwrap();
        for row in &rows {
            assert!(svg.contains(&row.run.to_string()), "{}", row.run);
        }
        assert_eq!(svg.matches("0.60 (0.50..0.70)").count(), rows.len());
        let marked = rows.iter().filter(|row| goal(row).is_some()).count();
        assert_eq!((marked, svg.matches("stroke=\"#D55E00\"").count()), (3, 3));
    }
}
