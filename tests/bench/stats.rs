//! Medians, spreads, and the lines that are printed.

use std::io::Write as _;
use std::time::Duration;

/// Prints a line. A reader that has gone away ends the program.
pub(crate) fn say(line: &str) {
    let mut to = std::io::stdout().lock();
    if writeln!(to, "{line}").and_then(|()| to.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Values of one quantity over several runs.
#[derive(Clone, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// Adds the value of a run.
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle value.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[half],
            _ => (sorted[half - 1] + sorted[half]) / 2.0,
        }
    }

    /// Each value divided by the one of the same run in `other`.
    pub(crate) fn over(&self, other: &Series) -> Series {
        Series(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Three digits that say something, whatever the size.
        let digits = match self.median().abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 0.1 => 2,
            _ => 3,
        };
        write!(
            f,
            "{:.digits$} [{least:.digits$}..{most:.digits$}]",
            self.median()
        )
    }
}

/// What a median is to reach.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
    /// It is only shown.
    Shown,
}

impl Goal {
    /// The goal, and whether `value` reaches it.
    pub(crate) fn verdict(self, value: f64) -> String {
        let (sign, goal, met) = match self {
            Goal::AtLeast(goal) => (">=", goal, value >= goal),
            Goal::AtMost(goal) => ("<=", goal, value <= goal),
            Goal::Shown => return "no goal".into(),
        };
        let met = if met { "met" } else { "NOT met" };
        format!("goal {sign} {goal}: {met}")
    }
}

/// One run of one side.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// What is compared, the more the better or the less, as the figure says.
    pub(crate) value: f64,
    /// CPU time of the server for one unit of work, if it was measured.
    pub(crate) cpu: f64,
}

/// Measures `ours` and `theirs` in turns, beginning with each alternately, after one run of both that does not count.
pub(crate) fn in_turns(
    runs: usize,
    mut ours: impl FnMut() -> Run,
    mut theirs: impl FnMut() -> Run,
) -> Pairs {
    let mut pairs = Pairs::default();
    ours();
    theirs();
    for run in 0..runs {
        let (a, b) = if run % 2 == 0 {
            let a = ours();
            (a, theirs())
        } else {
            let b = theirs();
            (ours(), b)
        };
        pairs.ours.add(a.value);
        pairs.theirs.add(b.value);
        pairs.our_cpu.add(a.cpu);
        pairs.their_cpu.add(b.cpu);
    }
    pairs
}

/// Two sides, run by run.
#[derive(Default)]
pub(crate) struct Pairs {
    pub(crate) ours: Series,
    pub(crate) theirs: Series,
    pub(crate) our_cpu: Series,
    pub(crate) their_cpu: Series,
}

impl Pairs {
    /// Prints the rates, the ratio and the goal, and the CPU time below.
    pub(crate) fn report(&self, what: &str, beside: &str, unit: &str, cpu_unit: &str, goal: Goal) {
        let ratio = self.ours.over(&self.theirs);
        say(&format!(
            "{what}\n    forkftpd {} {unit} | {beside} {} {unit} | ratio {ratio} | {}",
            self.ours,
            self.theirs,
            goal.verdict(ratio.median())
        ));
        if self.our_cpu.median().is_finite() && self.their_cpu.median().is_finite() {
            say(&format!(
                "    server CPU {} {cpu_unit} | {} {cpu_unit} | ratio {}",
                self.our_cpu,
                self.their_cpu,
                self.our_cpu.over(&self.their_cpu)
            ));
        }
    }
}

/// Gigabytes (10^9) a second.
pub(crate) fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64() / 1e9
}
