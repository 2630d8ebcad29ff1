//! Charts over a common axis of time, as an SVG that any browser shows: panels above each other, each with its own unit,
//! grid, labels and legend.
//!
//! The same data gives the same bytes. Nothing here knows what is drawn.

use std::fmt::Write;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 56.0;
const PANEL: f64 = 210.0;
const GAP: f64 = 46.0;
/// Room for the legend beside the panel's label; names beyond it are left out.
const LEGEND: f64 = 660.0;
/// Intervals that an axis likes to have.
const TICKS: f64 = 6.0;

/// Points that a line has room for.
const COLUMNS: usize = 900;

/// A drawing of panels that share the axis of time.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) panels: Vec<Panel>,
}

/// One coordinate system.
pub(crate) struct Panel {
    /// What is measured, with its unit.
    pub(crate) label: &'static str,
    pub(crate) series: Vec<Series>,
    /// Times that are marked on its axis, and what they mean.
    pub(crate) marks: Vec<Marks>,
}

/// A line: seconds and values, in the order of time.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) color: &'static str,
    pub(crate) shape: Shape,
    pub(crate) points: Vec<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// From point to point.
    Line,
    /// A value holds until the next one.
    Steps,
    /// From point to point, in dashes: what is a bound and no measurement.
    Dashes,
    /// From point to point, filled down to the axis.
    Area,
}

/// Moments, as short strokes on the axis.
#[derive(Clone)]
pub(crate) struct Marks {
    pub(crate) name: &'static str,
    pub(crate) color: &'static str,
    pub(crate) times: Vec<f64>,
}

/// An entry of a legend.
#[derive(PartialEq)]
struct Entry<'a> {
    name: &'a str,
    color: &'static str,
    dashed: bool,
}

/// Values of an axis: from 0 in even steps.
struct Scale {
    step: f64,
    top: f64,
    pixels: f64,
}

impl Scale {
    fn new(largest: f64, pixels: f64) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let rough = largest / TICKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|nice| nice * power).into_iter().find(|&step| step >= rough * 0.999);
        let step = step.unwrap_or(power * 10.0);
        Self { step, top: (largest / step).ceil() * step, pixels }
    }

    /// An axis that ends with the data.
    fn exact(largest: f64, pixels: f64) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        Self { top: largest, ..Self::new(largest, pixels) }
    }

    fn place(&self, value: f64) -> f64 {
        value / self.top * self.pixels
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = (self.top / self.step + 1e-9).floor() as u32;
        (0..=count).map(|index| f64::from(index) * self.step)
    }

    fn label(&self, value: f64) -> String {
        let places = (-self.step.log10().floor()).max(0.0) as usize;
        format!("{value:.places$}")
    }
}

impl Chart {
    /// The file's content.
    pub(crate) fn to_svg(&self) -> String {
        let panels = self.panels.len() as f64;
        let height = TOP + panels * PANEL + (panels - 1.0) * GAP + BOTTOM;
        let time = Scale::exact(self.end(), WIDTH - LEFT - RIGHT);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"#333\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        text(
            &mut svg,
            LEFT,
            30.0,
            "start",
            "font-size=\"19\" font-weight=\"600\" fill=\"#111\"",
            &self.title,
        );
        text(&mut svg, LEFT, 52.0, "start", "fill=\"#666\"", &self.subtitle);
        for (index, panel) in self.panels.iter().enumerate() {
            let top = TOP + index as f64 * (PANEL + GAP);
            panel.draw(&mut svg, top, &time, &self.panels[..index]);
        }
        text(&mut svg, (LEFT + WIDTH - RIGHT) / 2.0, height - 12.0, "middle", "", "time (s)");
        svg += "</svg>\n";
        svg
    }

    fn end(&self) -> f64 {
        let points = self.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
        points.map(|point| point.0).fold(0.0, f64::max)
    }
}

impl Panel {
    /// Draws it; what panels before it have named is not named again.
    fn draw(&self, svg: &mut String, top: f64, time: &Scale, before: &[Self]) {
        let values = self.series.iter().flat_map(|series| &series.points).map(|point| point.1);
        let scale = Scale::new(values.fold(0.0, f64::max), PANEL - 24.0);
        let bottom = top + PANEL;
        axes(svg, self.label, top, &scale, time);
        for series in &self.series {
            line(svg, series, bottom, &scale, time);
        }
        let marks = self.marks.iter().flat_map(|marks| marks.times.iter().map(|&at| (at, marks.color)));
        for (at, color) in marks.filter(|&(at, _)| at <= time.top) {
            let x = LEFT + time.place(at);
            let (from, to) = (bottom - 9.0, bottom);
            writeln!(svg, "<path d=\"M{x:.1} {from:.1}V{to:.1}\" stroke=\"{color}\" stroke-width=\"1.4\"/>")
                .ok();
        }
        let is_new =
            |entry: &Entry<'_>| !before.iter().any(|panel| panel.names().any(|named| named == *entry));
        legend(svg, self.names().filter(is_new), top);
    }

    /// What it shows.
    fn names(&self) -> impl Iterator<Item = Entry<'_>> {
        let marks = self.marks.iter().filter(|marks| !marks.times.is_empty() && !marks.name.is_empty());
        let lines = self.series.iter().map(|series| Entry {
            name: &series.name,
            color: series.color,
            dashed: series.shape == Shape::Dashes,
        });
        lines.chain(marks.map(|marks| Entry { name: marks.name, color: marks.color, dashed: false }))
    }
}

/// Names beside their colours, against the right end of the panel's head.
fn legend<'a>(svg: &mut String, entries: impl Iterator<Item = Entry<'a>>, top: f64) {
    // About what letters of this size take on the average.
    let width = |entry: &Entry<'_>| 24.0 + entry.name.chars().count() as f64 * 7.1 + 18.0;
    let mut room = LEGEND;
    let fits = |entry: &Entry<'_>| {
        room -= width(entry);
        room > 0.0
    };
    let entries: Vec<_> = entries.take_while(fits).collect();
    let mut x = WIDTH - RIGHT + 18.0 - entries.iter().map(width).sum::<f64>();
    for entry in &entries {
        let (end, y, color) = (x + 18.0, top - 2.0, entry.color);
        let style =
            if entry.dashed { "stroke-width=\"1.4\" stroke-dasharray=\"5 3\"" } else { "stroke-width=\"3\"" };
        writeln!(svg, "<path d=\"M{x:.1} {y:.1}H{end:.1}\" stroke=\"{color}\" {style}/>").ok();
        text(svg, x + 24.0, top + 2.5, "start", "", entry.name);
        x += width(entry);
    }
}

fn axes(svg: &mut String, label: &str, top: f64, scale: &Scale, time: &Scale) {
    let (right, bottom) = (WIDTH - RIGHT, top + PANEL);
    for value in scale.ticks() {
        let y = bottom - scale.place(value);
        let color = if value == 0.0 { "#888" } else { "#e4e4e4" };
        writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"{color}\"/>").ok();
        text(svg, LEFT - 8.0, y + 4.5, "end", "", &scale.label(value));
    }
    for value in time.ticks() {
        let x = LEFT + time.place(value);
        let (from, end) = (bottom - scale.pixels, bottom + 5.0);
        writeln!(svg, "<path d=\"M{x:.1} {from:.1}V{end:.1}\" stroke=\"#ececec\"/>").ok();
        text(svg, x, bottom + 19.0, "middle", "", &time.label(value));
    }
    text(svg, LEFT, top + 2.0, "start", "font-weight=\"600\"", label);
}

fn line(svg: &mut String, series: &Series, bottom: f64, scale: &Scale, time: &Scale) {
    let mut path = String::new();
    for &(at, value) in &series.points {
        let (x, y) = (LEFT + time.place(at), bottom - scale.place(value));
        if path.is_empty() {
            write!(path, "M{x:.1} {y:.1}").ok();
        } else if series.shape == Shape::Steps {
            write!(path, "H{x:.1}V{y:.1}").ok();
        } else {
            write!(path, "L{x:.1} {y:.1}").ok();
        }
    }
    let color = series.color;
    if let (Shape::Area, Some(first)) = (series.shape, series.points.first()) {
        let area = format!("{path}V{bottom:.1}H{:.1}Z", LEFT + time.place(first.0));
        writeln!(svg, "<path d=\"{area}\" fill=\"{color}\" fill-opacity=\"0.22\"/>").ok();
    }
    let style = match series.shape {
        Shape::Dashes => "stroke-width=\"1.2\" stroke-dasharray=\"6 5\"",
        _ => "stroke-width=\"1.6\" stroke-linejoin=\"round\"",
    };
    writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" {style}/>").ok();
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, style: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let space = if style.is_empty() { "" } else { " " };
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{space}{style}>{content}</text>")
        .ok();
}

/// Leaves of the points up to `end` no more than can be told apart in the drawing: of each column the first, the
/// smallest, the largest and the last. A line of steps is drawn on to the end.
pub(crate) fn thin(points: &[(f64, f64)], end: f64, steps: bool) -> Vec<(f64, f64)> {
    let column = |at: f64| (at / end.max(1e-9) * COLUMNS as f64) as usize;
    let shown: Vec<_> = points.iter().copied().filter(|point| point.0 <= end).collect();
    let mut thin = Vec::new();
    for group in shown.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let least = (0..group.len()).min_by(|&a, &b| group[a].1.total_cmp(&group[b].1));
        let most = (0..group.len()).max_by(|&a, &b| group[a].1.total_cmp(&group[b].1));
        let mut kept: Vec<_> =
            [Some(0), least, most, group.len().checked_sub(1)].into_iter().flatten().collect();
        kept.sort_unstable();
        kept.dedup();
        thin.extend(kept.into_iter().map(|index| group[index]));
    }
    if let Some(&(_, value)) = thin.last().filter(|_| steps) {
        thin.push((end, value));
    }
    thin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_even_steps_and_reach_the_data() {
        for (largest, step, top) in
            [(97.0, 20.0, 100.0), (0.31, 0.1, 0.4), (1200.0, 200.0, 1200.0), (0.0, 0.2, 1.0)]
        {
            let scale = Scale::new(largest, 100.0);
            assert!(
                (scale.step - step).abs() < 1e-9 && (scale.top - top).abs() < 1e-9,
                "{largest}: {} {}",
                scale.step,
                scale.top
            );
        }
        assert_eq!(Scale::new(0.31, 100.0).label(0.2), "0.2");
        assert_eq!(Scale::new(1200.0, 100.0).label(400.0), "400");
    }

    #[test]
    fn every_part_is_drawn_and_nothing_else() {
        let series = |shape| {
            let points = vec![(0.0, 1.0), (2.0, 3.0)];
            vec![Series { name: "a & b".into(), color: "#06c", shape, points }]
        };
        let marks = Marks { name: "loss", color: "#c00", times: vec![1.0] };
        let chart = Chart {
            title: "Title".into(),
            subtitle: "Sub".into(),
            panels: vec![
                Panel { label: "bytes", series: series(Shape::Steps), marks: vec![marks] },
                Panel { label: "more", series: series(Shape::Area), marks: Vec::new() },
            ],
        };
        let svg = chart.to_svg();
        assert_eq!(svg.matches("a &amp; b").count(), 1, "what was named is not named again");
        for part in ["Title", "Sub", ">bytes<", "a &amp; b", ">loss<", "time (s)", "stroke=\"#c00\""] {
            assert!(svg.contains(part), "{part} is missing in {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg, chart.to_svg());
    }

    #[test]
    fn thinning_keeps_extremes_and_ends() {
        let points: Vec<_> = (0..100_000).map(|i| (f64::from(i) / 1e4, f64::from(i % 97))).collect();
        let thin = thin(&points, 10.0, false);
        assert!(thin.len() <= 4 * COLUMNS, "{} points", thin.len());
        assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[99_999]));
        assert!(thin.iter().any(|point| point.1 == 96.0) && thin.iter().any(|point| point.1 == 0.0));
        assert!(thin.windows(2).all(|two| two[0].0 <= two[1].0));
    }

    #[test]
    fn steps_reach_the_end() {
        assert_eq!(thin(&[(1.0, 5.0), (9.0, 7.0)], 4.0, true), [(1.0, 5.0), (4.0, 5.0)]);
    }
}
