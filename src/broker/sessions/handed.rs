//! Logins of browsers on their way from one broker to the next, by way of a listener that does not look. There is nothing in it that
//! anybody could log in with: of a token its hash, and of a user's verifier, which the next broker reads for itself, a hash as well.

use super::Session;
use crate::users::Stored;
use serde::{Deserialize, Serialize};

/// One of them. Times are of the monotonic clock, which all processes of the machine share, in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handed {
    token: String,
    user: String,
    stored: String,
    ends: u64,
    idle: u64,
    used: u64,
}

fn hash_of(stored: &Stored) -> String {
    blake3::hash(stored.to_string().as_bytes())
        .to_hex()
        .to_string()
}

impl Handed {
    pub(super) fn of(token: &blake3::Hash, session: &Session) -> Handed {
        Handed {
            token: token.to_hex().to_string(),
            user: session.user.clone(),
            stored: hash_of(&session.stored),
            ends: session.ends,
            idle: session.idle,
            used: session.used,
        }
    }

    /// None when the user is gone, or has another password.
    pub(super) fn accept(
        self,
        stored: impl Fn(&str) -> Option<Stored>,
    ) -> Option<(blake3::Hash, Session)> {
        let key = blake3::Hash::from_hex(&self.token).ok()?;
        let stored = stored(&self.user).filter(|stored| hash_of(stored) == self.stored)?;
        let session = Session {
            user: self.user,
            stored,
            ends: self.ends,
            idle: self.idle,
            used: self.used,
        };
        Some((key, session))
    }
}

pub(super) fn write(all: impl Iterator<Item = Handed>) -> Vec<u8> {
    // Text and numbers always become JSON.
    serde_json::to_vec(&all.collect::<Vec<_>>()).unwrap_or_default()
}

/// None of them where it was another program's.
pub(super) fn read(bytes: &[u8]) -> Vec<Handed> {
    serde_json::from_slice(bytes).unwrap_or_default()
}
