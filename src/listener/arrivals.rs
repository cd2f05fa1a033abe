//! Clients at the door: accepted, counted in and given a child, or told why not. Run by the listener.

use super::children::{Arrival, spawn_for};
use super::events::{Event, Place};
use super::pool::{self, Entrance};
use super::run::Listener;
use super::{dialing, sockets};
use crate::error::{Code, Refusal};
use crate::ipc::{self, Client};
use crate::log::{self, Level};
use crate::sys::Errno;
use crate::sys::process::monotonic_millis;
use std::os::fd::{AsFd, OwnedFd};

/// Clients accepted before other events are looked at.
const ACCEPT_AT_ONCE: usize = 64;

impl Listener {
    /// Counts a client in, after looking once more who has gone meanwhile. A trusted proxy is as many as come by it: of these the
    /// broker counts each by its own address.
    pub(super) fn admit(&mut self, client: Client) -> Result<(), Refusal> {
        let source = client.peer.source();
        let most = self.service.config.max_clients;
        let most_each = match client.by_proxy {
            true => most,
            false => self.service.config.max_per_address,
        };
        let first = self.admission.admit(source, most, most_each);
        if first.is_ok() {
            return first;
        }
        // A client that reconnects at once may be faster than the news of its child's end.
        let mut happened = Vec::new();
        if self.events.wait(Some(0), &mut happened).is_ok() {
            for event in happened {
                if let Event::Ended(place) = event {
                    self.ended(place);
                }
            }
        }
        self.admission.admit(source, most, most_each)
    }

    pub(super) fn accept(&mut self, socket: usize) {
        self.weather.refill();
        for _ in 0..ACCEPT_AT_ONCE {
            let Some(from) = self.service.sockets.get(socket) else {
                return;
            };
            if self.weather.is_paused() || self.ending_by.is_some() {
                return;
            }
            let (fd, peer) = match self.weather.accept(from.fd.as_fd()) {
                Ok(Some(accepted)) => accepted,
                Ok(None) => return,
                Err(errno) => return self.pause("no client can be accepted", errno.desc()),
            };
            let client = Client::at(&from.listen, peer);
            if !self.weather.is_whole() {
                // It came in on the last descriptors: there is none for a child.
                self.turn_away(&fd, client, &Code::Busy.into());
                drop(fd);
                self.turn_away_waiting();
                return self.pause("no child can be made", Errno::EMFILE.desc());
            }
            if let Err(refusal) = self.admit(client) {
                self.turn_away(&fd, client, &refusal);
                continue;
            }
            let world = self.service.world(self.drain.0, self.began);
            let from = self.service.sockets.get(socket);
            let session = self.children.next_session();
            let dialer = from.and_then(|from| self.dialing.introduce(session, from, &fd, peer));
            // The child gets a copy of the descriptor; ours is for the refusal, and closes here.
            let born = fd.try_clone().map_err(|_| Errno::EMFILE).and_then(|copy| {
                spawn_for(
                    &mut self.children,
                    &self.events,
                    world,
                    (&self.broker, session),
                    dialer,
                    Arrival {
                        socket: copy,
                        listen: &self.service.sockets[socket].listen,
                        client,
                        accepted: monotonic_millis(),
                    },
                )
            });
            match born {
                Ok(place) => self.count(place, client),
                Err(errno) => {
                    self.admission.leave(peer.source());
                    self.turn_away(&fd, client, &Code::Busy.into());
                    drop(fd);
                    self.turn_away_waiting();
                    return self.pause("no child can be made", errno.desc());
                }
            }
        }
    }

    /// Tells those who wait to be accepted that they cannot be served now, rather than letting them wait for better times.
    pub(super) fn turn_away_waiting(&mut self) {
        for index in 0..self.service.sockets.len() {
            for _ in 0..ACCEPT_AT_ONCE {
                self.weather.refill();
                let from = &self.service.sockets[index];
                let Ok(Some((fd, peer))) = self.weather.accept(from.fd.as_fd()) else {
                    break;
                };
                let client = Client::at(&from.listen, peer);
                self.turn_away(&fd, client, &Code::Busy.into());
            }
        }
        self.weather.refill();
    }

    /// Gives the place that `client` was admitted to into the keeping of its child: when that ends, the place is free. At once, if it
    /// has ended.
    pub(super) fn count(&mut self, place: Place, client: Client) {
        let (peer, source) = (client.peer, client.peer.source());
        self.books.accepted(client.protocol);
        if let Some(child) = self.children.get_mut(place) {
            child.client = Some(peer);
            child.protocol = Some(client.protocol);
            child.counted = Some(source);
            child.since = monotonic_millis();
        } else {
            // Its end was among the news that `admit` looked for.
            self.admission.leave(source);
        }
    }

    /// Tells a client that it cannot be served. A new connection has room for it: nothing here waits.
    pub(super) fn turn_away(&mut self, fd: &OwnedFd, client: Client, refusal: &Refusal) {
        self.books.turned_away(client.protocol);
        sockets::turn_away(fd.as_fd(), client.protocol, refusal);
        let peer = client.peer;
        log::event(
            Level::Warn,
            "turned away",
            &[("peer", &peer), ("reason", &refusal.message)],
        );
    }

    /// A warm child has a client, and asks whether to serve it.
    pub(super) fn asked(&mut self, place: Place) {
        let Some(child) = self.children.get_mut(place) else {
            return;
        };
        let Some(channel) = child.channel.take() else {
            return;
        };
        self.events.forget(channel.as_fd());
        // A child that closed its end without a question has ended, or will at once.
        let Some(Entrance { client, newcomer }) = pool::take_question(channel.as_fd()) else {
            return;
        };
        let promised = child.promised.take();
        let (peer, session, pid) = (client.peer, child.session, child.process.pid);
        child.client = Some(peer);
        // A client that a warm child took just before a hand-over is not the one to be sent away for it.
        let verdict = if self.ending_by.is_some() && self.draining.is_none() {
            Err(Code::Closing.into())
        } else {
            self.admit(client)
        };
        match &verdict {
            Ok(()) => {
                self.count(place, client);
                // A broker that cannot hear it does not answer the child either.
                let _ = self.broker.accepted(session.number(), client, pid);
                if let (Some(promised), Some(newcomer)) = (promised, newcomer) {
                    // Which session it is, the child is not asked.
                    let newcomer = ipc::Newcomer {
                        session,
                        ..newcomer
                    };
                    dialing::keep_promise(&promised, &newcomer);
                }
            }
            Err(refusal) => {
                self.books.turned_away(client.protocol);
                log::event(
                    Level::Warn,
                    "turned away",
                    &[("peer", &peer), ("reason", &refusal.message)],
                );
            }
        }
        pool::answer(channel.as_fd(), &verdict);
    }
}
