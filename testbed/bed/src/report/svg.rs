//! Plots as inline SVG: axes, lines, areas, bars.
//!
//! Colours are classes, so the page's style sheet gives them for light and dark. Invariant: no number that is not finite reaches the
//! output, and every text is escaped. Awkward case: a series without a value in some slots is several lines, not one through zero.

use super::words::escape;
use std::fmt::Write;

/// Width of a plot, in the SVG's own units; the page scales it.
pub(crate) const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 34.0;

/// How values become heights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// From 0 to this.
    Linear(f64),
    /// Between these two, by their logarithm.
    Log(f64, f64),
}

/// A plot being drawn.
#[derive(Debug)]
pub(crate) struct Plot {
    out: String,
    height: f64,
    x: (f64, f64),
    y: Scale,
}

impl Plot {
    /// A plot over `x` with this scale of heights; `label` is for those who do not see it.
    pub(crate) fn new(height: f64, x: (f64, f64), y: Scale, label: &str) -> Self {
        let mut out = String::new();
        let _ = write!(
            out,
            r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">"#,
            escape(label)
        );
        let x = if x.1 > x.0 { x } else { (x.0, x.0 + 1.0) };
        let y = match y {
            Scale::Linear(top) if top > 0.0 && top.is_finite() => y,
            Scale::Linear(_) => Scale::Linear(1.0),
            Scale::Log(a, b) if a > 0.0 && b > a && b.is_finite() => y,
            Scale::Log(..) => Scale::Log(1.0, 10.0),
        };
        Self { out, height, x, y }
    }

    fn px(&self, x: f64) -> f64 {
        let share = ((x - self.x.0) / (self.x.1 - self.x.0)).clamp(0.0, 1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn py(&self, y: f64) -> f64 {
        let share = match self.y {
            Scale::Linear(top) => y / top,
            Scale::Log(a, b) => (y.max(a) / a).ln() / (b / a).ln(),
        };
        let floor = self.height - BOTTOM;
        floor - share.clamp(0.0, 1.0) * (floor - TOP)
    }

    /// Bands behind everything: begin, end, name, whether it is one that figures are quoted from.
    pub(crate) fn bands<'a>(&mut self, bands: impl Iterator<Item = (f64, f64, &'a str, bool)>) {
        let mut clear = 0.0;
        for (begin, end, name, quoted) in bands {
            let (a, b) = (self.px(begin), self.px(end));
            let class = if quoted { "band quoted" } else { "band" };
            let _ = write!(
                self.out,
                r#"<rect class="{class}" x="{a:.1}" y="{TOP}" width="{:.1}" height="{:.1}"><title>{}: {} to {}</title></rect>"#,
                (b - a).max(0.0),
                self.height - BOTTOM - TOP,
                escape(name),
                super::words::seconds(begin),
                super::words::seconds(end),
            );
            // A name that has no room is left to the tooltip and the table.
            let wide = name.chars().count() as f64 * 7.0;
            if a >= clear && wide <= b - a + 14.0 {
                let _ = write!(
                    self.out,
                    r#"<text class="phase" x="{:.1}" y="{:.1}">{}</text>"#,
                    a + 3.0,
                    TOP - 7.0,
                    escape(name)
                );
                clear = a + wide + 8.0;
            }
        }
    }

    /// Lines across with their values.
    pub(crate) fn heights(&mut self, text: impl Fn(f64) -> String) {
        let ticks = match self.y {
            Scale::Linear(top) => nice(top),
            Scale::Log(a, b) => decades(a, b),
        };
        for tick in ticks {
            let y = self.py(tick);
            let _ = write!(
                self.out,
                r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                WIDTH - RIGHT,
                LEFT - 7.0,
                y + 4.0,
                escape(&super::words::round(&text(tick)))
            );
        }
    }

    /// The axis of time below.
    pub(crate) fn clock(&mut self) {
        let span = self.x.1 - self.x.0;
        let step = [
            1., 2., 5., 10., 15., 30., 60., 120., 300., 600., 1200., 1800., 3600., 7200., 14400.,
        ]
        .into_iter()
        .find(|step| span / step <= 10.0)
        .unwrap_or(span / 8.0);
        let y = self.height - BOTTOM;
        let mut at = (self.x.0 / step).ceil() * step;
        while at <= self.x.1 + step * 1e-6 {
            let x = self.px(at);
            let anchor = if x > WIDTH - 40.0 { "end" } else { "middle" };
            let _ = write!(
                self.out,
                r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{y:.1}" y2="{:.1}"/><text class="tick" x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
                y + 4.0,
                y + 18.0,
                super::words::moment(at, span)
            );
            at += step;
        }
    }

    /// Places below the axis with their words.
    pub(crate) fn places(&mut self, places: &[(f64, &str)]) {
        let y = self.height - BOTTOM;
        for (at, text) in places {
            let x = self.px(*at);
            let anchor = if x > WIDTH - 40.0 { "end" } else { "middle" };
            let _ = write!(
                self.out,
                r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{:.1}"/><text class="tick" x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
                y + 4.0,
                y + 18.0,
                escape(text)
            );
        }
    }

    /// Places of names below the axis: the middle of each of `names` equal parts.
    pub(crate) fn names(&mut self, names: &[String]) {
        for (n, name) in names.iter().enumerate() {
            let x = self.px(n as f64 + 0.5);
            let _ = write!(
                self.out,
                r#"<text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                self.height - BOTTOM + 18.0,
                escape(name)
            );
        }
    }

    /// A line through these points, broken where there is no value.
    pub(crate) fn line(&mut self, class: &str, points: impl Iterator<Item = (f64, Option<f64>)>) {
        let mut path = String::new();
        let mut pen = false;
        let mut alone = Vec::new();
        let mut run = 0;
        for (x, y) in points {
            let Some(y) = y.filter(|y| y.is_finite()) else {
                if run == 1 {
                    alone.extend(path.rsplit_once('M').map(|(_, p)| p.to_owned()));
                }
                (pen, run) = (false, 0);
                continue;
            };
            let command = if pen { 'L' } else { 'M' };
            let _ = write!(path, "{command}{:.1} {:.1}", self.px(x), self.py(y));
            (pen, run) = (true, run + 1);
        }
        if run == 1 {
            alone.extend(path.rsplit_once('M').map(|(_, p)| p.to_owned()));
        }
        if !path.is_empty() {
            let _ = write!(self.out, r#"<path class="mark line {class}" d="{path}"/>"#);
        }
        // A value between two gaps would be a line of no length.
        for point in alone {
            if let Some((x, y)) = point.split_once(' ') {
                let _ = write!(
                    self.out,
                    r#"<circle class="mark dot {class}" cx="{x}" cy="{y}" r="2"/>"#
                );
            }
        }
    }

    /// An upright bar from `low` to `high`, at `x` and as wide as `wide` in units of x.
    pub(crate) fn bar(
        &mut self,
        class: &str,
        (x, wide): (f64, f64),
        (low, high): (f64, f64),
        title: &str,
    ) {
        let (a, b) = (self.px(x), self.px(x + wide));
        let (top, floor) = (self.py(high), self.py(low));
        let _ = write!(
            self.out,
            r#"<rect class="mark fill {class}" x="{a:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" rx="1.5"><title>{}</title></rect>"#,
            (b - a).max(1.0),
            (floor - top).max(1.0),
            escape(title)
        );
    }

    /// A short line across at one height.
    pub(crate) fn tick(&mut self, class: &str, (x, wide): (f64, f64), y: f64, title: &str) {
        let (a, b, y) = (self.px(x), self.px(x + wide), self.py(y));
        let _ = write!(
            self.out,
            r#"<path class="mark line {class}" d="M{a:.1} {y:.1}L{b:.1} {y:.1}"><title>{}</title></path>"#,
            escape(title)
        );
    }

    /// A word above a place or below it, centred.
    pub(crate) fn note(&mut self, x: f64, y: f64, below: bool, text: &str) {
        let _ = write!(
            self.out,
            r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            self.px(x),
            self.py(y) + if below { 15.0 } else { -5.0 },
            escape(text)
        );
    }

    /// Strips over the whole height that tell a tooltip: begin, end, text.
    pub(crate) fn tips(&mut self, tips: impl Iterator<Item = (f64, f64, String)>) {
        for (begin, end, text) in tips {
            let (a, b) = (self.px(begin), self.px(end));
            let _ = write!(
                self.out,
                r#"<rect class="tip" x="{a:.1}" y="{TOP}" width="{:.1}" height="{:.1}"><title>{}</title></rect>"#,
                (b - a).max(0.5),
                self.height - BOTTOM - TOP,
                escape(&text)
            );
        }
    }

    /// The SVG.
    pub(crate) fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

/// Round numbers from 0 to the top, five or so.
pub(crate) fn nice(top: f64) -> Vec<f64> {
    let rough = top / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|step| *step >= rough)
        .unwrap_or(power * 10.0);
    let count = (top / step + 1e-9).floor() as usize;
    (0..=count.min(20)).map(|n| n as f64 * step).collect()
}

/// Powers of ten between two numbers, with halves of decades where there are few.
pub(crate) fn decades(low: f64, high: f64) -> Vec<f64> {
    let (a, b) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let between: &[f64] = if b - a <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    (a..=b.min(a + 20))
        .flat_map(|power| between.iter().map(move |m| m * 10f64.powi(power)))
        .filter(|v| *v >= low * 0.999 && *v <= high * 1.001)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (top, expected) in [
            (1.0, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (7.0, vec![0.0, 2.0, 4.0, 6.0]),
            (200.0, vec![0.0, 50.0, 100.0, 150.0, 200.0]),
        ] {
            assert_eq!(nice(top), expected, "{top}");
        }
        assert_eq!(decades(1.0, 1e4), [1.0, 10.0, 100.0, 1e3, 1e4]);
        assert_eq!(decades(1.0, 10.0), [1.0, 2.0, 5.0, 10.0]);
    }

    #[test]
    fn a_line_is_broken_where_there_is_no_value() {
        let mut plot = Plot::new(200.0, (0.0, 4.0), Scale::Linear(1.0), "");
        let points = [Some(0.1), Some(0.2), None, Some(0.3), None, Some(f64::NAN)];
        plot.line(
            "hit",
            points.iter().enumerate().map(|(x, y)| (x as f64, *y)),
        );
        let svg = plot.finish();
        assert_eq!(
            (
                svg.matches('M').count(),
                svg.matches('L').count(),
                svg.matches("<circle").count()
            ),
            (2, 1, 1),
            "{svg}"
        );
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn scales_that_cannot_be_still_plot() {
        for scale in [
            Scale::Linear(0.0),
            Scale::Linear(f64::NAN),
            Scale::Log(0.0, 1.0),
            Scale::Log(5.0, 5.0),
        ] {
            let mut plot = Plot::new(200.0, (1.0, 1.0), scale, "<&\">");
            plot.heights(|v| format!("{v}"));
            plot.clock();
            plot.bar("hit", (1.0, 1.0), (0.0, 2.0), "<");
            let svg = plot.finish();
            assert!(
                !svg.contains("NaN") && !svg.contains("inf") && !svg.contains("title><<"),
                "{svg}"
            );
        }
    }
}
