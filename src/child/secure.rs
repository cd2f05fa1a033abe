//! The client's connection under TLS: the handshake, before anything else is said, and the way of bytes through the engine to the
//! socket. Run by a child, shut in already: a handshake needs memory, randomness and the broker's signature.

use super::ask::{Broker, Unanswered};
use super::run::Exit;
use super::signer::Tls;
use super::stream::{Stream, refusal_in};
use crate::config::Protocol;
use crate::error::Code;
use crate::ipc::Client;
use crate::log::{self, Level};
use crate::sys::{Errno, net};
use crate::tls::{Engine, SEALED_AT_ONCE};
use std::cell::{RefCell, RefMut};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

/// The engine that both directions of a connection go through.
#[derive(Debug, Clone)]
pub(super) struct Secure(Rc<RefCell<Engine>>);

impl Secure {
    pub(super) fn new(engine: Engine) -> Secure {
        Secure(Rc::new(RefCell::new(engine)))
    }

    pub(super) fn engine(&self) -> RefMut<'_, Engine> {
        self.0.borrow_mut()
    }
}

/// Why a handshake did not come to its end.
enum Failed {
    /// The stream, or what came over it.
    Stream(io::Error),
    /// The client left before the end of it, as those do who only look whether somebody listens.
    Left,
    /// The broker, or this process itself.
    Inside(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Stream(error)
    }
}

impl From<Unanswered> for Failed {
    fn from(why: Unanswered) -> Failed {
        Failed::Inside(match why {
            Unanswered::Refused(refusal) => refusal.message,
            Unanswered::Gone(reason) => reason,
        })
    }
}

/// Puts TLS between `stream` and its client, and tells the broker the channel's name. What comes back of a client without TLS, or
/// with another idea of it, is how the child's life ended.
pub(super) fn begin(
    stream: &mut Stream,
    tls: &Tls,
    broker: &Broker,
    client: &Client,
) -> Result<(), Exit> {
    let peer = client.peer;
    let done = shake_hands(stream, tls, broker, client.protocol);
    tls.end();
    let failed = match done {
        Ok(agreed) => {
            log::event(
                Level::Debug,
                "secured",
                &[("peer", &peer), ("tls", &agreed)],
            );
            return Ok(());
        }
        Err(failed) => failed,
    };
    let (exit, level, reason) = match &failed {
        Failed::Left => {
            let reason = "the client left before the end of it".to_owned();
            (Exit::Cut, Level::Info, reason)
        }
        Failed::Inside(reason) => (Exit::Cut, Level::Error, reason.clone()),
        Failed::Stream(error) => match refusal_in(error).map(|refusal| refusal.code) {
            Some(Code::Timeout) => (Exit::Late, Level::Warn, error.to_string()),
            Some(Code::Closing) => (Exit::Done, Level::Info, error.to_string()),
            _ => (Exit::Cut, Level::Warn, error.to_string()),
        },
    };
    log::event(
        level,
        "no TLS handshake",
        &[("peer", &peer), ("reason", &reason)],
    );
    // An alert may be waiting that says why; a client that is still sending should hear it.
    let _ = stream.output.push(false);
    stream.output.finish();
    stream.input.linger();
    Err(exit)
}

fn shake_hands(
    stream: &mut Stream,
    tls: &Tls,
    broker: &Broker,
    protocol: Protocol,
) -> Result<String, Failed> {
    let engine = tls.begin(broker, protocol).map_err(Failed::Inside)?;
    let secure = Secure::new(engine);
    stream.secure(&secure);
    while secure.engine().is_handshaking() {
        if secure.engine().has_to_push() {
            stream.output.push(false)?;
        } else if stream.input.pull()? == 0 {
            return Err(Failed::Left);
        } else {
            secure.engine().advance()?;
        }
    }
    stream.output.push(false)?;
    let exporter = secure.engine().exporter().map_err(Failed::Inside)?;
    match protocol {
        Protocol::Drive => broker.tell_secured(&exporter)?,
        Protocol::Ftp | Protocol::Http => broker.ask_secured(&exporter)?,
    }
    let agreed = secure.engine().agreed();
    Ok(agreed)
}

/// A descriptor as the engine reads it.
#[derive(Debug)]
pub(super) struct Wire<'a>(pub(super) BorrowedFd<'a>);

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(self.0, into)?)
    }
}

/// A socket as the engine reads it, without waiting.
#[derive(Debug)]
pub(super) struct Now<'a>(pub(super) BorrowedFd<'a>);

impl Read for Now<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(net::receive_now(self.0, into)?)
    }
}

/// A descriptor as the engine writes to it.
#[derive(Debug)]
pub(super) struct To<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) is_socket: bool,
    pub(super) more: bool,
}

impl<'a> To<'a> {
    /// A socket, with nothing behind what is sent.
    pub(super) fn socket(fd: BorrowedFd<'a>) -> To<'a> {
        To {
            fd,
            is_socket: true,
            more: false,
        }
    }
}

impl Write for To<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = if self.is_socket {
            net::send(self.fd, bytes, self.more)
        } else {
            nix::unistd::write(self.fd, bytes)
        };
        Ok(sent?)
    }

    /// The records of one push in one call.
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_socket {
            return Ok(net::send_pieces(self.fd, pieces, self.more)?);
        }
        let first = pieces.iter().find(|piece| !piece.is_empty());
        first.map_or(Ok(0), |piece| self.write(piece))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The kernel's number in an error of the engine's descriptors.
pub(super) fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// Where bytes of a file stand on their way to be sealed.
#[must_use]
pub(super) fn piece() -> Vec<u8> {
    vec![0; SEALED_AT_ONCE]
}
