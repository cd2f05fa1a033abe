//! Sockets. The listener binds and accepts; a child asks about its one connection. Nothing here reads client bytes.

use super::{Errno, Result};
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr,
    setsockopt, sockopt,
};
use nix::sys::stat::{self, Mode};
use nix::sys::time::TimeVal;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

/// Who is at the other end, as the listener learnt it from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Peer {
    /// A TCP client.
    Net(SocketAddr),
    /// A client on a Unix socket, known by its user id (SO_PEERCRED, unix(7)).
    Local(u32),
    /// A session started by another program (`forkftpd session`).
    Pipe,
    /// A client that a proxy speaks for, which is trusted about its address.
    Forwarded(IpAddr),
}

/// What limits per address are counted by: an IPv4 address, an IPv6 /64 (which one host owns whole), or a local user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// IPv4 address (also when it came mapped into IPv6).
    V4(u32),
    /// First 64 bits of an IPv6 address.
    V6(u64),
    /// User id behind a Unix socket.
    Uid(u32),
}

impl Peer {
    /// Its address, if it has one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Peer::Net(address) => Some(address.ip()),
            Peer::Forwarded(address) => Some(*address),
            Peer::Local(_) | Peer::Pipe => None,
        }
    }

    /// The unit this peer is counted under.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Peer::Local(uid) => Source::Uid(*uid),
            Peer::Pipe => Source::Uid(u32::MAX),
            Peer::Net(address) => Source::of(address.ip()),
            Peer::Forwarded(address) => Source::of(*address),
        }
    }
}

impl Source {
    fn of(address: IpAddr) -> Source {
        match address.to_canonical() {
            IpAddr::V4(ip) => Source::V4(ip.to_bits()),
            IpAddr::V6(ip) => Source::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Net(address) => match address.ip().to_canonical() {
                ip @ IpAddr::V4(_) => write!(f, "{ip}:{}", address.port()),
                IpAddr::V6(ip) => write!(f, "[{ip}]:{}", address.port()),
            },
            Peer::Local(uid) => write!(f, "uid:{uid}"),
            Peer::Pipe => f.write_str("pipe"),
            Peer::Forwarded(address) => write!(f, "{}", address.to_canonical()),
        }
    }
}

/// A new stream socket: non-blocking, close-on-exec.
pub(super) fn stream_socket(family: AddressFamily) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket::socket(family, SockType::Stream, flags, None)
}

/// The same for TCP to or at `address`. Small messages leave at once (TCP_NODELAY): the writers of this program join what belongs
/// together. Accepted sockets inherit it.
pub(super) fn tcp_socket(address: SocketAddr) -> Result<OwnedFd> {
    let fd = stream_socket(if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    })?;
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    Ok(fd)
}

/// Binds and listens on a TCP address: SO_REUSEADDR (a restart does not wait for old connections to fade),
/// IPV6_V6ONLY unless the address is `[::]` (then IPv4 comes in too), non-blocking, close-on-exec.
///
/// `congestion` is set on the listening socket and inherited by each connection (tcp(7), TCP_CONGESTION).
///
/// # Errors
/// EADDRINUSE, EACCES (port below 1024), EADDRNOTAVAIL; ENOENT or EPERM for an unknown or forbidden congestion control.
pub fn listen_tcp(address: SocketAddr, backlog: u32, congestion: Option<&str>) -> Result<OwnedFd> {
    let fd = tcp_socket(address)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(
            &fd,
            sockopt::Ipv6V6Only,
            &(address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        )?;
    }
    if let Some(name) = congestion {
        setsockopt(&fd, sockopt::TcpCongestion, &std::ffi::OsString::from(name))?;
    }
    socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    socket::listen(&fd, backlog_of(backlog))?;
    Ok(fd)
}

/// Has urgent data come in its place among the rest, on every connection that `listener` accepts from now on (RFC 1123, section
/// 4.1.3.4 is about who sends some).
///
/// # Errors
/// As setsockopt(2).
pub fn keep_urgent_in_line(listener: BorrowedFd<'_>) -> Result<()> {
    setsockopt(&listener, sockopt::OobInline, &true)
}

/// Binds and listens on a Unix socket. A socket file that nobody listens on any more is removed first; any other
/// file in the way is an error. `mode` is its permission bits, from the first moment on: the file is made with them (Linux takes
/// them from the socket), and never changed by its name.
///
/// # Errors
/// EADDRINUSE when a server answers there or something else has the name; as bind(2) otherwise.
pub fn listen_unix(path: &Path, backlog: u32, mode: u32) -> Result<OwnedFd> {
    let address = UnixAddr::new(path)?;
    let fd = stream_socket(AddressFamily::Unix)?;
    if is_dead_socket(path, &address) {
        nix::unistd::unlink(path)?;
    }
    stat::fchmod(&fd, Mode::from_bits_truncate(mode))?;
    let before = stat::umask(Mode::empty());
    let bound = socket::bind(fd.as_raw_fd(), &address);
    stat::umask(before);
    bound?;
    socket::listen(&fd, backlog_of(backlog))?;
    Ok(fd)
}

fn is_dead_socket(path: &Path, address: &UnixAddr) -> bool {
    let Ok(found) = stat::lstat(path) else {
        return false;
    };
    if found.st_mode & libc::S_IFMT != libc::S_IFSOCK {
        return false;
    }
    let Ok(probe) = socket::socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    ) else {
        return false;
    };
    socket::connect(probe.as_raw_fd(), address) == Err(Errno::ECONNREFUSED)
}

/// How long one blocking send over a data connection waits for room, in milliseconds: what is said meanwhile about the transfer is
/// heard after that.
const DATA_SEND_MILLIS: i64 = 250;

/// A socket for a data connection at or from an address like `local`: not bound yet, non-blocking, close-on-exec. A port whose last
/// connection still fades can be had again (SO_REUSEADDR). What it accepts waits a moment for room (SO_SNDTIMEO).
///
/// # Errors
/// EMFILE, ENFILE, ENOBUFS; ENOENT or EPERM for an unknown or forbidden congestion control.
pub fn data_socket(local: SocketAddr, congestion: Option<&str>) -> Result<OwnedFd> {
    let fd = tcp_socket(local)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    let moment = TimeVal::new(0, 1000 * DATA_SEND_MILLIS);
    setsockopt(&fd, sockopt::SendTimeout, &moment)?;
    if local.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    if let Some(name) = congestion {
        setsockopt(&fd, sockopt::TcpCongestion, &std::ffi::OsString::from(name))?;
    }
    Ok(fd)
}

/// Binds a socket; with port 0, to one of the system's choice. It can be tried again with another address after EADDRINUSE.
///
/// # Errors
/// EADDRINUSE, EACCES (port below 1024), EADDRNOTAVAIL.
pub fn bind(fd: BorrowedFd<'_>, address: SocketAddr) -> Result<()> {
    socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(address))
}

/// Listens on a bound socket.
///
/// # Errors
/// EADDRINUSE when another socket with the same address was faster.
pub fn listen(fd: BorrowedFd<'_>, backlog: u32) -> Result<()> {
    socket::listen(&fd, backlog_of(backlog))
}

fn backlog_of(wanted: u32) -> Backlog {
    // The kernel itself cuts this to net.core.somaxconn.
    Backlog::new(i32::try_from(wanted).unwrap_or(i32::MAX)).unwrap_or(Backlog::MAXCONN)
}

/// The address a listening TCP socket really has (the port, when 0 was asked for).
pub fn local_address(fd: BorrowedFd<'_>) -> Result<SocketAddr> {
    let address: SockaddrStorage = socket::getsockname(fd.as_raw_fd())?;
    to_std(&address).ok_or(Errno::EAFNOSUPPORT)
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    // With its scope: a link-local address is one of an interface.
    address
        .as_sockaddr_in6()
        .map(|v6| SocketAddrV6::new(v6.ip(), v6.port(), 0, v6.scope_id()).into())
}

/// Takes one waiting connection, or None when there is none. The new socket blocks and is close-on-exec.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM, ENOBUFS: none could be taken now. Connections that died in the queue are passed over.
pub fn accept(listener: BorrowedFd<'_>) -> Result<Option<(OwnedFd, Peer)>> {
    loop {
        match socket::accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            Ok(fd) => {
                // SAFETY: accept4 has just made this descriptor, and nothing else owns it.
                let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                match peer_of(fd.as_fd()) {
                    Ok(peer) => return Ok(Some((fd, peer))),
                    // It was reset between accept and the question.
                    Err(_) => continue,
                }
            }
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) if is_of_the_connection(errno) => {}
            Err(other) => return Err(other),
        }
    }
}

/// Takes the next waiting connection that comes from `peer`, or None when there is none. Connections from elsewhere are closed at
/// once: who finds the port of a data connection faster than the client is not served. The new socket does not block, and is
/// close-on-exec.
///
/// # Errors
/// As `accept`.
pub fn accept_from(listener: BorrowedFd<'_>, peer: IpAddr) -> Result<Option<OwnedFd>> {
    loop {
        let (fd, from) = match accept_with_address(listener) {
            Ok(accepted) => accepted,
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) if is_of_the_connection(errno) => continue,
            Err(other) => return Err(other),
        };
        if from.is_some_and(|from| from.ip().to_canonical() == peer.to_canonical()) {
            return Ok(Some(fd));
        }
    }
}

/// accept4(2) with the address, so that it need not be asked for: children may not.
fn accept_with_address(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddr>)> {
    // All zeroes: what is not written stays without a family, and is no address.
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let flags = libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes at most `length` bytes to `storage`, which is that large, and their number to `length`.
    let fd = unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            storage.as_mut_ptr().cast(),
            &raw mut length,
            flags,
        )
    };
    let fd = Errno::result(fd)?;
    // SAFETY: accept4 has just made this descriptor, and nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: `storage` holds an address of `length` bytes that the kernel wrote, its family first.
    let address = unsafe { SockaddrStorage::from_raw(storage.as_ptr().cast(), Some(length)) };
    Ok((fd, address.as_ref().and_then(to_std)))
}

/// accept(2): errors of the connection itself, not of the listener.
fn is_of_the_connection(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EINTR
            | Errno::ECONNABORTED
            | Errno::EPROTO
            | Errno::ENETDOWN
            | Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::EPERM
            | Errno::ETIMEDOUT
    )
}

/// Who is at the other end of a connected socket; `Pipe` for anything that is no socket.
pub fn peer_of(fd: BorrowedFd<'_>) -> Result<Peer> {
    let address: SockaddrStorage = match socket::getpeername(fd.as_raw_fd()) {
        Ok(address) => address,
        Err(Errno::ENOTSOCK) => return Ok(Peer::Pipe),
        Err(other) => return Err(other),
    };
    match (to_std(&address), address.family()) {
        (Some(address), _) => Ok(Peer::Net(address)),
        (None, Some(AddressFamily::Unix)) => Ok(Peer::Local(
            socket::getsockopt(&fd, sockopt::PeerCredentials)?.uid(),
        )),
        (None, _) => Err(Errno::EAFNOSUPPORT),
    }
}

/// Who connected to a Unix socket: user id and process id, as the kernel saw them (SO_PEERCRED, unix(7)).
pub fn credentials(fd: BorrowedFd<'_>) -> Result<(u32, i32)> {
    let of = socket::getsockopt(&fd, sockopt::PeerCredentials)?;
    Ok((of.uid(), of.pid()))
}

/// Receives without waiting; 0 at the end of the stream.
///
/// # Errors
/// EAGAIN when there is nothing yet.
pub fn receive_now(fd: BorrowedFd<'_>, into: &mut [u8]) -> Result<usize> {
    socket::recv(fd.as_raw_fd(), into, socket::MsgFlags::MSG_DONTWAIT)
}

/// Limits how long one blocking send on `fd` may wait for room (SO_SNDTIMEO); it then reports what it has sent so far.
pub fn set_send_timeout(fd: BorrowedFd<'_>, seconds: u32) -> Result<()> {
    setsockopt(
        &fd,
        sockopt::SendTimeout,
        &TimeVal::new(i64::from(seconds), 0),
    )
}

/// The ports that the kernel chooses among, first and last (ip(7), ip_local_port_range); its usual ones where it does not say.
#[must_use]
pub fn ephemeral_ports() -> (u16, u16) {
    let said = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let ports = said.ok().and_then(|said| {
        let mut numbers = said.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(first)), Some(Ok(last))) if first <= last => Some((first, last)),
            _ => None,
        }
    });
    ports.unwrap_or((32768, 60999))
}

/// Microseconds of a round trip to the other end, as the kernel has measured it (tcp(7), TCP_INFO).
///
/// # Errors
/// As getsockopt(2).
pub fn round_trip(fd: BorrowedFd<'_>) -> Result<u64> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which `info` has room for.
    let got = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    Errno::result(got)?;
    // SAFETY: it was all zeros, which is a value of it, and the kernel wrote numbers over some of them.
    let info = unsafe { info.assume_init() };
    Ok(u64::from(info.tcpi_rtt))
}

/// Bytes sent on a TCP socket that the peer has not acknowledged yet (SIOCOUTQ, tcp(7)).
pub fn unacknowledged(fd: BorrowedFd<'_>) -> Result<u64> {
    nix::ioctl_read_bad!(siocoutq, libc::TIOCOUTQ, libc::c_int);
    let mut count: libc::c_int = 0;
    // SAFETY: the request writes one int, to `count`, which outlives the call.
    unsafe { siocoutq(fd.as_raw_fd(), &raw mut count) }?;
    Ok(count.max(0) as u64)
}

/// Has the socket hold back what does not fill a packet, for 200 ms at most (TCP_CORK, tcp(7)); or not any more. Closing sends it.
///
/// # Errors
/// ENOPROTOOPT when it is not of TCP.
pub fn cork(fd: BorrowedFd<'_>, on: bool) -> Result<()> {
    let value = libc::c_int::from(on);
    // SAFETY: the kernel reads one int from `value`, which outlives the call; the borrow keeps the socket open.
    let set = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CORK,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    Errno::result(set).map(drop)
}

/// Sends without waiting and without SIGPIPE. `more` says that further bytes follow at once (MSG_MORE, send(2)).
pub fn send_now(fd: BorrowedFd<'_>, bytes: &[u8], more: bool) -> Result<usize> {
    socket::send(
        fd.as_raw_fd(),
        bytes,
        socket::MsgFlags::MSG_DONTWAIT | sending(more),
    )
}

fn sending(more: bool) -> socket::MsgFlags {
    let mut flags = socket::MsgFlags::MSG_NOSIGNAL;
    if more {
        flags |= socket::MsgFlags::from_bits_retain(libc::MSG_MORE);
    }
    flags
}

/// Sends, waiting for room; `more` holds a last small piece back for what follows (MSG_MORE, send(2)).
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8], more: bool) -> Result<usize> {
    socket::send(fd.as_raw_fd(), bytes, sending(more))
}

/// The same of several pieces in one call (sendmsg(2)).
pub fn send_pieces(fd: BorrowedFd<'_>, pieces: &[IoSlice<'_>], more: bool) -> Result<usize> {
    let mut flags = socket::MsgFlags::MSG_NOSIGNAL;
    if more {
        flags |= socket::MsgFlags::from_bits_retain(libc::MSG_MORE);
    }
    socket::sendmsg::<()>(fd.as_raw_fd(), pieces, &[], flags, None)
}

/// Says that nothing more will be sent, so that the peer reads the end of the stream after the last byte.
pub fn finish_sending(fd: BorrowedFd<'_>) {
    let _ = socket::shutdown(fd.as_raw_fd(), socket::Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_group_what_one_host_owns() {
        let source = |text: &str| Peer::Net(text.parse().expect("address")).source();
        assert_eq!(source("10.0.0.1:1"), source("[::ffff:10.0.0.1]:2"));
        assert_ne!(source("10.0.0.1:1"), source("10.0.0.2:1"));
        assert_eq!(source("[2001:db8::1]:1"), source("[2001:db8::ffff:1]:1"));
        assert_ne!(source("[2001:db8::1]:1"), source("[2001:db8:0:1::1]:1"));
        assert_ne!(Peer::Local(0).source(), source("0.0.0.0:1"));
        let forwarded = Peer::Forwarded("::ffff:10.0.0.1".parse().expect("address"));
        assert_eq!(forwarded.source(), source("10.0.0.1:1"));
        assert_eq!(forwarded.to_string(), "10.0.0.1");
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("s");
        let first = listen_unix(&path, 8, 0o626).expect("first");
        let made = std::fs::metadata(&path).expect("made").permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&made) & 0o777,
            0o626
        );
        assert_eq!(listen_unix(&path, 8, 0o600).err(), Some(Errno::EADDRINUSE));
        drop(first);
        listen_unix(&path, 8, 0o600).expect("after the first has gone");
        std::fs::remove_file(&path).expect("remove");
        std::fs::write(&path, "a file").expect("write");
        assert_eq!(listen_unix(&path, 8, 0o600).err(), Some(Errno::EADDRINUSE));
    }
}
