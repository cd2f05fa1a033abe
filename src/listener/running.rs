//! Keeping a runner, while the configuration has something to execute: it is started, the broker is given a way to it, and it is started
//! again when it dies. Without one sessions go on, and no command is run. Run by the listener.

use super::events::{Event, Events};
use crate::broker;
use crate::config::Config;
use crate::log::{self, Level};
use crate::runner::Control;
use crate::sys::Errno;
use crate::sys::process::monotonic_millis;
use std::ffi::OsString;

/// A runner that dies sooner than this, in milliseconds, died young; after so many of them it is started again only after a while.
const LIFE: u64 = 2000;
const TRIES: u32 = 3;
/// How long that is, in milliseconds.
const AGAIN: u64 = 10_000;

/// The runner that is ordered from, if there is any. One before it may be at its last execution.
#[derive(Debug, Default)]
pub(super) struct Running {
    control: Option<Control>,
    since: u64,
    deaths: u32,
    /// While there is none that should be: when it is started again.
    again: Option<u64>,
    /// The broker has no way to it, since it was behind, or had just died: it is tried again.
    untold: bool,
    /// It was told that the server ends.
    leaves: bool,
}

/// What it is started for, and who is told.
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) arguments: &'a [OsString],
    pub(super) events: &'a Events,
    pub(super) broker: &'a broker::Control,
}

impl Running {
    /// True while there is none that should be, or none that the broker knows of.
    pub(super) fn is_missing(&self) -> bool {
        self.again.is_some() || self.untold
    }

    /// Sees to it that there is one that does what the configuration says, if any is needed. One that did otherwise ends by itself, after
    /// its last execution.
    pub(super) fn renew(&mut self, ground: &Ground<'_>) {
        let serves = |control: &Control| control.serves(ground.config);
        if ground.config.needs_runner() && self.control.as_ref().is_some_and(serves) {
            return;
        }
        let was = self.control.is_some() || self.is_missing();
        self.forget(ground.events);
        self.deaths = 0;
        if ground.config.needs_runner() {
            self.start(ground);
        } else if was && let Err(errno) = ground.broker.give_runner(None) {
            // It has the way to one that ends with it, and nothing to order.
            untold(errno);
        }
    }

    /// Starts it again, when it is time to.
    pub(super) fn look(&mut self, ground: &Ground<'_>) {
        if self.again.is_some_and(|again| monotonic_millis() >= again) {
            self.start(ground);
        }
        if self.untold {
            self.introduce(ground.broker);
        }
    }

    /// The server ends: nothing more is begun. True while something runs.
    pub(super) fn leave(&mut self) -> bool {
        self.again = None;
        let Some(control) = &self.control else {
            return false;
        };
        if !self.leaves {
            // One that does not hear it has ended.
            self.leaves = control.leave().is_ok();
        }
        self.leaves && !control.is_gone()
    }

    /// What runs is ended now.
    pub(super) fn end(&mut self, events: &Events) {
        self.leave();
        self.forget(events);
    }

    /// It may have died: the news may be of one before it.
    pub(super) fn died(&mut self, ground: &Ground<'_>) {
        let control = self.control.as_ref();
        if control.is_none_or(|control| !control.is_gone()) {
            return;
        }
        self.forget(ground.events);
        if self.leaves {
            return;
        }
        let young = monotonic_millis() < self.since + LIFE;
        self.deaths = if young { self.deaths + 1 } else { 0 };
        if self.deaths >= TRIES {
            return self.miss("it does not stay alive");
        }
        let what = "the runner is gone, and is started again";
        log::event(Level::Error, what, &[]);
        self.start(ground);
    }

    /// Gives the broker, which may be another one now, a way to the runner.
    pub(super) fn introduce(&mut self, broker: &broker::Control) {
        if let Some(control) = &self.control {
            let told = introduce(control, broker);
            self.note(told);
        }
    }

    fn note(&mut self, told: Result<(), Errno>) {
        match told {
            Err(errno) if !self.untold => untold(errno),
            _ => {}
        }
        self.untold = told.is_err();
    }

    /// Has no more news of it.
    fn forget(&mut self, events: &Events) {
        self.again = None;
        self.untold = false;
        if let Some(control) = self.control.take() {
            events.forget(control.fd());
        }
    }

    fn start(&mut self, ground: &Ground<'_>) {
        self.again = None;
        self.since = monotonic_millis();
        let mut told = Ok(());
        let broker = ground.broker;
        let started = Control::start(ground.config, ground.arguments, |control| {
            told = introduce(control, broker);
        });
        let watched = started.and_then(|control| {
            ground.events.watch(control.fd(), Event::RunnerGone)?;
            Ok(control)
        });
        match watched {
            Ok(control) => {
                self.control = Some(control);
                self.note(told);
            }
            Err(errno) => self.miss(errno.desc()),
        }
    }

    fn miss(&mut self, why: &str) {
        let again = AGAIN / 1000;
        log::event(
            Level::Error,
            "there is no runner, and no command is run",
            &[("reason", &why), ("again_seconds", &again)],
        );
        self.again = Some(monotonic_millis() + AGAIN);
    }
}

fn introduce(control: &Control, broker: &broker::Control) -> Result<(), Errno> {
    broker.give_runner(Some(&control.introduce()?))
}

fn untold(errno: Errno) {
    let why = errno.desc();
    let what = "the broker cannot be given a runner, and no command is run for now";
    log::event(Level::Warn, what, &[("error", &why)]);
}
