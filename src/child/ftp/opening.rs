//! How a data connection comes about: the client comes to a passive socket or is connected to by the dialer, and shows over TLS that
//! it is the control connection's. Run by a child, which can make no socket itself.

use super::data::{Connection, Direction, Stop, broken, wait};
use super::line::Line;
use crate::child::dial::{Passive, Undialed};
use crate::child::secure::{self, Secure};
use crate::config::Reuse;
use crate::log::{self, Level};
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, net};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How often a client that is waited for shows on the scoreboard, in milliseconds.
const LOOK: u64 = 1000;
/// A round trip in which a client can send much, in microseconds.
const FAR: u64 = 1000;

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
            Way::Passive(passive) => {
                let fd = self.await_client(&passive)?;
                self.came_to_us = Some(passive);
                fd
            }
            Way::Active(port) => self.reach_client(port)?,
        };
        let slot = self.control.slot();
        let stall = u64::from(self.world.config.stall_seconds) * 1000;
        let mut connection = Connection::new(fd, slot, stall);
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
                Ok(Some(fd)) => return Ok(fd),
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
            if !reads && secure.engine().has_only_tickets() && is_ahead(connection, &secure) {
                return Ok(());
            } else if secure.engine().has_to_push() {
                match secure
                    .engine()
                    .push(&mut secure::To::socket(connection.fd()))
                {
                    Ok(_) => {}
                    Err(error) if secure::errno(&error) == Some(Errno::EAGAIN) => {
                        connection.wait(PollFlags::POLLOUT, &mut self.control)?;
                    }
                    // A ticket that nobody takes any more: what the client sent before is read all the same.
                    Err(_) if !secure.engine().is_handshaking() => return Ok(()),
                    Err(error) => return Err(broken(error)),
                }
            } else if !secure.engine().is_handshaking() {
                return Ok(());
            } else if monotonic_millis() >= until {
                return Err(not_open("The TLS handshake took too long.".into()));
            } else {
                let pulled = secure.engine().pull(&mut secure::Now(connection.fd()));
                match pulled {
                    Ok(0) => return Err(not_open("The TLS handshake was not finished.".into())),
                    Ok(_) => secure
                        .engine()
                        .advance()
                        .map_err(|error| not_open(error.to_string()))?,
                    Err(error) if secure::errno(&error) == Some(Errno::EAGAIN) => {
                        connection.wait(PollFlags::POLLIN, &mut self.control)?;
                    }
                    Err(error) => return Err(broken(error)),
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
                .push(&mut secure::To::socket(connection.fd()));
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
        connection.secure(secure);
        Ok(())
    }
}

/// True for a client that may have sent all of a file and closed before a ticket reaches it: one that sends already, or that is far
/// away. A ticket that comes to a closed socket is answered by a reset, with what was still to be sent thrown away; so it goes with
/// our goodbye, when everything is here.
fn is_ahead(connection: &Connection, secure: &Secure) -> bool {
    let mut fds = [PollFd::new(connection.fd(), PollFlags::POLLIN)];
    secure.engine().has_more()
        || poll(&mut fds, PollTimeout::ZERO) == Ok(1)
        || net::round_trip(connection.fd()).is_ok_and(|micros| micros >= FAR)
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
