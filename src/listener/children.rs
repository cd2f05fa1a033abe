//! The table of living children, and their birth.

use super::deadlines::Window;
use super::dialing::Promised;
use super::events::{Event, Events, Place};
use crate::broker::Control;
use crate::child::{self, Birth, Sandbox, Tls};
use crate::config::{Config, Encryption, Listen};
use crate::ipc::{Client, SessionId};
use crate::log::{self, Level, Role};
use crate::scoreboard::{Ledger, Phase, Slot, Totals};
use crate::sys::net::{Peer, Source};
use crate::sys::process::{self, Ending, Spawned};
use crate::sys::shared::Pages;
use crate::sys::{Errno, Result, signal};
use crate::wire::Protocol;
use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};

/// A living child, as the listener knows it.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) process: Spawned,
    pub(super) tenant: u32,
    /// When its client connected, on the monotonic clock, in milliseconds; for a warm one, when it was made.
    pub(super) since: u64,
    /// Its client; none while it is warm.
    pub(super) client: Option<Peer>,
    /// What its client speaks; none before it is counted.
    pub(super) protocol: Option<Protocol>,
    /// Admitted and counted under this.
    pub(super) counted: Option<Source>,
    /// The name of its session, and the number the broker knows it by.
    pub(super) session: SessionId,
    /// To a warm child: verdicts and the word to leave.
    pub(super) channel: Option<OwnedFd>,
    /// Of a warm child that may get a client who needs a dialer.
    pub(super) promised: Option<Promised>,
    /// It was told to leave if it has no client.
    pub(super) retired: bool,
    /// Bytes moved when it was last looked at, and when that last changed.
    pub(super) moved: (u64, u64),
    /// What its rate is judged by.
    pub(super) window: Window,
}

/// What is known of a child before it is born.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// Its client; none for a warm one.
    pub(super) client: Option<Peer>,
    /// The name of its session, and the number the broker knows it by.
    pub(super) session: SessionId,
    /// Our end of a warm child's channel.
    pub(super) channel: Option<OwnedFd>,
    /// What a dialer will be given, once there is a client.
    pub(super) promised: Option<Promised>,
    /// What it begins with.
    pub(super) phase: Phase,
    /// It is shown what all children did.
    pub(super) sees_totals: bool,
}

/// All living children.
#[derive(Debug)]
pub(super) struct Children {
    pages: Pages,
    table: Vec<Option<Child>>,
    free: Vec<u32>,
    living: u32,
    next_tenant: u32,
    /// When the server started, in seconds since 1970, and the number of its latest child.
    start: u32,
    latest: u64,
}

/// What children are given that is the same for all.
#[derive(Debug, Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) config: &'a Config,
    pub(super) sandbox: &'a Sandbox,
    /// For clients that speak it.
    pub(super) tls: Option<&'a Tls>,
    /// Readable in every child once the listener drains or is gone. There as long as the process: a child that is shut in cannot
    /// always make a second descriptor of it.
    pub(super) drain: &'static OwnedFd,
    /// When the service began, on the monotonic clock, in milliseconds.
    pub(super) began: u64,
}

impl Children {
    /// A table for at most `most` children at once, of a server that started later than `before`, in seconds since 1970.
    pub(super) fn new(most: u32, before: u32) -> Result<Children> {
        // The last one is for the totals.
        let pages = Pages::new(most as usize + 1)?;
        Ledger::of(&pages).begin();
        let table = (0..most).map(|_| None).collect();
        Ok(Children {
            pages,
            table,
            free: (0..most).rev().collect(),
            living: 0,
            next_tenant: 0,
            start: process::wall_seconds().max(before.saturating_add(1)),
            latest: 0,
        })
    }

    /// When the server started, in seconds since 1970: in the names of its sessions, and no other server's.
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// The name of the session of a child that will be born now, or not at all: nobody else gets it.
    pub(super) fn next_session(&mut self) -> SessionId {
        self.latest += 1;
        SessionId::new(self.start, self.latest)
    }

    /// In a process that is no child: gives up the scoreboard.
    pub(super) fn give_up_pages(&self) {
        self.pages.keep_none();
    }

    /// The page of what all children did.
    pub(super) fn ledger(&self) -> Ledger<'_> {
        Ledger::of(&self.pages)
    }

    /// The page of a child, also of one that has just ended.
    pub(super) fn slot(&self, place: Place) -> Slot<'_> {
        Slot::of(&self.pages, place.index as usize)
    }

    /// Living children.
    pub(super) fn living(&self) -> u32 {
        self.living
    }

    /// Children that have no client and were not told to leave.
    pub(super) fn warm(&self) -> u32 {
        self.iter()
            .filter(|(_, child)| child.client.is_none() && !child.retired)
            .count() as u32
    }

    /// Children with a client that are in this phase.
    pub(super) fn count_in(&self, phase: Phase) -> u32 {
        let is_there = |(place, child): &(Place, &Child)| {
            child.client.is_some() && self.slot(*place).read().phase == phase
        };
        self.iter().filter(is_there).count() as u32
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, &Child)> {
        self.table.iter().enumerate().filter_map(|(index, child)| {
            child.as_ref().map(|child| {
                (
                    Place {
                        index: index as u32,
                        tenant: child.tenant,
                    },
                    child,
                )
            })
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Slot<'_>, &mut Child)> {
        let pages = &self.pages;
        self.table
            .iter_mut()
            .enumerate()
            .filter_map(move |(index, child)| {
                child.as_mut().map(|child| (Slot::of(pages, index), child))
            })
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Child> {
        self.table
            .get_mut(place.index as usize)?
            .as_mut()
            .filter(|child| child.tenant == place.tenant)
    }

    /// Forks a child. `life` runs in it with its page of the scoreboard, and with the totals if the newcomer sees them; what it
    /// returns, it never does.
    ///
    /// # Errors
    /// EAGAIN, ENOMEM, EMFILE as clone(2); ENFILE when the table is full.
    pub(super) fn spawn(
        &mut self,
        events: &Events,
        newcomer: Newcomer,
        life: impl FnOnce(Slot<'static>, Option<Totals>) -> Infallible,
    ) -> Result<Place> {
        let index = self.free.pop().ok_or(Errno::ENFILE)?;
        let slot = Slot::of(&self.pages, index as usize);
        slot.reset(newcomer.phase);
        let since = process::monotonic_millis();
        // Until the child has made the signals its own, none may reach it.
        let (pages, shown, session) = (&self.pages, newcomer.sees_totals, newcomer.session);
        let spawned = signal::block_all().and_then(|blocked| {
            process::spawn(move || {
                std::mem::forget(blocked);
                log::become_role(Role::Child);
                log::set_session(session);
                let (slot, totals) = prepare(pages, index, shown);
                life(slot, totals)
            })
        });
        let process = match spawned {
            Ok(process) => process,
            Err(errno) => {
                self.free.push(index);
                return Err(errno);
            }
        };
        self.next_tenant = self.next_tenant.wrapping_add(1) & 0x00ff_ffff;
        let place = Place {
            index,
            tenant: self.next_tenant,
        };
        if let Err(errno) = events.watch(process.pidfd.as_fd(), Event::Ended(place)) {
            // A child that cannot be watched cannot be counted.
            let _ = process::kill(process.pidfd.as_fd(), nix::sys::signal::Signal::SIGKILL);
            self.free.push(index);
            return Err(errno);
        }
        let Newcomer {
            client,
            session,
            channel,
            promised,
            ..
        } = newcomer;
        self.table[index as usize] = Some(Child {
            process,
            tenant: place.tenant,
            since,
            client,
            protocol: None,
            counted: None,
            session,
            channel,
            promised,
            retired: false,
            moved: (0, since),
            window: Window::default(),
        });
        self.living += 1;
        Ok(place)
    }

    /// Takes an ended child out of the table.
    pub(super) fn bury(&mut self, events: &Events, place: Place) -> Option<Child> {
        self.get_mut(place)?;
        let child = self.table[place.index as usize].take()?;
        events.forget(child.process.pidfd.as_fd());
        if let Some(channel) = &child.channel {
            events.forget(channel.as_fd());
        }
        self.free.push(place.index);
        self.living -= 1;
        let how = process::ending(child.process.pidfd.as_fd());
        let peer = child
            .client
            .map_or_else(|| "none".to_owned(), |peer| peer.to_string());
        let (pid, session) = (child.process.pid, child.session);
        match how {
            Ending::Killed(signal) => {
                log::event(
                    Level::Warn,
                    "child killed",
                    &[
                        ("child", &pid),
                        ("signal", &signal),
                        ("peer", &peer),
                        ("session", &session),
                    ],
                );
            }
            Ending::Exited(code) => log::event(
                Level::Debug,
                "child ended",
                &[
                    ("child", &pid),
                    ("exit", &code),
                    ("peer", &peer),
                    ("session", &session),
                ],
            ),
            Ending::Unknown => log::event(
                Level::Debug,
                "child ended",
                &[("child", &pid), ("peer", &peer), ("session", &session)],
            ),
        }
        Some(child)
    }
}

/// The first steps of every child.
fn prepare(pages: &Pages, index: u32, shown: bool) -> (Slot<'static>, Option<Totals>) {
    process::set_name(c"forkftpd:child");
    if let Err(errno) = signal::child_defaults() {
        unfit("signals", errno);
    }
    match Slot::keep_only(pages, index as usize, shown) {
        Ok(kept) => kept,
        Err(errno) => unfit("scoreboard", errno),
    }
}

/// Ends a child that could not be set up: it serves nobody.
pub(super) fn unfit(what: &str, errno: Errno) -> ! {
    log::event(
        Level::Error,
        "a child cannot be set up",
        &[("step", &what), ("error", &errno.desc())],
    );
    process::exit(child::Exit::Unfit as i32)
}

/// A client that has come.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    pub(super) socket: OwnedFd,
    /// The listening socket it came to.
    pub(super) listen: &'a Listen,
    pub(super) client: Client,
    /// When, on the monotonic clock, in milliseconds.
    pub(super) accepted: u64,
}

/// A child's channels.
#[derive(Debug)]
pub(super) struct Channels {
    /// To the broker.
    pub(super) broker: OwnedFd,
    /// To the dialer, for a client that may need it.
    pub(super) dialer: Option<child::Dialer>,
}

/// The rest of a child's life, once it has a client. `sandbox` is what it still has to enter.
pub(super) fn serve(
    world: World<'_>,
    (slot, totals): (Slot<'static>, Option<Totals>),
    channels: Channels,
    arrival: Arrival<'_>,
    sandbox: Option<&Sandbox>,
) -> Infallible {
    // Given back by those whose client may not see it.
    let totals = totals.filter(|_| sees_totals(arrival.listen, arrival.client.peer));
    let Arrival {
        socket,
        listen,
        client,
        accepted,
    } = arrival;
    let Channels { broker, dialer } = channels;
    let mut keep = vec![socket.as_fd(), broker.as_fd(), world.drain.as_fd()];
    keep.extend(dialer.iter().map(child::Dialer::fd));
    keep.extend(sandbox.iter().flat_map(|sandbox| sandbox.descriptors()));
    if let Err(errno) = log::close_all_but(&keep) {
        unfit("close_range", errno);
    }
    let tls = world.tls.filter(|_| client.tls != Encryption::Off);
    if client.tls != Encryption::Off && tls.is_none() {
        // What was asked for is not there: never the same without encryption.
        unfit("certificate", Errno::ENOENT);
    }
    child::run(Birth {
        socket,
        client,
        accepted,
        slot,
        drain: world.drain.as_fd(),
        world: child::World {
            config: world.config,
            listen,
            tls,
            began: world.began,
            totals: totals.as_ref(),
        },
        sandbox,
        broker,
        dialer,
    })
}

/// True when a client of `peer` may see what all children did, or is a proxy that may come for somebody who may.
fn sees_totals(listen: &Listen, peer: Peer) -> bool {
    let http = &listen.http;
    let address = peer.address().map(|address| address.to_canonical());
    let named = |address| {
        let networks = &http.metrics_networks;
        networks.iter().any(|network| network.contains(&address))
    };
    !http.metrics_networks.is_empty()
        && (address.is_some_and(named) || http.trusted_proxies.include(address))
}

/// Forks a child for a client that has been accepted and admitted.
pub(super) fn spawn_for(
    children: &mut Children,
    events: &Events,
    world: World<'_>,
    (control, session): (&Control, SessionId),
    dialer: Option<child::Dialer>,
    arrival: Arrival<'_>,
) -> Result<Place> {
    let broker = control.introduce(session, Some(arrival.client))?;
    let channels = Channels { broker, dialer };
    let birth = Newcomer {
        client: Some(arrival.client.peer),
        session,
        channel: None,
        promised: None,
        phase: Phase::Handshake,
        sees_totals: sees_totals(arrival.listen, arrival.client.peer),
    };
    children.spawn(events, birth, |slot, totals| {
        let sandbox = Some(world.sandbox);
        serve(world, (slot, totals), channels, arrival, sandbox)
    })
}
