//! Data connections: how the next one comes about, and the bytes that go over it while the control connection is looked at.
//! Run by a child, which can make no socket: the dialer does, and decides to whom.

use super::control::{Control, Word};
use super::line::Line;
use super::{End, Handled};
use crate::child::dial::{Passive, Undialed};
use crate::child::progress::Progress;
use crate::child::secure::{self, Secure};
use crate::child::stream::refusal;
use crate::config::Reuse;
use crate::error::{Code, Refusal};
use crate::log::{self, Level};
use crate::scoreboard::Slot;
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, copy, net};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How the next data connection comes about.
#[derive(Debug, Default)]
pub(super) enum Way {
    /// The client has not said.
    #[default]
    Unsaid,
    /// It connects here.
    Passive(Passive),
    /// It is connected to at this port.
    Active(u16),
}

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

fn broken(error: impl std::fmt::Display) -> Stop {
    Stop::Broken(error.to_string())
}

/// Most bytes of a file that one call sends before the control connection is looked at.
const PIECE: usize = 1024 * 1024;
/// How often a waiting transfer looks whether there is progress, in milliseconds.
const LOOK: u64 = 1000;

/// Which way the bytes of a data connection go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToClient,
    FromClient,
}

/// A data connection.
#[derive(Debug)]
pub(super) struct Connection {
    fd: OwnedFd,
    secure: Option<Secure>,
    slot: Slot<'static>,
    progress: Progress,
    /// Of a file, on the way to be sealed; made when it is needed.
    piece: Vec<u8>,
}

impl Line<'_> {
    /// Opens the data connection that the client prepared, says `begin` on the control connection, and puts TLS on it if the client
    /// wants that.
    pub(super) fn open_data(
        &mut self,
        direction: Direction,
        begin: impl AsRef<[u8]>,
    ) -> Result<Connection, Stop> {
        let fd = match std::mem::take(&mut self.way) {
            Way::Unsaid => {
                let what = "Say PASV or EPSV first.".to_owned();
                return Err(Stop::NotOpen(425, what));
            }
            Way::Passive(passive) => self.await_client(&passive)?,
            Way::Active(port) => self.reach_client(port)?,
        };
        let slot = self.control.slot();
        let stall = u64::from(self.world.config.stall_seconds) * 1000;
        let mut connection = Connection {
            fd,
            secure: None,
            slot,
            progress: Progress::new(slot, stall),
            piece: Vec::new(),
        };
        self.control.say(150, begin)?;
        if self.protects {
            self.secure_data(direction, &mut connection)?;
        }
        Ok(connection)
    }

    fn until(&self) -> u64 {
        monotonic_millis() + u64::from(self.world.listen.ftp.data_seconds) * 1000
    }

    /// Waits for the client at a passive socket, which is closed with it: it is good for one connection.
    fn await_client(&mut self, passive: &Passive) -> Result<OwnedFd, Stop> {
        let Some(peer) = self.client.peer.address() else {
            return Err(Stop::NotOpen(425, "There is no address to expect.".into()));
        };
        let until = self.until();
        loop {
            match net::accept_from(passive.socket.as_fd(), peer) {
                Ok(Some(fd)) => {
                    self.came_to_us = true;
                    return Ok(fd);
                }
                Ok(None) => {}
                Err(errno) => return Err(Stop::NotOpen(425, errno.desc().into())),
            }
            self.wait_to_open(passive.socket.as_fd(), until)?;
        }
    }

    /// Has the dialer connect to the client.
    fn reach_client(&mut self, port: u16) -> Result<OwnedFd, Stop> {
        let until = self.until();
        let Some(dialer) = self.dialer.take() else {
            return Err(Stop::NotOpen(
                425,
                "There are no data connections here.".into(),
            ));
        };
        let reached = dialer.begin_active(port).map_err(undialed).and_then(|()| {
            loop {
                match dialer.hear_active() {
                    Ok(Some(fd)) => break Ok(fd),
                    Ok(None) => {
                        if let Err(stop) = self.wait_to_open(dialer.fd(), until) {
                            break Err(stop);
                        }
                    }
                    Err(why) => break Err(undialed(why)),
                }
            }
        });
        self.dialer = Some(dialer);
        reached
    }

    fn wait_to_open(&mut self, fd: BorrowedFd<'_>, until: u64) -> Result<(), Stop> {
        if monotonic_millis() >= until {
            let what = "No data connection came about in time.".to_owned();
            return Err(Stop::NotOpen(425, what));
        }
        self.control.slot().moved(1);
        let left = until.saturating_sub(monotonic_millis()).min(LOOK);
        wait(fd, PollFlags::POLLIN, &mut self.control, left).map(|_| ())
    }

    /// The TLS handshake of a data connection (RFC 4217, section 10): whoever resumes the session of the control connection is its
    /// client.
    fn secure_data(
        &mut self,
        direction: Direction,
        connection: &mut Connection,
    ) -> Result<(), Stop> {
        let Some(tls) = self.world.tls else {
            return Err(Stop::NotOpen(431, "There is no TLS here.".into()));
        };
        let reuse = self.world.listen.ftp.reuse;
        let signing = (reuse != Reuse::Require).then_some(&self.broker);
        let not_open = |what: String| Stop::NotOpen(522, what);
        let reads = direction == Direction::ToClient;
        let engine = tls.begin_data(signing, reads).map_err(not_open)?;
        let secure = Secure::new(engine);
        let until = self.until();
        let mut shake = || loop {
            if secure.engine().has_to_push() {
                match secure
                    .engine()
                    .push(&mut secure::To::socket(connection.fd.as_fd()))
                {
                    Ok(_) => {}
                    Err(error) if secure::errno(&error) == Some(Errno::EAGAIN) => {
                        connection.wait(PollFlags::POLLOUT, &mut self.control)?;
                    }
                    Err(error) => return Err(not_open(error.to_string())),
                }
            } else if !secure.engine().is_handshaking() {
                return Ok(());
            } else if monotonic_millis() >= until {
                return Err(not_open("The TLS handshake took too long.".into()));
            } else {
                let pulled = secure
                    .engine()
                    .pull(&mut secure::Wire(connection.fd.as_fd()));
                match pulled {
                    Ok(0) => return Err(not_open("The TLS handshake was not finished.".into())),
                    Ok(_) => secure
                        .engine()
                        .advance()
                        .map_err(|error| not_open(error.to_string()))?,
                    Err(error) if secure::errno(&error) == Some(Errno::EAGAIN) => {
                        connection.wait(PollFlags::POLLIN, &mut self.control)?;
                    }
                    Err(error) => return Err(not_open(error.to_string())),
                }
            }
        };
        let shaken = shake();
        tls.end();
        let resumed = secure.engine().is_resumed();
        if let Err(stop) = shaken {
            // An alert may be waiting that says why.
            let _ = secure
                .engine()
                .push(&mut secure::To::socket(connection.fd.as_fd()));
            return Err(match stop {
                Stop::NotOpen(522, why) if reuse == Reuse::Require => Stop::NotOpen(
                    522,
                    format!(
                        "No TLS: {why} (the data connection has to resume the session of the control connection)"
                    ),
                ),
                other => other,
            });
        }
        if !resumed && reuse == Reuse::Require {
            let what =
                "The data connection has to resume the TLS session of the control connection.";
            return Err(not_open(what.into()));
        }
        if !resumed && reuse == Reuse::Prefer {
            let peer = self.client.peer;
            log::event(
                Level::Info,
                "a data connection did not resume the TLS session",
                &[("peer", &peer)],
            );
        }
        connection.secure = Some(secure);
        Ok(())
    }
}

fn undialed(why: Undialed) -> Stop {
    match why {
        Undialed::Refused(message) => Stop::NotOpen(425, message),
        Undialed::Gone(reason) => {
            log::event(Level::Error, "no data connection", &[("reason", &reason)]);
            Stop::NotOpen(425, "There are no data connections now; try again.".into())
        }
    }
}

/// Waits until something can be done with `fd`, at most so many milliseconds, and sees to what comes over the control connection
/// meanwhile. True when it can.
fn wait(
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
    /// Waits for the client, as long as it may take.
    fn wait(&mut self, events: PollFlags, control: &mut Control) -> Result<(), Stop> {
        let began = monotonic_millis();
        loop {
            if wait(self.fd.as_fd(), events, control, LOOK)? {
                if events.contains(PollFlags::POLLIN) {
                    self.slot.waited(monotonic_millis().saturating_sub(began));
                } else {
                    self.progress.note_wait(self.fd.as_fd(), began);
                }
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
        if self.secure.is_some() && self.piece.is_empty() {
            self.piece = secure::piece();
        }
        while offset < end {
            let most = usize::try_from(end - offset).unwrap_or(PIECE).min(PIECE);
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
            match copy::send_file(self.fd.as_fd(), file, offset, most) {
                Ok(0) => break,
                Ok(sent) => {
                    self.progress.note(sent);
                    offset += sent as u64;
                    if sent == most && offset < end {
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
    pub(super) fn send(&mut self, control: &mut Control, mut bytes: &[u8]) -> Result<(), Stop> {
        self.progress.begin();
        if let Some(secure) = self.secure.clone() {
            while !bytes.is_empty() {
                let sealed = secure.engine().seal(bytes).map_err(broken)?;
                bytes = &bytes[sealed..];
                self.push(control, &secure)?;
            }
            return attend_if_due(control);
        }
        while !bytes.is_empty() {
            match net::send_now(self.fd.as_fd(), bytes) {
                Ok(sent) => {
                    self.progress.note(sent);
                    bytes = &bytes[sent..];
                }
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, control)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(broken(errno.desc())),
            }
        }
        attend_if_due(control)
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
            let got = match self.secure.clone() {
                Some(secure) => {
                    // In statements of their own: the engine is let go of before it is pulled.
                    let taken = secure.engine().take(into).map_err(broken)?;
                    if let Some(taken) = taken {
                        return Ok(taken);
                    }
                    let pulled = secure.engine().pull(&mut secure::Wire(self.fd.as_fd()));
                    match pulled {
                        Ok(came) => {
                            self.slot.received(came as u64);
                            continue;
                        }
                        Err(error) => Err(secure::errno(&error).unwrap_or(Errno::EIO)),
                    }
                }
                None => nix::unistd::read(&self.fd, into),
            };
            match got {
                Ok(came) => {
                    self.slot.received(came as u64);
                    return Ok(came);
                }
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLIN, control)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(broken(errno.desc())),
            }
        }
    }

    /// True when TLS says that the client's end was its end (close_notify); None without TLS.
    pub(super) fn said_goodbye(&self) -> Option<bool> {
        self.secure
            .as_ref()
            .map(|secure| secure.engine().said_goodbye())
    }

    /// Ends it: the client has everything, and is told so.
    pub(super) fn finish(mut self, control: &mut Control) -> Result<(), Stop> {
        if let Some(secure) = self.secure.clone() {
            secure.engine().finish();
            self.push(control, &secure)?;
        }
        net::finish_sending(self.fd.as_fd());
        Ok(())
    }

    /// Milliseconds of a round trip to the client, as the kernel knows it.
    pub(super) fn round_trip(&self) -> u64 {
        net::round_trip(self.fd.as_fd()).unwrap_or(0).div_ceil(1000)
    }
}

/// Once in a while, however fast the client is.
fn attend_if_due(control: &mut Control) -> Result<(), Stop> {
    attend(control)
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
