//! The numbers as a picture: bars of the bytes in and out, over each other, and marks for what failed. One file that needs no other, for light
//! pages and for dark ones.

use super::{Report, Sum};
use crate::client::show;
use std::fmt::Write as _;

/// The plot, in units of the picture.
const LEFT: f64 = 84.0;
const TOP: f64 = 66.0;
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
/// Below it are the labels.
const BELOW: f64 = 74.0;
/// Rows that are drawn: the last of those that follow each other in time, or those with most bytes.
const MOST: usize = 120;
/// Labels below the bars that find room.
const LABELS: usize = 15;
/// Lines across, with what they stand for.
const LINES: u64 = 4;

const STYLE: &str = "\
svg{background:#fff;color:#1f2328;font:13px system-ui,sans-serif}\
text{fill:currentColor}.dim{fill:#59636e}.in{fill:#0969da}.out{fill:#8ec4ff}.fail{fill:#cf222e}\
.grid{stroke:#d1d9e0;stroke-width:1}.title{font-size:16px;font-weight:600}\
@media(prefers-color-scheme:dark){svg{background:#0d1117;color:#e6edf3}.dim{fill:#9198a1}.in{fill:#4493f8}\
.out{fill:#1c4a86}.fail{fill:#ff7b72}.grid{stroke:#30363d}}";

/// The whole file.
pub(super) fn picture(report: &Report) -> String {
    let rows = &report.rows;
    let rows = if report.by.is_time() {
        &rows[rows.len().saturating_sub(MOST)..]
    } else {
        &rows[..rows.len().min(MOST)]
    };
    let (width, height) = (LEFT + WIDTH + 24.0, TOP + HEIGHT + BELOW);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"Transfers by {by}\"><style>{STYLE}</style>\n",
        by = report.by.as_str()
    );
    head(&mut text, report);
    let top = scale(rows.iter().map(|(_, sum)| sum.bytes()).max().unwrap_or(0));
    axes(&mut text, top);
    bars(&mut text, rows, top);
    text + "</svg>\n"
}

/// The title, and what the colours mean. Writing to a String cannot fail, here and below.
fn head(text: &mut String, report: &Report) {
    let Sum {
        uploaded,
        downloaded,
        failed,
        ..
    } = report.total;
    let _ = writeln!(
        text,
        "<text class=\"title\" x=\"{LEFT}\" y=\"26\">Bytes by {}</text><text class=\"dim\" x=\"{LEFT}\" y=\"48\">{}</text>",
        report.by.as_str(),
        escaped(&report.span)
    );
    let legend = [
        ("in", format!("in {}", show::size(uploaded))),
        ("out", format!("out {}", show::size(downloaded))),
        ("fail", format!("failed {failed}")),
    ];
    for (at, (class, label)) in legend.iter().enumerate() {
        let x = LEFT + WIDTH - 420.0 + at as f64 * 145.0;
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{x}\" y=\"16\" width=\"11\" height=\"11\" rx=\"2\"/><text x=\"{}\" y=\"26\">{label}</text>",
            x + 17.0
        );
    }
}

/// Lines across the plot.
fn axes(text: &mut String, top: u64) {
    for line in 0..=LINES {
        let y = TOP + HEIGHT - HEIGHT * line as f64 / LINES as f64;
        let _ = writeln!(
            text,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/><text class=\"dim\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT + WIDTH,
            LEFT - 8.0,
            y + 4.0,
            show::size(top / LINES * line)
        );
    }
}

fn bars(text: &mut String, rows: &[(String, Sum)], top: u64) {
    let step = WIDTH / rows.len().max(1) as f64;
    let wide = (step * 0.72).min(48.0);
    let every = rows.len().div_ceil(LABELS).max(1);
    let high = |bytes: u64| HEIGHT * bytes as f64 / top as f64;
    for (at, (label, sum)) in rows.iter().enumerate() {
        let middle = LEFT + step * (at as f64 + 0.5);
        let x = middle - wide / 2.0;
        let (up, down) = (high(sum.uploaded), high(sum.downloaded));
        let floor = TOP + HEIGHT;
        let shown = escaped(label);
        let _ = write!(
            text,
            "<g><title>{shown}: {} in with {} uploads, {} out with {} downloads, {} failed</title>",
            show::size(sum.uploaded),
            sum.uploads,
            show::size(sum.downloaded),
            sum.downloads,
            sum.failed
        );
        for (class, y, high) in [("in", floor - up, up), ("out", floor - up - down, down)] {
            if high > 0.0 {
                let _ = write!(
                    text,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.2}\" width=\"{wide:.1}\" height=\"{high:.2}\"/>"
                );
            }
        }
        if sum.failed > 0 {
            let y = floor + 8.0;
            let _ = write!(
                text,
                "<circle class=\"fail\" cx=\"{middle:.1}\" cy=\"{y}\" r=\"3\"/>"
            );
        }
        // From the end, so that the newest has its label.
        if (rows.len() - 1 - at).is_multiple_of(every) {
            let short: String = label.chars().take(16).collect();
            let _ = write!(
                text,
                "<text class=\"dim\" text-anchor=\"end\" transform=\"translate({:.1} {}) rotate(-35)\">{}</text>",
                middle + 4.0,
                floor + 24.0,
                escaped(&short)
            );
        }
        text.push_str("</g>\n");
    }
}

/// What the topmost line stands for: a round number of a unit, at least as large as the highest bar.
fn scale(most: u64) -> u64 {
    let mut unit = 1_u64;
    while most / unit >= 1024 && unit < 1 << 60 {
        unit <<= 10;
    }
    let wanted = most.div_ceil(unit);
    let round = [4, 8, 12, 20, 40, 60, 80, 100, 200, 300, 400, 600, 800, 1024];
    let round = round.into_iter().find(|round| *round >= wanted);
    round.unwrap_or(1024).saturating_mul(unit)
}

/// Text between tags.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in show::clean(text.as_bytes()).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::By;
    use super::*;

    #[test]
    fn the_top_is_round_and_high_enough() {
        for (most, top) in [
            (0, 4),
            (3, 4),
            (5, 8),
            (1000, 1024),
            (1024, 4 << 10),
            (5 << 20, 8 << 20),
            ((5 << 20) + 1, 8 << 20),
            (900 << 30, 1024 << 30),
        ] {
            assert_eq!(scale(most), top, "{most}");
        }
        assert!(scale(u64::MAX) >= u64::MAX / 2);
    }

    #[test]
    fn no_name_ends_a_tag() {
        let report = Report {
            by: By::User,
            span: "a".into(),
            rows: vec![(
                "</title><script>\"&".into(),
                Sum {
                    uploads: 1,
                    uploaded: 10,
                    failed: 1,
                    ..Sum::default()
                },
            )],
            total: Sum::default(),
            damaged: 0,
            lost: 0,
        };
        let picture = picture(&report);
        assert!(!picture.contains("<script"), "{picture}");
        assert!(picture.contains("&lt;/title&gt;&lt;script&gt;&quot;&amp;"));
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    }
}
