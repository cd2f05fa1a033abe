//! Deadlines that no child can dodge: the listener reads the scoreboard and kills who is late. Children keep the same
//! deadlines themselves, politely; this is for those that cannot or will not.

use super::children::Children;
use crate::config::Config;
use crate::log::{self, Level};
use crate::scoreboard::{Phase, Reading};
use crate::sys::process::{self, monotonic_millis};
use std::os::fd::AsFd;

/// How much later than the child itself the listener acts, in milliseconds: enough for a parting word and its lingering.
const GRACE: u64 = 2500;

/// Ends every child that is late.
pub(super) fn enforce(children: &mut Children, config: &Config) {
    let now = monotonic_millis();
    for (slot, child) in children.iter_mut() {
        let Some(peer) = child.client else { continue };
        let reading = slot.read();
        if reading.moved != child.moved.0 {
            child.moved = (reading.moved, now);
        }
        if let Some(what) = late(&reading, child.since, child.moved.1, now, config) {
            log::event(
                Level::Warn,
                "deadline passed, child killed",
                &[
                    ("peer", &peer),
                    ("child", &child.process.pid),
                    ("deadline", &what),
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
            passed(connected, config.handshake_seconds).then_some("handshake")
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

    #[test]
    fn each_phase_has_its_deadline() {
        let config = Config::load(&Flags {
            file: Some("/dev/null".into()),
            no_secret: true,
            user: Some("nobody".into()),
            ..Flags::default()
        })
        .expect("config");
        let at = |phase, since| Reading {
            phase,
            since,
            moved: 0,
        };
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
}
