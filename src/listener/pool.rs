//! Warm children: forked ahead of time, each waits in accept, asks the listener whether its client may come in, serves
//! that one, and leaves. The listener replaces each as soon as it has a client.
//!
//! A warm child's channel carries one-byte messages. From the listener: the verdict, or the word to leave. From the child:
//! the source of its client, so that the counts stay the listener's.

use super::children::{Children, World, serve, unfit};
use super::events::{Event, Events};
use super::sockets::Socket;
use crate::error::Refusal;
use crate::log::{self, Level};
use crate::scoreboard::{Phase, Slot};
use crate::sys::net::{self, Peer};
use crate::sys::{Errno, Result, process};
use crate::wire::drive::refusal_frame;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const LEAVE: u8 = b'l';
const SERVE: u8 = b's';
/// What an accepted client is reported as: kind, address, port, user.
const REPORT: usize = 1 + 16 + 2 + 4;
/// Longest verdict: the byte of the decision and a reason.
const VERDICT: usize = 256;

/// Forks one warm child.
pub(super) fn spawn_warm(
    children: &mut Children,
    events: &Events,
    world: World<'_>,
    sockets: &[Socket],
) -> Result<()> {
    let (ours, theirs) = net::message_pair()?;
    let place = children.spawn(events, None, Some(ours), Phase::Waiting, |slot| {
        wait_for_client(world, slot, &theirs, sockets)
    })?;
    if let Some(child) = children.get_mut(place)
        && let Some(channel) = &child.channel
    {
        events.watch(channel.as_fd(), Event::Asks(place))?;
    }
    Ok(())
}

/// A warm child's life until it has a client.
fn wait_for_client(
    world: World<'_>,
    slot: Slot<'static>,
    channel: &OwnedFd,
    sockets: &[Socket],
) -> Infallible {
    let (socket, peer, proof) = match accept_one(world, channel, sockets) {
        Ok(Some(accepted)) => accepted,
        Ok(None) => process::exit(0),
        Err(errno) => unfit("waiting for a client", errno),
    };
    let accepted = process::monotonic_millis();
    slot.enter(Phase::Handshake);
    match ask(channel, peer) {
        Ok(None) => serve(world, slot, socket, peer, accepted, proof),
        Ok(Some(reason)) => {
            let _ = net::send_now(
                socket.as_fd(),
                &refusal_frame(&Refusal::new(crate::error::Code::Busy, reason)),
            );
            net::finish_sending(socket.as_fd());
            process::exit(0)
        }
        // The listener has gone: nobody counts any more, so nobody is served.
        Err(_) => process::exit(0),
    }
}

/// Waits for a client on any of the sockets; None when told to leave.
fn accept_one(
    world: World<'_>,
    channel: &OwnedFd,
    sockets: &[Socket],
) -> Result<Option<(OwnedFd, Peer, bool)>> {
    let [root, stage, partial] = world.library.descriptors();
    let mut keep: Vec<BorrowedFd<'_>> =
        vec![channel.as_fd(), world.drain.as_fd(), root, stage, partial];
    keep.extend(sockets.iter().map(|socket| socket.fd.as_fd()));
    process::close_all_but(&keep)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    const CHANNEL: u64 = u64::MAX;
    epoll.add(channel, EpollEvent::new(EpollFlags::EPOLLIN, CHANNEL))?;
    for (index, socket) in sockets.iter().enumerate() {
        // One connection wakes one child, not all (epoll_ctl(2), EPOLLEXCLUSIVE).
        epoll.add(
            &socket.fd,
            EpollEvent::new(
                EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE,
                index as u64,
            ),
        )?;
    }
    loop {
        let mut happened = [EpollEvent::empty(); 8];
        let count = match epoll.wait(&mut happened, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            result => result?,
        };
        for event in &happened[..count] {
            if event.data() == CHANNEL {
                // The word to leave, or the listener's end.
                return Ok(None);
            }
            let Some(socket) = sockets.get(event.data() as usize) else {
                continue;
            };
            match net::accept(socket.fd.as_fd()) {
                Ok(Some((fd, peer))) => return Ok(Some((fd, peer, socket.listen.proof))),
                Ok(None) => {}
                Err(Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS) => {
                    std::thread::sleep(std::time::Duration::from_millis(100))
                }
                Err(other) => return Err(other),
            }
        }
    }
}

/// Asks the listener about `peer`: None to serve, or the reason why not.
fn ask(channel: &OwnedFd, peer: Peer) -> Result<Option<String>> {
    nix::unistd::write(channel, &report(peer))?;
    let mut verdict = [0; VERDICT];
    loop {
        match nix::unistd::read(channel, &mut verdict) {
            Ok(0) => return Err(Errno::EPIPE),
            // Said before the listener knew of our client.
            Ok(_) if verdict[0] == LEAVE => {}
            Ok(_) if verdict[0] == SERVE => return Ok(None),
            Ok(length) => {
                return Ok(Some(
                    String::from_utf8_lossy(&verdict[1..length]).into_owned(),
                ));
            }
            Err(Errno::EINTR) => {}
            Err(other) => return Err(other),
        }
    }
}

fn report(peer: Peer) -> [u8; REPORT] {
    let mut report = [0; REPORT];
    match peer {
        Peer::Net(address) => {
            report[0] = if address.is_ipv4() { 4 } else { 6 };
            match address.ip() {
                IpAddr::V4(ip) => report[1..5].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => report[1..17].copy_from_slice(&ip.octets()),
            }
            report[17..19].copy_from_slice(&address.port().to_be_bytes());
        }
        Peer::Local(uid) => {
            report[0] = 1;
            report[19..].copy_from_slice(&uid.to_be_bytes());
        }
        Peer::Pipe => {}
    }
    report
}

fn read_report(report: &[u8; REPORT]) -> Option<Peer> {
    let octets: [u8; 16] = report[1..17].try_into().ok()?;
    let port = u16::from_be_bytes([report[17], report[18]]);
    match report[0] {
        4 => Some(Peer::Net(SocketAddr::from((
            [octets[0], octets[1], octets[2], octets[3]],
            port,
        )))),
        6 => Some(Peer::Net(SocketAddr::from((octets, port)))),
        1 => Some(Peer::Local(u32::from_be_bytes(
            report[19..].try_into().ok()?,
        ))),
        _ => None,
    }
}

/// Takes a warm child's question. None when it asked nothing: its end is reported elsewhere.
pub(super) fn take_question(channel: BorrowedFd<'_>) -> Option<Peer> {
    let mut message = [0; REPORT];
    match nix::sys::socket::recv(
        std::os::fd::AsRawFd::as_raw_fd(&channel),
        &mut message,
        nix::sys::socket::MsgFlags::MSG_DONTWAIT,
    ) {
        Ok(REPORT) => read_report(&message),
        _ => None,
    }
}

/// Answers a warm child.
pub(super) fn answer(channel: BorrowedFd<'_>, verdict: &std::result::Result<(), Refusal>) {
    let message = match verdict {
        Ok(()) => vec![SERVE],
        Err(refusal) => [b"r", refusal.message.as_bytes()].concat(),
    };
    let most = message.len().min(VERDICT);
    if let Err(errno) = net::send_now(channel, &message[..most]) {
        log::event(
            Level::Debug,
            "a warm child went before its answer",
            &[("error", &errno.desc())],
        );
    }
}

/// Tells every child without a client to leave. One that has just accepted reads this before its verdict, and stays.
pub(super) fn retire(children: &mut Children) {
    for (_, child) in children.iter_mut() {
        if child.client.is_none()
            && !child.retired
            && let Some(channel) = &child.channel
        {
            child.retired = true;
            let _ = net::send_now(channel.as_fd(), &[LEAVE]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_survive() {
        for peer in [
            Peer::Net("192.0.2.7:65535".parse().expect("v4")),
            Peer::Net("[2001:db8::9]:21".parse().expect("v6")),
            Peer::Local(1000),
        ] {
            assert_eq!(read_report(&report(peer)), Some(peer));
        }
        assert_eq!(read_report(&[9; REPORT]), None);
    }
}
