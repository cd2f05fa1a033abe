//! Keeping a broker: one that dies is started again, while there are sessions that go on without it. Run by the listener.

use super::events::Event;
use super::run::Listener;
use super::{pool, reload};
use crate::broker::Control;
use crate::log::{self, Level};
use crate::sys::process::monotonic_millis;
use std::ffi::OsString;

/// A broker that dies sooner than this, in milliseconds, died young; after so many of them it is not started again.
const BROKER_LIFE: u64 = 2000;
const BROKER_TRIES: u32 = 3;
/// When it cannot even be started: how long until it is tried again, and how long in all, in milliseconds.
const BROKER_AGAIN: u64 = 1000;
const BROKER_MISSED: u64 = 30_000;

impl Listener {
    /// The broker died. Sessions that have the library go on; those that have not can ask nobody, and end.
    pub(super) fn broker_died(&mut self, arguments: &[OsString]) -> Result<(), Vec<String>> {
        self.events.forget(self.broker.fd());
        if self.ending_by.is_some() {
            return Ok(());
        }
        log::event(
            Level::Error,
            "the broker is gone, and is started again",
            &[],
        );
        let young = monotonic_millis() < self.broker_since + BROKER_LIFE;
        self.broker_deaths = if young { self.broker_deaths + 1 } else { 0 };
        if self.broker_deaths >= BROKER_TRIES {
            return Err(vec!["the broker does not stay alive".into()]);
        }
        // Their channels lead nowhere.
        pool::retire(&mut self.children);
        self.start_broker(arguments, monotonic_millis())
    }

    /// Starts the broker after its death. In bad weather that may fail, and is tried again later: meanwhile clients are told that
    /// the server is busy.
    pub(super) fn start_broker(
        &mut self,
        arguments: &[OsString],
        since: u64,
    ) -> Result<(), Vec<String>> {
        self.broker_missing = None;
        if self.ending_by.is_some() {
            return Ok(());
        }
        self.show_life_once();
        // It needs some for a moment.
        self.weather.give_up_reserve();
        let started = Control::start(arguments);
        self.weather.refill();
        let (control, setup) = match started {
            Ok(started) => started,
            Err(problems) if monotonic_millis() >= since + BROKER_MISSED => return Err(problems),
            Err(problems) => {
                for problem in problems {
                    log::event(
                        Level::Error,
                        "the broker cannot be started, and is tried again",
                        &[("problem", &problem)],
                    );
                }
                self.broker_missing = Some((monotonic_millis() + BROKER_AGAIN, since));
                return Ok(());
            }
        };
        // The children's walls stay as they are: what the old broker gave is as good. But it may have read another certificate than
        // the one before it, and signs for no other.
        self.service.tls = reload::secured(setup.chain)?;
        self.broker = control;
        self.running.introduce(&self.broker);
        self.broker_since = monotonic_millis();
        let watched = self.events.watch(self.broker.fd(), Event::Broker);
        watched.map_err(|errno| vec![format!("the broker cannot be watched: {}", errno.desc())])
    }
}
