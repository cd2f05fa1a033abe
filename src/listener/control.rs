//! The control socket: an administrator asks who is there, or has sessions ended. Served by the listener between its other
//! events: nothing here waits. An administrator who is slow, silent or talkative costs one of a few places, for a few seconds.
//!
//! Only root and the server's own user are heard: the socket's mode says so, and the kernel is asked once more who connected.
//! Sessions are ended through the listener's own pidfds, never by a number that somebody says.

use super::books::Books;
use super::children::Children;
use super::events::{Event, Events, Place};
use super::weather::Weather;
use crate::config::Config;
use crate::control::{MAX_REQUEST, Reply, Request, Session, State, Status, Whom};
use crate::log::{self, Level};
use crate::scoreboard::{Phase, Slot, cut_user};
use crate::sys::net::{self, Peer};
use crate::sys::process::{self, monotonic_millis};
use crate::sys::{Errno, Result};
use crate::wire::{Protocol, SessionId};
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Administrators at once.
const MOST: usize = 4;
/// How long one may take for everything, in milliseconds.
const PATIENCE: u64 = 5000;

/// The listening socket.
#[derive(Debug)]
pub(super) struct Door {
    fd: OwnedFd,
    path: PathBuf,
}

impl Door {
    /// Makes the socket, for its owner alone.
    ///
    /// # Errors
    /// A sentence with the path, what is wrong, and the remedy.
    pub(super) fn open(path: &Path) -> std::result::Result<Door, String> {
        let fd = net::listen_unix(path, MOST as u32, 0o600).map_err(|errno| {
            let remedy = match errno {
                Errno::ENOENT => "; its folder is missing: make it, or choose another with control",
                Errno::EADDRINUSE => "; another server has it, or it is no socket: remove the file, or choose another with control",
                Errno::ENAMETOOLONG => "; the path of a socket has at most 107 bytes",
                Errno::EACCES | Errno::EROFS => "; the server's user has to be able to write to its folder",
                _ => "",
            };
            format!("control socket {}: {}{remedy}", path.display(), errno.desc())
        })?;
        Ok(Door {
            fd,
            path: path.to_owned(),
        })
    }

    /// The same of a socket that was handed over and has this path.
    pub(super) fn handed(fd: OwnedFd, path: &Path) -> Door {
        let path = path.to_owned();
        Door { fd, path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Lets go of it where it is somebody else's by now: the file stays.
    pub(super) fn abandon(self) {
        process::give_up(self.fd.as_fd());
        std::mem::forget(self);
    }

    pub(super) fn watch(&self, events: &Events) -> Result<()> {
        events.watch(self.fd.as_fd(), Event::Control)
    }

    /// Closes it for good.
    pub(super) fn close(self, events: &Events) {
        self.unwatch(events);
        drop(self);
    }

    pub(super) fn unwatch(&self, events: &Events) {
        events.forget(self.fd.as_fd());
    }
}

/// The file goes first, so that a successor may have the name. Children, which drop nothing, leave it alone.
impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What may be asked about.
pub(super) struct Hall<'a> {
    pub(super) children: &'a mut Children,
    pub(super) books: &'a Books,
    pub(super) config: &'a Config,
    /// Clients that are counted.
    pub(super) clients: u32,
}

/// An administrator who is being served.
#[derive(Debug)]
struct Guest {
    fd: OwnedFd,
    tenant: u32,
    uid: u32,
    pid: i32,
    came: u64,
    heard: Vec<u8>,
    /// Empty until the request is whole.
    reply: Vec<u8>,
    said: usize,
}

/// All administrators who are being served.
#[derive(Debug)]
pub(super) struct Desk {
    guests: [Option<Guest>; MOST],
    next_tenant: u32,
    started: Timestamp,
}

impl Desk {
    pub(super) fn new() -> Desk {
        Desk {
            guests: Default::default(),
            next_tenant: 0,
            started: Timestamp::now(),
        }
    }

    /// True while there is somebody whose time may run out.
    pub(super) fn is_busy(&self) -> bool {
        self.guests.iter().any(Option::is_some)
    }

    /// Takes those who wait at the door.
    ///
    /// # Errors
    /// As accept(2) and epoll_ctl(2), when the machine is out of something: the door should not be watched for a while.
    pub(super) fn welcome(
        &mut self,
        door: &Door,
        events: &Events,
        weather: &mut Weather,
    ) -> Result<()> {
        while let Some((fd, _)) = weather.accept(door.fd.as_fd())? {
            let Ok((uid, pid)) = net::credentials(fd.as_fd()) else {
                continue;
            };
            if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
                let by: [(&str, &dyn std::fmt::Display); 2] = [("uid", &uid), ("pid", &pid)];
                log::event(Level::Warn, "control refused to a stranger", &by);
                turn_away(
                    fd.as_fd(),
                    "only root and the server's own user are heard here",
                );
                continue;
            }
            let Some(index) = self.guests.iter().position(Option::is_none) else {
                turn_away(fd.as_fd(), "others are being answered; try again");
                continue;
            };
            self.next_tenant = self.next_tenant.wrapping_add(1) & 0x00ff_ffff;
            let place = Place {
                index: index as u32,
                tenant: self.next_tenant,
            };
            events.watch(fd.as_fd(), Event::Guest(place))?;
            self.guests[index] = Some(Guest {
                fd,
                tenant: place.tenant,
                uid,
                pid,
                came: monotonic_millis(),
                heard: Vec::new(),
                reply: Vec::new(),
                said: 0,
            });
        }
        Ok(())
    }

    /// Hears more of a request, or says more of an answer.
    pub(super) fn attend(
        &mut self,
        place: Place,
        events: &Events,
        weather: &mut Weather,
        hall: &mut Hall<'_>,
    ) {
        let started = self.started;
        let Some(guest) = self
            .guests
            .get_mut(place.index as usize)
            .and_then(Option::as_mut)
            .filter(|guest| guest.tenant == place.tenant)
        else {
            return;
        };
        let done = match guest.hear() {
            Ok(None) => guest.say(events, place),
            Ok(Some(Heard::Part)) => Ok(false),
            Ok(Some(Heard::Whole(request))) => {
                let reply = match request {
                    Ok(Request::Who {}) => Reply::Who(status(started, hall)),
                    Ok(Request::Metrics {}) => Reply::Metrics {
                        text: hall.books.exposition(hall.children),
                    },
                    Ok(Request::Kick(whom)) => kick(&whom, (guest.uid, guest.pid), hall),
                    Err(message) => Reply::Refused { message },
                };
                guest.reply = line(&reply);
                guest.say(events, place)
            }
            Err(errno) => Err(errno),
        };
        // Served, or gone.
        if !matches!(done, Ok(false)) {
            self.leave(place.index as usize, events, weather);
        }
    }

    /// Ends those who have taken too long.
    pub(super) fn hurry(&mut self, events: &Events, weather: &mut Weather) {
        let now = monotonic_millis();
        for index in 0..MOST {
            let late = |guest: &Guest| now.saturating_sub(guest.came) >= PATIENCE;
            if self.guests[index].as_ref().is_some_and(late) {
                self.leave(index, events, weather);
            }
        }
    }

    fn leave(&mut self, index: usize, events: &Events, weather: &mut Weather) {
        if let Some(guest) = self.guests[index].take() {
            events.forget(guest.fd.as_fd());
        }
        weather.refill();
        // What was in the answer would be copied into the tables of every child to come.
        process::trim_heap();
    }
}

/// What came of listening.
enum Heard {
    /// The line goes on.
    Part,
    /// A request, or what is wrong with it.
    Whole(std::result::Result<Request, String>),
}

impl Guest {
    /// None when the request was heard before.
    fn hear(&mut self) -> Result<Option<Heard>> {
        if !self.reply.is_empty() {
            return Ok(None);
        }
        let mut piece = [0; 1024];
        loop {
            let ended = match net::receive_now(self.fd.as_fd(), &mut piece) {
                Ok(0) => true,
                Ok(got) => {
                    self.heard.extend_from_slice(&piece[..got]);
                    false
                }
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Ok(Some(Heard::Part)),
                Err(other) => return Err(other),
            };
            if let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
                self.heard.truncate(end);
            } else if self.heard.len() > MAX_REQUEST {
                let what = format!("a request is one line of at most {MAX_REQUEST} bytes");
                return Ok(Some(Heard::Whole(Err(what))));
            } else if !ended {
                continue;
            } else if self.heard.is_empty() {
                return Err(Errno::EPIPE);
            }
            let request = serde_json::from_slice(&self.heard);
            let request = request.map_err(|error| format!("not a request: {error}"));
            return Ok(Some(Heard::Whole(request)));
        }
    }

    /// True when everything was said.
    fn say(&mut self, events: &Events, place: Place) -> Result<bool> {
        while self.said < self.reply.len() {
            match net::send_now(self.fd.as_fd(), &self.reply[self.said..], false) {
                Ok(sent) => self.said += sent,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    events.await_room(self.fd.as_fd(), Event::Guest(place))?;
                    return Ok(false);
                }
                Err(other) => return Err(other),
            }
        }
        net::finish_sending(self.fd.as_fd());
        Ok(true)
    }
}

fn line(reply: &Reply) -> Vec<u8> {
    // Text, numbers and lists always become JSON.
    let mut line = serde_json::to_vec(reply).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Tells somebody who is not served why. A new connection has room for it: nothing here waits.
fn turn_away(fd: BorrowedFd<'_>, why: &str) {
    let message = why.to_owned();
    let _ = net::send_now(fd, &line(&Reply::Refused { message }), false);
    net::finish_sending(fd);
}

fn status(started: Timestamp, hall: &mut Hall<'_>) -> Status {
    let (now, wall) = (monotonic_millis(), Timestamp::now());
    let warm = hall.children.warm();
    let mut sessions: Vec<(u64, Session)> = hall
        .children
        .iter_mut()
        .filter_map(|(slot, child)| {
            let peer = child.client?;
            let since = child.since;
            let name = (child.session, child.process.pid);
            Some((since, session(slot, name, peer, since, now, wall)))
        })
        .collect();
    sessions.sort_by_key(|(since, session)| (*since, session.pid));
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: format!("{started:.3}"),
        clients: hall.clients,
        warm,
        max_clients: hall.config.max_clients,
        max_per_address: hall.config.max_per_address,
        sessions: sessions.into_iter().map(|(_, session)| session).collect(),
    }
}

fn session(
    slot: Slot<'_>,
    (session, pid): (SessionId, i32),
    peer: Peer,
    since: u64,
    now: u64,
    wall: Timestamp,
) -> Session {
    let reading = slot.read();
    let ago = SignedDuration::from_millis(now.saturating_sub(since) as i64);
    let since = wall.checked_sub(ago).unwrap_or(wall);
    Session {
        session,
        pid,
        protocol: reading.protocol.map(Protocol::as_str).map(str::to_owned),
        address: peer.to_string(),
        user: slot.user(),
        state: match reading.phase {
            Phase::Waiting | Phase::Handshake => State::Login,
            Phase::Idle => State::Idle,
            Phase::Busy => State::Busy,
        },
        state_seconds: now.saturating_sub(reading.since) / 1000,
        received: reading.received,
        sent: reading.sent,
        since: format!("{since:.3}"),
    }
}

fn kick(whom: &Whom, (uid, pid): (u32, i32), hall: &mut Hall<'_>) -> Reply {
    let mut sessions = 0;
    let mut waits = false;
    for (slot, child) in hall.children.iter_mut() {
        let Some(peer) = child.client else {
            waits |= *whom == Whom::Pid(child.process.pid) || *whom == Whom::Session(child.session);
            continue;
        };
        let meant = match whom {
            Whom::Pid(pid) => child.process.pid == *pid,
            Whom::Session(session) => child.session == *session,
            Whom::User(name) => slot.user().as_deref() == Some(cut_user(name)),
            Whom::Address(address) => is_at(peer, *address),
        };
        // A child that has ended meanwhile needs no ending.
        if meant && process::kill(child.process.pidfd.as_fd(), Signal::SIGKILL).is_ok() {
            sessions += 1;
            log::event(
                Level::Info,
                "session ended by an administrator",
                &[
                    ("peer", &peer),
                    ("child", &child.process.pid),
                    ("asked", whom),
                    ("uid", &uid),
                    ("pid", &pid),
                    ("session", &child.session),
                ],
            );
        }
    }
    if sessions > 0 {
        return Reply::Kicked { sessions };
    }
    let message = match whom {
        whom if waits => {
            format!("{whom} is a child without a client: there is no session to end")
        }
        Whom::Pid(pid) => {
            format!("no session of this server has the pid {pid}: forkftpd who shows them")
        }
        Whom::Session(session) => {
            format!(
                "this server has no session {session} now: forkftpd who shows those that it has"
            )
        }
        Whom::User(name) => {
            format!("there is no session of the user {name:?}: forkftpd who shows them")
        }
        Whom::Address(address) => {
            format!("there is no session from {address}: forkftpd who shows them")
        }
    };
    Reply::Refused { message }
}

fn is_at(peer: Peer, address: IpAddr) -> bool {
    matches!(peer, Peer::Net(at) if at.ip().to_canonical() == address.to_canonical())
}
