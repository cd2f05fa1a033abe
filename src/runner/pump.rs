//! The output of an execution on its way: from the pipe that the program writes into, to whoever wants it, and no more of it than is
//! allowed. Who takes it slowly holds the program up, as with any pipe. Run by a supervisor.

use super::execute::Excess;
use crate::sys::{Errno, Result, connect};
use nix::poll::PollFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes that are moved at once: what a pipe holds.
const PIECE: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Pump {
    /// None at its end: nobody writes any more.
    from: Option<OwnedFd>,
    to: OwnedFd,
    buffer: Vec<u8>,
    start: usize,
    /// Bytes that may still come.
    left: u64,
    excess: Excess,
    exceeded: bool,
    /// Bytes that went on.
    pub(super) moved: u64,
}

impl Pump {
    /// # Errors
    /// As fcntl(2).
    pub(super) fn new(from: OwnedFd, to: OwnedFd, most: u64, excess: Excess) -> Result<Pump> {
        connect::never_block(to.as_fd())?;
        Ok(Pump {
            from: Some(from),
            to,
            buffer: Vec::with_capacity(PIECE),
            start: 0,
            left: most,
            excess,
            exceeded: false,
            moved: 0,
        })
    }

    /// True once there was more than may be, and that is to end the program.
    pub(super) fn is_over_limit(&self) -> bool {
        self.exceeded && self.excess == Excess::End
    }

    /// True when all that will go on has gone.
    pub(super) fn is_done(&self) -> bool {
        self.buffer.is_empty() && (self.from.is_none() || self.is_over_limit())
    }

    /// What to wait for at the end that is written to. Its reader's going shows in any case.
    pub(super) fn target(&self) -> (BorrowedFd<'_>, PollFlags) {
        let wanted = if self.buffer.is_empty() {
            PollFlags::empty()
        } else {
            PollFlags::POLLOUT
        };
        (self.to.as_fd(), wanted)
    }

    /// What to wait for at the end that is read; None while nothing is to be read there.
    pub(super) fn source(&self) -> Option<BorrowedFd<'_>> {
        let reads = self.buffer.is_empty() && !self.is_over_limit();
        self.from.as_ref().filter(|_| reads).map(AsFd::as_fd)
    }

    /// Takes what the program wrote. Only when the source has something.
    ///
    /// # Errors
    /// As read(2).
    pub(super) fn take(&mut self) -> Result<()> {
        let Some(from) = &self.from else {
            return Ok(());
        };
        self.buffer.resize(PIECE, 0);
        let got = match nix::unistd::read(from, &mut self.buffer) {
            Ok(got) => got,
            Err(Errno::EINTR | Errno::EAGAIN) => {
                self.buffer.clear();
                return Ok(());
            }
            Err(other) => {
                self.buffer.clear();
                return Err(other);
            }
        };
        if got == 0 {
            self.from = None;
        }
        let taken = self.left.min(got as u64);
        self.exceeded |= taken < got as u64;
        self.left -= taken;
        self.buffer.truncate(taken as usize);
        self.start = 0;
        Ok(())
    }

    /// Gives on what was taken, as much as is wanted now.
    ///
    /// # Errors
    /// EPIPE when nobody reads; as write(2).
    pub(super) fn give(&mut self) -> Result<()> {
        match nix::unistd::write(&self.to, &self.buffer[self.start..]) {
            Ok(given) => {
                self.start += given;
                self.moved += given as u64;
                if self.start == self.buffer.len() {
                    self.buffer.clear();
                }
                Ok(())
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pumped(written: &[u8], most: u64, excess: Excess) -> (Vec<u8>, bool) {
        let (from, into) = nix::unistd::pipe().expect("pipe");
        let (out, to) = nix::unistd::pipe().expect("pipe");
        nix::unistd::write(&into, written).expect("write");
        drop(into);
        let mut pump = Pump::new(from, to, most, excess).expect("pump");
        while !pump.is_done() {
            if pump.source().is_some() {
                pump.take().expect("take");
            } else {
                pump.give().expect("give");
            }
        }
        let (moved, over) = (pump.moved, pump.is_over_limit());
        drop(pump);
        let mut came = Vec::new();
        std::io::Read::read_to_end(&mut std::fs::File::from(out), &mut came).expect("read");
        assert_eq!(moved, came.len() as u64);
        (came, over)
    }

    #[test]
    fn no_more_goes_on_than_may() {
        let text = b"0123456789";
        for (most, excess, came, over) in [
            (20, Excess::End, &text[..], false),
            (10, Excess::End, &text[..], false),
            (9, Excess::End, &text[..9], true),
            (1, Excess::End, &text[..1], true),
            (9, Excess::Discard, &text[..9], false),
            (10, Excess::Discard, &text[..], false),
        ] {
            assert_eq!(pumped(text, most, excess), (came.to_vec(), over), "{most}");
        }
    }

    #[test]
    fn a_reader_that_went_is_an_error_at_once() {
        let (from, into) = nix::unistd::pipe().expect("pipe");
        let (out, to) = nix::unistd::pipe().expect("pipe");
        nix::unistd::write(&into, b"x").expect("write");
        drop(out);
        let mut pump = Pump::new(from, to, 10, Excess::End).expect("pump");
        pump.take().expect("take");
        // The test's own program ignores SIGPIPE, as the server does.
        assert_eq!(pump.give(), Err(Errno::EPIPE));
    }
}
