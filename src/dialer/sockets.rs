//! The sockets that the dialer makes. Run by the dialer.

use super::place::Place;
use crate::sys::{Errno, Result, connect, net, random};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

/// Connections that may wait at a port: the client's one, and some of those who only try to be faster.
const BACKLOG: u32 = 8;

/// Ports that are tried before the kernel has to find one. It looks for one that nothing is left of, and where thousands of
/// connections have just ended that takes it milliseconds; a port of a connection that ended is as good.
const TRIES: usize = 32;

/// A socket that listens at the address of `local`, on a port of the place's range, and its port. Where to begin in the range nobody
/// can know before; each port is tried once.
///
/// # Errors
/// Why there is none, for people.
pub(super) fn listen(
    place: &Place,
    local: SocketAddr,
) -> std::result::Result<(OwnedFd, u16), String> {
    let made = match place.ftp.passive_ports {
        None => {
            let (first, last) = place.ephemeral;
            in_random_order(first, last).and_then(|ports| {
                let ports = ports.take(TRIES).chain(std::iter::once(0));
                listen_on_one_of(place, local, ports)
            })
        }
        Some((first, last)) => {
            in_random_order(first, last).and_then(|ports| listen_on_one_of(place, local, ports))
        }
    };
    match made {
        Ok(made) => Ok(made),
        Err(Errno::EADDRINUSE) if place.ftp.passive_ports.is_some() => {
            Err("no port of the passive range is free".into())
        }
        Err(errno) => Err(format!("no port can be opened: {}", errno.desc())),
    }
}

/// The ports from `first` to `last`, from one of them on.
fn in_random_order(first: u16, last: u16) -> Result<impl Iterator<Item = u16>> {
    let mut bytes = [0; 8];
    random::fill(&mut bytes)?;
    let count = u64::from(last.saturating_sub(first)) + 1;
    let begin = u64::from_ne_bytes(bytes) % count;
    Ok((0..count).map(move |step| first + ((begin + step) % count) as u16))
}

fn listen_on_one_of(
    place: &Place,
    local: SocketAddr,
    ports: impl Iterator<Item = u16>,
) -> Result<(OwnedFd, u16)> {
    let new = || net::data_socket(local, place.congestion.as_deref());
    let mut socket = new()?;
    for port in ports {
        match net::bind(socket.as_fd(), SocketAddr::new(local.ip(), port)) {
            Ok(()) => {}
            Err(Errno::EADDRINUSE) => continue,
            Err(other) => return Err(other),
        }
        match net::listen(socket.as_fd(), BACKLOG) {
            Ok(()) if port == 0 => {
                let port = net::local_address(socket.as_fd())?.port();
                return Ok((socket, port));
            }
            Ok(()) => return Ok((socket, port)),
            // Somebody was faster between the two calls; this socket is bound, and can try no other port.
            Err(Errno::EADDRINUSE) => socket = new()?,
            Err(other) => return Err(other),
        }
    }
    Err(Errno::EADDRINUSE)
}

/// The lowest port of a client that is connected to: those below belong to the machine's services, none of which asked for it.
const LOWEST: u16 = 1024;

/// Begins to connect to `port` of the client; true when that is done already.
///
/// # Errors
/// Why that cannot be, for people.
pub(super) fn reach(
    place: &Place,
    local: SocketAddr,
    peer: SocketAddr,
    port: u16,
) -> std::result::Result<(OwnedFd, bool), String> {
    if !place.ftp.active {
        return Err("the server does not connect to clients here: use passive mode".into());
    }
    if port < LOWEST {
        return Err("the server does not connect to ports below 1024".into());
    }
    let congestion = place.congestion.as_deref();
    connect::begin_from(local, with_port(peer, port), congestion).map_err(failed)
}

/// What came of the attempt to connect to `port` of the client.
///
/// # Errors
/// Why it failed, for people.
pub(super) fn reached(
    socket: &OwnedFd,
    peer: SocketAddr,
    port: u16,
) -> std::result::Result<(), String> {
    connect::outcome(socket.as_fd()).map_err(failed)?;
    // Where client and server are one machine, and nobody listens at the port, a socket that happens to have it connects to itself.
    match net::local_address(socket.as_fd()) {
        Ok(own) if own != with_port(peer, port) => Ok(()),
        Ok(_) => Err(failed(Errno::ECONNREFUSED)),
        Err(errno) => Err(failed(errno)),
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

fn failed(errno: Errno) -> String {
    format!("the client cannot be connected to: {}", errno.desc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ftp;
    use std::collections::HashSet;

    fn place(ports: Option<(u16, u16)>) -> Place {
        Place {
            ftp: Ftp {
                passive_ports: ports,
                active: true,
                ..Ftp::default()
            },
            congestion: None,
            ephemeral: (32768, 60999),
        }
    }

    #[test]
    fn every_port_of_a_range_comes_once() {
        for (first, last) in [(7, 7), (50_000, 50_099), (1, 65_535), (65_530, 65_535)] {
            let ports: Vec<u16> = in_random_order(first, last).expect("random").collect();
            let all: HashSet<u16> = ports.iter().copied().collect();
            assert_eq!(all.len(), usize::from(last - first) + 1);
            assert_eq!(ports.len(), all.len());
            assert!(all.iter().all(|port| (first..=last).contains(port)));
        }
        let begins: HashSet<_> = (0..64)
            .map(|_| in_random_order(1, 65_535).expect("random").next())
            .collect();
        assert!(begins.len() > 16, "the first port can be guessed");
    }

    /// Neighbouring ports that are free; another program may take one meanwhile, which a test has to bear.
    fn free_range(local: SocketAddr, count: u16) -> (u16, u16) {
        loop {
            let (socket, first) = listen(&place(None), local).expect("a port");
            drop(socket);
            let Some(last) = first.checked_add(count - 1) else {
                continue;
            };
            let at = |port| std::net::TcpListener::bind(with_port(local, port));
            if (first..=last).all(|port| at(port).is_ok()) {
                return (first, last);
            }
        }
    }

    #[test]
    fn a_range_is_used_up_and_then_nothing_is_given() {
        for local in ["127.0.0.1:21", "[::1]:21"] {
            let local: SocketAddr = local.parse().expect("address");
            let (first, last) = free_range(local, 3);
            // One of them is another program's.
            let taken = std::net::TcpListener::bind(with_port(local, last)).expect("bind");
            let place = place(Some((first, last)));
            let one = listen(&place, local).expect("the first");
            let other = listen(&place, local).expect("the second");
            assert_eq!(
                HashSet::from([one.1, other.1]),
                HashSet::from([first, first + 1])
            );
            assert_eq!(
                listen(&place, local).err().as_deref(),
                Some("no port of the passive range is free")
            );
            drop(one);
            listen(&place, local).expect("there is one again");
            drop(taken);
        }
    }

    #[test]
    fn an_address_that_is_not_ours_is_refused_at_once() {
        let elsewhere = "192.0.2.1:21".parse().expect("address");
        let refused = listen(&place(Some((50_000, 50_099))), elsewhere).expect_err("refused");
        assert!(refused.contains("no port can be opened"), "{refused}");
    }

    #[test]
    fn services_and_clients_who_may_not_are_not_connected_to() {
        let client = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let at = client.local_addr().expect("address");
        let mut place = place(None);
        let refused = reach(&place, at, at, 1023).expect_err("refused");
        assert!(refused.contains("below 1024"), "{refused}");
        place.ftp.active = false;
        let refused = reach(&place, at, at, at.port()).expect_err("refused");
        assert!(refused.contains("passive"), "{refused}");
        client.set_nonblocking(true).expect("mode");
        assert!(client.accept().is_err(), "somebody connected");
    }
}
