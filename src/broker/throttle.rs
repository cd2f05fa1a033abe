//! Who has failed how often, in all protocols together: failures make answers slower, and then shut an address out for a
//! while. Kept by the broker, in memory, and bounded.
//!
//! An address is answered for by itself: too many failures ban it, and nobody else. A user cannot be locked out by others:
//! failures under a name make only strangers wait, addresses that the user never came from.

use crate::sys::net::Source;
use std::collections::HashMap;

/// The answer to a first failure waits this long, in milliseconds; to each further one twice as long.
const FIRST_DELAY: u64 = 250;
/// And no longer than this: below the deadline of a handshake.
const MOST_DELAY: u64 = 4000;
/// Failures under one name, from everywhere, after which strangers wait.
const NAME_FAILURES: u32 = 50;
/// Most addresses, and most names, that are remembered.
const MOST: usize = 16 * 1024;

/// What the operator decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Failures of one address that ban it.
    pub(super) failures: u32,
    /// For how long it is banned, and failures are remembered, in milliseconds.
    pub(super) millis: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    failures: u32,
    /// When the last was, on the monotonic clock.
    last: u64,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    sources: HashMap<Source, Record>,
    names: HashMap<String, Record>,
    /// Where users came from, and when last.
    friends: HashMap<(String, Source), u64>,
}

impl Record {
    fn failures(self, limits: Limits, now: u64) -> u32 {
        if now.saturating_sub(self.last) < limits.millis {
            self.failures
        } else {
            0
        }
    }

    fn count(&mut self, limits: Limits, now: u64) {
        self.failures = self.failures(limits, now).saturating_add(1);
        self.last = now;
    }
}

impl Throttle {
    /// True while nothing that comes from `source` is looked at.
    pub(super) fn is_banned(&self, source: Source, limits: Limits, now: u64) -> bool {
        let record = self.sources.get(&source);
        record.is_some_and(|record| record.failures(limits, now) >= limits.failures)
    }

    /// Notes a failure of `source`, with the name it tried if it tried one. Returns how long the answer waits, in milliseconds.
    pub(super) fn failed(
        &mut self,
        source: Source,
        name: Option<&str>,
        limits: Limits,
        now: u64,
    ) -> u64 {
        make_room(&mut self.sources, |record| record.last, limits, now);
        let record = self.sources.entry(source).or_default();
        // A ban ends when it ends, however often its object knocks meanwhile.
        if record.failures(limits, now) < limits.failures {
            record.count(limits, now);
        }
        let failures = record.failures;
        if let Some(name) = name {
            make_room(&mut self.names, |record| record.last, limits, now);
            self.names
                .entry(name.to_owned())
                .or_default()
                .count(limits, now);
        }
        (FIRST_DELAY << (failures - 1).min(8)).min(MOST_DELAY)
    }

    /// Notes that `name` came in from `source`. Failures of the address stay: somebody else there may still be trying.
    pub(super) fn succeeded(&mut self, source: Source, name: &str, limits: Limits, now: u64) {
        make_room(&mut self.friends, |last| *last, limits, now);
        self.friends.insert((name.to_owned(), source), now);
    }

    /// How long an attempt at `name` waits for its answer, whatever that is, in milliseconds.
    pub(super) fn delay_of(&self, source: Source, name: &str, limits: Limits, now: u64) -> u64 {
        let failures = self
            .names
            .get(name)
            .map_or(0, |record| record.failures(limits, now));
        if failures < NAME_FAILURES || self.friends.contains_key(&(name.to_owned(), source)) {
            0
        } else {
            MOST_DELAY / 2
        }
    }
}

/// Forgets what is over, and then the oldest, when there is no room for one more.
fn make_room<K: Clone + Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    last: impl Fn(&V) -> u64,
    limits: Limits,
    now: u64,
) {
    if map.len() < MOST {
        return;
    }
    map.retain(|_, value| now.saturating_sub(last(value)) < limits.millis);
    if map.len() < MOST {
        return;
    }
    // An eighth at once, so that a flood of addresses does not look at all of them for each.
    let mut times: Vec<u64> = map.values().map(&last).collect();
    times.sort_unstable();
    let until = times[MOST / 8];
    map.retain(|_, value| last(value) > until);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        failures: 5,
        millis: 60_000,
    };

    #[test]
    fn an_address_is_slowed_down_and_then_banned_for_a_while() {
        let (one, other) = (Source::V4(1), Source::V4(2));
        let mut throttle = Throttle::default();
        let mut delays = Vec::new();
        for n in 0..5 {
            assert!(!throttle.is_banned(one, LIMITS, n));
            delays.push(throttle.failed(one, Some("ann"), LIMITS, n));
        }
        assert_eq!(delays, [250, 500, 1000, 2000, 4000]);
        assert!(throttle.is_banned(one, LIMITS, 10));
        assert!(!throttle.is_banned(other, LIMITS, 10), "nobody else");
        // Knocking does not make it longer.
        throttle.failed(one, Some("ann"), LIMITS, 50_000);
        assert!(!throttle.is_banned(one, LIMITS, 60_010));
    }

    #[test]
    fn a_user_under_attack_is_not_locked_out() {
        let mut throttle = Throttle::default();
        let home = Source::V4(99);
        throttle.succeeded(home, "ann", LIMITS, 0);
        for n in 0..NAME_FAILURES {
            throttle.failed(Source::V4(n), Some("ann"), LIMITS, 1);
        }
        assert_eq!(throttle.delay_of(home, "ann", LIMITS, 2), 0);
        assert_eq!(throttle.delay_of(Source::V4(7), "bob", LIMITS, 2), 0);
        assert!(throttle.delay_of(Source::V4(1000), "ann", LIMITS, 2) > 0);
        assert!(!throttle.is_banned(Source::V4(1000), LIMITS, 2));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut throttle = Throttle::default();
        for n in 0..(MOST as u32 * 2) {
            throttle.failed(Source::V4(n), None, LIMITS, u64::from(n) / 1000);
        }
        assert!(throttle.sources.len() <= MOST);
        assert!(
            throttle
                .sources
                .contains_key(&Source::V4(MOST as u32 * 2 - 1))
        );
    }
}
