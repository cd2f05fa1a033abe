//! Everything the broker answers from: what it read at its start or at a reload, and what it has learned since.

use super::commands::Runner;
use super::keys::Keys;
use super::ledger::Ledger;
use super::quota::Quotas;
use super::remembered::Remembered;
use super::sessions::Sessions;
use super::throttle::{Limits, Throttle};
use crate::ipc::Client;
use crate::log::{self, Level};
use crate::sys::net::Source;
use crate::sys::sealed;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// Most bytes of logins that are taken over.
const MOST_HANDED: usize = 16 << 20;

/// Who a session is counted for: a user, or all that did not log in.
pub(super) type Name = Option<String>;

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) keys: Keys,
    pub(super) throttle: Throttle,
    pub(super) quotas: Quotas,
    pub(super) remembered: Remembered,
    /// Where it is written down what is done; none for nowhere.
    pub(super) ledger: Option<Ledger>,
    /// Of browsers.
    pub(super) signed_in: Sessions,
    pub(super) runner: Runner,
    /// How many connections each client of a proxy has.
    forwarded: HashMap<Source, u32>,
    /// How many sessions each has.
    sessions: HashMap<Name, u32>,
}

impl Desk {
    /// # Errors
    /// When the kernel has no randomness.
    pub(super) fn new(mut keys: Keys) -> Result<Desk, getrandom::Error> {
        Ok(Desk {
            ledger: keys.ledger.take(),
            keys,
            throttle: Throttle::default(),
            quotas: Quotas::default(),
            remembered: Remembered::new()?,
            signed_in: Sessions::default(),
            runner: Runner::default(),
            forwarded: HashMap::new(),
            sessions: HashMap::new(),
        })
    }

    /// Goes on with the logins of browsers that another broker gave away.
    pub(super) fn take_logins(&mut self, sealed: OwnedFd) {
        let keys = &self.keys;
        let stored = |name: &str| keys.active(name).map(|_| keys.stored(name));
        match sealed::read(sealed, MOST_HANDED) {
            Ok(bytes) => {
                let taken = self.signed_in.take(&bytes, stored);
                log::event(
                    Level::Debug,
                    "logins of browsers taken over",
                    &[("logins", &taken)],
                );
            }
            Err(errno) => {
                let why = errno.desc();
                let what = "the logins of browsers are lost";
                log::event(Level::Warn, what, &[("error", &why)]);
            }
        }
    }

    /// The operator's limits for those who fail.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            failures: self.keys.config.max_failures,
            millis: u64::from(self.keys.config.ban_seconds) * 1000,
        }
    }

    /// Counts one more session of `name`, if it may have one.
    pub(super) fn enter(&mut self, name: &Name, most: Option<u32>) -> bool {
        let sessions = self.sessions.entry(name.clone()).or_default();
        if most.is_some_and(|most| *sessions >= most) {
            return false;
        }
        *sessions += 1;
        true
    }

    /// Counts one more connection of a proxy's client, if its address may have one.
    pub(super) fn arrive(&mut self, source: Source) -> bool {
        let connections = self.forwarded.entry(source).or_default();
        let may = *connections < self.keys.config.max_per_address;
        *connections += u32::from(may);
        may
    }

    /// Counts one less.
    pub(super) fn depart(&mut self, source: Source) {
        if let Some(connections) = self.forwarded.get_mut(&source) {
            *connections -= 1;
            if *connections == 0 {
                self.forwarded.remove(&source);
            }
        }
    }

    /// The same of a session.
    pub(super) fn leave(&mut self, name: &Name) {
        if let Some(sessions) = self.sessions.get_mut(name) {
            *sessions -= 1;
            if *sessions == 0 {
                self.sessions.remove(name);
            }
        }
    }
}

/// The address of a client, if it came over a network.
pub(super) fn address(client: &Client) -> Option<IpAddr> {
    client.peer.address()
}
