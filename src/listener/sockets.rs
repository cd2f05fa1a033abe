//! The listening sockets.

use super::events::{Event, Events};
use super::inherited::{self, Found, Inherited};
use crate::config::{Address, Config, Encryption, Listen, Protocol};
use crate::error::Refusal;
use crate::log::{self, Level};
use crate::sys::listening::{self, Place};
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
    /// True when it is what `wanted` would be opened as: the rest is said to clients, and not to the kernel. One that came by a name is
    /// what it is.
    pub(super) fn serves(&self, wanted: &Listen) -> bool {
        if self.listen.given.is_some() || wanted.given.is_some() {
            return (&self.listen.given, &self.listen.address) == (&wanted.given, &wanted.address);
        }
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

    /// The name under which it came, and where it is; none for one that the server made.
    pub(super) fn found(&self) -> Option<Found> {
        let name = self.listen.given.as_ref()?;
        Some((name.clone(), self.listen.address.clone()))
    }
}

/// Opens all, or none; in `config` the places of those that came by name stand for the names then.
///
/// # Errors
/// Sentences with the address, what is wrong, and the remedy.
pub(super) fn open(
    config: &mut Config,
    inherited: &mut Inherited,
) -> std::result::Result<Vec<Socket>, Vec<String>> {
    inherited::locate(&mut config.listen, &inherited.found()?)?;
    let passed: Vec<_> = config
        .listen
        .iter()
        .map(|listen| inherited.socket_for(listen))
        .collect();
    // Before others are opened, which may have an address in common.
    inherited.give_up_the_rest();
    let mut opened = Vec::with_capacity(config.listen.len());
    for (listen, passed) in config.listen.iter().zip(passed) {
        let socket = match passed {
            Some(fd) => take_over(listen, fd),
            None => open_one(listen),
        };
        opened.push(socket.map_err(|problem| vec![problem])?);
    }
    Ok(opened)
}

/// Makes a socket that was passed one of ours.
fn take_over(listen: &Listen, fd: OwnedFd) -> std::result::Result<Socket, String> {
    fit(listen, &fd)?;
    say(listen, &fd);
    Ok(Socket {
        fd,
        listen: listen.clone(),
    })
}

/// Sees to it that a socket somebody else made is as `listen` wants it.
pub(super) fn fit(listen: &Listen, fd: &OwnedFd) -> std::result::Result<(), String> {
    let place = listening::place_of(fd.as_fd());
    let place = place.map_err(|why| format!("{}: {why}", listen.address))?;
    // Of what the service manager made, that is its own matter.
    let backlog = match listen.given {
        None => net::listen(fd.as_fd(), listen.backlog),
        Some(_) => Ok(()),
    };
    backlog
        .and_then(|()| listening::prepare(fd.as_fd(), &place, listen.congestion.as_deref()))
        .and_then(|()| match (listen.protocol, place) {
            (Protocol::Ftp, Place::Tcp(_)) => net::keep_urgent_in_line(fd.as_fd()),
            _ => Ok(()),
        })
        .map_err(|errno| format!("{}: {}", listen.address, errno.desc()))
}

pub(super) fn open_one(listen: &Listen) -> std::result::Result<Socket, String> {
    let fd = match &listen.address {
        Address::Tcp(address) => {
            net::listen_tcp(*address, listen.backlog, listen.congestion.as_deref())
        }
        Address::Unix(path) => net::listen_unix(path, listen.backlog, listen.mode),
        // Names were replaced by places before.
        Address::Systemd(_) => Err(Errno::EAFNOSUPPORT),
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
    say(listen, &fd);
    Ok(Socket {
        fd,
        listen: listen.clone(),
    })
}

fn say(listen: &Listen, fd: &OwnedFd) {
    let address = match &listen.address {
        Address::Tcp(_) => net::local_address(fd.as_fd()).map_or_else(
            |_| listen.address.to_string(),
            |address| address.to_string(),
        ),
        other => other.to_string(),
    };
    let scheme = match listen.tls {
        Encryption::Implicit => listen.protocol.secure_scheme(),
        _ => listen.protocol.as_str(),
    };
    let proof = if listen.proof { "required" } else { "none" };
    let mut fields: Vec<(&str, &dyn std::fmt::Display)> = vec![("proof", &proof)];
    fields.extend(listen.given.iter().map(|name| ("passed", name as _)));
    log::event(
        Level::Info,
        &format!("listening on {scheme}://{address}"),
        &fields,
    );
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

/// Closes a socket for good; a Unix socket's file goes too, if it is ours.
pub(super) fn close(socket: Socket) {
    if let (Address::Unix(path), None) = (&socket.listen.address, &socket.listen.given) {
        let _ = std::fs::remove_file(path);
    }
}
