//! Passwords that the broker found right a short while ago.

use crate::sys::process::monotonic_millis;
use crate::users::Stored;

/// Passwords that were right a short while ago, by a keyed digest: a device that logs in for every picture is spared the
/// hash.
#[derive(Debug)]
pub(super) struct Remembered {
    key: [u8; 32],
    known: Vec<(blake3::Hash, u64)>,
}

/// How long, in milliseconds.
const REMEMBERED_MILLIS: u64 = 60_000;
/// How many.
const REMEMBERED: usize = 1024;

impl Remembered {
    /// # Errors
    /// When the kernel has no randomness.
    pub(super) fn new() -> std::result::Result<Remembered, getrandom::Error> {
        let known = Vec::new();
        crate::proof::nonce().map(|key| Remembered { key, known })
    }

    /// Of what is kept too: another password ends it.
    fn digest(&self, name: &str, password: &str, stored: &Stored) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [name, password, &stored.to_string()] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize()
    }

    pub(super) fn knows(&self, name: &str, password: &str, stored: &Stored) -> bool {
        let (digest, now) = (self.digest(name, password, stored), monotonic_millis());
        // A `Hash` is compared in constant time.
        let fits = |(known, until): &(blake3::Hash, u64)| *known == digest && now < *until;
        self.known.iter().any(fits)
    }

    /// Forgets all: users may have changed.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    pub(super) fn note(&mut self, name: &str, password: &str, stored: &Stored) {
        let now = monotonic_millis();
        self.known.retain(|(_, until)| now < *until);
        if self.known.len() >= REMEMBERED {
            self.known.remove(0);
        }
        let digest = self.digest(name, password, stored);
        self.known.push((digest, now + REMEMBERED_MILLIS));
    }
}
