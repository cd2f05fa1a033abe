//! The client's connection as a child uses it: reads and writes that know how long the client may take, and tell the
//! scoreboard what moves. The listener keeps the same deadlines with a little grace, in case this process does not.

mod files;

use super::forward::Forward;
use super::progress::Progress;
use super::secure::{self, Secure};
use crate::error::{Code, Refusal};
use crate::scoreboard::{Phase, Slot};
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, Result, net};
use crate::wire::frame::Sink;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The moment by which it has proved itself, on the monotonic clock, in milliseconds.
    pub(super) handshake_until: u64,
    /// Milliseconds between two requests.
    pub(super) idle: u64,
    /// Milliseconds in which nothing moves within one.
    pub(super) stall: u64,
}

/// Both directions of a connection.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) input: Input,
    pub(super) output: Output,
}

/// What the client sends.
#[derive(Debug)]
pub(super) struct Input {
    fd: Rc<OwnedFd>,
    drain: Option<BorrowedFd<'static>>,
    slot: Slot<'static>,
    limits: Limits,
    phase: Phase,
    since: u64,
    /// None without TLS.
    secure: Option<Secure>,
}

/// What is sent to the client.
#[derive(Debug)]
pub(super) struct Output {
    fd: Rc<OwnedFd>,
    is_socket: bool,
    progress: Progress,
    /// None without TLS.
    secure: Option<Secure>,
    /// Of a file, on the way to be sealed; made when it is needed.
    piece: Vec<u8>,
    /// Files go out by way of this, where they are to hurry.
    forward: Option<Forward>,
    /// Bytes of files that went out without a moment's waiting, in a row.
    fast: u64,
}

/// How long one blocking send waits before progress is looked at.
const SEND_SECONDS: u32 = 1;
/// How long a client that was cut off has to hear why, in milliseconds.
const LINGER: u64 = 1000;
/// How long a client may pause between two requests before its session ends, once another server has taken over, in milliseconds: a
/// session that is at work goes on, and one that is only there comes again.
const PAUSE: u64 = 10_000;
/// Zeros for what a file no longer has.
static ZEROS: [u8; 4096] = [0; 4096];

impl Stream {
    pub(super) fn over_socket(
        fd: Rc<OwnedFd>,
        drain: Option<BorrowedFd<'static>>,
        slot: Slot<'static>,
        limits: Limits,
    ) -> Result<Stream> {
        // No descriptor is made here: to a warm child that is closed already.
        net::set_send_timeout(fd.as_fd(), SEND_SECONDS)?;
        Ok(Stream::new(fd.clone(), fd, true, drain, slot, limits))
    }

    pub(super) fn over_pair(
        read: Rc<OwnedFd>,
        write: Rc<OwnedFd>,
        slot: Slot<'static>,
        limits: Limits,
    ) -> Result<Stream> {
        let is_socket = !matches!(net::peer_of(write.as_fd()), Ok(net::Peer::Pipe));
        if is_socket {
            net::set_send_timeout(write.as_fd(), SEND_SECONDS)?;
        }
        Ok(Stream::new(read, write, is_socket, None, slot, limits))
    }

    fn new(
        read: Rc<OwnedFd>,
        write: Rc<OwnedFd>,
        is_socket: bool,
        drain: Option<BorrowedFd<'static>>,
        slot: Slot<'static>,
        limits: Limits,
    ) -> Stream {
        let input = Input {
            fd: read,
            drain,
            slot,
            limits,
            phase: Phase::Handshake,
            since: monotonic_millis(),
            secure: None,
        };
        let output = Output {
            fd: write,
            is_socket,
            progress: Progress::new(slot, limits.stall),
            secure: None,
            piece: Vec::new(),
            forward: None,
            fast: 0,
        };
        Stream { input, output }
    }

    /// From now on all goes by way of `secure`.
    pub(super) fn secure(&mut self, secure: &Secure) {
        self.input.secure = Some(secure.clone());
        self.output.secure = Some(secure.clone());
    }
}

impl Input {
    /// What the child is at from now on, for its own deadlines and for the listener's.
    pub(super) fn enter(&mut self, phase: Phase) {
        if phase != self.phase || phase == Phase::Idle {
            self.phase = phase;
            self.since = monotonic_millis();
            self.slot.enter(phase);
        }
    }

    /// True when the client has sent something that is not read yet.
    pub(super) fn is_waiting(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        let mut is_readable = || poll(&mut fds, PollTimeout::ZERO) == Ok(1);
        let Some(secure) = &self.secure else {
            return is_readable();
        };
        // Under TLS what is readable need not be anything for us: it is opened to see.
        let mut engine = secure.engine();
        engine.has_more()
            || is_readable()
                && match engine.pull(&mut secure::Wire(self.fd.as_fd())) {
                    Ok(came) => {
                        self.slot.moved(came as u64);
                        engine.has_more()
                    }
                    // Whoever reads next meets it again.
                    Err(_) => true,
                }
    }

    /// Waits for something to come and hands it to the engine. Returns how many bytes; 0 at the end of the stream.
    pub(super) fn pull(&mut self) -> io::Result<usize> {
        self.wait()?;
        let Some(secure) = &self.secure else {
            return Ok(0);
        };
        let came = secure.engine().pull(&mut secure::Wire(self.fd.as_fd()))?;
        self.slot.received(came as u64);
        Ok(came)
    }

    /// Reads away what the client still sends, for a moment: closing with bytes unread would make the kernel throw away the
    /// last answer as well (RFC 2525, section 2.17).
    pub(super) fn linger(&mut self) {
        self.linger_for(LINGER);
    }

    /// The same for so many milliseconds at most.
    pub(super) fn linger_for(&mut self, millis: u64) {
        let until = monotonic_millis() + millis;
        let mut waste = [0; 16 * 1024];
        loop {
            let left = until.saturating_sub(monotonic_millis());
            let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
            let ready = poll(
                &mut fds,
                PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO),
            );
            if left == 0
                || !matches!(ready, Ok(1))
                || !matches!(nix::unistd::read(&self.fd, &mut waste), Ok(1..))
            {
                return;
            }
        }
    }

    /// The connection, to be waited for together with others.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The scoreboard's page.
    pub(super) fn slot(&self) -> Slot<'static> {
        self.slot
    }

    fn deadline(&self) -> u64 {
        match self.phase {
            Phase::Waiting | Phase::Handshake => self.limits.handshake_until,
            // Counted from the last request, so that single bytes do not stretch it.
            Phase::Idle => self.since + self.limits.idle,
            // Counted from now: something moved, or we would not be here.
            Phase::Busy => monotonic_millis() + self.limits.stall,
        }
    }

    /// Waits until there is something to read.
    fn wait(&self) -> io::Result<()> {
        let mut deadline = self.deadline();
        let began = monotonic_millis();
        let mut leaves = false;
        loop {
            if !leaves && self.slot.asked_to_leave() {
                leaves = true;
                if self.phase == Phase::Idle {
                    deadline = deadline.min(self.since + PAUSE);
                }
            }
            let left = deadline.saturating_sub(monotonic_millis());
            let timeout =
                PollTimeout::try_from(left.min(i32::MAX as u64)).unwrap_or(PollTimeout::MAX);
            let mut fds = [
                PollFd::new(self.fd.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.fd.as_fd(), PollFlags::empty()),
            ];
            // Only between requests: one that is under way is finished first.
            let watched = match &self.drain {
                Some(drain) if self.phase != Phase::Busy && !leaves => {
                    fds[1] = PollFd::new(drain.as_fd(), PollFlags::POLLIN);
                    2
                }
                _ => 1,
            };
            match poll(&mut fds[..watched], timeout) {
                Ok(0) if left == 0 && leaves && self.phase == Phase::Idle => {
                    return Err(refusal(Code::Closing));
                }
                Ok(0) if left == 0 => return Err(refusal(Code::Timeout)),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) if fds[0].any() == Some(true) => {
                    if self.phase == Phase::Busy {
                        self.slot.waited(monotonic_millis().saturating_sub(began));
                    }
                    return Ok(());
                }
                // Looked at once more: it says how to end.
                Ok(_) if self.slot.asked_to_leave() => {}
                Ok(_) => return Err(refusal(Code::Closing)),
                Err(other) => return Err(other.into()),
            }
        }
    }
}

/// A refusal that travels as an error of the stream, to the one place that answers it.
pub(super) fn refusal(code: Code) -> io::Error {
    io::Error::other(Refusal::from(code))
}

/// The refusal in an error of the stream, if it is one.
pub(super) fn refusal_in(error: &io::Error) -> Option<&Refusal> {
    error.get_ref()?.downcast_ref()
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(secure) = self.secure.clone() {
            loop {
                // In a statement of its own: the engine is let go of before it is pulled.
                let taken = secure.engine().take(into)?;
                match taken {
                    Some(taken) => return Ok(taken),
                    None => self.pull()?,
                };
            }
        }
        self.wait()?;
        let got = nix::unistd::read(&self.fd, into)?;
        self.slot.received(got as u64);
        Ok(got)
    }
}

impl Output {
    /// Bytes that went so far; under TLS, sealed.
    pub(super) fn sent(&self) -> u64 {
        self.progress.sent()
    }

    /// From now on files go to a fast client by the fastest way. For TCP alone, and where the sandbox lets it.
    pub(super) fn hurry(&mut self) {
        self.forward = Some(Forward::default());
    }

    /// Sends what is sealed. `more` says that further bytes follow at once.
    pub(super) fn push(&mut self, more: bool) -> io::Result<()> {
        let Some(secure) = self.secure.clone() else {
            return Ok(());
        };
        while secure.engine().has_to_push() {
            let began = monotonic_millis();
            if !self.is_socket {
                self.wait_for_room()?;
            }
            let mut to = secure::To {
                fd: self.fd.as_fd(),
                is_socket: self.is_socket,
                more,
            };
            let sent = secure.engine().push(&mut to);
            self.progress.note_wait(self.fd.as_fd(), began);
            match sent {
                Ok(sent) => self.progress.note(sent),
                Err(error) => match secure::errno(&error) {
                    Some(Errno::EAGAIN) => self.progress.check(self.fd.as_fd())?,
                    Some(Errno::EINTR) => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Takes leave of a client under TLS (close_notify), so that it knows the end from a cut. Without TLS nothing is said.
    pub(super) fn farewell(&mut self) {
        if let Some(secure) = &self.secure {
            secure.engine().finish();
        }
        let _ = self.push(false);
    }

    /// Sends `count` zeros.
    pub(super) fn send_zeros(&mut self, mut count: usize) -> io::Result<()> {
        while count > 0 {
            let piece = count.min(ZEROS.len());
            self.send(&ZEROS[..piece], count > piece)?;
            count -= piece;
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub(super) fn finish(&mut self) {
        self.farewell();
        if self.is_socket {
            net::finish_sending(self.fd.as_fd());
        }
    }

    /// For pipes, which have no send timeout.
    fn wait_for_room(&mut self) -> io::Result<()> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
        match poll(
            &mut fds,
            PollTimeout::try_from(self.progress.stall().min(i32::MAX as u64))
                .unwrap_or(PollTimeout::MAX),
        ) {
            Ok(0) => Err(refusal(Code::Timeout)),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }
}

impl Sink for Output {
    fn send(&mut self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        self.progress.begin();
        if let Some(secure) = self.secure.clone() {
            while !bytes.is_empty() {
                let sealed = secure.engine().seal(bytes)?;
                bytes = &bytes[sealed..];
                self.push(more || !bytes.is_empty())?;
            }
            return Ok(());
        }
        while !bytes.is_empty() {
            let began = monotonic_millis();
            let sent = if self.is_socket {
                net::send(self.fd.as_fd(), bytes, more)
            } else {
                self.wait_for_room()?;
                nix::unistd::write(&self.fd, bytes)
            };
            self.progress.note_wait(self.fd.as_fd(), began);
            match sent {
                Ok(sent) => {
                    self.progress.note(sent);
                    bytes = &bytes[sent..];
                }
                Err(Errno::EAGAIN) => self.progress.check(self.fd.as_fd())?,
                Err(Errno::EINTR) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }
}
