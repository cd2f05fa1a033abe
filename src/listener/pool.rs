//! Warm children: forked ahead of time, each waits in accept, asks the listener whether its client may come in, serves
//! that one, and leaves. The listener replaces each as soon as it has a client.
//!
//! Over a warm child's channel the listener sends its verdict, or the word to leave, and the child says once who its client
//! is: the counts stay the listener's.

use super::books;
use super::children::{Arrival, Channels, Children, Newcomer, World, serve, unfit};
use super::dialing::Dialing;
use super::events::{Event, Events};
use super::sockets::{Socket, turn_away};
use crate::broker::Control;
use crate::child::{self, Entering};
use crate::dialer;
use crate::error::{Code, Refusal};
use crate::ipc::{self, Client, SessionId};
use crate::log::{self, Level};
use crate::scoreboard::{Phase, Slot, Totals};
use crate::sys::net::Peer;
use crate::sys::{Errno, Result, channel, net, process};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// What the listener says to a warm child.
#[derive(Debug, Serialize, Deserialize)]
enum Verdict {
    /// Go, unless you have a client already.
    Leave,
    /// Serve your client.
    Serve,
    /// Send it away, with this reason.
    Refuse(String),
}

/// What a warm child says of its client, before the first byte of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Entrance {
    pub(super) client: Client,
    /// For the dialer, if the client may need one.
    pub(super) newcomer: Option<ipc::Newcomer>,
}

/// Forks one warm child.
pub(super) fn spawn_warm(
    children: &mut Children,
    events: &Events,
    world: World<'_>,
    control: &Control,
    dialing: &Dialing,
    sockets: &[Socket],
) -> Result<()> {
    let (ours, theirs) = channel::pair()?;
    let (dialer, promised) = dialing.promise()?.unzip();
    let session = children.next_session();
    let broker = control.introduce(session, None)?;
    let channels = Channels { broker, dialer };
    let newcomer = Newcomer {
        client: None,
        session,
        channel: Some(ours),
        promised,
        phase: Phase::Waiting,
        sees_totals: books::are_shown(world.config),
    };
    let place = children.spawn(events, newcomer, |slot, totals| {
        let dialing = dialing.control().map(Rc::as_ref);
        let newborn = (session, slot, totals);
        wait_for_client(world, newborn, channels, &theirs, sockets, dialing)
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
    (session, slot, totals): (SessionId, Slot<'static>, Option<Totals>),
    mut channels: Channels,
    channel: &OwnedFd,
    sockets: &[Socket],
    dialing: Option<&dialer::Control>,
) -> Infallible {
    let arrival = match accept_one(world, &channels, channel, sockets) {
        Ok(Some(accepted)) => accepted,
        Ok(None) => process::exit(0),
        Err(errno) => unfit("waiting for a client", errno),
    };
    slot.enter(Phase::Handshake);
    let newcomer = match (dialing, arrival.client.peer) {
        (Some(dialing), Peer::Net(peer)) => {
            dialing.newcomer(session, arrival.listen, arrival.socket.as_fd(), peer)
        }
        _ => None,
    };
    if newcomer.is_none() {
        channels.dialer = None;
    }
    let client = arrival.client;
    match ask(channel, Entrance { client, newcomer }) {
        Ok(None) => serve(world, (slot, totals), channels, arrival, None),
        Ok(Some(reason)) => {
            let refusal = Refusal::new(Code::Busy, reason);
            turn_away(arrival.socket.as_fd(), arrival.client.protocol, &refusal);
            process::exit(0)
        }
        // The listener has gone: nobody counts any more, so nobody is served.
        Err(_) => process::exit(0),
    }
}

/// Waits for a client on any of the sockets; None when told to leave.
fn accept_one<'a>(
    world: World<'_>,
    channels: &Channels,
    channel: &OwnedFd,
    sockets: &'a [Socket],
) -> Result<Option<Arrival<'a>>> {
    const CHANNEL: u64 = u64::MAX;
    let broker = channels.broker.as_fd();
    let mut keep = vec![channel.as_fd(), broker, world.drain.as_fd()];
    keep.extend(channels.dialer.iter().map(child::Dialer::fd));
    keep.extend(world.sandbox.descriptors());
    keep.extend(sockets.iter().map(|socket| socket.fd.as_fd()));
    log::close_all_but(&keep)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(channel, EpollEvent::new(EpollFlags::EPOLLIN, CHANNEL))?;
    for (index, socket) in sockets.iter().enumerate() {
        // One connection wakes one child, not all (epoll_ctl(2), EPOLLEXCLUSIVE).
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
        epoll.add(&socket.fd, EpollEvent::new(flags, index as u64))?;
    }
    // Everything it takes to shut itself in is done before there is a client to keep waiting.
    if let Err((step, errno)) = world.sandbox.enter(Entering::Warm) {
        unfit(step, errno);
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
                Ok(Some((fd, peer))) => {
                    return Ok(Some(Arrival {
                        socket: fd,
                        listen: &socket.listen,
                        client: Client::at(&socket.listen, peer),
                        accepted: process::monotonic_millis(),
                    }));
                }
                Ok(None) => {}
                Err(Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS) => {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                Err(other) => return Err(other),
            }
        }
    }
}

/// Asks the listener about its client: None to serve, or the reason why not.
fn ask(channel: &OwnedFd, entrance: Entrance) -> Result<Option<String>> {
    ipc::send(channel.as_fd(), &entrance, &[], true)?;
    loop {
        match ipc::receive::<Verdict>(channel.as_fd(), true)? {
            // Said before the listener knew of our client.
            Some((Verdict::Leave, _)) => {}
            Some((Verdict::Serve, _)) => return Ok(None),
            Some((Verdict::Refuse(reason), _)) => return Ok(Some(reason)),
            None => return Err(Errno::EPIPE),
        }
    }
}

/// Takes a warm child's question. None when it asked nothing: its end is reported elsewhere.
pub(super) fn take_question(channel: BorrowedFd<'_>) -> Option<Entrance> {
    let asked = ipc::receive(channel, false).ok().flatten();
    asked.map(|(entrance, _)| entrance)
}

/// Answers a warm child.
pub(super) fn answer(channel: BorrowedFd<'_>, verdict: &std::result::Result<(), Refusal>) {
    let verdict = match verdict {
        Ok(()) => Verdict::Serve,
        Err(refusal) => Verdict::Refuse(refusal.message.clone()),
    };
    if let Err(errno) = ipc::send(channel, &verdict, &[], false) {
        let why = errno.desc();
        log::event(
            Level::Debug,
            "a warm child went before its answer",
            &[("error", &why)],
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
            let _ = ipc::send(channel.as_fd(), &Verdict::Leave, &[], false);
        }
    }
}
