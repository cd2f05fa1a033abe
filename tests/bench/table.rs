//! Several servers measured in turns, one line each, and what ours was to reach beside them.

use crate::peers::Contestant;
use crate::stats::{Goal, Run, Series, disturbance, in_turns, say};

/// One that is measured.
pub(crate) struct Side<'a> {
    pub(crate) name: String,
    pub(crate) part: Part,
    pub(crate) run: Box<dyn FnMut() -> Run + 'a>,
}

impl<'a> Side<'a> {
    /// One of the servers.
    pub(crate) fn of(server: &Contestant, aims: &[Aim], run: impl FnMut() -> Run + 'a) -> Side<'a> {
        let part = if server.is_ours() {
            Part::Ours(aims.to_vec())
        } else {
            Part::Peer
        };
        Side {
            name: server.name.clone(),
            part,
            run: Box::new(run),
        }
    }
}

/// What it is measured for.
pub(crate) enum Part {
    /// It is to reach something.
    Ours(Vec<Aim>),
    /// The best of these counts.
    Peer,
    /// It is compared with by its name alone.
    Bare,
}

/// What ours is to reach: of a rate, the ratio to another's.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// Beside the peer with the best rate.
    Best(Goal),
    /// Beside the side of this name.
    Beside(&'static str, Goal),
    /// CPU time beside that of the side of this name.
    Cpu(&'static str, Goal),
}

/// Runs all sides in turns and prints them. Rates are the better the higher.
pub(crate) fn table(rounds: usize, what: &str, [unit, cpu_unit]: [&str; 2], mut sides: Vec<Side>) {
    let (runs, noise) = {
        let mut each: Vec<&mut dyn FnMut() -> Run> =
            sides.iter_mut().map(|side| &mut *side.run as _).collect();
        in_turns(rounds, &mut each)
    };
    let rates: Vec<Series> = runs
        .iter()
        .map(|runs| Series::of(runs, |run| run.value))
        .collect();
    let cpus: Vec<Series> = runs
        .iter()
        .map(|runs| Series::of(runs, |run| run.cpu))
        .collect();
    let best = (0..sides.len())
        .filter(|&at| matches!(sides[at].part, Part::Peer))
        .max_by(|&a, &b| rates[a].median().total_cmp(&rates[b].median()));
    let named = |name: &str| sides.iter().position(|side| side.name == name);
    let mut text = what.to_owned();
    for (at, side) in sides.iter().enumerate() {
        let (name, rate, cpu) = (&side.name, &rates[at], &cpus[at]);
        text += &format!("\n    {name:<28} {rate:>22} {unit} | server CPU {cpu:>22} {cpu_unit}");
    }
    for (at, side) in sides.iter().enumerate() {
        let Part::Ours(aims) = &side.part else {
            continue;
        };
        for aim in aims {
            let (other, kind, values, goal) = match *aim {
                Aim::Best(goal) => (best, "best peer, ", &rates, goal),
                Aim::Beside(name, goal) => (named(name), "", &rates, goal),
                Aim::Cpu(name, goal) => (named(name), "CPU of ", &cpus, goal),
            };
            let Some(other) = other else {
                text += &format!("\n    {} beside the others: none to be had", side.name);
                continue;
            };
            let ratio = values[at].over(&values[other]);
            text += &format!(
                "\n    {} beside {kind}{}: ratio {ratio} | {}",
                side.name,
                sides[other].name,
                goal.verdict(ratio.median())
            );
        }
    }
    say(&format!("{text}\n    {}", disturbance(noise)));
}
