//! Logging in with a password that is never said: SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), bound to the TLS
//! channel by its exporter (RFC 9266). The broker runs the server's half, the client its own. Pure: no input or output, no
//! clock; the nonces are given in.
//!
//! A password becomes a `Verifier` once, and the server keeps nothing else. Who steals the verifiers still has to guess passwords,
//! at `ITERATIONS` hashes each, and cannot log in with what was stolen. The login itself costs the server three hashes.
//!
//! | file | job |
//! |---|---|
//! | `verifier` | what the server keeps of a password, and its text |
//! | `words` | names, passwords, attributes: what may stand in a message |
//! | `server` | `FirstMessage`, `ServerLogin` |
//! | `client` | `ClientLogin`, `ClientFinal`, `KeyCache` |

mod client;
mod server;
#[cfg(test)]
mod tests;
mod verifier;
mod words;

pub use client::{ClientFinal, ClientLogin, KeyCache};
pub use server::{FirstMessage, ServerLogin};
pub use verifier::{SALT, Verifier};
pub use words::{MAX_PASSWORD, password, user_name};

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

/// Rounds of PBKDF2 in new verifiers: 16 times what RFC 7677 asks for at least. The client pays them at each first login, and clients
/// are also scanners and cameras with slow processors, which have `handshake_seconds` for all of it; who has none of those raises
/// it (`forkftpd user passwd --iterations`).
pub const ITERATIONS: u32 = 65_536;
/// Fewest rounds (RFC 7677, section 4). A server that asks for fewer wants to guess the password more cheaply.
pub const MIN_ITERATIONS: u32 = 4096;
/// Most rounds: a server that asks for more wants to keep the client busy.
pub const MAX_ITERATIONS: u32 = 10_000_000;

/// The mechanism without channel binding, as offers name it.
pub const PLAIN: &str = "SCRAM-SHA-256";
/// The mechanism with it.
pub const PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Longest message, bytes.
pub const MAX_MESSAGE: usize = 1024;

/// What the channel has that no other channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding<'a> {
    /// Nothing: it is not TLS.
    None,
    /// The exported keying material "EXPORTER-Channel-Binding" (RFC 9266, section 2).
    Exporter(&'a [u8]),
}

/// The only type of channel binding that is spoken (RFC 9266).
const BINDING_FLAG: &str = "p=tls-exporter";

const KEY: usize = 32;
type Key = [u8; KEY];

fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    // HMAC takes keys of any length (RFC 2104, section 3), so there is no error to meet here.
    let Ok(mut state) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC refused a key")
    };
    for part in parts {
        state.update(part);
    }
    state.finalize().into_bytes().into()
}

fn hash(of: &[u8]) -> Key {
    Sha256::digest(of).into()
}

/// ClientKey and ServerKey of a prepared password (RFC 5802, section 3).
fn keys(prepared: &str, salt: &[u8], iterations: u32) -> (Key, Key) {
    let mut salted =
        pbkdf2::pbkdf2_hmac_array::<Sha256, KEY>(prepared.as_bytes(), salt, iterations);
    let made = (
        hmac(&salted, &[b"Client Key"]),
        hmac(&salted, &[b"Server Key"]),
    );
    salted.zeroize();
    made
}

fn xor(one: &Key, other: &Key) -> Key {
    std::array::from_fn(|i| one[i] ^ other[i])
}

/// AuthMessage (RFC 5802, section 3), in its parts.
fn transcript<'a>(
    first_bare: &'a str,
    server_first: &'a str,
    without_proof: &'a str,
) -> [&'a [u8]; 5] {
    [
        first_bare.as_bytes(),
        b",",
        server_first.as_bytes(),
        b",",
        without_proof.as_bytes(),
    ]
}
