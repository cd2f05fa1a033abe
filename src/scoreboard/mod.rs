//! What a child tells the listener while it works: one page of shared counters each. The child writes what it is
//! doing, the listener reads it to keep deadlines and to say who is there, and sets the one word that asks the child to end.
//!
//! A child that lies here lies about itself alone; counts and limits do not rest on it, and its client's address is never taken
//! from here. Nothing is locked: a reading that meets a writing is a mixture of both, and harms nobody.
//!
//! The listener writes a page of its own, with what all children did together, for those that may show it (`totals`).

mod exposition;
mod totals;

pub use exposition::exposition;
pub use totals::{Ledger, Sum, Totals};

use crate::sys::Result;
use crate::sys::process::monotonic_millis;
use crate::sys::shared::{Cells, Pages};
use crate::wire::Protocol;
use std::sync::atomic::Ordering::Relaxed;

const PHASE: usize = 0;
const SINCE: usize = 1;
const WORKED: usize = 2;
const DRAIN: usize = 3;
const RECEIVED: usize = 4;
const SENT: usize = 5;
const TAKEN: usize = 6;
const WAITED: usize = 7;
const PROTOCOL: usize = 8;
const USER_LENGTH: usize = 9;
const USER: usize = 10;
const USER_END: usize = USER + LONGEST_USER / 8;
const REFUSED: usize = USER_END;
const UPLOADS: usize = USER_END + 1;
const DOWNLOADS: usize = USER_END + 2;

/// What the listener asks for, in the word for it.
const END: u64 = 1;
const LEAVE: u64 = 2;

/// Bytes of a user's name that are told; a longer one is cut.
pub const LONGEST_USER: usize = 64;

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

/// A user's name as the scoreboard has room for it: at most `LONGEST_USER` bytes, cut between two letters.
#[must_use]
pub fn cut_user(name: &str) -> &str {
    let end = (0..=LONGEST_USER.min(name.len()))
        .rev()
        .find(|&at| name.is_char_boundary(at));
    &name[..end.unwrap_or(0)]
}

/// One child's page, in the child or in the listener.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a>(&'a Cells);

/// What a child did so far, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client, as far as the kernel took them.
    pub sent: u64,
    /// Logins and proofs that were refused.
    pub refused: u64,
    /// Files that came, whole.
    pub uploads: u64,
    /// Files that went, as far as they were wanted.
    pub downloads: u64,
}

/// What a page says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What the child is at.
    pub phase: Phase,
    /// Since when, on the monotonic clock, in milliseconds.
    pub since: u64,
    /// What moves as long as anything does: bytes in both directions, and bytes that were worked on meanwhile.
    pub moved: u64,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client, as far as the kernel took them.
    pub sent: u64,
    /// Bytes that crossed the network in requests: those received, and those sent that the client acknowledged. Behind by a
    /// second at most while the child waits for its client.
    pub carried: u64,
    /// Milliseconds in which the child waited for its client within requests.
    pub waited: u64,
    /// What it speaks; none before it said so.
    pub protocol: Option<Protocol>,
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

    /// In a new child: keeps its own page and gives the others back, but the totals if they are `shown` to it.
    ///
    /// # Errors
    /// As mprotect(2).
    pub fn keep_only(
        pages: &Pages,
        index: usize,
        shown: bool,
    ) -> Result<(Slot<'static>, Option<Totals>)> {
        let (own, shown) = pages.keep_only(index, shown)?;
        Ok((Slot(own), shown.map(Totals::of)))
    }

    /// Makes the page that of a new child. Called by the listener before it forks.
    pub fn reset(self, phase: Phase) {
        for cell in [
            WORKED,
            DRAIN,
            RECEIVED,
            SENT,
            TAKEN,
            WAITED,
            PROTOCOL,
            USER_LENGTH,
            REFUSED,
            UPLOADS,
            DOWNLOADS,
        ] {
            self.0[cell].store(0, Relaxed);
        }
        self.enter(phase);
    }

    /// Says what the child is at from now on.
    pub fn enter(self, phase: Phase) {
        self.0[SINCE].store(monotonic_millis(), Relaxed);
        self.0[PHASE].store(phase as u64, Relaxed);
    }

    /// Says what the child speaks.
    pub fn say_protocol(self, protocol: Protocol) {
        self.0[PROTOCOL].store(protocol as u64, Relaxed);
    }

    /// Says who logged in. `name` is cut after `LONGEST_USER` bytes.
    pub fn say_user(self, name: &str) {
        let name = cut_user(name);
        // Shown only once it is whole.
        self.0[USER_LENGTH].store(0, Relaxed);
        for (cell, piece) in self.0[USER..USER_END].iter().zip(name.as_bytes().chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..piece.len()].copy_from_slice(piece);
            cell.store(u64::from_ne_bytes(bytes), Relaxed);
        }
        self.0[USER_LENGTH].store(name.len() as u64, Relaxed);
    }

    /// The user's name as the child told it, none before a login: at most `LONGEST_USER` bytes, which a child that lost its mind
    /// may have made anything. Whoever shows it cleans it.
    #[must_use]
    pub fn user(self) -> Option<String> {
        let length = self.0[USER_LENGTH].load(Relaxed).min(LONGEST_USER as u64) as usize;
        let mut bytes = [0; LONGEST_USER];
        for (cell, piece) in self.0[USER..USER_END].iter().zip(bytes.chunks_mut(8)) {
            piece.copy_from_slice(&cell.load(Relaxed).to_ne_bytes());
        }
        (length > 0).then(|| String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    /// Says that bytes were worked on which do not travel: a digest goes on.
    pub fn moved(self, bytes: u64) {
        self.0[WORKED].fetch_add(bytes, Relaxed);
    }

    /// Says that bytes came from the client.
    pub fn received(self, bytes: u64) {
        self.0[RECEIVED].fetch_add(bytes, Relaxed);
    }

    /// Says that bytes went to the client.
    pub fn sent(self, bytes: u64) {
        self.0[SENT].fetch_add(bytes, Relaxed);
    }

    /// Says how many bytes of all that were sent the client has acknowledged.
    pub fn taken(self, bytes: u64) {
        self.0[TAKEN].store(bytes, Relaxed);
    }

    /// Says that the child waited for its client within a request, in milliseconds.
    pub fn waited(self, millis: u64) {
        self.0[WAITED].fetch_add(millis, Relaxed);
    }

    /// Says that a login or a proof was refused.
    pub fn refused(self) {
        self.0[REFUSED].fetch_add(1, Relaxed);
    }

    /// Says that a file came, whole.
    pub fn uploaded(self) {
        self.0[UPLOADS].fetch_add(1, Relaxed);
    }

    /// Says that a file went.
    pub fn downloaded(self) {
        self.0[DOWNLOADS].fetch_add(1, Relaxed);
    }

    /// What the child says it did.
    #[must_use]
    pub fn tally(self) -> Tally {
        let cell = |index: usize| self.0[index].load(Relaxed);
        Tally {
            received: cell(RECEIVED),
            sent: cell(SENT),
            refused: cell(REFUSED),
            uploads: cell(UPLOADS),
            downloads: cell(DOWNLOADS),
        }
    }

    /// What the page says. An impossible phase counts as the one with the shortest deadline.
    #[must_use]
    pub fn read(self) -> Reading {
        let cell = |index: usize| self.0[index].load(Relaxed);
        let phase = match cell(PHASE) {
            0 => Phase::Waiting,
            2 => Phase::Idle,
            3 => Phase::Busy,
            _ => Phase::Handshake,
        };
        // Before what was carried meanwhile: a reading in between is in the client's favour.
        let waited = cell(WAITED);
        let (received, sent) = (cell(RECEIVED), cell(SENT));
        Reading {
            phase,
            since: cell(SINCE),
            moved: cell(WORKED).wrapping_add(received).wrapping_add(sent),
            received,
            sent,
            carried: received.wrapping_add(cell(TAKEN)),
            waited,
            protocol: Protocol::ALL
                .into_iter()
                .find(|protocol| cell(PROTOCOL) == *protocol as u64),
        }
    }

    /// Asks the child to end after the request it is at.
    pub fn ask_to_end(self) {
        self.0[DRAIN].store(END, Relaxed);
    }

    /// True once the child was asked to end.
    #[must_use]
    pub fn asked_to_end(self) -> bool {
        self.0[DRAIN].load(Relaxed) == END
    }

    /// Asks the child to end once its client pauses: another server has taken over, and there is no hurry.
    pub fn ask_to_leave(self) {
        self.0[DRAIN].store(LEAVE, Relaxed);
    }

    /// True once the child was asked to leave, and not yet to end.
    #[must_use]
    pub fn asked_to_leave(self) -> bool {
        self.0[DRAIN].load(Relaxed) == LEAVE
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
        slot.received(5);
        slot.sent(3);
        slot.taken(2);
        slot.waited(9);
        slot.say_protocol(Protocol::Drive);
        let reading = slot.read();
        assert_eq!((reading.phase, reading.moved), (Phase::Busy, 15));
        assert_eq!((reading.received, reading.sent, reading.carried), (5, 3, 7));
        assert_eq!(
            (reading.waited, reading.protocol),
            (9, Some(Protocol::Drive))
        );
        assert!(!slot.asked_to_end() && !slot.asked_to_leave());
        slot.ask_to_leave();
        assert!(!slot.asked_to_end() && slot.asked_to_leave());
        slot.ask_to_end();
        assert!(slot.asked_to_end() && !slot.asked_to_leave());
        slot.reset(Phase::Waiting);
        assert_eq!((slot.read().moved, slot.asked_to_end()), (0, false));
        assert_eq!(Slot::of(&pages, 0).read().phase, Phase::Waiting);
    }

    #[test]
    fn a_name_is_read_as_it_was_told_and_no_lie_about_it_does_harm() {
        let pages = Pages::new(1).expect("pages");
        let slot = Slot::of(&pages, 0);
        slot.reset(Phase::Handshake);
        assert_eq!(slot.user(), None);
        let sixty_four = "é".repeat(32);
        for name in ["anna", "grün 文件", sixty_four.as_str()] {
            slot.say_user(name);
            assert_eq!(slot.user().as_deref(), Some(name));
        }
        slot.say_user(&format!("x{}", "é".repeat(40)));
        assert_eq!(
            slot.user(),
            Some(format!("x{}", "é".repeat(31))),
            "cut between two letters"
        );
        for cell in &pages.page(0)[USER_LENGTH..] {
            cell.store(u64::MAX, Relaxed);
        }
        let told = slot.user().expect("something");
        assert_eq!(told, "\u{fffd}".repeat(LONGEST_USER));
        assert_eq!(slot.read().protocol, None);
        slot.reset(Phase::Waiting);
        assert_eq!(slot.user(), None, "not the name of the page's last tenant");
    }
}
