//! The control connection: commands in, replies out, and a look at both during a transfer. Run by a child.
//!
//! Commands that come while a transfer runs wait for their turn, but ABOR and STAT, which are about the transfer (RFC 959,
//! section 4.1.3).

use super::{End, Handled};
use crate::child::stream::{Input, Output, Stream};
use crate::error::{Code, Refusal};
use crate::scoreboard::{Phase, Slot};
use crate::sys::Errno;
use crate::sys::process::monotonic_millis;
use crate::wire::frame::Sink;
use crate::wire::ftp::command::{self, Command};
use crate::wire::ftp::line::{Line, Lines};
use crate::wire::ftp::reply;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

/// Most commands that wait for the end of a transfer; the rest stays in the kernel.
const MOST_WAITING: usize = 64;
/// Longest look at a connection that may be about to end, in milliseconds, between two looks at what came over it.
const LOOK: u64 = 50;

/// The control connection.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) stream: Stream,
    lines: Lines,
    /// What came during a transfer.
    waiting: VecDeque<Line>,
    /// The client has said all it will.
    ended: bool,
    /// A transfer goes on without it: of devices that hang up as soon as they have sent.
    pub(super) may_end: bool,
}

/// What came while a transfer runs, that is about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// ABOR.
    Abort,
    /// STAT without an argument.
    Status,
}

impl Control {
    pub(super) fn new(stream: Stream) -> Control {
        Control {
            stream,
            lines: Lines::new(),
            waiting: VecDeque::new(),
            ended: false,
            may_end: false,
        }
    }

    /// To be waited for together with a data connection.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.input.fd()
    }

    pub(super) fn slot(&self) -> Slot<'static> {
        self.stream.input.slot()
    }

    /// The next command line, waited for as long as the phase allows; None at the end.
    pub(super) fn line(&mut self) -> Result<Option<Line>, End> {
        loop {
            if let Some(line) = self.waiting.pop_front().or_else(|| self.lines.next()) {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let came = match self.stream.input.read(self.lines.room()) {
            Ok(came) => came,
            Err(error) if error.raw_os_error() == Some(Errno::ECONNRESET as i32) => 0,
            Err(error) => return Err(error),
        };
        self.ended |= came == 0;
        self.lines.filled(came);
        Ok(())
    }

    /// Looks, without waiting, at what came during a transfer.
    ///
    /// # Errors
    /// `Lost` when the client is gone: a transfer whose control connection ends is over (RFC 959, section 4.1.3, ABOR).
    pub(super) fn attend(&mut self) -> Result<Option<Word>, End> {
        loop {
            while let Some(line) = self.lines.next() {
                match word(&line) {
                    Some(word) => return Ok(Some(word)),
                    None => self.waiting.push_back(line),
                }
            }
            if self.ended && self.may_end {
                return Ok(None);
            }
            if self.ended {
                return Err(End::Lost(
                    "the control connection ended during a transfer".into(),
                ));
            }
            if self.waiting.len() >= MOST_WAITING || !self.stream.input.is_waiting() {
                return Ok(None);
            }
            self.read()?;
        }
    }

    /// True when there is no use in polling for more: so much waits that the rest has to stay where it is, or no more will come.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_WAITING || self.ended
    }

    /// Looks for so many milliseconds whether the client goes without a word. Whoever said QUIT, or anything else, before it went is
    /// not one who was cut off.
    pub(super) fn hangs_up_within(&mut self, millis: u64) -> bool {
        let until = monotonic_millis() + millis;
        loop {
            match self.attend() {
                // An ABOR is a word, but not the one that it is whole.
                Ok(Some(Word::Abort)) => return true,
                Ok(Some(Word::Status)) => continue,
                Ok(None) => {}
                Err(_) => return !self.said_goodbye(),
            }
            if self.is_full() {
                return false;
            }
            let left = until.saturating_sub(monotonic_millis()).min(LOOK);
            let mut fds = [PollFd::new(self.fd(), PollFlags::POLLIN)];
            match poll(
                &mut fds,
                PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO),
            ) {
                Ok(0) if monotonic_millis() >= until => return false,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return true,
            }
        }
    }

    fn said_goodbye(&self) -> bool {
        self.waiting.iter().any(|line| is(line, "QUIT"))
    }

    /// Nothing is buffered that came before TLS; what is, was put there by somebody else (RFC 4217, section 15).
    pub(super) fn is_clean(&self) -> bool {
        self.lines.is_empty() && self.waiting.is_empty() && !self.stream.input.is_waiting()
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.stream.input.enter(phase);
    }

    /// One reply.
    pub(super) fn say(&mut self, code: u16, text: impl AsRef<[u8]>) -> Handled {
        self.send(&reply::reply(code, text))
    }

    /// A reply of several lines, or a part of one, as it stands.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Handled {
        Ok(self.stream.output.send(bytes, false)?)
    }

    /// Splits what both directions need from each other.
    pub(super) fn output(&mut self) -> &mut Output {
        &mut self.stream.output
    }

    pub(super) fn input(&mut self) -> &mut Input {
        &mut self.stream.input
    }
}

fn is(line: &Line, verb: &str) -> bool {
    matches!(line, Line::Command(line) if command::parse(line).is_some_and(|command| command.verb == verb))
}

fn word(line: &Line) -> Option<Word> {
    let Line::Command(line) = line else {
        return None;
    };
    let Command { verb, argument } = command::parse(line)?;
    match verb.as_str() {
        "ABOR" => Some(Word::Abort),
        "STAT" if argument.is_empty() => Some(Word::Status),
        _ => None,
    }
}

/// What a refusal is called in FTP: the code of its reply (RFC 959, section 4.2; RFC 1123 for 550 and 553).
pub(super) fn code_of(refusal: &Refusal) -> u16 {
    match refusal.code {
        Code::Busy | Code::Closing | Code::Timeout => 421,
        Code::Login | Code::Proof => 530,
        Code::InUse | Code::Changed => 450,
        Code::Io | Code::Cancelled => 451,
        Code::NoSpace => 452,
        Code::Quota | Code::TooLarge => 552,
        Code::Name => 553,
        Code::Range => 554,
        Code::Request | Code::Protocol => 501,
        _ => 550,
    }
}
