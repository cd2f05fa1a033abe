//! TLS over a connection that stands: the handshake, with the verdict about the server, and the engine that both directions go
//! through afterwards. Run by the client under `session`.

use super::connection::{Wait, explain};
use super::trust::{Judge, Trust, Verdict};
use super::{Error, Result, known_hosts, show};
use crate::sys::{self, Errno};
use crate::tls::{self, ALPN, EXPORTER, Engine, Fingerprint, provider};
use nix::poll::PollFlags;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The engine that both directions of a connection go through.
#[derive(Debug, Clone)]
pub(super) struct Secure(Arc<Mutex<Engine>>);

impl Secure {
    pub(super) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the handshake brought.
#[derive(Debug)]
pub(super) struct Shaken {
    pub(super) secure: Secure,
    /// The channel's name (RFC 9266).
    pub(super) exporter: [u8; EXPORTER],
    /// The server's key, if it is to be written down.
    pub(super) first_met: Option<Fingerprint>,
    /// Version and cipher suite.
    pub(super) agreed: String,
}

/// Makes the handshake over `fd`, which does not block, within `limit`. `host` and `port` are what the user called the server.
pub(super) fn shake_hands(
    fd: BorrowedFd<'_>,
    (host, port): (&str, u16),
    trust: &Trust,
    wait: &Wait,
    limit: Duration,
) -> Result<Shaken> {
    let shown = show::clean(host.as_bytes());
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::Connect(format!("{shown}: no name that a certificate can have")))?;
    let judge = Judge::new(trust, host, port, provider()).map_err(Error::Identity)?;
    let judge = Arc::new(judge);
    let mut engine = engine(name, judge.clone()).map_err(Error::Connect)?;
    let deadline = Instant::now() + limit;
    let outcome = handshake(&mut engine, fd, wait, deadline);
    let first_met = match judge.verdict() {
        Verdict::Refused(why) => {
            return Err(Error::Identity(format!(
                "{}: {why}",
                known_hosts::name(&shown, port)
            )));
        }
        Verdict::FirstMet(key) => Some(key),
        Verdict::Trusted | Verdict::None => None,
    };
    outcome.map_err(|error| match explain(&error) {
        Error::Interrupted => Error::Interrupted,
        _ if error.kind() == io::ErrorKind::InvalidData => Error::Connect(format!(
            "{shown}: no TLS handshake: {error} (a server without TLS is drive://)"
        )),
        Error::Lost(why) => Error::Connect(format!("{shown}: no TLS handshake: {why}")),
        other => other,
    })?;
    if engine.alpn() != Some(ALPN) {
        // Another protocol's server that has a certificate for this name, too.
        return Err(Error::Connect(format!(
            "{shown}: a TLS server, but not one that says it speaks forkftp/1 (ALPN)"
        )));
    }
    let exporter = engine.exporter().map_err(Error::Connect)?;
    let agreed = engine.agreed();
    Ok(Shaken {
        secure: Secure(Arc::new(Mutex::new(engine))),
        exporter,
        first_met,
        agreed,
    })
}

fn engine(name: ServerName<'static>, judge: Arc<Judge>) -> std::result::Result<Engine, String> {
    let said = |error: rustls::Error| tls::explain(&error);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(said)?
        .dangerous()
        .with_custom_certificate_verifier(judge)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    // The channel's name is worth nothing without it (RFC 7627, RFC 9266 section 4.2).
    config.require_ems = true;
    let connection = ClientConnection::new(Arc::new(config), name);
    connection.map(Engine::new).map_err(said)
}

fn handshake(
    engine: &mut Engine,
    fd: BorrowedFd<'_>,
    wait: &Wait,
    deadline: Instant,
) -> io::Result<()> {
    let mut wire = Wire(fd);
    loop {
        // However the bytes come, all of it has to fit.
        wait.set_stall(deadline.saturating_duration_since(Instant::now()));
        let (tried, what) = if engine.has_to_push() {
            (engine.push(&mut wire), PollFlags::POLLOUT)
        } else if !engine.is_handshaking() {
            return Ok(());
        } else {
            (engine.pull(&mut wire), PollFlags::POLLIN)
        };
        match tried {
            Ok(0) if what == PollFlags::POLLIN => {
                return Err(io::Error::from_raw_os_error(Errno::ECONNRESET as i32));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait.until(fd, what)?,
            Err(error) => return Err(error),
        }
        if let Err(error) = engine.advance() {
            // The server is told why, if it can be at once.
            while engine.has_to_push() && engine.push(&mut wire).is_ok() {}
            return Err(error);
        }
    }
}

/// A socket that does not block, as the engine reads and writes it.
#[derive(Debug)]
pub(super) struct Wire<'a>(pub(super) BorrowedFd<'a>);

/// Again after a signal, since what it asks for is looked at between the steps.
fn unless_interrupted<T>(mut call: impl FnMut() -> sys::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return Ok(result?),
        }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        unless_interrupted(|| nix::unistd::read(self.0, into))
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_interrupted(|| sys::net::send(self.0.as_fd(), bytes, false))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        unless_interrupted(|| sys::net::send_pieces(self.0.as_fd(), pieces, false))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
