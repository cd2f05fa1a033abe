//! The signals that the listener hears.

use crate::sys::signal::{self, Pipe};
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, BorrowedFd};

/// Each as a stream of bytes.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) end: Pipe,
    pub(super) interrupt: Pipe,
    pub(super) reload: Pipe,
    /// Hand over to a successor under the same pid.
    pub(super) succeed: Pipe,
    /// Leave the children to a drainer.
    pub(super) leave: Pipe,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            end: signal::as_pipe(Signal::SIGTERM)?,
            interrupt: signal::as_pipe(Signal::SIGINT)?,
            reload: signal::as_pipe(Signal::SIGHUP)?,
            succeed: signal::as_pipe(Signal::SIGUSR2)?,
            leave: signal::as_pipe(Signal::SIGUSR1)?,
        })
    }

    /// All of them, to be waited for.
    pub(super) fn all(&self) -> [BorrowedFd<'_>; 5] {
        let all = [
            &self.end,
            &self.interrupt,
            &self.reload,
            &self.succeed,
            &self.leave,
        ];
        all.map(|pipe| pipe.0.as_fd())
    }

    /// True when the server was told to end, and has not looked yet.
    pub(super) fn are_ending(&self) -> bool {
        self.end.is_waiting() || self.interrupt.is_waiting() || self.leave.is_waiting()
    }
}
