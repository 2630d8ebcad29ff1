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
/// Intervals that an axis likes to have.
const TICKS: f64 = 6.0;

/// A drawing of panels that share the axis of time.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) panels: Vec<Panel>,
    /// Times that are marked in every panel, and what they mean.
    pub(super) marks: Vec<Marks>,
}

/// One coordinate system.
pub(super) struct Panel {
    /// What is measured, with its unit.
    pub(super) label: &'static str,
    pub(super) series: Vec<Series>,
}

/// A line: seconds and values, in the order of time.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) color: &'static str,
    /// Whether a value holds until the next one.
    pub(super) steps: bool,
    pub(super) points: Vec<(f64, f64)>,
}

/// Moments, as short strokes on the axis.
pub(super) struct Marks {
    pub(super) name: &'static str,
    pub(super) color: &'static str,
    pub(super) times: Vec<f64>,
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
    pub(super) fn to_svg(&self) -> String {
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
            self.panel(&mut svg, panel, top, &time);
        }
        text(&mut svg, (LEFT + WIDTH - RIGHT) / 2.0, height - 12.0, "middle", "", "time (s)");
        svg += "</svg>\n";
        svg
    }

    fn end(&self) -> f64 {
        let points = self.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
        points.map(|point| point.0).fold(0.0, f64::max)
    }

    fn panel(&self, svg: &mut String, panel: &Panel, top: f64, time: &Scale) {
        let values = panel.series.iter().flat_map(|series| &series.points).map(|point| point.1);
        let scale = Scale::new(values.fold(0.0, f64::max), PANEL - 24.0);
        let bottom = top + PANEL;
        axes(svg, panel.label, top, &scale, time);
        for series in &panel.series {
            line(svg, series, bottom, &scale, time);
        }
        let marks = self.marks.iter().flat_map(|marks| marks.times.iter().map(|&at| (at, marks.color)));
        for (at, color) in marks.filter(|&(at, _)| at <= time.top) {
            let x = LEFT + time.place(at);
            let (from, to) = (bottom - 9.0, bottom);
            writeln!(svg, "<path d=\"M{x:.1} {from:.1}V{to:.1}\" stroke=\"{color}\" stroke-width=\"1.4\"/>")
                .ok();
        }
        self.legend(svg, panel, top);
    }

    /// Names beside their colours, against the right end of the panel's head.
    fn legend(&self, svg: &mut String, panel: &Panel, top: f64) {
        let marks = self.marks.iter().filter(|marks| !marks.times.is_empty());
        let lines = panel.series.iter().map(|series| (series.name, series.color));
        let entries: Vec<_> = lines.chain(marks.map(|marks| (marks.name, marks.color))).collect();
        // About what letters of this size take on the average.
        let width = |name: &str| 24.0 + name.chars().count() as f64 * 7.1 + 18.0;
        let mut x = WIDTH - RIGHT + 18.0 - entries.iter().map(|(name, _)| width(name)).sum::<f64>();
        for (name, color) in entries {
            let (end, y) = (x + 18.0, top - 2.0);
            writeln!(svg, "<path d=\"M{x:.1} {y:.1}H{end:.1}\" stroke=\"{color}\" stroke-width=\"3\"/>").ok();
            text(svg, x + 24.0, top + 2.5, "start", "", name);
            x += width(name);
        }
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
        } else if series.steps {
            write!(path, "H{x:.1}V{y:.1}").ok();
        } else {
            write!(path, "L{x:.1} {y:.1}").ok();
        }
    }
    let color = series.color;
    writeln!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.6\" stroke-linejoin=\"round\"/>"
    )
    .ok();
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, style: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let space = if style.is_empty() { "" } else { " " };
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{space}{style}>{content}</text>")
        .ok();
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
        let series =
            Series { name: "a & b", color: "#06c", steps: true, points: vec![(0.0, 1.0), (2.0, 3.0)] };
        let marks = Marks { name: "loss", color: "#c00", times: vec![1.0] };
        let chart = Chart {
            title: "Title".into(),
            subtitle: "Sub".into(),
            panels: vec![Panel { label: "bytes", series: vec![series] }],
            marks: vec![marks],
        };
        let svg = chart.to_svg();
        for part in ["Title", "Sub", ">bytes<", "a &amp; b", ">loss<", "time (s)", "stroke=\"#c00\""] {
            assert!(svg.contains(part), "{part} is missing in {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg, chart.to_svg());
    }
}
