//! Session tickets for one client's data connections. Kept by a child, in its memory alone: a ticket is the number of a session
//! that this process remembers, so that no ticket of another client, of an earlier session or of a thief's making resumes one.

use crate::sys::random;
use rustls::server::ProducesTickets;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Sessions that are remembered. A client that uses its first ticket for everything keeps it alive by using it.
const MOST: usize = 64;
/// Bytes of a number: nobody guesses one.
const NUMBER: usize = 16;
/// For how long a client may keep a ticket, in seconds: longer than its session lasts it is good for nothing.
const LIFE: u32 = 24 * 60 * 60;

/// What is remembered, the least used first.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<VecDeque<Session>>);

type Session = ([u8; NUMBER], Vec<u8>);

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFE
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let mut number = [0; NUMBER];
        random::fill(&mut number).ok()?;
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() == MOST {
            sessions.pop_front();
        }
        sessions.push_back((number, session.to_vec()));
        Some(number.to_vec())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sessions.iter().position(|(number, _)| number == ticket)?;
        let used = sessions.remove(at)?;
        let session = used.1.clone();
        sessions.push_back(used);
        Some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_kept_and_the_rest_goes_in_turn() {
        let tickets = Tickets::default();
        let first = tickets.encrypt(b"first").expect("ticket");
        let second = tickets.encrypt(b"second").expect("ticket");
        for _ in 0..3 * MOST {
            assert_eq!(tickets.decrypt(&first).as_deref(), Some(&b"first"[..]));
            tickets.encrypt(b"another").expect("ticket");
        }
        assert_eq!(tickets.decrypt(&second), None);
        assert_eq!(tickets.decrypt(&first[..NUMBER - 1]), None);
        assert_eq!(tickets.decrypt(b""), None);
        assert_eq!(Tickets::default().decrypt(&first), None, "another client's");
    }
}
