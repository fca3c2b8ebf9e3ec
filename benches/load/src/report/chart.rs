//! The comparison as a bar chart, in plain SVG.

use std::fmt::Write;

use super::{Measured, compared};
use crate::peers::ServerName;

const WIDTH: f64 = 920.0;
const LABELS: f64 = 360.0;
const BARS: f64 = 440.0;
const TOP: f64 = 64.0;
const ROW: f64 = 34.0;

/// A bar for each server that was measured.
pub fn bars(measured: &Measured) -> String {
    let rows: Vec<(ServerName, f64)> = ServerName::ALL
        .into_iter()
        .filter_map(|server| Some((server, measured.rate(compared(server))?)))
        .collect();
    let longest = rows.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let height = rows.iter().fold(TOP + 40.0, |height, _| height + ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\" role=\"img\" aria-label=\"Callbacks per second on one core\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"28\" font-size=\"17\" font-weight=\"600\" fill=\"#1c2733\">Callbacks per second on one core</text>\n\
         <text x=\"16\" y=\"48\" font-size=\"12\" fill=\"#5b6773\">Unique signed callbacks over 64 keep-alive connections; medians. \
         Light bars are other stacks, or do less.</text>\n"
    );
    let mut y = TOP;
    for (server, rate) in rows {
        let middle = y + ROW / 2.0;
        let length = (rate / longest * BARS).max(1.0);
        let colour = if server.is_ours() {
            "#1f6f54"
        } else {
            "#b7c4cf"
        };
        let weight = if server.is_ours() { "600" } else { "400" };
        let label = LABELS - 10.0;
        let figure = LABELS + length + 8.0;
        let _ = writeln!(
            svg,
            "<text x=\"{label}\" y=\"{:.1}\" text-anchor=\"end\" font-weight=\"{weight}\" fill=\"#1c2733\">{}</text>\
             <rect x=\"{LABELS}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"20\" rx=\"2\" fill=\"{colour}\"/>\
             <text x=\"{figure:.1}\" y=\"{:.1}\" fill=\"#1c2733\">{}</text>",
            middle + 5.0,
            server.title(),
            middle - 10.0,
            middle + 5.0,
            in_thousands(rate),
        );
        y += ROW;
    }
    let _ = writeln!(
        svg,
        "<text x=\"16\" y=\"{:.1}\" font-size=\"12\" fill=\"#5b6773\">Machine, method and figures: performance-load.md</text>\n</svg>",
        height - 14.0
    );
    svg
}

fn in_thousands(rate: f64) -> String {
    if rate < 9_950.0 {
        format!("{:.1}k", rate / 1000.0)
    } else {
        format!("{:.0}k", rate / 1000.0)
    }
}
