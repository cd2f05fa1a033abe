//! Deadlines that no child can dodge: the listener reads the scoreboard and kills who is late. Children keep the same
//! deadlines themselves, politely; this is for those that cannot or will not. `min_rate` is kept here alone.

use super::children::Children;
use crate::config::{Config, Protocol};
use crate::log::{self, Level};
use crate::scoreboard::{Phase, Reading};
use crate::sys::process::{self, monotonic_millis};
use std::os::fd::AsFd;

/// How much later than the child itself the listener acts, in milliseconds: enough for a parting word and its lingering.
const GRACE: u64 = 2500;

/// What `min_rate` is judged by: how far a request had come when the time began that is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    since: u64,
    waited: u64,
    carried: u64,
}

impl Window {
    fn at(reading: &Reading) -> Window {
        Window {
            since: reading.since,
            waited: reading.waited,
            carried: reading.carried,
        }
    }

    /// True when less was carried than `min_rate` asks for, in `stall_seconds` of waiting for the client.
    ///
    /// The clock runs only while the child waits for its client within one request: a child that computes a digest, syncs or
    /// waits for its own disk is not the client's fault. So the time that passes until a slow client is ended is longer by what
    /// the server itself needed. What the client acknowledged counts, not what the kernel holds for it.
    fn is_slow(&mut self, reading: &Reading, config: &Config) -> bool {
        if config.min_rate == 0 || reading.phase != Phase::Busy || reading.since != self.since {
            *self = Window::at(reading);
            return false;
        }
        let waited = reading.waited.saturating_sub(self.waited);
        if waited < u64::from(config.stall_seconds) * 1000 {
            return false;
        }
        let carried = reading.carried.saturating_sub(self.carried);
        *self = Window::at(reading);
        u128::from(carried) * 1000 < u128::from(config.min_rate) * u128::from(waited)
    }
}

/// Ends every child that is late.
pub(super) fn enforce(children: &mut Children, config: &Config) {
    let now = monotonic_millis();
    for (slot, child) in children.iter_mut() {
        let Some(peer) = child.client else { continue };
        let reading = slot.read();
        if reading.moved != child.moved.0 {
            child.moved = (reading.moved, now);
        }
        let slow = child.window.is_slow(&reading, config).then_some("min_rate");
        if let Some(what) = late(&reading, child.since, child.moved.1, now, config).or(slow) {
            log::event(
                Level::Warn,
                "deadline passed, child killed",
                &[
                    ("peer", &peer),
                    ("child", &child.process.pid),
                    ("deadline", &what),
                    ("session", &child.session),
                ],
            );
            let _ = process::kill(
                child.process.pidfd.as_fd(),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

fn late(
    reading: &Reading,
    connected: u64,
    last_moved: u64,
    now: u64,
    config: &Config,
) -> Option<&'static str> {
    let passed =
        |since: u64, seconds: u32| now.saturating_sub(since) > u64::from(seconds) * 1000 + GRACE;
    match reading.phase {
        // Absolute from the connection, by our own clock: nothing the client or the child does moves it.
        Phase::Waiting | Phase::Handshake => {
            let seconds = match reading.protocol {
                Some(Protocol::Ftp) => config.login_seconds,
                Some(Protocol::Drive | Protocol::Http) | None => config.handshake_seconds,
            };
            passed(connected, seconds).then_some("handshake")
        }
        Phase::Idle => passed(reading.since, config.idle_seconds).then_some("idle"),
        Phase::Busy => (passed(last_moved, config.stall_seconds)
            && passed(reading.since, config.stall_seconds))
        .then_some("stall"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn config() -> Config {
        Config::load(&Flags {
            file: Some("/dev/null".into()),
            no_secret: true,
            user: Some("nobody".into()),
            ..Flags::default()
        })
        .expect("config")
    }

    fn at(phase: Phase, since: u64) -> Reading {
        Reading {
            phase,
            since,
            moved: 0,
            received: 0,
            sent: 0,
            carried: 0,
            waited: 0,
            protocol: None,
        }
    }

    #[test]
    fn each_phase_has_its_deadline() {
        let config = config();
        let minute = 60_000;
        assert_eq!(
            late(&at(Phase::Handshake, 5 * minute), 0, 0, 5 * minute, &config),
            Some("handshake"),
            "a child cannot move it"
        );
        assert_eq!(late(&at(Phase::Handshake, 0), 0, 0, 11_000, &config), None);
        assert_eq!(
            late(&at(Phase::Idle, minute), 0, 0, 5 * minute, &config),
            None
        );
        assert_eq!(
            late(&at(Phase::Idle, 0), 0, 0, 6 * minute, &config),
            Some("idle")
        );
        assert_eq!(
            late(&at(Phase::Busy, 0), 0, 9 * minute, 10 * minute, &config),
            None,
            "bytes move"
        );
        assert_eq!(
            late(&at(Phase::Busy, 0), 0, 8 * minute, 10 * minute, &config),
            Some("stall")
        );
    }

    #[test]
    fn a_rate_is_asked_of_a_client_that_was_waited_for() {
        let config = Config {
            min_rate: 100,
            ..config()
        };
        let stall = u64::from(config.stall_seconds) * 1000;
        let busy = |since, waited, carried| Reading {
            waited,
            carried,
            ..at(Phase::Busy, since)
        };
        // Begins with the request, wherever the counters stood.
        let begun = || {
            let mut window = Window::default();
            assert!(!window.is_slow(&busy(5, 7000, 1 << 30), &config));
            window
        };
        let enough = (1 << 30) + stall / 10;
        for (reading, slow, why) in [
            (
                busy(5, 7000 + stall, enough - 1),
                true,
                "one byte too few in the whole time",
            ),
            (busy(5, 7000 + stall, enough), false, "just enough"),
            (
                busy(5, 6999 + stall, 1 << 30),
                false,
                "the time is not over",
            ),
            (
                busy(6, 7000 + 9 * stall, 1 << 30),
                false,
                "another request begins anew",
            ),
            (
                at(Phase::Idle, 5),
                false,
                "between requests nothing is asked",
            ),
        ] {
            assert_eq!(begun().is_slow(&reading, &config), slow, "{why}");
        }
        let mut window = begun();
        assert!(!window.is_slow(&busy(5, 7000 + stall, u64::MAX), &config));
        assert!(
            window.is_slow(&busy(5, 7000 + 2 * stall, u64::MAX), &config),
            "what was carried before does not count twice"
        );
        let off = Config {
            min_rate: 0,
            ..config.clone()
        };
        assert!(!begun().is_slow(&busy(5, 7000 + stall, 1 << 30), &off));
    }
}
