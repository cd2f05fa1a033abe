//! Tables for people: columns as wide as what stands in them. Run by the commands of both programs.

/// The rows as lines, without ends. Columns that are `right` stand at the right, as numbers do.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], right: [bool; N]) -> Vec<String> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|at| width(at).unwrap_or(0));
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[at] - cell.chars().count());
            let (before, after) = match right[at] {
                true => (gap.as_str(), ""),
                false => ("", gap.as_str()),
            };
            line.extend([before, cell, after, "  "]);
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}
