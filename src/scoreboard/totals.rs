//! What all children did together since the server started: one page, which the listener writes and a child may be shown.
//!
//! What children say of themselves is added up as they say it: one that lost its mind can make these numbers wrong, and nothing
//! that is decided rests on them.

use super::{Phase, Tally};
use crate::sys::process::monotonic_millis;
use crate::sys::shared::{Cells, Pages, Shown};
use crate::wire::Protocol;
use std::sync::atomic::Ordering::Relaxed;

const STARTED: usize = 0;
const WARM: usize = 1;
const PROTOCOLS: usize = 8;
/// Counters of one protocol.
const EACH: usize = 16;

/// One protocol's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Clients that were let in to be served.
    pub accepted: u64,
    /// Clients that were told that the server is busy.
    pub turned_away: u64,
    /// What children did, ended ones and living ones.
    pub done: Tally,
    /// Living clients: before their login, between two requests, within one.
    pub living: [u64; 3],
}

impl Sum {
    fn numbers(self) -> [u64; 10] {
        let Tally {
            received,
            sent,
            refused,
            uploads,
            downloads,
        } = self.done;
        let [handshake, idle, busy] = self.living;
        [
            self.accepted,
            self.turned_away,
            received,
            sent,
            refused,
            uploads,
            downloads,
            handshake,
            idle,
            busy,
        ]
    }

    fn of(numbers: [u64; 10]) -> Sum {
        let [
            accepted,
            turned_away,
            received,
            sent,
            refused,
            uploads,
            downloads,
            handshake,
            idle,
            busy,
        ] = numbers;
        Sum {
            accepted,
            turned_away,
            done: Tally {
                received,
                sent,
                refused,
                uploads,
                downloads,
            },
            living: [handshake, idle, busy],
        }
    }

    /// Takes one more child's doings in.
    pub fn add(&mut self, more: Tally) {
        let done = &mut self.done;
        done.received = done.received.wrapping_add(more.received);
        done.sent = done.sent.wrapping_add(more.sent);
        done.refused = done.refused.wrapping_add(more.refused);
        done.uploads = done.uploads.wrapping_add(more.uploads);
        done.downloads = done.downloads.wrapping_add(more.downloads);
    }

    /// Counts a living client that is at `phase`.
    pub fn count(&mut self, phase: Phase) {
        let at = match phase {
            Phase::Waiting | Phase::Handshake => 0,
            Phase::Idle => 1,
            Phase::Busy => 2,
        };
        self.living[at] += 1;
    }
}

/// The place of a protocol's numbers.
fn place(protocol: Protocol) -> usize {
    let at = Protocol::ALL.iter().position(|known| *known == protocol);
    PROTOCOLS + at.unwrap_or(0) * EACH
}

/// The page, in the listener.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a>(&'a Cells);

impl<'a> Ledger<'a> {
    /// The last of `pages`.
    ///
    /// # Panics
    /// When this process gave it back.
    #[must_use]
    pub fn of(pages: &'a Pages) -> Ledger<'a> {
        Ledger(pages.page(pages.count() - 1))
    }

    /// The server starts now.
    pub fn begin(self) {
        self.0[STARTED].store(monotonic_millis(), Relaxed);
    }

    /// Milliseconds since it started.
    #[must_use]
    pub fn uptime(self) -> u64 {
        monotonic_millis().saturating_sub(self.0[STARTED].load(Relaxed))
    }

    /// Says how many children wait for a client.
    pub fn say_warm(self, warm: u64) {
        self.0[WARM].store(warm, Relaxed);
    }

    /// Says a protocol's numbers.
    pub fn say(self, protocol: Protocol, sum: Sum) {
        for (cell, number) in self.0[place(protocol)..].iter().zip(sum.numbers()) {
            cell.store(number, Relaxed);
        }
    }
}

/// The page, in a child that it is shown to.
#[derive(Debug)]
pub struct Totals(Shown);

impl Totals {
    pub(super) fn of(shown: Shown) -> Totals {
        Totals(shown)
    }

    /// Milliseconds since the server started.
    #[must_use]
    pub fn uptime(&self) -> u64 {
        monotonic_millis().saturating_sub(self.0.read(STARTED))
    }

    /// Children that wait for a client.
    #[must_use]
    pub fn warm(&self) -> u64 {
        self.0.read(WARM)
    }

    /// A protocol's numbers, a second old at most.
    #[must_use]
    pub fn sum(&self, protocol: Protocol) -> Sum {
        let from = place(protocol);
        Sum::of(std::array::from_fn(|index| self.0.read(from + index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoreboard::Slot;

    #[test]
    fn what_the_listener_says_is_read_by_a_child_that_it_is_shown_to() {
        let pages = Pages::new(2).expect("pages");
        let said = |n: u64| Sum::of(std::array::from_fn(|index| n + index as u64));
        Ledger::of(&pages).begin();
        Ledger::of(&pages).say_warm(4);
        for (n, protocol) in (100..).step_by(100).zip(Protocol::ALL) {
            Ledger::of(&pages).say(protocol, said(n));
        }
        let child = crate::sys::process::spawn(|| {
            let mut right = false;
            if let Ok((_, Some(totals))) = Slot::keep_only(&pages, 0, true) {
                let sums = (100..).step_by(100).zip(Protocol::ALL);
                right = totals.warm() == 4
                    && totals.uptime() < 60_000
                    && sums
                        .into_iter()
                        .all(|(n, protocol)| totals.sum(protocol) == said(n));
            }
            crate::sys::process::exit(i32::from(!right))
        })
        .expect("spawn");
        let pid = nix::unistd::Pid::from_raw(child.pid);
        let ended = nix::sys::wait::waitpid(pid, None).expect("wait");
        assert_eq!(ended, nix::sys::wait::WaitStatus::Exited(pid, 0));
    }

    #[test]
    fn sums_grow_by_what_children_did() {
        let mut sum = Sum::default();
        let done = Tally {
            received: 1,
            sent: 2,
            refused: 3,
            uploads: 4,
            downloads: 5,
        };
        sum.add(done);
        sum.add(done);
        assert_eq!((sum.done.received, sum.done.downloads), (2, 10));
        for phase in [Phase::Handshake, Phase::Waiting, Phase::Idle, Phase::Busy] {
            sum.count(phase);
        }
        assert_eq!(sum.living, [2, 1, 1]);
        assert_eq!(Sum::of(sum.numbers()), sum);
    }
}
