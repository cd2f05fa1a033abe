//! The listening sockets.

use super::events::{Event, Events};
use crate::config::{Address, Encryption, Listen, Protocol};
use crate::error::Refusal;
use crate::log::{self, Level};
use crate::sys::{Errno, Result, net};
use crate::wire::drive::refusal_frame;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A listening socket, and what was decided about it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) fd: OwnedFd,
    pub(super) listen: Listen,
}

impl Socket {
    /// True when it is what `wanted` would be opened as: the rest is said to clients, and not to the kernel.
    pub(super) fn serves(&self, wanted: &Listen) -> bool {
        let as_opened = |listen: &Listen| {
            (
                listen.address.clone(),
                listen.protocol,
                listen.congestion.clone(),
                listen.mode,
                listen.backlog,
            )
        };
        as_opened(&self.listen) == as_opened(wanted)
    }
}

/// Opens all, or none.
///
/// # Errors
/// A sentence with the address, what is wrong, and the remedy.
pub(super) fn open(wanted: &[Listen]) -> std::result::Result<Vec<Socket>, String> {
    wanted.iter().map(open_one).collect()
}

pub(super) fn open_one(listen: &Listen) -> std::result::Result<Socket, String> {
    let fd = match &listen.address {
        Address::Tcp(address) => {
            net::listen_tcp(*address, listen.backlog, listen.congestion.as_deref())
        }
        Address::Unix(path) => net::listen_unix(path, listen.backlog, listen.mode),
    };
    let fd = fd.and_then(|fd| match listen.protocol {
        // ABOR may come as such (RFC 959, section 4.1.3).
        Protocol::Ftp => net::keep_urgent_in_line(fd.as_fd()).map(|()| fd),
        Protocol::Drive | Protocol::Http => Ok(fd),
    });
    let fd = fd.map_err(|errno| {
        let remedy = match errno {
            Errno::EADDRINUSE => "; another server has it",
            Errno::EACCES => "; ports below 1024 need root or CAP_NET_BIND_SERVICE",
            Errno::EADDRNOTAVAIL => "; this machine does not have that address",
            Errno::ENOENT | Errno::EPERM if listen.congestion.is_some() => {
                "; is that congestion control in net.ipv4.tcp_allowed_congestion_control?"
            }
            _ => "",
        };
        format!(
            "cannot listen on {}: {}{remedy}",
            listen.address,
            errno.desc()
        )
    })?;
    let address = match &listen.address {
        Address::Tcp(_) => net::local_address(fd.as_fd()).map_or_else(
            |_| listen.address.to_string(),
            |address| address.to_string(),
        ),
        unix @ Address::Unix(_) => unix.to_string(),
    };
    let scheme = match listen.tls {
        Encryption::Implicit => listen.protocol.secure_scheme(),
        _ => listen.protocol.as_str(),
    };
    let proof = if listen.proof { "required" } else { "none" };
    log::event(
        Level::Info,
        &format!("listening on {scheme}://{address}"),
        &[("proof", &proof)],
    );
    Ok(Socket {
        fd,
        listen: listen.clone(),
    })
}

/// Tells a client that it is not served, and why. Nothing of it is read.
pub(super) fn turn_away(fd: BorrowedFd<'_>, protocol: Protocol, refusal: &Refusal) {
    let _ = match protocol {
        Protocol::Drive => net::send_now(fd, &refusal_frame(refusal), false),
        // RFC 959, section 4.2.2.
        Protocol::Ftp => {
            net::send_now(fd, format!("421 {}\r\n", refusal.message).as_bytes(), false)
        }
        // RFC 9110, section 15.6.4.
        Protocol::Http => net::send_now(fd, &unavailable(&refusal.message), false),
    };
    net::finish_sending(fd);
}

fn unavailable(why: &str) -> Vec<u8> {
    let length = why.len() + 1;
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nRetry-After: 5\r\nConnection: close\r\n\r\n{why}\n"
    )
    .into_bytes()
}

/// Watches all for clients.
pub(super) fn watch(events: &Events, sockets: &[Socket]) -> Result<()> {
    sockets
        .iter()
        .enumerate()
        .try_for_each(|(index, socket)| events.watch(socket.fd.as_fd(), Event::Connects(index)))
}

/// Stops watching, without closing.
pub(super) fn unwatch(events: &Events, sockets: &[Socket]) {
    for socket in sockets {
        events.forget(socket.fd.as_fd());
    }
}

/// Closes a socket for good; a Unix socket's file goes too.
pub(super) fn close(socket: Socket) {
    if let Address::Unix(path) = &socket.listen.address {
        let _ = std::fs::remove_file(path);
    }
}
