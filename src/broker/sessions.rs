//! Logins in browsers: what a browser keeps is a random token, and what is kept here is its hash, whose it is, and until when. Kept by
//! the broker, in memory, and bounded; a restart of the server ends them all.

mod handed;

use crate::proof;
use crate::users::Stored;
use handed::Handed;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// Most sessions of one user.
const MOST_EACH: usize = 32;
/// Most of all users.
const MOST: usize = 16 * 1024;
/// A session that is not used for this part of its longest time is over.
const IDLE_PART: u64 = 4;

/// One browser's login. Times are of the monotonic clock, in milliseconds.
#[derive(Debug)]
struct Session {
    user: String,
    /// The password was this one: another ends the session.
    stored: Stored,
    ends: u64,
    /// Longest time without a request.
    idle: u64,
    used: u64,
}

impl Session {
    fn lives(&self, now: u64) -> bool {
        now < self.ends && now.saturating_sub(self.used) < self.idle
    }
}

/// All of them, by the hash of the token: who reads this memory has no token yet, and how long a search takes tells nothing about one.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: HashMap<blake3::Hash, Session>,
    /// Another broker goes on with them: here they are looked up, and no more.
    gone: bool,
}

/// None for what is no token.
fn key(token: &str) -> Option<blake3::Hash> {
    let mut bytes = Zeroizing::new([0; proof::NONCE]);
    hex::decode_to_slice(token, &mut bytes[..]).ok()?;
    Some(blake3::hash(&bytes[..]))
}

impl Sessions {
    /// True once they were given away: what would be changed here would not hold there.
    pub(super) fn are_gone(&self) -> bool {
        self.gone
    }

    /// Gives those that live away: see `handed`.
    pub(super) fn give_away(&mut self, now: u64) -> Vec<u8> {
        self.gone = true;
        let living = self.known.iter().filter(|(_, session)| session.lives(now));
        let handed = living.map(|(key, session)| Handed::of(key, session));
        handed::write(handed)
    }

    /// They stay after all.
    pub(super) fn stay(&mut self) {
        self.gone = false;
    }

    /// Goes on with those in `bytes` whose user still has the password that `stored` says. Returns how many.
    pub(super) fn take(&mut self, bytes: &[u8], stored: impl Fn(&str) -> Option<Stored>) -> usize {
        let handed = handed::read(bytes);
        let taken = handed
            .into_iter()
            .take(MOST)
            .filter_map(|handed| handed.accept(&stored));
        let before = self.known.len();
        self.known.extend(taken);
        self.known.len() - before
    }

    /// A new session of `user` for at most `millis`, and its token.
    ///
    /// # Errors
    /// When the kernel has no randomness.
    pub(super) fn begin(
        &mut self,
        user: &str,
        stored: Stored,
        millis: u64,
        now: u64,
    ) -> Result<Zeroizing<String>, getrandom::Error> {
        let secret = Zeroizing::new(proof::nonce()?);
        self.make_room(user, now);
        let session = Session {
            user: user.to_owned(),
            stored,
            ends: now.saturating_add(millis),
            idle: millis / IDLE_PART,
            used: now,
        };
        self.known.insert(blake3::hash(&secret[..]), session);
        Ok(Zeroizing::new(hex::encode(&secret[..])))
    }

    /// Whose session that is, if it lives; it is used now.
    pub(super) fn user(&mut self, token: &str, now: u64) -> Option<&str> {
        let key = key(token)?;
        if !self.known.get(&key)?.lives(now) {
            self.known.remove(&key);
            return None;
        }
        let session = self.known.get_mut(&key)?;
        session.used = now;
        Some(&session.user)
    }

    /// Ends that session, and all of the same user if it is to be `everywhere`. Returns whose it was.
    pub(super) fn end(&mut self, token: &str, everywhere: bool, now: u64) -> Option<String> {
        let session = self.known.remove(&key(token)?)?;
        // A token that is over gives no power over those that live.
        if !session.lives(now) {
            return None;
        }
        if everywhere {
            self.known.retain(|_, other| other.user != session.user);
        }
        Some(session.user)
    }

    /// Ends those of whom `stays` does not hold any more: users, and the verifiers that their passwords had.
    pub(super) fn retain(&mut self, stays: impl Fn(&str, &Stored) -> bool) {
        self.known
            .retain(|_, session| stays(&session.user, &session.stored));
    }

    /// Forgets what is over; then, where `user` or all have as many as there may be, what was used longest ago.
    fn make_room(&mut self, user: &str, now: u64) {
        let of_user = |session: &Session| session.user == user;
        if self.known.values().filter(|s| of_user(s)).count() >= MOST_EACH {
            self.drop_oldest(of_user);
        }
        if self.known.len() >= MOST {
            self.known.retain(|_, session| session.lives(now));
        }
        if self.known.len() >= MOST {
            self.drop_oldest(|_| true);
        }
    }

    fn drop_oldest(&mut self, among: impl Fn(&Session) -> bool) {
        let candidates = self.known.iter().filter(|(_, session)| among(session));
        let oldest = candidates.min_by_key(|(_, session)| session.used);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::{MIN_ITERATIONS, Verifier};

    const HOUR: u64 = 3_600_000;

    fn verifier(password: &str) -> Stored {
        Verifier::new(password, MIN_ITERATIONS)
            .expect("verifier")
            .into()
    }

    #[test]
    fn a_session_is_its_users_until_it_is_over() {
        let mut sessions = Sessions::default();
        let ann = verifier("a");
        let mut begin = |user: &str, now| {
            let token = sessions.begin(user, ann.clone(), HOUR, now);
            token.expect("randomness")
        };
        let (one, two, other) = (begin("ann", 0), begin("ann", 0), begin("bob", 0));
        assert!(one != two && one.len() == 64);
        for bad in ["", "00", &"0".repeat(64), &one.to_uppercase()[..63]] {
            assert_eq!(sessions.user(bad, 0), None);
            assert_eq!(sessions.end(bad, true, 0), None);
        }
        assert_eq!(sessions.user(&one, HOUR / 4 - 1), Some("ann"));
        assert_eq!(sessions.user(&two, HOUR / 4), None, "idle");
        for fifth in 2..5 {
            assert_eq!(sessions.user(&one, HOUR / 5 * fifth), Some("ann"));
        }
        assert_eq!(sessions.user(&one, HOUR), None, "over, however used");
        assert_eq!(sessions.user(&other, 1), Some("bob"));
        assert_eq!(sessions.end(&other, false, 1).as_deref(), Some("bob"));
        assert_eq!(sessions.user(&other, 1), None);
        assert!(sessions.known.is_empty());
    }

    #[test]
    fn everywhere_is_one_user_and_takes_a_living_session() {
        let mut sessions = Sessions::default();
        let any = verifier("a");
        let mut begin = |user: &str, now| {
            let token = sessions.begin(user, any.clone(), HOUR, now);
            token.expect("randomness")
        };
        let (dead, ann, too, bob) = (
            begin("ann", 0),
            begin("ann", HOUR),
            begin("ann", HOUR),
            begin("bob", HOUR),
        );
        assert_eq!(sessions.end(&dead, true, HOUR), None);
        assert_eq!(sessions.user(&ann, HOUR), Some("ann"));
        assert_eq!(sessions.end(&ann, true, HOUR).as_deref(), Some("ann"));
        assert_eq!(sessions.user(&too, HOUR), None);
        assert_eq!(sessions.user(&bob, HOUR), Some("bob"));
    }

    #[test]
    fn another_password_ends_them() {
        let mut sessions = Sessions::default();
        let (old, new) = (verifier("a"), verifier("b"));
        let ann = sessions.begin("ann", old.clone(), HOUR, 0).expect("ann");
        let bob = sessions.begin("bob", new.clone(), HOUR, 0).expect("bob");
        sessions.retain(|_, verifier| *verifier == new);
        assert_eq!(sessions.user(&ann, 0), None);
        assert_eq!(sessions.user(&bob, 0), Some("bob"));
    }

    #[test]
    fn there_are_so_many_and_the_longest_unused_goes() {
        let mut sessions = Sessions::default();
        let any = verifier("a");
        let mut tokens: Vec<Zeroizing<String>> = Vec::new();
        for now in 0..=MOST_EACH as u64 {
            if now == MOST_EACH as u64 {
                assert_eq!(sessions.user(&tokens[0], now), Some("ann"));
            }
            let token = sessions.begin("ann", any.clone(), HOUR, now);
            tokens.push(token.expect("randomness"));
        }
        assert_eq!(sessions.known.len(), MOST_EACH);
        assert_eq!(sessions.user(&tokens[1], 40), None);
        assert_eq!(sessions.user(&tokens[0], 40), Some("ann"));
        for n in MOST_EACH..MOST {
            let session = Session {
                user: format!("user{n}"),
                stored: any.clone(),
                ends: HOUR,
                idle: HOUR,
                used: 50,
            };
            let key = blake3::hash(&n.to_be_bytes());
            sessions.known.insert(key, session);
        }
        sessions.begin("zoe", any.clone(), HOUR, 50).expect("token");
        assert_eq!(sessions.known.len(), MOST);
        assert_eq!(sessions.user(&tokens[2], 60), None, "used longest ago");
        // Those that are over make room first.
        let late = sessions.begin("zoe", any, HOUR, 2 * HOUR).expect("token");
        assert_eq!(sessions.known.len(), 1);
        assert_eq!(sessions.user(&late, 2 * HOUR), Some("zoe"));
    }

    #[test]
    fn another_broker_goes_on_with_those_whose_password_is_the_same() {
        let (mut old, mut new) = (Sessions::default(), Sessions::default());
        let (ann, bob) = (verifier("a"), verifier("b"));
        let begin = |sessions: &mut Sessions, user: &str, stored: &Stored| {
            let token = sessions.begin(user, stored.clone(), HOUR, 5);
            token.expect("randomness")
        };
        let ann_token = begin(&mut old, "ann", &ann);
        let bob_token = begin(&mut old, "bob", &bob);
        let eve_token = begin(&mut old, "eve", &bob);
        let handed = old.give_away(6);
        assert!(old.are_gone() && old.user(&ann_token, 6) == Some("ann"));
        let text = String::from_utf8(handed.clone()).expect("text");
        assert!(!text.contains(&**ann_token) && !text.contains(&ann.to_string()));
        let stored = |name: &str| match name {
            "ann" => Some(ann.clone()),
            "bob" => Some(verifier("another")),
            _ => None,
        };
        assert_eq!(new.take(&handed, stored), 1);
        assert_eq!(new.user(&ann_token, 7), Some("ann"));
        assert_eq!(new.user(&bob_token, 7), None);
        assert_eq!(new.user(&eve_token, 7), None);
        assert_eq!(
            new.user(&ann_token, 5 + HOUR),
            None,
            "it ends when it would have"
        );
        assert_eq!(new.take(b"[{]", stored), 0);
    }
}
