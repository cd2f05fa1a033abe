//! Bad weather: the machine is out of descriptors, processes or memory. Nobody is accepted for a moment instead of trying again at
//! once, which would spin; and a few descriptors are kept for telling clients that the server is busy.

use crate::log::{self, Level};
use crate::sys::net::{self, Peer};
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, Result};
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};

/// How long no client is accepted after the machine ran out of something, in milliseconds.
pub(super) const PAUSE: u64 = 200;
/// How long it is not said again, in milliseconds: it may last, and is tried again several times a second.
const QUIET: u64 = 10_000;
/// Descriptors that are kept: for an accepted client that hears why it cannot be served, for administrators who want to see what
/// is going on, and for starting the broker again.
const KEPT: usize = 8;

/// What keeps the listener calm.
#[derive(Debug)]
pub(super) struct Weather {
    /// When to accept again.
    until: Option<u64>,
    /// What was said last, and until when it is not said again.
    said: (&'static str, u64),
    reserve: Vec<File>,
}

impl Weather {
    /// # Errors
    /// When there are no descriptors to keep, not even at the start.
    pub(super) fn new() -> Result<Weather> {
        let mut weather = Weather {
            until: None,
            said: ("", 0),
            reserve: Vec::with_capacity(KEPT),
        };
        weather.refill();
        if weather.reserve.len() < KEPT {
            return Err(Errno::EMFILE);
        }
        Ok(weather)
    }

    /// True while nobody is accepted.
    pub(super) fn is_paused(&self) -> bool {
        self.until.is_some()
    }

    /// True once the pause is over; it is then forgotten.
    pub(super) fn clears_up(&mut self) -> bool {
        let over = self.until.is_some_and(|until| monotonic_millis() >= until);
        if over {
            self.until = None;
            self.refill();
        }
        over
    }

    /// Says what is wrong; for a moment nobody is accepted.
    pub(super) fn pause(&mut self, what: &'static str, why: &str, children: u32) {
        let now = monotonic_millis();
        if what != self.said.0 || now >= self.said.1 {
            self.said = (what, now + QUIET);
            log::event(
                Level::Error,
                what,
                &[("reason", &why), ("children", &children)],
            );
        }
        self.until = Some(now + PAUSE);
    }

    /// Accepts, if need be on a descriptor of the reserve. What is accepted so has to be closed soon: see `refill`.
    ///
    /// # Errors
    /// As `net::accept`, when the reserve does not help either.
    pub(super) fn accept(&mut self, from: BorrowedFd<'_>) -> Result<Option<(OwnedFd, Peer)>> {
        match net::accept(from) {
            Err(Errno::EMFILE | Errno::ENFILE) if self.reserve.pop().is_some() => net::accept(from),
            other => other,
        }
    }

    /// True when the whole reserve is there: nobody was accepted on it.
    pub(super) fn is_whole(&self) -> bool {
        self.reserve.len() == KEPT
    }

    /// Frees it for something that needs a few descriptors at once.
    pub(super) fn give_up_reserve(&mut self) {
        self.reserve.clear();
    }

    /// Takes back what can be had.
    pub(super) fn refill(&mut self) {
        while self.reserve.len() < KEPT {
            match File::open("/dev/null") {
                Ok(kept) => self.reserve.push(kept),
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_pause_ends_and_the_reserve_comes_back() {
        let mut weather = Weather::new().expect("reserve");
        assert!(!weather.is_paused() && !weather.clears_up() && weather.is_whole());
        let before = monotonic_millis();
        weather.pause("a test", "none", 0);
        assert!(weather.is_paused() && !weather.clears_up());
        weather.reserve.clear();
        while !weather.clears_up() {
            std::thread::sleep(std::time::Duration::from_millis(5));
            assert!(monotonic_millis() < before + 10 * PAUSE);
        }
        assert!(monotonic_millis() >= before + PAUSE);
        assert!(!weather.is_paused() && weather.is_whole());
        let socket = net::listen_tcp(([127, 0, 0, 1], 0).into(), 1, None).expect("listen");
        assert!(weather.accept(socket.as_fd()).expect("accept").is_none());
        assert!(weather.is_whole(), "nothing was missing");
    }
}
