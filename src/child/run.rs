//! The life of a child, from its birth to its exit code. Nothing here returns to the listener's code.

use super::ask::Broker;
use super::drive;
use super::sandbox::Sandbox;
use super::stream::{Limits, Stream};
use crate::config::Config;
use crate::log::{self, Level, Role};
use crate::scoreboard::{Phase, Protocol, Slot};
use crate::sys::net::Peer;
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, process, signal};
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How a child's life went: its exit code, which the listener reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The client said goodbye, or hung up between requests.
    Done = 0,
    /// The client was lost, or cut off for what it sent.
    Cut = 1,
    /// The client did not prove the shared secret.
    Unproved = 2,
    /// A deadline passed.
    Late = 3,
    /// The child could not be set up; it served nobody.
    Unfit = 4,
}

/// What a new child is given.
#[derive(Debug)]
pub struct Birth<'a> {
    /// The connection.
    pub socket: OwnedFd,
    /// Who is at its other end.
    pub peer: Peer,
    /// When the connection was accepted, on the monotonic clock, in milliseconds.
    pub accepted: u64,
    /// Its page of the scoreboard.
    pub slot: Slot<'static>,
    /// Readable once the listener drains, or is gone.
    pub drain: BorrowedFd<'a>,
    /// The deadlines.
    pub config: &'a Config,
    /// Its walls.
    pub sandbox: &'a Sandbox,
    /// Its channel to the broker.
    pub broker: OwnedFd,
}

/// Serves one client and leaves. The descriptors that belong to the listener have been closed before.
pub fn run(birth: Birth<'_>) -> Infallible {
    log::event(Level::Info, "connected", &[("peer", &birth.peer)]);
    birth.slot.say_protocol(Protocol::Drive);
    let limits = limits(birth.config, birth.accepted);
    // Lives as long as the process: a child leaves without dropping anything.
    let socket: &'static OwnedFd = Box::leak(Box::new(birth.socket));
    // No client byte has been read so far.
    let ready = Stream::over_socket(socket, Some(birth.drain), birth.slot, limits)
        .map_err(|errno| ("socket", errno))
        .and_then(|stream| birth.sandbox.enter().map(|()| stream));
    let exit = match ready {
        Ok(stream) => drive::serve(stream, birth.peer, Broker(birth.broker)),
        Err((step, errno)) => unfit(birth.peer, step, errno),
    };
    process::exit(exit as i32)
}

/// A child that cannot be set up and shut in serves nobody.
fn unfit(peer: Peer, step: &str, errno: Errno) -> Exit {
    let why = errno.desc();
    log::event(
        Level::Error,
        "a client cannot be served",
        &[("peer", &peer), ("step", &step), ("error", &why)],
    );
    Exit::Unfit
}

/// Serves one client over two descriptors, as inetd and tests start it.
#[must_use]
pub fn over_descriptors(
    read: OwnedFd,
    write: OwnedFd,
    config: &Config,
    sandbox: &Sandbox,
    broker: OwnedFd,
) -> Exit {
    log::become_role(Role::Child);
    let peer = crate::sys::net::peer_of(read.as_fd()).unwrap_or(Peer::Pipe);
    let slot = Slot::unread();
    slot.enter(Phase::Handshake);
    let (read, write): (&'static OwnedFd, &'static OwnedFd) =
        (Box::leak(Box::new(read)), Box::leak(Box::new(write)));
    let limits = limits(config, monotonic_millis());
    let ready = signal::child_defaults()
        .map_err(|errno| ("signals", errno))
        .and_then(|()| Stream::over_pair(read, write, slot, limits).map_err(|e| ("socket", e)))
        .and_then(|stream| sandbox.enter().map(|()| stream));
    match ready {
        Ok(stream) => drive::serve(stream, peer, Broker(broker)),
        Err((step, errno)) => unfit(peer, step, errno),
    }
}

fn limits(config: &Config, accepted: u64) -> Limits {
    let millis = |seconds: u32| u64::from(seconds) * 1000;
    Limits {
        handshake_until: accepted + millis(config.handshake_seconds),
        idle: millis(config.idle_seconds),
        stall: millis(config.stall_seconds),
    }
}
