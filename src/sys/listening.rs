//! Listening sockets that another program made: what they are, and what they lack to be as ours. Run by the listener.

use super::{Errno, Result, net};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    self, AddressFamily, SockType, SockaddrLike, SockaddrStorage, getsockopt, setsockopt, sockopt,
};
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket; one without a file begins with `@` (unix(7), abstract).
    Unix(PathBuf),
}

/// Where `fd` listens.
///
/// # Errors
/// What it is instead of a listening stream socket of TCP or a Unix one: half a sentence.
pub fn place_of(fd: BorrowedFd<'_>) -> std::result::Result<Place, String> {
    let kind = getsockopt(&fd, sockopt::SockType).map_err(|errno| match errno {
        Errno::ENOTSOCK => "it is no socket".to_owned(),
        other => other.desc().to_owned(),
    })?;
    if kind != SockType::Stream {
        return Err("it is no stream socket (ListenStream= makes one)".into());
    }
    let listens = getsockopt(&fd, sockopt::AcceptConn).map_err(|errno| errno.desc().to_owned())?;
    if !listens {
        return Err("it does not listen: it is a connection, perhaps (Accept=no)".into());
    }
    let address: SockaddrStorage =
        socket::getsockname(fd.as_raw_fd()).map_err(|errno| errno.desc().to_owned())?;
    match address.family() {
        Some(AddressFamily::Unix) => Ok(Place::Unix(path_of(&address))),
        Some(AddressFamily::Inet | AddressFamily::Inet6) if is_tcp(fd) => net::local_address(fd)
            .map(Place::Tcp)
            .map_err(|errno| errno.desc().to_owned()),
        _ => Err("it is neither TCP nor a Unix socket".into()),
    }
}

fn path_of(address: &SockaddrStorage) -> PathBuf {
    let Some(unix) = address.as_unix_addr() else {
        return PathBuf::from("@");
    };
    match (unix.path(), unix.as_abstract()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => PathBuf::from(OsStr::from_bytes(&[b"@", name].concat())),
        (None, None) => PathBuf::from("@"),
    }
}

/// SCTP has stream sockets, too.
fn is_tcp(fd: BorrowedFd<'_>) -> bool {
    let mut protocol: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, one int, to `protocol`, and their number to `length`.
    let asked = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PROTOCOL,
            (&raw mut protocol).cast(),
            &raw mut length,
        )
    };
    asked == 0 && matches!(protocol, libc::IPPROTO_TCP | libc::IPPROTO_MPTCP)
}

/// Makes it as ours are: it does not block, small messages leave at once, and the congestion control is the wanted one.
///
/// # Errors
/// ENOENT or EPERM for an unknown or forbidden congestion control.
pub fn prepare(fd: BorrowedFd<'_>, place: &Place, congestion: Option<&str>) -> Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    if let Place::Tcp(_) = place {
        setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
        if let Some(name) = congestion {
            setsockopt(&fd, sockopt::TcpCongestion, &std::ffi::OsString::from(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn only_what_listens_passes() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("s");
        let unix = net::listen_unix(&path, 1, 0o600).expect("listen");
        assert_eq!(place_of(unix.as_fd()), Ok(Place::Unix(path)));
        let tcp = std::net::TcpListener::bind("[::1]:0").expect("listen");
        let at = tcp.local_addr().expect("address");
        assert_eq!(place_of(tcp.as_fd()), Ok(Place::Tcp(at)));
        prepare(tcp.as_fd(), &Place::Tcp(at), Some("reno")).expect("options");
        assert_eq!(
            tcp.accept().expect_err("nobody").kind(),
            std::io::ErrorKind::WouldBlock
        );
        let connection = std::net::TcpStream::connect(at).expect("connect");
        let datagram = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        let file = std::fs::File::open("/dev/null").expect("open");
        for (fd, word) in [
            (connection.as_fd(), "does not listen"),
            (datagram.as_fd(), "stream"),
            (file.as_fd(), "no socket"),
        ] {
            let said = place_of(fd).expect_err(word);
            assert!(said.contains(word), "{said}");
        }
    }
}
