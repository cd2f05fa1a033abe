//! The drainer: a fork of the listener that sees to the sessions of before a hand-over, until the last of them has ended. It accepts
//! nobody; deadlines and limits are as they were. The old broker and the old dialer live as long as it does.

use super::events::Event;
use super::notify::Notifier;
use super::run::{Listener, Started};
use super::shutdown;
use crate::log::{self, Level, Role};
use crate::sys::process::{self, monotonic_millis};
use crate::sys::{Errno, channel, signal};
use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};

/// What a listener has once it is a drainer.
#[derive(Debug)]
pub(super) struct Draining {
    /// To the successor; none once that is gone, or where there never was one.
    heir: Option<OwnedFd>,
    /// It was told to hurry.
    pub(super) hurries: bool,
}

impl Draining {
    pub(super) fn new(heir: OwnedFd) -> Draining {
        Draining {
            heir: Some(heir),
            hurries: false,
        }
    }
}

impl Listener {
    /// The life of a drainer, from when it was forked. `wait` ends once the listener is another program, or gone; a byte there says that
    /// it is still itself.
    pub(super) fn drain_for(
        &mut self,
        draining: Draining,
        wait: &OwnedFd,
        started: Started<'_>,
    ) -> Infallible {
        log::become_role(Role::Drainer);
        process::set_name(c"forkftpd:drain");
        // No signal comes before this is over.
        if nix::unistd::read(wait, &mut [0]) != Ok(0) {
            process::exit(0);
        }
        // Not the listener's words any more, nor its files.
        self.notify = Notifier::default();
        self.elders.disown(&self.events);
        self.service.sockets.clear();
        if let Some(door) = self.service.door.take() {
            door.abandon();
        }
        self.dialing.forget(&self.events);
        self.broker_missing = None;
        if let Some(heir) = &draining.heir
            && let Err(errno) = self.events.watch(heir.as_fd(), Event::Heir)
        {
            let why = errno.desc();
            let what = "the successor cannot be heard";
            log::event(Level::Warn, what, &[("error", &why)]);
        }
        self.draining = Some(draining);
        let seconds = self.service.config.handover_seconds;
        shutdown::leave(&mut self.children, self.drain.1.take(), seconds);
        self.ending_by = Some(monotonic_millis() + u64::from(seconds) * 1000);
        process::trim_heap();
        if let Err(errno) = signal::let_in() {
            let why = errno.desc();
            log::event(Level::Error, "signals", &[("error", &why)]);
        }
        process::exit(self.go_on(started))
    }

    /// The successor ends, or is gone: who is gone says nothing about how much time there is.
    pub(super) fn hear_heir(&mut self) {
        let Some(heir) = self
            .draining
            .as_ref()
            .and_then(|draining| draining.heir.as_ref())
        else {
            return;
        };
        let ends = match channel::receive(heir.as_fd(), &mut [0; 8], false) {
            Err(Errno::EAGAIN) => return,
            Ok(Some(_)) => true,
            Ok(None) | Err(_) => false,
        };
        self.events.forget(heir.as_fd());
        if let Some(draining) = &mut self.draining {
            // It stays open where the successor waits for this process to end.
            if !ends {
                draining.heir = None;
            }
            draining.hurries |= ends;
        }
        if ends {
            self.hasten();
        }
    }
}
