//! How fast the bytes of files may move in one session, where the operator said so. Run by a child.
//!
//! Each byte has a moment at which it is paid for, counted from the one before it on a clock that only goes forward: what a
//! piece comes late by is made up for by the next, so that the average is exact however coarse the waiting is. Time in which
//! nothing moved is saved up to an eighth of a second.

use crate::scoreboard::Slot;
use crate::wire::frame::MAX_DATA;
use nix::poll::{PollTimeout, poll};
use std::time::{Duration, Instant};

/// Most time that is saved up, and the time that a piece takes.
const BURST: Duration = Duration::from_millis(125);
/// Longest wait without a sign of life on the scoreboard.
const NAP: Duration = Duration::from_millis(250);
/// How often a wait shows there: a session that only waits for its time to come has not stalled.
const SIGN: Duration = Duration::from_secs(1);

/// A limit, or none.
#[derive(Debug)]
pub(super) struct Pace(Option<Limit>);

#[derive(Debug)]
struct Limit {
    per_second: u64,
    /// When all that has moved is paid for.
    paid_at: Instant,
}

impl Pace {
    /// At most `per_second` bytes a second (at least one); as fast as it goes when None.
    pub(super) fn new(per_second: Option<u64>) -> Pace {
        Pace(per_second.map(|per_second| Limit {
            per_second: per_second.max(1),
            paid_at: Instant::now(),
        }))
    }

    /// Most of `bytes` to move at once, so that the flow stays even: all of them without a limit, and always at least one.
    pub(super) fn piece(&self, bytes: usize) -> usize {
        match &self.0 {
            Some(limit) => bytes.min(
                usize::try_from(limit.per_second / 8)
                    .unwrap_or(bytes)
                    .max(1),
            ),
            None => bytes,
        }
    }

    /// Largest frame of data to announce: a second's worth, so that what has gone wrong with a file can be said soon.
    pub(super) fn frame(&self) -> usize {
        self.0.as_ref().map_or(MAX_DATA, |limit| {
            limit.per_second.clamp(1024, MAX_DATA as u64) as usize
        })
    }

    /// Takes `bytes` into account, and returns how long to wait before more may move (nothing, without a limit).
    pub(super) fn take(&mut self, bytes: usize) -> Wait {
        let Some(limit) = &mut self.0 else {
            return Wait(None);
        };
        let now = Instant::now();
        let until = limit.take(bytes, now);
        Wait((until > now).then_some(until))
    }
}

impl Limit {
    /// The moment at which `bytes` more are paid for.
    fn take(&mut self, bytes: usize, now: Instant) -> Instant {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.per_second);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let saved = now.checked_sub(BURST).unwrap_or(now);
        self.paid_at = self.paid_at.max(saved) + cost;
        self.paid_at
    }
}

/// A wait that is due: `is_long` says whether it is one at all, `run` does it.
#[derive(Debug)]
#[must_use]
pub(super) struct Wait(Option<Instant>);

impl Wait {
    /// True when there is something to wait for: what others wait for in turn has to be done before.
    pub(super) fn is_due(&self) -> bool {
        self.0.is_some()
    }

    /// Waits, and shows now and then that this session is alive.
    pub(super) fn run(self, slot: Slot<'_>) {
        let Some(until) = self.0 else { return };
        let mut shown = Instant::now();
        loop {
            let now = Instant::now();
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return;
            }
            if now.duration_since(shown) >= SIGN {
                slot.moved(1);
                shown = now;
            }
            // Up to the next millisecond: a wait for less would be none, again and again.
            let nap = left.min(NAP) + Duration::from_micros(999);
            // A poll of nothing, since sleeping would be one more call for the sandbox to leave. A signal that ends it is no matter.
            let _ = poll(
                &mut [],
                PollTimeout::try_from(nap).unwrap_or(PollTimeout::ZERO),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_exact_and_little_is_saved() {
        let begin = Instant::now() + Duration::from_secs(10);
        let mut limit = Limit {
            per_second: 1000,
            paid_at: begin,
        };
        // However late each piece comes, as long as that is less than what is saved.
        let mut until = begin;
        for _ in 0..100 {
            until = limit.take(100, until + Duration::from_millis(20));
        }
        assert_eq!(until, begin + Duration::from_secs(10));
        let later = begin + Duration::from_secs(60);
        assert_eq!(limit.take(1000, later), later + Duration::from_millis(875));
        assert_eq!(limit.take(1000, later), later + Duration::from_millis(1875));
    }

    #[test]
    fn pieces_are_small_and_never_nothing() {
        for (rate, piece) in [(1, 1), (8, 1), (16, 2), (1 << 20, 128 << 10)] {
            let pace = Pace::new(Some(rate));
            assert_eq!(pace.piece(1 << 20), piece, "{rate}");
            assert_eq!(pace.piece(1), 1);
            assert!(pace.piece(0) == 0 && (1..=MAX_DATA).contains(&pace.frame()));
        }
        assert_eq!(Pace::new(Some(u64::MAX)).piece(MAX_DATA), MAX_DATA);
        let mut free = Pace::new(None);
        assert_eq!((free.piece(MAX_DATA), free.frame()), (MAX_DATA, MAX_DATA));
        assert!(!free.take(usize::MAX).is_due());
    }

    #[test]
    fn a_wait_is_as_long_as_it_should_be_and_shows() {
        let mut pace = Pace::new(Some(1000));
        let begin = Instant::now();
        pace.take(125).run(Slot::unread());
        pace.take(1125).run(Slot::unread());
        let took = begin.elapsed();
        // Nothing was saved up when it was made.
        assert!(took >= Duration::from_millis(1125), "{took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        let slot = Slot::unread();
        pace.take(1500).run(slot);
        assert_eq!(slot.read().moved, 1);
    }
}
