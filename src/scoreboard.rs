//! What a child tells the listener while it works: one page of shared counters each. The child writes what it is
//! doing, the listener reads it to keep deadlines, and sets the one word that asks the child to end.
//!
//! A child that lies here lies about itself alone; counts and limits do not rest on it.

use crate::sys::process::monotonic_millis;
use crate::sys::shared::{Cells, Pages};
use std::sync::atomic::Ordering::Relaxed;

const PHASE: usize = 0;
const SINCE: usize = 1;
const MOVED: usize = 2;
const DRAIN: usize = 3;

/// What a child is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Warm, without a client.
    Waiting = 0,
    /// Has a client that has not proved itself.
    Handshake = 1,
    /// Waits for a request.
    Idle = 2,
    /// Answers one.
    Busy = 3,
}

/// One child's page, in the child or in the listener.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a>(&'a Cells);

/// What a page says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What the child is at.
    pub phase: Phase,
    /// Since when, on the monotonic clock, in milliseconds.
    pub since: u64,
    /// Bytes moved in this session, in both directions.
    pub moved: u64,
}

impl<'a> Slot<'a> {
    /// The listener's view of a child's page.
    #[must_use]
    pub fn of(pages: &'a Pages, index: usize) -> Slot<'a> {
        Slot(pages.page(index))
    }

    /// For a session without a listener: nobody reads it.
    #[must_use]
    pub fn unread() -> Slot<'static> {
        Slot(Box::leak(Box::new(
            [const { std::sync::atomic::AtomicU64::new(0) }; crate::sys::shared::CELLS],
        )))
    }

    /// In a new child: keeps its own page and gives the others back.
    #[must_use]
    pub fn keep_only(pages: &Pages, index: usize) -> Slot<'static> {
        Slot(pages.keep_only(index))
    }

    /// Makes the page that of a new child. Called by the listener before it forks.
    pub fn reset(self, phase: Phase) {
        self.0[MOVED].store(0, Relaxed);
        self.0[DRAIN].store(0, Relaxed);
        self.enter(phase);
    }

    /// Says what the child is at from now on.
    pub fn enter(self, phase: Phase) {
        self.0[SINCE].store(monotonic_millis(), Relaxed);
        self.0[PHASE].store(phase as u64, Relaxed);
    }

    /// Says that bytes moved.
    pub fn moved(self, bytes: u64) {
        self.0[MOVED].fetch_add(bytes, Relaxed);
    }

    /// What the page says. An impossible phase counts as the one with the shortest deadline.
    #[must_use]
    pub fn read(self) -> Reading {
        let phase = match self.0[PHASE].load(Relaxed) {
            0 => Phase::Waiting,
            2 => Phase::Idle,
            3 => Phase::Busy,
            _ => Phase::Handshake,
        };
        Reading {
            phase,
            since: self.0[SINCE].load(Relaxed),
            moved: self.0[MOVED].load(Relaxed),
        }
    }

    /// Asks the child to end after the request it is at.
    pub fn ask_to_end(self) {
        self.0[DRAIN].store(1, Relaxed);
    }

    /// True once the child was asked to end.
    #[must_use]
    pub fn asked_to_end(self) -> bool {
        self.0[DRAIN].load(Relaxed) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let pages = Pages::new(2).expect("pages");
        let slot = Slot::of(&pages, 1);
        slot.reset(Phase::Handshake);
        slot.enter(Phase::Busy);
        slot.moved(7);
        slot.moved(5);
        let reading = slot.read();
        assert_eq!((reading.phase, reading.moved), (Phase::Busy, 12));
        assert!(!slot.asked_to_end());
        slot.ask_to_end();
        assert!(slot.asked_to_end());
        slot.reset(Phase::Waiting);
        assert_eq!((slot.read().moved, slot.asked_to_end()), (0, false));
        assert_eq!(Slot::of(&pages, 0).read().phase, Phase::Waiting);
    }
}
