//! What a child asks the dialer: sockets for the data connections of FTP, since it can make none. Run by children whose client
//! speaks FTP.
//!
//! Answers come in the order of the questions. One that nobody waits for any more, since its transfer was given up, is taken and
//! thrown away before the next.

use crate::ipc::{self, Dial, Dialed};
use crate::sys::Errno;
use crate::sys::process::monotonic_millis;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How long a listening socket may take, in milliseconds: the dialer waits for nothing while it makes one.
const PATIENCE: u64 = 5000;

/// The channel to the dialer.
#[derive(Debug)]
pub struct Dialer {
    channel: OwnedFd,
    /// Answers that are still to come.
    owed: Cell<u32>,
    /// The last question was for a listening socket that is not needed yet.
    is_ahead: Cell<bool>,
    /// One that came before it was needed.
    ready: RefCell<Option<Passive>>,
}

/// Why there is no socket. The session goes on: it is answered with 425, and the next transfer asks anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undialed {
    /// The dialer says no: a sentence for the client.
    Refused(String),
    /// The dialer is gone, hangs, or makes no sense.
    Gone(String),
}

impl From<Errno> for Undialed {
    fn from(errno: Errno) -> Undialed {
        Undialed::Gone(format!("the dialer does not answer: {}", errno.desc()))
    }
}

/// A socket that listens for the client's data connection.
#[derive(Debug)]
pub struct Passive {
    /// See `sys::net::accept_from`.
    pub socket: OwnedFd,
    /// Its port.
    pub port: u16,
    /// The address to tell the client.
    pub advertised: IpAddr,
}

impl Dialer {
    /// Over the child's end of a channel that the dialer has the other one of.
    #[must_use]
    pub fn new(channel: OwnedFd) -> Dialer {
        Dialer {
            channel,
            owed: Cell::new(0),
            is_ahead: Cell::new(false),
            ready: RefCell::new(None),
        }
    }

    /// Readable when there is an answer, or the dialer is gone.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Asks for the next listening socket before it is needed: it is made while the client thinks, and `ask_passive` finds it.
    pub fn prepare_passive(&self) {
        let ready = self.ready.borrow().is_some();
        if !ready && self.owed.get() == 0 && self.ask(Dial::Passive).is_ok() {
            self.is_ahead.set(true);
        }
    }

    /// Takes the socket that was asked for ahead, if it is there by now.
    pub fn collect_passive(&self) {
        if !self.is_ahead.get() {
            return;
        }
        match self.take() {
            Ok(None) => {}
            Ok(Some((Dialed::Listening { port, advertised }, Some(socket)))) => {
                self.is_ahead.set(false);
                *self.ready.borrow_mut() = Some(Passive {
                    socket,
                    port,
                    advertised,
                });
            }
            // Why there is none is said to whoever needs one.
            Ok(Some(_)) | Err(_) => self.is_ahead.set(false),
        }
    }

    /// A listening socket. Waits for it, but for a few seconds at most.
    ///
    /// # Errors
    /// That there is none.
    pub fn ask_passive(&self) -> Result<Passive, Undialed> {
        if let Some(ready) = self.ready.borrow_mut().take() {
            return Ok(ready);
        }
        let mut was_ahead = self.is_ahead.take();
        if !was_ahead {
            self.ask(Dial::Passive)?;
        }
        let until = monotonic_millis() + PATIENCE;
        loop {
            match self.take()? {
                Some((Dialed::Listening { port, advertised }, Some(socket))) => {
                    return Ok(Passive {
                        socket,
                        port,
                        advertised,
                    });
                }
                // There was none then; now there may be.
                Some((Dialed::Refused { .. }, _)) if was_ahead => {
                    was_ahead = false;
                    self.ask(Dial::Passive)?;
                }
                Some((Dialed::Refused { message }, _)) => return Err(Undialed::Refused(message)),
                Some(_) => return Err(Errno::EPROTO.into()),
                None => self.await_answer(until)?,
            }
        }
    }

    /// Begins to connect to the client's `port`. When `fd` is readable, `hear_active` may know what came of it; another question
    /// gives it up.
    ///
    /// # Errors
    /// That the dialer is gone.
    pub fn begin_active(&self, port: u16) -> Result<(), Undialed> {
        self.is_ahead.set(false);
        self.ask(Dial::Active { port })
    }

    /// The connection that was begun last; None when it is not there yet. Does not wait. For how long it is tried is the dialer's to
    /// say, and bounded.
    ///
    /// # Errors
    /// That there will be none.
    pub fn hear_active(&self) -> Result<Option<OwnedFd>, Undialed> {
        match self.take()? {
            Some((Dialed::Connected, Some(socket))) => Ok(Some(socket)),
            Some((Dialed::Refused { message }, _)) => Err(Undialed::Refused(message)),
            Some(_) => Err(Errno::EPROTO.into()),
            None => Ok(None),
        }
    }

    fn ask(&self, question: Dial) -> Result<(), Undialed> {
        ipc::send(self.channel.as_fd(), &question, &[], false)?;
        self.owed.set(self.owed.get() + 1);
        Ok(())
    }

    /// The answer to the last question, if it is there; those to earlier ones are thrown away, with what they brought.
    fn take(&self) -> Result<Option<(Dialed, Option<OwnedFd>)>, Undialed> {
        while self.owed.get() > 0 {
            let (answer, brought) = match ipc::receive(self.channel.as_fd(), false) {
                Ok(Some(heard)) => heard,
                Ok(None) => return Err(Errno::EPIPE.into()),
                Err(Errno::EAGAIN) => return Ok(None),
                Err(errno) => {
                    // It was an answer, but one that cannot be understood or that brought more than there is room for.
                    self.owed.set(self.owed.get().saturating_sub(1));
                    return Err(errno.into());
                }
            };
            self.owed.set(self.owed.get() - 1);
            if self.owed.get() == 0 {
                return Ok(Some((answer, brought.into_iter().next())));
            }
        }
        Ok(None)
    }

    fn await_answer(&self, until: u64) -> Result<(), Undialed> {
        let left = until.saturating_sub(monotonic_millis());
        if left == 0 {
            return Err(Errno::ETIMEDOUT.into());
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut answers = [PollFd::new(self.channel.as_fd(), PollFlags::POLLIN)];
        match poll(&mut answers, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::channel;
    use std::os::fd::AsRawFd;

    fn pair() -> (Dialer, OwnedFd) {
        let (child, dialer) = channel::pair().expect("pair");
        (Dialer::new(child), dialer)
    }

    fn question(dialer: &OwnedFd) -> Dial {
        let heard = ipc::receive(dialer.as_fd(), true).expect("heard");
        heard.expect("a question").0
    }

    fn say(dialer: &OwnedFd, answer: &Dialed, given: &[BorrowedFd<'_>]) {
        ipc::send(dialer.as_fd(), answer, given, true).expect("said");
    }

    #[test]
    fn an_answer_to_what_was_given_up_is_nobodys() {
        let (child, dialer) = pair();
        let (ended, late) = nix::unistd::pipe().expect("pipe");
        child.begin_active(4000).expect("asked");
        assert!(child.hear_active().expect("nothing yet").is_none());
        assert_eq!(question(&dialer), Dial::Active { port: 4000 });
        // It comes too late: the client has given up, and wants something else.
        say(&dialer, &Dialed::Connected, &[late.as_fd()]);
        drop(late);
        child.begin_active(4001).expect("asked");
        assert!(child.hear_active().expect("not the last one's").is_none());
        let mut closed = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut closed, 5_000u16), Ok(1), "it is kept");
        assert_eq!(question(&dialer), Dial::Active { port: 4001 });
        let message = "no".to_owned();
        say(&dialer, &Dialed::Refused { message }, &[]);
        let file = std::fs::File::open("/dev/null").expect("open");
        let advertised = std::net::Ipv4Addr::LOCALHOST.into();
        let listening = Dialed::Listening {
            port: 5000,
            advertised,
        };
        say(&dialer, &listening, &[file.as_fd()]);
        let passive = child.ask_passive().expect("the second answer");
        assert_eq!((passive.port, passive.advertised), (5000, advertised));
        assert!(passive.socket.as_raw_fd() > 2);
    }

    #[test]
    fn a_dialer_that_is_gone_or_makes_no_sense_is_said_to_be() {
        let (child, dialer) = pair();
        say(&dialer, &Dialed::Connected, &[]);
        let answer = child.ask_passive();
        assert!(matches!(answer, Err(Undialed::Gone(_))), "{answer:?}");
        channel::send(dialer.as_fd(), b"x", &[], true).expect("said");
        let answer = child.ask_passive();
        assert!(matches!(answer, Err(Undialed::Gone(_))), "{answer:?}");
        // The next one is in step again.
        let message = "no".to_owned();
        say(&dialer, &Dialed::Refused { message }, &[]);
        let answer = child.ask_passive().expect_err("refused");
        assert_eq!(answer, Undialed::Refused("no".into()));
        child.begin_active(4000).expect("asked");
        drop(dialer);
        assert!(matches!(child.hear_active(), Err(Undialed::Gone(_))));
        assert!(matches!(child.begin_active(4000), Err(Undialed::Gone(_))));
    }
}
