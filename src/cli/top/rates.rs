//! How much moved between two looks at a server.

use crate::control::{Session, Status};
use crate::wire::SessionId;
use std::collections::HashMap;
use std::time::Instant;

/// What was seen, and when.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) status: Status,
}

/// Bytes a second from clients, and to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Rate {
    pub(super) fn sum(self) -> u64 {
        self.received.saturating_add(self.sent)
    }

    pub(super) fn plus(self, other: Rate) -> Rate {
        Rate {
            received: self.received.saturating_add(other.received),
            sent: self.sent.saturating_add(other.sent),
        }
    }
}

impl Sample {
    pub(super) fn of(status: Status) -> Sample {
        Sample {
            at: Instant::now(),
            status,
        }
    }

    /// The rates of the sessions that are here, in their order, since an earlier sample: of those that came meanwhile all bytes count.
    pub(super) fn since(&self, earlier: &Sample) -> Vec<Rate> {
        let millis = self.at.saturating_duration_since(earlier.at).as_millis();
        let before: HashMap<SessionId, &Session> = earlier
            .status
            .sessions
            .iter()
            .map(|session| (session.session, session))
            .collect();
        let rate = |now: u64, then: u64| {
            let moved = u128::from(now.saturating_sub(then));
            u64::try_from(moved * 1000 / millis.max(1)).unwrap_or(u64::MAX)
        };
        let rates = self.status.sessions.iter().map(|now| {
            let then = before.get(&now.session);
            Rate {
                received: rate(now.received, then.map_or(0, |then| then.received)),
                sent: rate(now.sent, then.map_or(0, |then| then.sent)),
            }
        });
        rates.collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::control::State;
    use std::time::Duration;

    pub(in crate::cli::top) fn session(number: u64, received: u64, sent: u64) -> Session {
        Session {
            session: SessionId::new(0x6920_6f41, number),
            pid: 100 + number as i32,
            protocol: Some("ftp".into()),
            address: format!("192.0.2.{number}:5000"),
            user: Some(format!("user{}", 10 - number)),
            state: State::Busy,
            state_seconds: 3,
            received,
            sent,
            since: format!("2026-05-01T10:00:0{number}Z"),
        }
    }

    pub(in crate::cli::top) fn status(sessions: Vec<Session>) -> Status {
        Status {
            version: "1.2.3".into(),
            pid: 900,
            started: "2026-05-01T09:00:00Z".into(),
            clients: sessions.len() as u32,
            warm: 0,
            max_clients: 10,
            max_per_address: 5,
            sessions,
        }
    }

    #[test]
    fn rates_are_what_moved_in_the_time_that_passed() {
        let first = Sample::of(status(vec![session(1, 100, 1000), session(2, 7, 7)]));
        let second = Sample {
            at: first.at + Duration::from_millis(500),
            status: status(vec![
                session(3, 10, 0),
                session(1, 100, 3000),
                session(4, 0, u64::MAX),
            ]),
        };
        let rate = |received, sent| Rate { received, sent };
        assert_eq!(
            second.since(&first),
            [rate(20, 0), rate(0, 4000), rate(0, u64::MAX)]
        );
        // A child that lost its mind counts backwards; a clock that stood still divides by nothing.
        assert_eq!(first.since(&second)[0], rate(0, 0));
    }
}
