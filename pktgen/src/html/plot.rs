//! A plot as SVG inside of a page: the picture is drawn by plotters, the legend is text of the page.

use maud::{Markup, PreEscaped, html};
use plotters::{prelude::*, series::DashedLineSeries};

use super::scale::{Scale, drawable};

/// Blue, vermilion, green, purple, orange, light blue, dark grey, brown: told apart by the colour-blind, and in grey.
pub const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xa8, 0x4f, 0x8a),
    RGBColor(0xe0, 0x9a, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x44, 0x44, 0x44),
    RGBColor(0x8c, 0x56, 0x4b),
];

/// Width and height in the units of the picture; the page scales it.
const SIZE: (u32, u32) = (900, 340);
const TEXT: RGBColor = RGBColor(0x33, 0x3a, 0x44);
const AXIS: RGBColor = RGBColor(0x8a, 0x93, 0x9f);
const GRID: RGBColor = RGBColor(0xd5, 0xda, 0xe1);
const FINE: RGBColor = RGBColor(0xee, 0xf0, 0xf4);
/// Lines of more points have no marks at them.
const MARKED: usize = 60;

/// Why a plot could not be drawn.
pub type PlotError = DrawingAreaErrorKind<std::io::Error>;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line, with dots if there are few.
    Line,
    /// A line through every point and no dots.
    Curve,
    /// A line of dashes.
    Dashes,
    /// Full circles.
    Circles,
    /// Crosses.
    Crosses,
}

#[derive(Clone, Debug)]
pub struct Series {
    /// For the legend.
    pub name: String,
    /// Out of [`COLOURS`].
    pub colour: RGBColor,
    /// How it is drawn.
    pub shape: Shape,
    /// In the order of the line.
    pub points: Vec<(f64, f64)>,
}

/// An axis with its name and the words at its marks.
#[derive(Clone, Debug)]
pub struct Axis {
    /// With the unit.
    pub name: String,
    /// What it spans.
    pub scale: Scale,
    /// A mark's words.
    pub words: fn(f64) -> String,
}

#[derive(Clone, Debug)]
pub struct Plot {
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// In the order of the legend.
    pub series: Vec<Series>,
}

impl Plot {
    /// The figure; nothing if there is nothing to draw.
    pub fn figure(&self) -> Result<Markup, PlotError> {
        if self.series.iter().all(|series| self.drawn(series).is_empty()) {
            return Ok(html! {});
        }
        let svg = self.svg()?;
        Ok(html! {
            figure role="img" aria-label=(self.title) {
                figcaption { (self.title) }
                (PreEscaped(svg))
                ul.legend {
                    @for series in &self.series {
                        @if !series.points.is_empty() { li { (swatch(series)) (series.name) } }
                    }
                }
            }
        })
    }

    fn drawn(&self, series: &Series) -> Vec<(f64, f64)> {
        let inside = |point: &&(f64, f64)| self.x.scale.holds(point.0) && self.y.scale.holds(point.1);
        series.points.iter().filter(inside).copied().collect()
    }

    /// The picture. plotters escapes the text in it.
    fn svg(&self) -> Result<String, PlotError> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin_top(10)
                .margin_right(26)
                .margin_bottom(4)
                .x_label_area_size(46)
                .y_label_area_size(82)
                .build_cartesian_2d(self.x.scale.clone(), self.y.scale.clone())?;
            chart
                .configure_mesh()
                .axis_style(AXIS)
                .bold_line_style(GRID)
                .light_line_style(FINE)
                .label_style(("sans-serif", 13).into_font().color(&TEXT))
                .axis_desc_style(("sans-serif", 14).into_font().color(&TEXT))
                .x_desc(&self.x.name)
                .y_desc(&self.y.name)
                .x_label_formatter(&|value| (self.x.words)(*value))
                .y_label_formatter(&|value| (self.y.words)(*value))
                .draw()?;
            for series in &self.series {
                let (points, colour) = (self.drawn(series), series.colour);
                let wide = colour.stroke_width(2);
                match series.shape {
                    Shape::Line | Shape::Curve => {
                        let dots = if series.shape == Shape::Line && points.len() <= MARKED { 3 } else { 0 };
                        let line = LineSeries::new(points.iter().copied(), wide).point_size(dots);
                        chart.draw_series(line)?;
                    }
                    Shape::Dashes => {
                        _ = chart.draw_series(DashedLineSeries::new(points, 7, 5, wide))?;
                    }
                    Shape::Circles => {
                        let circles = points.iter().map(|point| Circle::new(*point, 5, colour.filled()));
                        chart.draw_series(circles)?;
                    }
                    Shape::Crosses => {
                        _ = chart.draw_series(points.iter().map(|point| Cross::new(*point, 5, wide)))?;
                    }
                }
            }
            area.present()?;
        }
        // The name space is HTML's own business, and an address that nobody asks for.
        Ok(svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1))
    }
}

/// The sign of a series in the legend.
fn swatch(series: &Series) -> Markup {
    let RGBColor(red, green, blue) = series.colour;
    let colour = format!("#{red:02x}{green:02x}{blue:02x}");
    html! {
        svg.swatch width="22" height="10" viewBox="0 0 22 10" aria-hidden="true" {
            @match series.shape {
                Shape::Line | Shape::Curve => line x1="0" y1="5" x2="22" y2="5" stroke=(colour) stroke-width="3" {},
                Shape::Dashes => line x1="0" y1="5" x2="22" y2="5" stroke=(colour) stroke-width="3" stroke-dasharray="6 4" {},
                Shape::Circles => circle cx="11" cy="5" r="4.5" fill=(colour) {},
                Shape::Crosses => path d="M7 1L15 9M15 1L7 9" stroke=(colour) stroke-width="2.5" {},
            }
        }
    }
}

/// The values of all series on one side, for a scale.
pub fn values(series: &[Series], side: fn(&(f64, f64)) -> f64) -> impl Iterator<Item = f64> + Clone {
    series.iter().flat_map(move |series| series.points.iter().map(side)).filter(|value| drawable(*value))
}

pub fn across(point: &(f64, f64)) -> f64 {
    point.0
}

pub fn upwards(point: &(f64, f64)) -> f64 {
    point.1
}
