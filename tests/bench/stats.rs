//! Medians, spreads, and the lines that are printed.

use crate::meter::Others;
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
    /// Adds a value.
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// What `pick` takes of each run.
    pub(crate) fn of(runs: &[Run], pick: fn(&Run) -> f64) -> Series {
        Series(runs.iter().map(pick).collect())
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
        self.with(other, |a, b| a / b)
    }

    /// What `make` makes of each value and the one of the same run in `other`.
    pub(crate) fn with(&self, other: &Series, make: impl Fn(f64, f64) -> f64) -> Series {
        let pairs = self.0.iter().zip(&other.0);
        Series(pairs.map(|(a, b)| make(*a, *b)).collect())
    }

    /// The value that is farthest from nothing, without its sign.
    pub(crate) fn farthest(&self) -> f64 {
        self.0.iter().map(|value| value.abs()).fold(0.0, f64::max)
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
        // A goal that was measured itself has no more digits than that.
        let goal = (goal * 100.0).round() / 100.0;
        format!("goal {sign} {goal}: {met}")
    }
}

/// One run of one side.
#[derive(Clone, Copy, Default)]
pub(crate) struct Run {
    /// What is compared, the more the better or the less, as the figure says.
    pub(crate) value: f64,
    /// CPU time of the server for one unit of work, if it was measured.
    pub(crate) cpu: f64,
    /// What the listener's own process had of it, and the broker's.
    pub(crate) listener: f64,
    pub(crate) broker: f64,
}

/// How much of one processor other programs may take while a round runs.
const QUIET: f64 = 0.05;
/// Rounds at most, for each that is wanted.
const TRIES: usize = 2;

/// Runs all sides in turns, beginning with each in turn, after a round that does not count. Rounds in which other programs
/// took a share of the machine are run again; if it never comes to rest, the quietest are taken. Returns the runs of each
/// side, and the largest share of a processor that others took in a round that counts.
pub(crate) fn in_turns(
    rounds: usize,
    sides: &mut [&mut dyn FnMut() -> Run],
) -> (Vec<Vec<Run>>, f64) {
    for side in sides.iter_mut() {
        side();
    }
    let mut done: Vec<(f64, Vec<Run>)> = Vec::new();
    for round in 0..rounds * TRIES {
        let others = Others::now();
        let mut runs = vec![Run::default(); sides.len()];
        for step in 0..sides.len() {
            let side = (step + round) % sides.len();
            runs[side] = sides[side]();
        }
        done.push((others.share(), runs));
        let quiet = |(share, _): &&(f64, Vec<Run>)| !share.is_finite() || *share <= QUIET;
        if done.iter().filter(quiet).count() == rounds {
            break;
        }
    }
    done.sort_by(|a, b| a.0.total_cmp(&b.0));
    done.truncate(rounds);
    let noise = done.last().map_or(f64::NAN, |(share, _)| *share);
    let runs = (0..sides.len())
        .map(|side| done.iter().map(|(_, runs)| runs[side]).collect())
        .collect();
    (runs, noise)
}

/// Says how much others disturbed, if it is known.
pub(crate) fn disturbance(noise: f64) -> String {
    if noise.is_finite() {
        format!(
            "others took at most {:.0} % of a core",
            noise.max(0.0) * 100.0
        )
    } else {
        "what others took is not known".into()
    }
}

/// Runs two sides in turns, and prints rates, ratio and goal, and the CPU time below.
pub(crate) fn compare(
    rounds: usize,
    what: &str,
    [beside, unit, cpu_unit]: [&str; 3],
    goal: Goal,
    mut ours: impl FnMut() -> Run,
    mut theirs: impl FnMut() -> Run,
) {
    let (runs, noise) = in_turns(rounds, &mut [&mut ours, &mut theirs]);
    let [our_rate, their_rate] = [0, 1].map(|side| Series::of(&runs[side], |run| run.value));
    let [our_cpu, their_cpu] = [0, 1].map(|side| Series::of(&runs[side], |run| run.cpu));
    let ratio = our_rate.over(&their_rate);
    say(&format!(
        "{what}\n    forkftpd {our_rate} {unit} | {beside} {their_rate} {unit} | ratio {ratio} | {}\n    \
         server CPU {our_cpu} {cpu_unit} | {their_cpu} {cpu_unit} | ratio {} | {}",
        goal.verdict(ratio.median()),
        our_cpu.over(&their_cpu),
        disturbance(noise)
    ));
}

/// Gigabytes (10^9) a second.
pub(crate) fn rate(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64() / 1e9
}
