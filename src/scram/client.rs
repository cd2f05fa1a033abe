//! The client's half of a login. It believes nothing the server says: not the number of iterations, and not that it knows the
//! user, until the last message has shown it.

use super::words::{
    attribute, bounded, check_iterations, decode, decode_key, encode, escape, extensions,
    is_printable, iterations, password, user_name,
};
use super::{BINDING_FLAG, Binding, Key, hash, hmac, keys, transcript, xor};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Longest salt that is taken from a server, bytes.
const MAX_SALT: usize = 256;

/// The keys that were made of a password last: for who logs in again and again, and hashes once. Good for one user of one server at a
/// time; whatever differs is made anew.
#[derive(Default)]
pub struct KeyCache {
    pub(super) kept: Option<Kept>,
    made: u64,
}

pub(super) struct Kept {
    prepared: Zeroizing<String>,
    salt: Vec<u8>,
    iterations: u32,
    pub(super) client_key: Zeroizing<Key>,
    server_key: Zeroizing<Key>,
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCache(..)")
    }
}

impl KeyCache {
    /// How often keys had to be made: the hashes of a password, paid that many times.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    fn keys(&mut self, prepared: &str, salt: &[u8], iterations: u32) -> (&Key, &Key) {
        let fits = |kept: &Kept| {
            kept.prepared.as_str() == prepared && kept.salt == salt && kept.iterations == iterations
        };
        let kept = match self.kept.take().filter(fits) {
            Some(kept) => kept,
            None => {
                self.made += 1;
                let (client_key, server_key) = keys(prepared, salt, iterations);
                Kept {
                    prepared: Zeroizing::new(prepared.to_owned()),
                    salt: salt.to_vec(),
                    iterations,
                    client_key: Zeroizing::new(client_key),
                    server_key: Zeroizing::new(server_key),
                }
            }
        };
        let kept = self.kept.insert(kept);
        (&kept.client_key, &kept.server_key)
    }
}

/// A login whose first message was made.
pub struct ClientLogin {
    prepared: Zeroizing<String>,
    nonce: String,
    bare: String,
    /// The header, and the channel's own bytes when they are bound.
    binding: Vec<u8>,
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientLogin(..)")
    }
}

impl ClientLogin {
    /// Makes client-first-message. `nonce` is fresh from the kernel, `binding` what this end of the channel has, and `offered_plus`
    /// whether the server offered `PLUS`: a channel that could be bound and was not offered to be is said to the server, which
    /// knows what it offered.
    ///
    /// # Errors
    /// A name or password that cannot be one.
    pub fn begin(
        user: &str,
        password: &str,
        nonce: &[u8; 32],
        binding: Binding<'_>,
        offered_plus: bool,
    ) -> Result<(ClientLogin, String), String> {
        ClientLogin::begin_with(user, password, &encode(nonce), binding, offered_plus)
    }

    pub(super) fn begin_with(
        user: &str,
        text: &str,
        nonce: &str,
        binding: Binding<'_>,
        offered_plus: bool,
    ) -> Result<(ClientLogin, String), String> {
        let (flag, channel) = match binding {
            Binding::Exporter(exporter) if offered_plus => (BINDING_FLAG, exporter),
            Binding::Exporter(_) => ("y", &[][..]),
            Binding::None => ("n", &[][..]),
        };
        let bare = format!("n={},r={nonce}", escape(&user_name(user)?));
        let message = format!("{flag},,{bare}");
        let login = ClientLogin {
            prepared: password(text)?,
            nonce: nonce.to_owned(),
            bare,
            binding: [flag.as_bytes(), b",,", channel].concat(),
        };
        Ok((login, message))
    }

    /// Answers server-first-message with client-final-message.
    ///
    /// # Errors
    /// What is wrong with the server's message; nothing may be sent then.
    pub fn respond(self, server_first: &str) -> Result<(ClientFinal, String), String> {
        self.respond_with(server_first, &mut KeyCache::default())
    }

    /// The same with keys kept from one login to the next.
    ///
    /// # Errors
    /// As `respond`.
    pub fn respond_with(
        self,
        server_first: &str,
        cache: &mut KeyCache,
    ) -> Result<(ClientFinal, String), String> {
        bounded(server_first)?;
        let mut parts = server_first.split(',');
        let nonce = attribute('r', parts.next())?;
        let salt = decode(attribute('s', parts.next())?, "the salt")?;
        let rounds = iterations(attribute('i', parts.next())?)?;
        extensions(parts)?;
        check_iterations(rounds)?;
        if !is_printable(nonce)
            || nonce
                .strip_prefix(self.nonce.as_str())
                .is_none_or(str::is_empty)
        {
            return Err("the server's nonce does not continue ours".into());
        }
        if salt.is_empty() || salt.len() > MAX_SALT {
            return Err(format!("a salt of {} bytes", salt.len()));
        }
        let without_proof = format!("c={},r={nonce}", encode(&self.binding));
        let signed = transcript(&self.bare, server_first, &without_proof);
        let (client_key, server_key) = cache.keys(&self.prepared, &salt, rounds);
        let proof = xor(client_key, &hmac(&hash(client_key), &signed));
        let done = ClientFinal {
            signature: hmac(server_key, &signed),
        };
        Ok((done, format!("{without_proof},p={}", encode(&proof))))
    }
}

/// A login whose end is awaited: what the server has to say, if it knows the user.
pub struct ClientFinal {
    pub(super) signature: Key,
}

impl fmt::Debug for ClientFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientFinal(..)")
    }
}

impl ClientFinal {
    /// Checks server-final-message.
    ///
    /// # Errors
    /// The server refused (`e=`), or it does not know the user's verifier: it is another.
    pub fn verify(self, server_final: &str) -> Result<(), String> {
        bounded(server_final)?;
        if server_final.starts_with("e=") {
            return Err("the server refused the login".into());
        }
        let mut parts = server_final.split(',');
        let signature = decode_key(attribute('v', parts.next())?, "the server's signature")?;
        extensions(parts)?;
        if !bool::from(signature.ct_eq(&self.signature)) {
            return Err("the server's signature is wrong".into());
        }
        Ok(())
    }
}
