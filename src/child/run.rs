//! The life of a child, from its birth to its exit code. Nothing here returns to the listener's code.

use super::ask::Broker;
use super::dial::Dialer;
use super::sandbox::{Entering, Sandbox};
use super::secure;
use super::signer::Tls;
use super::stream::{Limits, Stream};
use super::{drive, ftp, http};
use crate::config::{Config, Encryption, Listen, Protocol};
use crate::ipc::Client;
use crate::log::{self, Level, Role};
use crate::scoreboard::{Phase, Slot, Totals};
use crate::sys::net::Peer;
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, process, signal};
use std::convert::Infallible;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;

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
    /// Who is at its other end, and what is asked of them.
    pub client: Client,
    /// When the connection was accepted, on the monotonic clock, in milliseconds.
    pub accepted: u64,
    /// Its page of the scoreboard.
    pub slot: Slot<'static>,
    /// Readable once the listener drains, or is gone.
    pub drain: BorrowedFd<'static>,
    /// What was decided.
    pub world: World<'a>,
    /// Its walls; none when it stands inside already.
    pub sandbox: Option<&'a Sandbox>,
    /// Its channel to the broker.
    pub broker: OwnedFd,
    /// Its channel to the dialer, if its client may need one and there is one.
    pub dialer: Option<Dialer>,
}

/// What was decided about the service, and the listening socket that the client came to.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The whole.
    pub config: &'a Config,
    /// The listening socket.
    pub listen: &'a Listen,
    /// For clients that speak TLS.
    pub tls: Option<&'a Tls>,
    /// When the service began, on the monotonic clock, in milliseconds.
    pub began: u64,
    /// What all children did, for a client that may see it.
    pub totals: Option<&'a Totals>,
}

/// Serves one client and leaves. The descriptors that belong to the listener have been closed before.
pub fn run(birth: Birth<'_>) -> Infallible {
    let peer = birth.client.peer;
    log::event(Level::Info, "connected", &[("peer", &peer)]);
    birth.slot.say_protocol(birth.client.protocol);
    let limits = limits(birth.world, birth.accepted);
    let socket = Rc::new(birth.socket);
    // No client byte has been read so far.
    let ready = Stream::over_socket(socket, Some(birth.drain), birth.slot, limits)
        .map_err(|errno| ("socket", errno))
        .and_then(|stream| match birth.sandbox {
            Some(sandbox) => sandbox.enter(entering(&birth.client)).map(|()| stream),
            None => Ok(stream),
        });
    let exit = match ready {
        Ok(stream) => serve(
            stream,
            birth.world,
            &birth.client,
            Broker(birth.broker.into(), birth.slot),
            birth.dialer,
        ),
        Err((step, errno)) => unfit(peer, step, errno),
    };
    process::exit(exit as i32)
}

/// The client's session, inside TLS if there is to be any.
fn serve(
    mut stream: Stream,
    world: World<'_>,
    client: &Client,
    broker: Broker,
    dialer: Option<Dialer>,
) -> Exit {
    if client.tls == Encryption::Implicit {
        let Some(tls) = world.tls else {
            return unfit(client.peer, "certificate", Errno::ENOENT);
        };
        if let Err(exit) = secure::begin(&mut stream, tls, &broker, client) {
            return exit;
        }
    }
    match client.protocol {
        Protocol::Drive => drive::serve(stream, client, broker),
        Protocol::Ftp => ftp::serve(stream, world, client, broker, dialer),
        Protocol::Http => http::serve(stream, world, client, broker),
    }
}

/// How a child for `client` shuts itself in.
fn entering(client: &Client) -> Entering {
    if client.has_to_ask() {
        Entering::Shut(client.protocol)
    } else {
        Entering::Open(client.protocol)
    }
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
    world: World<'_>,
    client: &Client,
    sandbox: &Sandbox,
    broker: OwnedFd,
    dialer: Option<Dialer>,
) -> Exit {
    log::become_role(Role::Child);
    let peer = client.peer;
    let slot = Slot::unread();
    slot.enter(Phase::Handshake);
    let (read, write) = (Rc::new(read), Rc::new(write));
    let limits = limits(world, monotonic_millis());
    let ready = signal::child_defaults()
        .map_err(|errno| ("signals", errno))
        .and_then(|()| Stream::over_pair(read, write, slot, limits).map_err(|e| ("socket", e)))
        .and_then(|stream| sandbox.enter(entering(client)).map(|()| stream));
    match ready {
        Ok(stream) => serve(stream, world, client, Broker(broker.into(), slot), dialer),
        Err((step, errno)) => unfit(peer, step, errno),
    }
}

fn limits(world: World<'_>, accepted: u64) -> Limits {
    let config = world.config;
    let (handshake, idle) = match world.listen.protocol {
        Protocol::Drive => (config.handshake_seconds, config.idle_seconds),
        Protocol::Ftp => (config.login_seconds, config.idle_seconds),
        Protocol::Http => {
            let keepalive = world.listen.http.keepalive_seconds;
            (config.handshake_seconds, keepalive.min(config.idle_seconds))
        }
    };
    let millis = |seconds: u32| u64::from(seconds) * 1000;
    Limits {
        handshake_until: accepted + millis(handshake),
        idle: millis(idle),
        stall: millis(config.stall_seconds),
    }
}
