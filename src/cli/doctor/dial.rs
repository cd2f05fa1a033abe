//! Dialling an address to see who answers: what is said at one end is looked for at the other.

use crate::sys::{Errno, Result, net, random};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long one connection may take.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Ports of a range that are tried for a free one.
const TRIES: u16 = 64;
/// Bytes by which we know ourselves.
const NONCE: usize = 16;
/// Most of a greeting that is compared.
const GREETING: usize = 512;

/// What came of dialling an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dialled {
    /// What was said there arrived here.
    Ourselves,
    /// Somebody else took the connection.
    Another,
    /// Nobody did, and why.
    Nobody(String),
    /// There was no time, or no socket, for it, and why.
    Untried(String),
}

/// A socket that listens as the dialer's would, on a free port of the range.
pub(super) fn open(at: IpAddr, ports: Option<(u16, u16)>) -> Result<(std::os::fd::OwnedFd, u16)> {
    let (first, last) = ports.unwrap_or((0, 0));
    let mut bytes = [0; 2];
    random::fill(&mut bytes)?;
    let count = u32::from(last - first) + 1;
    let begin = u32::from(u16::from_ne_bytes(bytes)) % count;
    for step in 0..u32::from(TRIES).min(count) {
        let port = first + ((begin + step) % count) as u16;
        match net::listen_tcp(SocketAddr::new(at, port), 8, None) {
            Ok(socket) => {
                let port = net::local_address(socket.as_fd())?.port();
                return Ok((socket, port));
            }
            Err(Errno::EADDRINUSE) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Errno::EADDRINUSE)
}

/// Connects to `to`, says something that nobody can guess, and looks whether it comes out at `listener`.
pub(super) fn dial_ourselves(
    to: SocketAddr,
    listener: &std::os::fd::OwnedFd,
    until: Instant,
) -> Dialled {
    let mut nonce = [0; NONCE];
    if let Err(errno) = random::fill(&mut nonce) {
        return Dialled::Untried(errno.desc().to_owned());
    }
    let mut out = match connect(to, until) {
        Ok(out) => out,
        Err(dialled) => return dialled,
    };
    if out.write_all(&nonce).is_err() {
        return Dialled::Another;
    }
    let end = until.min(Instant::now() + PATIENCE);
    // Whoever else comes meanwhile is looked at, too.
    while let Some(mut came) = accept(listener, end) {
        let mut said = [0; NONCE];
        let limited = came.set_read_timeout(Some(PATIENCE));
        if limited.is_ok() && came.read_exact(&mut said).is_ok() && said == nonce {
            return Dialled::Ourselves;
        }
    }
    Dialled::Another
}

fn connect(to: SocketAddr, until: Instant) -> std::result::Result<TcpStream, Dialled> {
    let left = until
        .saturating_duration_since(Instant::now())
        .min(PATIENCE);
    if left.is_zero() {
        return Err(Dialled::Untried("the time for dialling is over".into()));
    }
    let limited = TcpStream::connect_timeout(&to, left).and_then(|out| {
        out.set_read_timeout(Some(PATIENCE))?;
        out.set_write_timeout(Some(PATIENCE))?;
        Ok(out)
    });
    limited.map_err(|error| {
        Dialled::Nobody(match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                format!("nobody answers within {} ms", left.as_millis())
            }
            ErrorKind::ConnectionRefused => "the connection is refused".into(),
            _ => error.to_string(),
        })
    })
}

fn accept(listener: &std::os::fd::OwnedFd, until: Instant) -> Option<TcpStream> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut wait = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut wait, left) {
            Err(Errno::EINTR) => continue,
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        match net::accept(listener.as_fd()) {
            Ok(Some((socket, _))) => return Some(TcpStream::from(socket)),
            Ok(None) => {}
            Err(_) => return None,
        }
    }
}

/// Whether the running server greets at `to` as it does at its own address `at`. Where TLS comes first it `greets` nobody: then it is
/// only known that somebody answers.
pub(super) fn compare_greetings(
    to: SocketAddr,
    at: SocketAddr,
    greets: bool,
    until: Instant,
) -> Dialled {
    let there = match connect(to, until) {
        Ok(there) => there,
        Err(dialled) => return dialled,
    };
    if !greets {
        return Dialled::Untried(
            "somebody answers; under TLS from the first byte it is not known who".into(),
        );
    }
    let home = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let here = match connect(SocketAddr::new(home, at.port()), until) {
        Ok(here) => here,
        Err(_) => return Dialled::Untried(format!("the server itself does not answer at {home}")),
    };
    match (greeting(there), greeting(here)) {
        (_, None) => Dialled::Untried("the server gave no greeting to compare".into()),
        (Some(there), Some(here)) if there == here => Dialled::Ourselves,
        _ => Dialled::Another,
    }
}

/// The first line that comes.
fn greeting(mut from: TcpStream) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0; 1];
    while line.len() < GREETING && from.read(&mut byte).ok()? == 1 {
        line.push(byte[0]);
        if byte[0] == b'\n' {
            return Some(line);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_dialled_is_known() {
        let local: IpAddr = Ipv4Addr::LOCALHOST.into();
        let until = || Instant::now() + Duration::from_secs(5);
        let (ours, port) = open(local, None).expect("socket");
        let to = SocketAddr::new(local, port);
        assert_eq!(dial_ourselves(to, &ours, until()), Dialled::Ourselves);
        let (other, elsewhere) = open(local, None).expect("socket");
        let to = SocketAddr::new(local, elsewhere);
        assert_eq!(dial_ourselves(to, &ours, until()), Dialled::Another);
        drop(other);
        assert!(matches!(
            dial_ourselves(to, &ours, until()),
            Dialled::Nobody(_)
        ));
        let over = dial_ourselves(to, &ours, Instant::now());
        assert!(matches!(over, Dialled::Untried(_)), "{over:?}");
        assert_eq!(
            open(local, Some((port, port))).map(|_| ()),
            Err(Errno::EADDRINUSE)
        );
    }
}
