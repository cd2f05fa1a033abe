//! Connecting a socket without waiting in the kernel, so that the caller's own deadline and Ctrl-C end it. Run by
//! clients, and by the dialer.

use super::{Errno, Result, net};
use nix::sys::socket::{self, AddressFamily, SockaddrStorage, UnixAddr, sockopt};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Begins to connect to a TCP address. The socket does not block; it is connected, or has failed, when it becomes
/// writable: ask `outcome` then.
///
/// # Errors
/// ENETUNREACH, EADDRNOTAVAIL and other failures that show at once.
pub fn begin_tcp(address: SocketAddr) -> Result<OwnedFd> {
    let fd = net::tcp_socket(address)?;
    match socket::connect(fd.as_raw_fd(), &SockaddrStorage::from(address)) {
        // connect(2): an interrupted one goes on by itself, like one that was begun.
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(fd),
        Err(other) => Err(other),
    }
}

/// Begins to connect to `to` from the address of `local`, whatever its port. True with the socket says that it is connected
/// already; otherwise as `begin_tcp`.
///
/// # Errors
/// As `begin_tcp` and `net::data_socket`; EADDRNOTAVAIL when `local` is no address of this machine, or has no port left.
pub fn begin_from(
    local: SocketAddr,
    to: SocketAddr,
    congestion: Option<&str>,
) -> Result<(OwnedFd, bool)> {
    let fd = net::data_socket(to, congestion)?;
    // The port is chosen when it is known to whom: otherwise each were taken from all clients (ip(7)).
    socket::setsockopt(&fd, sockopt::IpBindAddressNoPort, &true)?;
    let mut from = local;
    from.set_port(0);
    net::bind(fd.as_fd(), from)?;
    match socket::connect(fd.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) => Ok((fd, true)),
        Err(Errno::EINPROGRESS | Errno::EINTR) => Ok((fd, false)),
        Err(other) => Err(other),
    }
}

/// Connects to a Unix socket. The socket does not block.
///
/// # Errors
/// EAGAIN when the server's queue is full: try again later. ENOENT, ECONNREFUSED, EACCES; ENAMETOOLONG for more than 107 bytes.
pub fn unix(path: &Path) -> Result<OwnedFd> {
    let address = UnixAddr::new(path)?;
    let fd = net::stream_socket(AddressFamily::Unix)?;
    socket::connect(fd.as_raw_fd(), &address)?;
    Ok(fd)
}

/// How the attempt of a socket from `begin_tcp` ended, once it is writable.
///
/// # Errors
/// ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH and the like.
pub fn outcome(fd: BorrowedFd<'_>) -> Result<()> {
    match socket::getsockopt(&fd, sockopt::SocketError)? {
        0 => Ok(()),
        number => Err(Errno::from_raw(number)),
    }
}

/// Makes reads and writes of `fd` return EAGAIN where they would wait (O_NONBLOCK, fcntl(2)).
pub fn never_block(fd: BorrowedFd<'_>) -> Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let now = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(now | OFlag::O_NONBLOCK)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_refused_connection_says_so() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .expect("bind")
            .local_addr()
            .expect("address");
        let refused = begin_tcp(free).and_then(|fd| {
            let mut wait = [nix::poll::PollFd::new(
                fd.as_fd(),
                nix::poll::PollFlags::POLLOUT,
            )];
            nix::poll::poll(&mut wait, 5_000u16)?;
            outcome(fd.as_fd())
        });
        assert_eq!(refused, Err(Errno::ECONNREFUSED));
        assert_eq!(
            unix(Path::new("/nonexistent/socket")).err(),
            Some(Errno::ENOENT)
        );
    }
}
