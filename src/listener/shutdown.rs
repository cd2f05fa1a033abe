//! The end: no new clients, transfers finish within the time they are given, then everybody goes, and nothing staged is
//! left.

use super::children::Children;
use super::pool;
use crate::log::{self, Level};
use crate::sys::process;
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, OwnedFd};

/// Asks every child to end after what it is at, and wakes those that wait for a request: they see the pipe's end.
pub(super) fn begin(children: &mut Children, drain: Option<OwnedFd>, seconds: u32) {
    log::event(
        Level::Info,
        "draining",
        &[("children", &children.living()), ("seconds", &seconds)],
    );
    pool::retire(children);
    for (slot, _) in children.iter_mut() {
        slot.ask_to_end();
    }
    drop(drain);
}

/// The same without hurry: children go once their clients pause, and those of them that had none at once.
pub(super) fn leave(children: &mut Children, drain: Option<OwnedFd>, seconds: u32) {
    log::event(
        Level::Info,
        "a successor has taken over, draining",
        &[("children", &children.living()), ("seconds", &seconds)],
    );
    for (slot, _) in children.iter_mut() {
        slot.ask_to_leave();
    }
    pool::retire(children);
    drop(drain);
}

/// There is less time after all: children end after what they are at.
pub(super) fn hasten(children: &mut Children, seconds: u32) {
    log::event(
        Level::Info,
        "draining faster",
        &[("children", &children.living()), ("seconds", &seconds)],
    );
    for (slot, _) in children.iter_mut() {
        slot.ask_to_end();
    }
}

/// Ends every child now.
pub(super) fn kill_all(children: &mut Children, why: &str) {
    if children.living() > 0 {
        log::event(
            Level::Warn,
            "ending all children",
            &[("children", &children.living()), ("reason", &why)],
        );
    }
    for (_, child) in children.iter_mut() {
        let _ = process::kill(child.process.pidfd.as_fd(), Signal::SIGKILL);
    }
}
