//! The two descriptors of a connection: non-blocking, with one way of waiting that knows the stall deadline and
//! Ctrl-C. Run by the client under `session`; knows nothing of frames.

use super::secure::{Secure, Wire};
use super::{Error, Result};
use crate::sys::{self, Errno, connect};
use crate::wire::frame;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest uninterrupted wait. A signal usually ends a wait at once (EINTR); one that came just before, or went to another
/// thread, is noticed after this.
const SLICE: Duration = Duration::from_millis(200);

/// A flag by which the user of the library stops what is under way, for instance from a signal handler.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Option<Arc<AtomicBool>>);

impl Interrupt {
    /// Stops what is under way when `flag` becomes true.
    #[must_use]
    pub fn on(flag: Arc<AtomicBool>) -> Interrupt {
        Interrupt(Some(flag))
    }

    /// True when the flag is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Goes on, or not.
    ///
    /// # Errors
    /// `Error::Interrupted`.
    pub fn check(&self) -> Result<()> {
        if self.is_set() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// Why a wait ended without what was waited for; travels inside an `io::Error`.
#[derive(Debug, Clone, Copy)]
enum Stop {
    Interrupted,
    Stalled(u64),
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Interrupted => f.write_str("interrupted"),
            Stop::Stalled(seconds) => write!(f, "nothing moved for {seconds} s"),
        }
    }
}

impl std::error::Error for Stop {}

/// How to wait; shared by both ends of a connection.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) interrupt: Interrupt,
    /// Longest wait for one step, milliseconds.
    stall: AtomicU64,
}

impl Wait {
    pub(super) fn new(interrupt: Interrupt, stall: Duration) -> Wait {
        let wait = Wait {
            interrupt,
            stall: AtomicU64::new(0),
        };
        wait.set_stall(stall);
        wait
    }

    pub(super) fn set_stall(&self, stall: Duration) {
        self.stall.store(
            u64::try_from(stall.as_millis()).unwrap_or(u64::MAX).max(1),
            Ordering::Relaxed,
        );
    }

    /// Waits until `fd` is ready for `what`, has ended or has failed. While the other end still takes something of what it was
    /// sent, something moves, whatever is waited for: a server may take long over bytes that the kernel took at once.
    pub(super) fn until(&self, fd: BorrowedFd<'_>, what: PollFlags) -> io::Result<()> {
        let stall = Duration::from_millis(self.stall.load(Ordering::Relaxed));
        let mut begin = Instant::now();
        let mut on_its_way = None;
        loop {
            if self.interrupt.is_set() {
                return Err(io::Error::other(Stop::Interrupted));
            }
            let Some(left) = stall.checked_sub(begin.elapsed()) else {
                let now = sys::net::unacknowledged(fd).unwrap_or(0);
                if on_its_way.is_some_and(|before| now < before) {
                    (begin, on_its_way) = (Instant::now(), Some(now));
                    continue;
                }
                return Err(io::Error::other(Stop::Stalled(stall.as_secs().max(1))));
            };
            let slice = PollTimeout::try_from(left.min(SLICE)).unwrap_or(PollTimeout::ZERO);
            // A rest below a millisecond would make poll return at once, again and again.
            let slice = if slice == PollTimeout::ZERO {
                PollTimeout::from(1u8)
            } else {
                slice
            };
            match poll(&mut [PollFd::new(fd, what)], slice) {
                // Most waits are over before this one system call more.
                Ok(0) if on_its_way.is_none() => {
                    on_its_way = Some(sys::net::unacknowledged(fd).unwrap_or(0));
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(other) => return Err(other.into()),
            }
        }
    }
}

/// What a failure of the stream means to the caller.
pub(super) fn explain(error: &io::Error) -> Error {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Stop>())
    {
        Some(Stop::Interrupted) => Error::Interrupted,
        Some(stop @ Stop::Stalled(_)) => Error::Lost(format!("the connection stalled: {stop}")),
        None => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPIPE | Errno::ECONNRESET) => {
                Error::Lost("the server closed the connection".into())
            }
            Some(errno) => Error::Lost(format!(
                "the connection failed: {}",
                super::show::reason(errno)
            )),
            None => Error::Lost(format!("the connection failed: {error}")),
        },
    }
}

/// The end that is read.
#[derive(Debug)]
pub(super) struct In {
    fd: OwnedFd,
    wait: Arc<Wait>,
    /// None without TLS.
    secure: Option<Secure>,
}

impl In {
    pub(super) fn new(fd: OwnedFd, wait: Arc<Wait>) -> Result<In> {
        connect::never_block(fd.as_fd()).map_err(|e| {
            Error::Connect(format!(
                "the connection cannot be used: {}",
                super::show::reason(e)
            ))
        })?;
        Ok(In {
            fd,
            wait,
            secure: None,
        })
    }

    /// From now on all goes by way of `secure`.
    pub(super) fn secure(&mut self, secure: &Secure) {
        self.secure = Some(secure.clone());
    }

    fn read_secure(&self, secure: &Secure, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.wait.interrupt.is_set() {
                return Err(io::Error::other(Stop::Interrupted));
            }
            let pulled = {
                let mut engine = secure.engine();
                if let Some(taken) = engine.take(into)? {
                    return Ok(taken);
                }
                // What TLS itself has to say in answer, such as to a change of keys; what does not go now goes with the next
                // request.
                while engine.has_to_push() && engine.push(&mut Wire(self.fd.as_fd())).is_ok() {}
                engine.pull(&mut Wire(self.fd.as_fd()))
            };
            match pulled {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait.until(self.fd.as_fd(), PollFlags::POLLIN)?
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// True when a read would return something now: bytes, the end, or an error.
    pub(super) fn is_ready(&self) -> bool {
        if let Some(secure) = &self.secure {
            // What has come need not be anything for us: it is opened to see.
            let mut engine = secure.engine();
            return engine.has_more()
                || match engine.pull(&mut Wire(self.fd.as_fd())) {
                    Ok(_) => engine.has_more(),
                    Err(error) => error.kind() != io::ErrorKind::WouldBlock,
                };
        }
        matches!(
            poll(
                &mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)],
                PollTimeout::ZERO
            ),
            Ok(1..)
        )
    }
}

impl io::Read for In {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(secure) = &self.secure {
            return self.read_secure(secure, into);
        }
        loop {
            if self.wait.interrupt.is_set() {
                return Err(io::Error::other(Stop::Interrupted));
            }
            match nix::unistd::read(&self.fd, into) {
                Err(Errno::EAGAIN) => self.wait.until(self.fd.as_fd(), PollFlags::POLLIN)?,
                Err(Errno::EINTR) => {}
                result => return Ok(result?),
            }
        }
    }
}

/// The end that is written.
#[derive(Debug)]
pub(super) struct Out {
    fd: OwnedFd,
    wait: Arc<Wait>,
    /// MSG_MORE and MSG_NOSIGNAL exist for sockets only; a pipe takes write(2).
    socket: bool,
    /// None without TLS.
    secure: Option<Secure>,
}

impl Out {
    pub(super) fn new(fd: OwnedFd, wait: Arc<Wait>) -> Result<Out> {
        connect::never_block(fd.as_fd()).map_err(|e| {
            Error::Connect(format!(
                "the connection cannot be used: {}",
                super::show::reason(e)
            ))
        })?;
        let socket = !matches!(sys::net::peer_of(fd.as_fd()), Ok(sys::net::Peer::Pipe));
        Ok(Out {
            fd,
            wait,
            socket,
            secure: None,
        })
    }

    /// From now on all goes by way of `secure`.
    pub(super) fn secure(&mut self, secure: &Secure) {
        self.secure = Some(secure.clone());
    }

    fn send_secure(&self, secure: &Secure, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sealed = secure.engine().seal(bytes)?;
            bytes = &bytes[sealed..];
            self.push(secure)?;
        }
        Ok(())
    }

    fn push(&self, secure: &Secure) -> io::Result<()> {
        loop {
            if self.wait.interrupt.is_set() {
                return Err(io::Error::other(Stop::Interrupted));
            }
            let pushed = {
                let mut engine = secure.engine();
                if !engine.has_to_push() {
                    return Ok(());
                }
                engine.push(&mut Wire(self.fd.as_fd()))
            };
            match pushed {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait.until(self.fd.as_fd(), PollFlags::POLLOUT)?
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes leave under TLS (close_notify). Without TLS nothing is said.
    pub(super) fn farewell(&self) {
        if let Some(secure) = &self.secure {
            secure.engine().finish();
            let _ = self.push(secure);
        }
    }
}

impl frame::Sink for Out {
    fn send(&mut self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        if let Some(secure) = &self.secure {
            return self.send_secure(secure, bytes);
        }
        while !bytes.is_empty() {
            if self.wait.interrupt.is_set() {
                return Err(io::Error::other(Stop::Interrupted));
            }
            let sent = if self.socket {
                sys::net::send(self.fd.as_fd(), bytes, more)
            } else {
                nix::unistd::write(&self.fd, bytes)
            };
            match sent {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::EAGAIN) => self.wait.until(self.fd.as_fd(), PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }
}

/// Connects to `host` and `port`, trying each of its addresses in turn within `limit` for all.
pub(super) fn tcp(host: &str, port: u16, wait: &Wait, limit: Duration) -> Result<OwnedFd> {
    use std::net::ToSocketAddrs;
    let shown = super::show::clean(host.as_bytes());
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(|e| {
            Error::Connect(format!(
                "{shown}: {}",
                e.to_string()
                    .trim_start_matches("failed to lookup address information: ")
            ))
        })?
        .collect();
    let deadline = Instant::now() + limit;
    let mut why = format!("{shown}: the name has no address");
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        wait.set_stall(left);
        let tried = connect::begin_tcp(address)
            .map_err(io::Error::from)
            .and_then(|fd| {
                wait.until(fd.as_fd(), PollFlags::POLLOUT)?;
                connect::outcome(fd.as_fd())?;
                Ok(fd)
            });
        match tried {
            Ok(fd) => return Ok(fd),
            Err(error) => {
                why = match (explain(&error), error.raw_os_error()) {
                    (Error::Interrupted, _) => return Err(Error::Interrupted),
                    (_, Some(number)) => format!(
                        "{address}: {}",
                        super::show::reason(Errno::from_raw(number))
                    ),
                    (_, None) => format!("{address}: no answer within {} s", limit.as_secs()),
                }
            }
        }
    }
    Err(Error::Connect(why))
}

/// Connects to a Unix socket, waiting up to `limit` for room in the server's queue.
pub(super) fn unix(path: &std::path::Path, wait: &Wait, limit: Duration) -> Result<OwnedFd> {
    let deadline = Instant::now() + limit;
    loop {
        wait.interrupt.check()?;
        match connect::unix(path) {
            Err(Errno::EAGAIN) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20))
            }
            Err(errno) => {
                use std::os::unix::ffi::OsStrExt;
                return Err(Error::Connect(format!(
                    "{}: {}",
                    super::show::clean(path.as_os_str().as_bytes()),
                    super::show::reason(errno)
                )));
            }
            Ok(fd) => return Ok(fd),
        }
    }
}
