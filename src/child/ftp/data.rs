//! The bytes that go over a data connection while the control connection is looked at, and what becomes of a transfer that stops.
//! Run by a child.

use super::control::{Control, Word};
use super::line::Line;
use super::{End, Handled};
use crate::child::forward::Forward;
use crate::child::progress::Progress;
use crate::child::secure::{self, Secure};
use crate::child::stream::refusal;
use crate::error::{Code, Refusal};
use crate::scoreboard::Slot;
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, copy, net};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Why a transfer does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client said ABOR.
    Aborted,
    /// The data connection did not come about: 425, or what else is to be said.
    NotOpen(u16, String),
    /// The data connection broke, or did not move for too long.
    Broken(String),
    /// The library says no.
    Refused(Refusal),
    /// The session is over.
    Over(End),
}

impl From<End> for Stop {
    fn from(end: End) -> Stop {
        Stop::Over(end)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

pub(super) fn broken(error: impl std::fmt::Display) -> Stop {
    Stop::Broken(error.to_string())
}

/// Bytes that are sent before the control connection is looked at, however fast the client is.
const PIECE: usize = 512 * 1024;
/// How long nothing comes of what was on its way, in milliseconds, when no more will.
const SILENCE: u16 = 50;
/// How often a waiting transfer looks whether there is progress, in milliseconds.
const LOOK: u64 = 1000;

/// Which way the bytes of a data connection go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToClient,
    FromClient,
}

/// What TLS says about the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// That it was the end (close_notify).
    Said,
    /// Nothing.
    Missing,
    /// That it was in the middle of a record.
    Torn,
}

/// A data connection.
#[derive(Debug)]
pub(super) struct Connection {
    fd: OwnedFd,
    secure: Option<Secure>,
    slot: Slot<'static>,
    progress: Progress,
    forward: Forward,
    /// Of a file, on the way to be sealed; made when it is needed.
    piece: Vec<u8>,
    /// Bytes sent since the control connection was looked at.
    unattended: usize,
}

/// Waits until something can be done with `fd`, at most so many milliseconds, and sees to what comes over the control connection
/// meanwhile. True when it can.
pub(super) fn wait(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    control: &mut Control,
    millis: u64,
) -> Result<bool, Stop> {
    let watched = if control.is_full() { 1 } else { 2 };
    let mut fds = [
        PollFd::new(fd, events),
        PollFd::new(control.fd(), PollFlags::POLLIN),
    ];
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    let ready = match poll(&mut fds[..watched], timeout) {
        Ok(_) => (fds[0].any() == Some(true), fds[1].any() == Some(true)),
        Err(Errno::EINTR) => (false, false),
        Err(errno) => return Err(broken(errno.desc())),
    };
    if ready.1 {
        attend(control)?;
    }
    Ok(ready.0)
}

/// Sees to what came over the control connection.
pub(super) fn attend(control: &mut Control) -> Result<(), Stop> {
    while let Some(word) = control.attend()? {
        match word {
            Word::Abort => return Err(Stop::Aborted),
            Word::Status => control.say(213, "A transfer is under way.")?,
        }
    }
    Ok(())
}

impl Connection {
    /// Over the connected socket `fd`, in which nothing may move for at most `stall` milliseconds.
    pub(super) fn new(fd: OwnedFd, slot: Slot<'static>, stall: u64) -> Connection {
        Connection {
            fd,
            secure: None,
            slot,
            progress: Progress::new(slot, stall),
            forward: Forward::default(),
            piece: Vec::new(),
            unattended: 0,
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// From now on all goes by way of `secure`.
    pub(super) fn secure(&mut self, secure: Secure) {
        self.secure = Some(secure);
    }

    /// Waits for the client, as long as it may take.
    pub(super) fn wait(&mut self, events: PollFlags, control: &mut Control) -> Result<(), Stop> {
        let began = monotonic_millis();
        let mut looked = began;
        loop {
            let ready = wait(self.fd.as_fd(), events, control, LOOK)?;
            // At each look, for `min_rate`: a slow client may make room only after a long while.
            let now = monotonic_millis();
            if events.contains(PollFlags::POLLIN) {
                self.slot.waited(now.saturating_sub(looked));
            } else {
                self.progress.note_wait(self.fd.as_fd(), looked);
            }
            looked = now;
            if ready {
                return Ok(());
            }
            if events.contains(PollFlags::POLLOUT) {
                self.progress.check(self.fd.as_fd()).map_err(broken)?;
            } else if monotonic_millis().saturating_sub(began) > self.progress.stall() {
                return Err(broken(refusal(Code::Timeout)));
            }
        }
    }

    /// Sends `count` bytes of `file` from `offset`. Returns how many the file had.
    pub(super) fn send_file(
        &mut self,
        control: &mut Control,
        file: BorrowedFd<'_>,
        mut offset: u64,
        count: u64,
    ) -> Result<u64, Stop> {
        let end = offset.saturating_add(count);
        let begin = offset;
        self.progress.begin();
        self.forward.begin();
        if self.secure.is_some() && self.piece.is_empty() {
            self.piece = secure::piece();
        }
        while offset < end {
            let most = usize::try_from(end - offset).unwrap_or(usize::MAX);
            if self.secure.is_some() {
                let mut piece = std::mem::take(&mut self.piece);
                let most = most.min(piece.len());
                let got = copy::read_at(file, &mut piece[..most], offset);
                let sent = match got {
                    Ok(got) => self.send(control, &piece[..got]).map(|()| got),
                    Err(errno) => Err(Stop::Refused(errno.into())),
                };
                self.piece = piece;
                match sent? {
                    0 => break,
                    sent => offset += sent as u64,
                }
                continue;
            }
            match self.forward.send(self.fd.as_fd(), file, offset, most) {
                Ok(0) => break,
                Ok(sent) => {
                    self.progress.note(sent);
                    offset += sent as u64;
                    if offset < end {
                        attend(control)?;
                    }
                }
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, control)?,
                Err(Errno::EINTR) => {}
                Err(
                    errno @ (Errno::EPIPE
                    | Errno::ECONNRESET
                    | Errno::ETIMEDOUT
                    | Errno::EHOSTUNREACH
                    | Errno::ENETUNREACH
                    | Errno::ENOTCONN),
                ) => return Err(broken(errno.desc())),
                Err(of_the_file) => return Err(Stop::Refused(of_the_file.into())),
            }
        }
        Ok(offset - begin)
    }

    /// Sends `bytes`.
    pub(super) fn send(&mut self, control: &mut Control, bytes: &[u8]) -> Result<(), Stop> {
        self.send_bytes(control, bytes, false)
    }

    /// Sends `bytes`, and what is left of them with the end of the connection, which follows at once: one packet fewer.
    pub(super) fn send_last(&mut self, control: &mut Control, bytes: &[u8]) -> Result<(), Stop> {
        self.send_bytes(control, bytes, true)
    }

    fn send_bytes(
        &mut self,
        control: &mut Control,
        mut bytes: &[u8],
        end: bool,
    ) -> Result<(), Stop> {
        self.progress.begin();
        self.unattended += bytes.len();
        if self.unattended >= PIECE {
            attend(control)?;
            self.unattended = 0;
        }
        if let Some(secure) = self.secure.clone() {
            while !bytes.is_empty() {
                let sealed = secure.engine().seal(bytes).map_err(broken)?;
                bytes = &bytes[sealed..];
                self.push(control, &secure)?;
            }
            return Ok(());
        }
        while !bytes.is_empty() {
            match net::send_now(self.fd.as_fd(), bytes, end) {
                Ok(sent) => {
                    self.progress.note(sent);
                    bytes = &bytes[sent..];
                }
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, control)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(broken(errno.desc())),
            }
        }
        Ok(())
    }

    /// Sends what is sealed.
    fn push(&mut self, control: &mut Control, secure: &Secure) -> Result<(), Stop> {
        while secure.engine().has_to_push() {
            let pushed = secure
                .engine()
                .push(&mut secure::To::socket(self.fd.as_fd()));
            match pushed {
                Ok(sent) => self.progress.note(sent),
                Err(error) => match secure::errno(&error) {
                    Some(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, control)?,
                    Some(Errno::EINTR) => {}
                    _ => return Err(broken(error)),
                },
            }
        }
        Ok(())
    }

    /// What the client sends; 0 at its end.
    pub(super) fn receive(
        &mut self,
        control: &mut Control,
        into: &mut [u8],
    ) -> Result<usize, Stop> {
        loop {
            match self.receive_now(into)? {
                Some(got) => return Ok(got),
                None => self.wait(PollFlags::POLLIN, control)?,
            }
        }
    }

    /// What is there of what the client sent; 0 at its end, None when nothing is there yet.
    fn receive_now(&mut self, into: &mut [u8]) -> Result<Option<usize>, Stop> {
        loop {
            let got = match self.secure.clone() {
                Some(secure) => {
                    // In statements of their own: the engine is let go of before it is pulled.
                    let taken = secure.engine().take(into).map_err(broken)?;
                    if taken.is_some() {
                        return Ok(taken);
                    }
                    let pulled = secure.engine().pull(&mut secure::Now(self.fd.as_fd()));
                    match pulled {
                        Ok(came) => {
                            self.slot.received(came as u64);
                            continue;
                        }
                        Err(error) => Err(secure::errno(&error).unwrap_or(Errno::EIO)),
                    }
                }
                None => net::receive_now(self.fd.as_fd(), into),
            };
            match got {
                Ok(came) => {
                    self.slot.received(came as u64);
                    return Ok(Some(came));
                }
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(broken(errno.desc())),
            }
        }
    }

    /// Puts up to `count` bytes of what the client sends into `pipe`, when some are there. Returns how many; 0 when they go no further
    /// this way: `pipe` is full, or else `receive` knows more. Only without TLS.
    pub(super) fn receive_into(
        &mut self,
        control: &mut Control,
        pipe: &copy::Pipe,
        count: usize,
    ) -> Result<usize, Stop> {
        // The socket may be one that waits, and that would be for as long as the client likes.
        self.wait(PollFlags::POLLIN, control)?;
        match pipe.receive(self.fd.as_fd(), count) {
            Ok(came) => {
                self.slot.received(came as u64);
                Ok(came)
            }
            Err(Errno::EAGAIN) => Ok(0),
            Err(errno) => Err(broken(errno.desc())),
        }
    }

    /// True when what is sent is sealed.
    pub(super) fn is_secure(&self) -> bool {
        self.secure.is_some()
    }

    /// What is still on its way from a client whose control connection has ended, up to its own end or a moment of silence. None
    /// when that is all.
    pub(super) fn receive_rest(&mut self, into: &mut [u8]) -> Option<usize> {
        match self.receive_now(into) {
            Ok(None) => {}
            got => return got.ok().flatten().filter(|got| *got > 0),
        }
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, SILENCE);
        let got = self.receive_now(into).ok().flatten();
        got.filter(|got| *got > 0)
    }

    /// What TLS says about the client's end; None without it.
    pub(super) fn farewell(&self) -> Option<Farewell> {
        let engine = self.secure.as_ref()?.engine();
        Some(if engine.said_goodbye() {
            Farewell::Said
        } else if engine.is_torn() {
            Farewell::Torn
        } else {
            Farewell::Missing
        })
    }

    /// Ends it: the client has everything, and is told so.
    pub(super) fn finish(mut self, control: &mut Control) -> Result<(), Stop> {
        if let Some(secure) = self.secure.clone() {
            secure.engine().finish();
            self.push(control, &secure)?;
        }
        // Closing says it is the end.
        Ok(())
    }
}

/// Tells the client what became of a transfer that stopped; the session goes on unless it is over.
pub(super) fn tell(line: &mut Line<'_>, stop: Stop) -> Handled {
    match stop {
        Stop::Aborted => {
            line.control.say(426, "The transfer was given up.")?;
            line.control.say(226, "ABOR done.")
        }
        Stop::NotOpen(code, text) => line.control.say(code, text),
        Stop::Broken(why) => line
            .control
            .say(426, format!("The data connection broke: {why}.")),
        Stop::Refused(refusal) => line.refuse(&refusal),
        Stop::Over(end) => Err(end),
    }
}

/// What the log says of it.
pub(super) fn refusal_of(stop: &Stop) -> Refusal {
    match stop {
        Stop::Refused(refusal) => refusal.clone(),
        Stop::Aborted => Refusal::new(Code::Cancelled, "given up by the client"),
        Stop::NotOpen(_, why) | Stop::Broken(why) => Refusal::new(Code::Cancelled, why.clone()),
        Stop::Over(End::Lost(why)) => Refusal::new(Code::Cancelled, why.clone()),
        Stop::Over(_) => Code::Cancelled.into(),
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Over(error.into())
    }
}
