//! The numbers as a table, with bars where a terminal shows them.

use super::{Report, Sum};
use crate::client::show;
use crate::sys::terminal;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;

/// Narrower bars tell nothing.
const NARROWEST: usize = 8;
const WIDEST: usize = 60;
/// Longest name of a user that is shown whole.
const LONGEST: usize = 24;

/// Columns of the terminal; none where there is none.
pub(super) fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    // A terminal that does not know is as wide as they once all were.
    let columns = terminal::size(stdout.as_fd()).map_or(80, |(_, columns)| usize::from(columns));
    Some(if columns == 0 { 80 } else { columns })
}

/// The table; with bars, for the bytes of each row, in so many columns.
pub(super) fn table(report: &Report, columns: Option<usize>) -> String {
    let head = [
        report.by.as_str().to_uppercase(),
        "UPLOADS".into(),
        "BYTES IN".into(),
        "DOWNLOADS".into(),
        "BYTES OUT".into(),
        "DELETED".into(),
        "RENAMED".into(),
        "FAILED".into(),
    ];
    let mut rows = vec![head];
    rows.extend(report.rows.iter().map(|(label, sum)| cells(label, sum)));
    rows.push(cells("total", &report.total));
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max();
    let widths: [usize; 8] = std::array::from_fn(|at| width(at).unwrap_or(0));
    let used: usize = widths.iter().map(|width| width + 2).sum();
    let room = columns.map_or(0, |columns| columns.saturating_sub(used + 1).min(WIDEST));
    let most = report.rows.iter().map(|(_, sum)| sum.bytes()).max();
    let mut text = format!("{}\n", report.span);
    for (at, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - cell.chars().count());
            line += &if column == 0 {
                format!("{cell}{gap}")
            } else {
                format!("  {gap}{cell}")
            };
        }
        let sum = at.checked_sub(1).and_then(|at| report.rows.get(at));
        if let (Some((_, sum)), Some(most), NARROWEST..) = (sum, most, room) {
            line += "  ";
            line += &bar(sum.bytes(), most, room);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text + &report.remarks()
}

fn cells(label: &str, sum: &Sum) -> [String; 8] {
    let mut label = show::clean(label.as_bytes());
    if label.chars().count() > LONGEST {
        label = label.chars().take(LONGEST - 1).collect();
        label.push('…');
    }
    [
        label,
        sum.uploads.to_string(),
        show::size(sum.uploaded),
        sum.downloads.to_string(),
        show::size(sum.downloaded),
        sum.deletes.to_string(),
        sum.renames.to_string(),
        sum.failed.to_string(),
    ]
}

/// A bar of at most `room` columns, in eighths of one; whatever is not nothing can be seen.
fn bar(value: u64, most: u64, room: usize) -> String {
    if value == 0 || most == 0 {
        return String::new();
    }
    let eighths = (value as f64 / most as f64 * (room * 8) as f64).round() as usize;
    let eighths = eighths.clamp(1, room * 8);
    let mut text = "█".repeat(eighths / 8);
    text.extend(['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get((eighths % 8).wrapping_sub(1)));
    text
}

#[cfg(test)]
mod tests {
    use super::super::By;
    use super::*;

    #[test]
    fn bars() {
        assert_eq!(bar(0, 10, 10), "");
        assert_eq!(bar(10, 10, 10), "██████████");
        assert_eq!(bar(1, u64::MAX, 10), "▏");
        assert_eq!(bar(5, 10, 3), "█▌");
    }

    #[test]
    fn the_table_fits_and_is_aligned() {
        let sum = |uploads, uploaded, failed| Sum {
            uploads,
            uploaded,
            failed,
            ..Sum::default()
        };
        let mut report = Report {
            by: By::User,
            span: "a to b".into(),
            rows: vec![
                ("ann".into(), sum(3, 1 << 20, 0)),
                ("b\x1b[31m".into(), sum(1000, 5, 2)),
            ],
            total: sum(1003, (1 << 20) + 5, 2),
            damaged: 1,
            lost: 0,
        };
        let plain = table(&report, None);
        assert_eq!(
            plain,
            "\
a to b
USER       UPLOADS  BYTES IN  DOWNLOADS  BYTES OUT  DELETED  RENAMED  FAILED
ann              3   1.0 MiB          0        0 B        0        0       0
b\\x1b[31m     1000       5 B          0        0 B        0        0       2
total         1003   1.0 MiB          0        0 B        0        0       2
1 line of the ledger damaged, and not counted
"
        );
        let wide = table(&report, Some(100));
        let row = wide.lines().nth(2).expect("row");
        assert!(row.ends_with('█') && row.chars().count() <= 100, "{row}");
        assert!(
            table(&report, Some(60))
                .lines()
                .all(|line| !line.contains('█'))
        );
        report.rows[0].0 = "ü".repeat(100);
        assert!(table(&report, None).contains("…"));
    }
}
