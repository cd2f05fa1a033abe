//! Keeping a dialer, while some listening socket speaks FTP: it is started, told of children, and started again when it dies. Without
//! one sessions go on, and are told that there is no data connection. Run by the listener.

use super::children::Children;
use super::events::{Event, Events};
use super::sockets::Socket;
use crate::child;
use crate::config::Config;
use crate::dialer::Control;
use crate::ipc::SessionId;
use crate::log::{self, Level};
use crate::sys::net::Peer;
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, channel};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

/// A dialer that dies sooner than this, in milliseconds, died young; after so many of them it is started again only after a while.
const LIFE: u64 = 2000;
const TRIES: u32 = 3;
/// How long that is, in milliseconds.
const AGAIN: u64 = 10_000;

/// The dialer of new sessions, if there is any. Warm children keep the one that they were born with.
#[derive(Debug, Default)]
pub(super) struct Dialing {
    control: Option<Rc<Control>>,
    since: u64,
    deaths: u32,
    /// While there is none that should be: when it is started again.
    again: Option<u64>,
}

/// The dialer's end of a warm child's channel, until there is a client.
pub(super) type Promised = (OwnedFd, Rc<Control>);

impl Dialing {
    /// The dialer of children that are born now.
    pub(super) fn control(&self) -> Option<&Rc<Control>> {
        self.control.as_ref()
    }

    /// True while there is none that should be.
    pub(super) fn is_missing(&self) -> bool {
        self.again.is_some()
    }

    /// Sees to it that there is one that does what `config` says, if any is needed. One that did otherwise ends by itself, after its
    /// last session. True when there is another one now, or none.
    pub(super) fn renew(&mut self, config: &Config, events: &Events, children: &Children) -> bool {
        let serves = |control: &Rc<Control>| control.serves(config);
        if self.control.as_ref().is_some_and(serves) {
            return false;
        }
        self.forget(events);
        self.deaths = 0;
        self.start(config, events, children)
    }

    /// Starts it again, when it is time to.
    pub(super) fn look(&mut self, config: &Config, events: &Events, children: &Children) -> bool {
        if self.again.is_none_or(|again| monotonic_millis() < again) {
            return false;
        }
        self.start(config, events, children)
    }

    /// It may have died: the news may be of one before it. Says whether there is another one now, or none.
    pub(super) fn died(&mut self, config: &Config, events: &Events, children: &Children) -> bool {
        if self
            .control
            .as_ref()
            .is_none_or(|control| !control.is_gone())
        {
            return false;
        }
        self.forget(events);
        let young = monotonic_millis() < self.since + LIFE;
        self.deaths = if young { self.deaths + 1 } else { 0 };
        if self.deaths >= TRIES {
            return self.miss("it does not stay alive");
        }
        log::event(
            Level::Error,
            "the dialer is gone, and is started again",
            &[],
        );
        self.start(config, events, children)
    }

    /// Has no more news of it.
    pub(super) fn forget(&mut self, events: &Events) {
        self.again = None;
        if let Some(control) = self.control.take() {
            events.forget(control.fd());
        }
    }

    fn start(&mut self, config: &Config, events: &Events, children: &Children) -> bool {
        self.again = None;
        self.since = monotonic_millis();
        let most = config.max_clients + config.prefork;
        let started = Control::start(config, most, || children.give_up_pages());
        let watched = started.and_then(|control| {
            if let Some(control) = &control {
                events.watch(control.fd(), Event::DialerGone)?;
            }
            Ok(control)
        });
        match watched {
            Ok(control) => self.control = control.map(Rc::new),
            Err(errno) => return self.miss(errno.desc()),
        }
        true
    }

    fn miss(&mut self, why: &str) -> bool {
        let again = AGAIN / 1000;
        log::event(
            Level::Error,
            "there is no dialer, and no data connection",
            &[("reason", &why), ("again_seconds", &again)],
        );
        self.again = Some(monotonic_millis() + AGAIN);
        true
    }

    /// The child's end of a channel for a client that has been accepted; none when it needs no dialer, or there is none.
    pub(super) fn introduce(
        &self,
        session: SessionId,
        from: &Socket,
        socket: &OwnedFd,
        peer: Peer,
    ) -> Option<child::Dialer> {
        let control = self.control.as_ref()?;
        let Peer::Net(peer) = peer else { return None };
        let newcomer = control.newcomer(session, &from.listen, socket.as_fd(), peer)?;
        let introduced = channel::pair()
            .and_then(|(ours, end)| control.introduce(&newcomer, &end).map(|()| ours));
        let lost = |errno| without(session, errno);
        introduced.map_err(lost).ok().map(child::Dialer::new)
    }

    /// The same for a child that has no client yet: its end, and what `super::run` hands on once it has.
    pub(super) fn promise(&self) -> Result<Option<(child::Dialer, Promised)>, Errno> {
        let Some(control) = &self.control else {
            return Ok(None);
        };
        let (child, end) = channel::pair()?;
        let child = child::Dialer::new(child);
        Ok(Some((child, (end, Rc::clone(control)))))
    }
}

/// Gives the dialer the channel of a warm child, now that it has a client.
pub(super) fn keep_promise(promised: &Promised, newcomer: &crate::ipc::Newcomer) {
    let (end, control) = promised;
    if let Err(errno) = control.introduce(newcomer, end) {
        without(newcomer.session, errno);
    }
}

fn without(session: SessionId, errno: Errno) {
    let why = errno.desc();
    log::event(
        Level::Warn,
        "a session has no dialer, and no data connection",
        &[("error", &why), ("session", &session)],
    );
}
