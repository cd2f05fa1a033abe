//! What a connection's sending comes to: bytes that went, time that was spent waiting, and whether the client still takes what
//! is sent. Run by a child, which tells the scoreboard.

use crate::error::Code;
use crate::scoreboard::Slot;
use crate::sys::net;
use crate::sys::process::monotonic_millis;
use std::io;
use std::os::fd::BorrowedFd;

/// How often it is looked whether the client takes what is sent, in milliseconds.
const LOOK: u64 = 1000;

/// Of one connection.
#[derive(Debug)]
pub(super) struct Progress {
    slot: Slot<'static>,
    /// Milliseconds in which nothing may move.
    stall: u64,
    sent: u64,
    acknowledged: u64,
    acknowledged_at: u64,
    /// Milliseconds spent in sending since it was last looked whose time that was, and when that was.
    waited: u64,
    looked_at: u64,
}

impl Progress {
    pub(super) fn new(slot: Slot<'static>, stall: u64) -> Progress {
        Progress {
            slot,
            stall,
            sent: 0,
            acknowledged: 0,
            acknowledged_at: monotonic_millis(),
            waited: 0,
            looked_at: monotonic_millis(),
        }
    }

    /// Milliseconds in which nothing may move.
    pub(super) fn stall(&self) -> u64 {
        self.stall
    }

    /// A send begins: the stall is counted from here, however long the child did something else before.
    pub(super) fn begin(&mut self) {
        self.acknowledged_at = monotonic_millis();
    }

    /// Bytes that went so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// So many bytes went.
    pub(super) fn note(&mut self, sent: usize) {
        self.sent += sent as u64;
        self.slot.sent(sent as u64);
    }

    /// Counts the time of one send over `fd` that began then. From time to time it is looked whose it was: the client's while there
    /// is something that it has not acknowledged, otherwise that of the disk behind `send_file`. Returns the milliseconds.
    pub(super) fn note_wait(&mut self, fd: BorrowedFd<'_>, began: u64) -> u64 {
        let now = monotonic_millis();
        let took = now.saturating_sub(began);
        self.waited += took;
        if self.waited == 0 || now.saturating_sub(self.looked_at) < LOOK {
            return took;
        }
        let waiting = net::unacknowledged(fd).unwrap_or(0);
        self.slot.taken(self.sent.saturating_sub(waiting));
        if waiting > 0 {
            self.slot.waited(self.waited);
        }
        self.waited = 0;
        self.looked_at = now;
        took
    }

    /// Called when nothing could be sent for a while: hangs up when the client has not taken anything for too long.
    /// What counts is what it acknowledged, not what the kernel was willing to hold.
    pub(super) fn check(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let waiting = net::unacknowledged(fd).unwrap_or(0);
        let acknowledged = self.sent.saturating_sub(waiting);
        let now = monotonic_millis();
        if acknowledged > self.acknowledged {
            // The listener sees progress too.
            self.slot.moved(1);
            self.acknowledged_at = now;
        }
        self.acknowledged = acknowledged;
        if now.saturating_sub(self.acknowledged_at) > self.stall {
            Err(super::stream::refusal(Code::Timeout))
        } else {
            Ok(())
        }
    }
}
