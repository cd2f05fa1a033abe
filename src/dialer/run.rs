//! The dialer's life: shut in, then one question at a time, until the listener and all children are gone. Run by the dialer.
//!
//! It waits for nothing but events: connecting to a client goes on beside the questions of others, and has an end.

use super::place::Place;
use super::{sockets, walls};
use crate::config::{Config, Listen};
use crate::ipc::{self, Dial, Dialed, Newcomer, SessionId};
use crate::log::{self, Level, Role};
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, Result, process, signal};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The listener's channel among the events. Everything else has a number of its own, from 1, that no other thing ever has: an event
/// for one that has gone is not taken for its successor's.
const CONTROL: u64 = 0;
/// Bit of the numbers of attempts.
const ATTEMPT: u64 = 1 << 63;
const AT_ONCE: usize = 64;

/// How long it is tried to connect to a client, in milliseconds.
const PATIENCE: u64 = 30_000;

/// A new dialer, that serves the listener at the other end of `control` and the children it tells of.
pub(super) fn run(
    control: OwnedFd,
    (listen, ephemeral): (&[Listen], (u16, u16)),
    config: &Config,
    limit: u64,
) -> Infallible {
    log::become_role(Role::Dialer);
    process::set_name(c"forkftpd:dial");
    let ready = signal::child_defaults()
        .and_then(|()| signal::ignore_sigterm())
        .and_then(|()| log::close_all_but(&[control.as_fd()]))
        .map_err(|errno| ("signals", errno))
        .and_then(|()| {
            let dialer = Dialer::new(control).map_err(|errno| ("epoll", errno))?;
            walls::enter(config.identity, config.sandbox, limit)?;
            Ok(dialer)
        });
    let ended = match ready {
        Ok(mut dialer) => {
            let places = listen.iter().map(|listen| Place::of(listen, ephemeral));
            dialer.places = places.collect();
            dialer.serve().map_err(|errno| ("waiting", errno))
        }
        Err(failed) => Err(failed),
    };
    if let Err((step, errno)) = ended {
        let why = errno.desc();
        log::event(
            Level::Error,
            "the dialer cannot go on",
            &[("step", &step), ("error", &why)],
        );
        process::exit(1)
    }
    process::exit(0)
}

pub(super) struct Dialer {
    pub(super) places: Vec<Place>,
    /// None once the listener is gone, or has another dialer.
    control: Option<OwnedFd>,
    epoll: Epoll,
    next: u64,
    sessions: HashMap<u64, Session>,
    /// Connections in the making: the oldest first, which is the first to be given up.
    attempts: BTreeMap<u64, Attempt>,
}

/// A child, and its client as the listener knows it.
#[derive(Debug)]
struct Session {
    id: SessionId,
    channel: OwnedFd,
    place: u32,
    peer: SocketAddr,
    local: SocketAddr,
    attempt: Option<u64>,
}

#[derive(Debug)]
struct Attempt {
    session: u64,
    socket: OwnedFd,
    port: u16,
    until: u64,
}

impl Dialer {
    pub(super) fn new(control: OwnedFd) -> Result<Dialer> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&control, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        Ok(Dialer {
            places: Vec::new(),
            control: Some(control),
            epoll,
            next: 1,
            sessions: HashMap::new(),
            attempts: BTreeMap::new(),
        })
    }

    /// Serves until the listener and all children are gone.
    ///
    /// # Errors
    /// When it cannot wait, or the listener makes no sense.
    pub(super) fn serve(&mut self) -> Result<()> {
        let mut events = [EpollEvent::empty(); AT_ONCE];
        while self.control.is_some() || !self.sessions.is_empty() {
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Err(Errno::EINTR) => 0,
                result => result?,
            };
            for event in &events[..count] {
                match event.data() {
                    CONTROL => self.hear_listener()?,
                    number if number & ATTEMPT != 0 => self.came_about(number),
                    number => self.hear_child(number),
                }
            }
            self.give_up_late();
        }
        Ok(())
    }

    /// Until the oldest attempt is given up.
    fn timeout(&self) -> EpollTimeout {
        let Some((_, oldest)) = self.attempts.first_key_value() else {
            return EpollTimeout::NONE;
        };
        let left = oldest.until.saturating_sub(monotonic_millis());
        EpollTimeout::try_from(left.min(PATIENCE) as i32).unwrap_or(EpollTimeout::ZERO)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes what the listener says, but not without end: children ask meanwhile.
    fn hear_listener(&mut self) -> Result<()> {
        for _ in 0..AT_ONCE {
            let Some(control) = &self.control else {
                return Ok(());
            };
            match ipc::receive::<Newcomer>(control.as_fd(), false) {
                Ok(Some((newcomer, brought))) => {
                    if let Some(channel) = brought.into_iter().next() {
                        self.welcome(newcomer, channel);
                    }
                }
                Ok(None) => {
                    let _ = self.epoll.delete(control);
                    self.control = None;
                }
                Err(Errno::EAGAIN) => return Ok(()),
                // There was no descriptor left for the channel, which is closed so: its child hears that there is no dialer.
                Err(Errno::EMSGSIZE) => lost(Errno::EMFILE),
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn welcome(&mut self, newcomer: Newcomer, channel: OwnedFd) {
        let number = self.number();
        let heard = EpollEvent::new(EpollFlags::EPOLLIN, number);
        if let Err(errno) = self.epoll.add(&channel, heard) {
            return log::about(newcomer.session, || lost(errno));
        }
        // An IPv4 client of a socket that takes both has an IPv4 data connection.
        let canonical = |address: SocketAddr| match (address.ip().to_canonical(), address.is_ipv4())
        {
            (ip, false) if ip.is_ipv4() => SocketAddr::new(ip, address.port()),
            _ => address,
        };
        let session = Session {
            id: newcomer.session,
            channel,
            place: newcomer.place,
            peer: canonical(newcomer.peer),
            local: canonical(newcomer.local),
            attempt: None,
        };
        self.sessions.insert(number, session);
    }

    fn hear_child(&mut self, number: u64) {
        let Some(session) = self.sessions.get(&number) else {
            return;
        };
        match ipc::receive::<Dial>(session.channel.as_fd(), false) {
            Err(Errno::EAGAIN) => {}
            // The second, when it left an answer unread.
            Ok(None) | Err(Errno::ECONNRESET) => self.forget(number),
            Ok(Some((question, brought))) if brought.is_empty() => self.answer(number, question),
            Ok(Some(_)) | Err(_) => {
                let reason = "a message that is no question";
                log::event(
                    Level::Error,
                    "a child was cut off",
                    &[("reason", &reason), ("session", &session.id)],
                );
                self.forget(number);
            }
        }
    }

    fn answer(&mut self, number: u64, question: Dial) {
        if let Some(attempt) = self.sessions.get(&number).and_then(|known| known.attempt) {
            self.drop_attempt(attempt);
            self.refuse(number, "given up for another question".into());
        }
        // The answer may have found nobody.
        let Some(session) = self.sessions.get(&number) else {
            return;
        };
        let Some(place) = self.places.get(session.place as usize) else {
            return self.refuse(number, "there is no such place".into());
        };
        match question {
            Dial::Passive => match sockets::listen(place, session.local) {
                Ok((socket, port)) => {
                    let (peer, local) = (session.peer.ip(), session.local.ip());
                    let advertised = place.advertised(peer, local).unwrap_or(local);
                    let answer = Dialed::Listening { port, advertised };
                    self.say(number, &answer, &[socket.as_fd()]);
                }
                Err(why) => self.refuse(number, why),
            },
            Dial::Active { port } => {
                let peer = session.peer;
                match sockets::reach(place, session.local, peer, port) {
                    Ok((socket, true)) => self.finish(number, &socket, peer, port),
                    Ok((socket, false)) => self.await_connection(number, socket, port),
                    Err(why) => self.refuse(number, why),
                }
            }
        }
    }

    fn await_connection(&mut self, number: u64, socket: OwnedFd, port: u16) {
        let attempt = self.number() | ATTEMPT;
        let heard = EpollEvent::new(EpollFlags::EPOLLOUT, attempt);
        if let Err(errno) = self.epoll.add(&socket, heard) {
            let why = errno.desc();
            return self.refuse(number, format!("the client cannot be connected to: {why}"));
        }
        if let Some(session) = self.sessions.get_mut(&number) {
            session.attempt = Some(attempt);
        }
        let until = monotonic_millis() + PATIENCE;
        self.attempts.insert(
            attempt,
            Attempt {
                session: number,
                socket,
                port,
                until,
            },
        );
    }

    /// An attempt has come to something.
    fn came_about(&mut self, attempt: u64) {
        let Some(Attempt {
            session,
            socket,
            port,
            ..
        }) = self.drop_attempt(attempt)
        else {
            return;
        };
        if let Some(peer) = self.sessions.get(&session).map(|known| known.peer) {
            self.finish(session, &socket, peer, port);
        }
    }

    fn finish(&mut self, number: u64, socket: &OwnedFd, peer: SocketAddr, port: u16) {
        match sockets::reached(socket, peer, port) {
            Ok(()) => self.say(number, &Dialed::Connected, &[socket.as_fd()]),
            Err(why) => self.refuse(number, why),
        }
    }

    fn give_up_late(&mut self) {
        let now = monotonic_millis();
        while let Some((&attempt, oldest)) = self.attempts.first_key_value() {
            if oldest.until > now {
                return;
            }
            let session = oldest.session;
            self.drop_attempt(attempt);
            let seconds = PATIENCE / 1000;
            let why = format!("the client took no connection within {seconds} seconds");
            self.refuse(session, why);
        }
    }

    fn drop_attempt(&mut self, number: u64) -> Option<Attempt> {
        let attempt = self.attempts.remove(&number)?;
        // Before it is closed: handed over, it would stay in the set.
        let _ = self.epoll.delete(&attempt.socket);
        if let Some(session) = self.sessions.get_mut(&attempt.session) {
            session.attempt = None;
        }
        Some(attempt)
    }

    fn refuse(&mut self, number: u64, message: String) {
        self.say(number, &Dialed::Refused { message }, &[]);
    }

    /// Sends an answer. A child that does not take its answers is not waited for.
    fn say(&mut self, number: u64, answer: &Dialed, socket: &[BorrowedFd<'_>]) {
        let Some(session) = self.sessions.get(&number) else {
            return;
        };
        if ipc::send(session.channel.as_fd(), answer, socket, false).is_err() {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(session) = self.sessions.remove(&number) {
            let _ = self.epoll.delete(&session.channel);
            if let Some(attempt) = session.attempt {
                self.drop_attempt(attempt);
            }
        }
    }
}

/// A child whose channel cannot be heard: it closes, and the child hears that there is no dialer.
fn lost(errno: Errno) {
    let why = errno.desc();
    log::event(Level::Error, "a child cannot be heard", &[("error", &why)]);
}
