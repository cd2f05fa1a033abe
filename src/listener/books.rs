//! What became of all clients since the start, for those that the operator lets see it (`metrics_networks`), and for administrators.

use super::children::Children;
use crate::config::Config;
use crate::scoreboard::{self, Sum, Tally};
use crate::sys::process::monotonic_millis;
use crate::wire::Protocol;

/// How often the numbers are put on the page at most, in milliseconds: it takes a look at every child.
const INTERVAL: u64 = 100;

/// The numbers of each protocol, in the order of `Protocol::ALL`; of living children nothing yet.
#[derive(Debug, Default)]
pub(super) struct Books {
    sums: [Sum; Protocol::ALL.len()],
    /// When the page is written next.
    due: u64,
}

/// True when there is a listening socket where somebody may see the numbers.
pub(super) fn are_shown(config: &Config) -> bool {
    let shows = |listen: &crate::config::Listen| !listen.http.metrics_networks.is_empty();
    config.listen.iter().any(shows)
}

impl Books {
    fn of(&mut self, protocol: Protocol) -> &mut Sum {
        &mut self.sums[place(protocol)]
    }

    /// A client was let in.
    pub(super) fn accepted(&mut self, protocol: Protocol) {
        self.of(protocol).accepted += 1;
    }

    /// Clients that were let in.
    pub(super) fn accepted_in_all(&self) -> u64 {
        self.sums.iter().map(|sum| sum.accepted).sum()
    }

    /// A client was sent away.
    pub(super) fn turned_away(&mut self, protocol: Protocol) {
        self.of(protocol).turned_away += 1;
    }

    /// A client's child ended, and had done this.
    pub(super) fn ended(&mut self, protocol: Protocol, tally: Tally) {
        self.of(protocol).add(tally);
    }

    /// Writes the page, if anybody may see it and it is time.
    pub(super) fn publish(&mut self, children: &mut Children, config: &Config) {
        let now = monotonic_millis();
        if now < self.due || !are_shown(config) {
            return;
        }
        self.due = now + INTERVAL;
        let sums = self.sums(children);
        let ledger = children.ledger();
        ledger.say_warm(u64::from(children.warm()));
        for (sum, protocol) in sums.into_iter().zip(Protocol::ALL) {
            ledger.say(protocol, sum);
        }
    }

    /// The numbers in Prometheus' text form, as they are now.
    pub(super) fn exposition(&self, children: &mut Children) -> String {
        let sums = self.sums(children);
        let (uptime, warm) = (children.ledger().uptime(), u64::from(children.warm()));
        scoreboard::exposition(uptime, warm, |protocol| sums[place(protocol)])
    }

    /// The numbers of each protocol, those of living children among them.
    fn sums(&self, children: &mut Children) -> [Sum; Protocol::ALL.len()] {
        let mut sums = self.sums;
        for (slot, child) in children.iter_mut() {
            let Some(protocol) = child.protocol else {
                continue;
            };
            let sum = &mut sums[place(protocol)];
            sum.add(slot.tally());
            sum.count(slot.read().phase);
        }
        sums
    }
}

/// Where a protocol's numbers are.
fn place(protocol: Protocol) -> usize {
    let at = Protocol::ALL.iter().position(|known| *known == protocol);
    at.unwrap_or(0)
}
