//! What the server keeps of a password, and its text in the users file. Held by the broker, made by `forkftpd user`.

use super::words::{check_iterations, decode, decode_key, encode, iterations, password};
use super::{ITERATIONS, Key, PLAIN, hash, hmac, keys};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a new salt.
pub const SALT: usize = 16;
/// Bytes a salt may have.
const SALTS: std::ops::RangeInclusive<usize> = SALT..=64;

/// Enough to check a password, and not enough to log in with. Shown by no format but `Display`, which is for the users file
/// alone; overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    pub(super) iterations: u32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: Key,
    pub(super) server_key: Key,
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

impl Verifier {
    /// The verifier of `password`, with a new salt from the kernel.
    ///
    /// # Errors
    /// A password that cannot be one, iterations out of bounds, or a kernel without randomness.
    pub fn new(password: &str, iterations: u32) -> Result<Verifier, String> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|error| format!("no randomness: {error}"))?;
        Verifier::with_salt(password, salt.to_vec(), iterations)
    }

    /// The same with this salt: for a process that gets its randomness in another way.
    ///
    /// # Errors
    /// A password that cannot be one, or iterations out of bounds.
    pub fn with_salt(text: &str, salt: Vec<u8>, iterations: u32) -> Result<Verifier, String> {
        let prepared = password(text)?;
        check_iterations(iterations)?;
        let (mut client_key, server_key) = keys(&prepared, &salt, iterations);
        let stored_key = hash(&client_key);
        client_key.zeroize();
        Ok(Verifier {
            iterations,
            salt,
            stored_key,
            server_key,
        })
    }

    /// True when it is the verifier of `text`. Costs `iterations` hashes, whatever is given: a password that cannot be one is
    /// simply wrong.
    #[must_use]
    pub fn check(&self, text: &str) -> bool {
        let (possible, prepared) = match password(text) {
            Ok(prepared) => (true, prepared),
            Err(_) => (false, Zeroizing::new("no password".to_owned())),
        };
        let (mut client_key, mut server_key) = keys(&prepared, &self.salt, self.iterations);
        let same = hash(&client_key).ct_eq(&self.stored_key) & server_key.ct_eq(&self.server_key);
        client_key.zeroize();
        server_key.zeroize();
        bool::from(same) && possible
    }

    /// What stands for the verifier of somebody unknown, so that a stranger learns nothing from asking: the same each time for the
    /// same `key` and `user`, of the shape that new ones have, and of no password. `key` is the server's own, random.
    ///
    /// It has `ITERATIONS`, and a salt as `new` makes it: a user whose verifier has others can be told from nobody.
    #[must_use]
    pub fn mock(key: &[u8; 32], user: &str) -> Verifier {
        let part = |label: &[u8]| hmac(key, &[label, user.as_bytes()]);
        Verifier {
            iterations: ITERATIONS,
            salt: part(b"salt\0")[..SALT].to_vec(),
            stored_key: part(b"stored\0"),
            server_key: part(b"server\0"),
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(encode);
        write!(f, "{PLAIN}${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl FromStr for Verifier {
    type Err = String;

    /// The text that PostgreSQL also keeps: `SCRAM-SHA-256$ITERATIONS:SALT$StoredKey:ServerKey`, the last three in base 64.
    fn from_str(text: &str) -> Result<Verifier, String> {
        let parts = || {
            let (scheme, rest) = text.split_once('$')?;
            let (cost, keys) = rest.split_once('$')?;
            let (iterations, salt) = cost.split_once(':')?;
            let (stored, server) = keys.split_once(':')?;
            (scheme == PLAIN).then_some([iterations, salt, stored, server])
        };
        let [rounds, salt, stored, server] =
            parts().ok_or("not of the form SCRAM-SHA-256$ITERATIONS:SALT$KEY:KEY")?;
        let salt = decode(salt, "the salt")?;
        if !SALTS.contains(&salt.len()) {
            return Err(format!(
                "the salt has {} bytes, not {} to {}",
                salt.len(),
                SALTS.start(),
                SALTS.end()
            ));
        }
        Ok(Verifier {
            iterations: iterations(rounds)?,
            salt,
            stored_key: decode_key(stored, "StoredKey")?,
            server_key: decode_key(server, "ServerKey")?,
        })
    }
}
