//! The connection proof: both ends show that they know the shared secret, and neither says it. Run by the child that
//! holds a server's end and by the client.
//!
//! The transcript under the MAC (RFC 2104) begins with a label and the role, so that neither end's proof serves as the
//! other's; it holds the whole hello, so that an offer weakened on the way shows; and both nonces, so that no proof
//! serves twice. `src/wire/PROTOCOL.md` has it byte by byte.

use hmac::{Hmac, KeyInit, Mac as _};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a nonce.
pub const NONCE: usize = 32;
/// Fewest bytes of a shared secret.
pub const MIN_SECRET: usize = 16;
/// Most bytes of a shared secret: a larger file is surely not one.
pub const MAX_SECRET: usize = 4096;

const LABEL: &[u8] = b"forkftp/1 proof\0";

/// Fresh random bytes from the kernel (getrandom(2)).
///
/// # Errors
/// When the kernel has none to give: nothing may go on without.
pub fn nonce() -> Result<[u8; NONCE], getrandom::Error> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Which MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mac {
    /// HMAC with SHA-256.
    #[serde(rename = "hmac-sha256")]
    Sha256,
    /// HMAC with MD5, for peers that have nothing newer.
    #[serde(rename = "hmac-md5")]
    Md5,
}

/// Whose proof it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one who connected; proves first.
    Client,
    /// The one who was connected to.
    Server,
}

/// The shared secret. Shown by no format, and overwritten when dropped.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the writes from being optimised away as dead.
        std::hint::black_box(&self.0);
    }
}

impl Secret {
    /// The secret from the content of a file: white space at its end is not part of it.
    ///
    /// # Errors
    /// When it is shorter than `MIN_SECRET` or longer than `MAX_SECRET` bytes.
    pub fn new(content: &[u8]) -> Result<Secret, String> {
        let secret = content.trim_ascii_end();
        match secret.len() {
            0..MIN_SECRET => Err(format!(
                "the secret has {} bytes; it needs at least {MIN_SECRET}",
                secret.len()
            )),
            MIN_SECRET..=MAX_SECRET => Ok(Secret(secret.to_vec())),
            _ => Err(format!("the secret has more than {MAX_SECRET} bytes")),
        }
    }

    /// A new random secret as text: 32 bytes from the kernel in hexadecimal, and a newline.
    ///
    /// # Errors
    /// When the kernel has no randomness to give.
    pub fn generate() -> Result<String, getrandom::Error> {
        Ok(hex::encode(nonce()?) + "\n")
    }

    /// Reads a secret's file, refusing one that others than its owner can read or write.
    ///
    /// # Errors
    /// A sentence with the file, what is wrong and the remedy.
    pub fn from_file(path: &std::path::Path) -> Result<Secret, String> {
        let make = format!("make one with: forkftpd secret new {}", path.display());
        let content = read_private(path, "secret", MAX_SECRET + 2, &make)?;
        Secret::new(&content).map_err(|e| {
            format!(
                "secret {}: {e}; make one with: forkftpd secret new FILE",
                path.display()
            )
        })
    }
}

/// The content of a file that only its owner may read or write. `what` it is and what to do when it is not there (`missing`) go into
/// the sentence of an error. At most `most` bytes are read; more are refused.
///
/// # Errors
/// A sentence with the file, what is wrong and the remedy.
pub fn read_private(
    path: &std::path::Path,
    what: &str,
    most: usize,
    missing: &str,
) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    use std::io::Read;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
    let say = |why: String| format!("{what} {}: {why}", path.display());
    // Non-blocking: a pipe in its place is refused below, not waited for.
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path);
    let file = opened.map_err(|e| say(format!("{e}; {missing}")))?;
    let facts = file.metadata().map_err(|e| say(e.to_string()))?;
    if !facts.is_file() {
        return Err(say("not a regular file".into()));
    }
    let mode = facts.permissions().mode() & 0o777;
    if opens_to_others(mode, facts.uid(), facts.gid()) {
        return Err(say(format!(
            "mode {mode:04o} lets others than its owner (uid {}) at it; run: chmod 600 {}",
            facts.uid(),
            path.display()
        )));
    }
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let size = usize::try_from(facts.len()).unwrap_or(usize::MAX).min(most);
    let mut content = zeroize::Zeroizing::new(Vec::with_capacity(size + 2));
    file.take(most as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|e| say(e.to_string()))?;
    if content.len() > most {
        return Err(say(format!("more than {most} bytes")));
    }
    Ok(content)
}

/// True when a file of this mode is for others than its owner. Not so 0440 of root and its group: where the service manager lets
/// the server read a credential by an access control list, the group's bits are the list's mask (acl(5)), and root reads all anyway.
#[must_use]
pub fn opens_to_others(mode: u32, owner: u32, group: u32) -> bool {
    mode & 0o077 != 0 && (mode & 0o777, owner, group) != (0o440, 0, 0)
}

/// What both ends have seen of one handshake.
#[derive(Debug, Clone, Copy)]
pub struct Transcript<'a> {
    /// Payload of the `H` frame, byte by byte (the server's nonce is in it).
    pub hello: &'a [u8],
    /// The client's nonce.
    pub client_nonce: &'a [u8; NONCE],
    /// TLS exporter of the connection (RFC 5705), empty without TLS: a proof made for one channel is worth nothing in another.
    pub channel: &'a [u8],
}

impl Transcript<'_> {
    fn feed(&self, role: Role, mac: Mac, mut take: impl FnMut(&[u8])) {
        take(LABEL);
        take(match role {
            Role::Client => b"client\0",
            Role::Server => b"server\0",
        });
        take(match mac {
            Mac::Sha256 => b"hmac-sha256\0",
            Mac::Md5 => b"hmac-md5\0",
        });
        for part in [self.hello, &self.client_nonce[..], self.channel] {
            take(&(part.len() as u32).to_be_bytes());
            take(part);
        }
    }

    /// The proof of `role`.
    #[must_use]
    pub fn prove(&self, secret: &Secret, role: Role, mac: Mac) -> Vec<u8> {
        match mac {
            Mac::Sha256 => self
                .run::<Hmac<sha2::Sha256>>(secret, role, mac)
                .finalize()
                .into_bytes()
                .to_vec(),
            Mac::Md5 => self
                .run::<Hmac<md5::Md5>>(secret, role, mac)
                .finalize()
                .into_bytes()
                .to_vec(),
        }
    }

    /// True when `given` is the proof of `role`, compared in constant time.
    #[must_use]
    pub fn verify(&self, secret: &Secret, role: Role, mac: Mac, given: &[u8]) -> bool {
        match mac {
            Mac::Sha256 => self
                .run::<Hmac<sha2::Sha256>>(secret, role, mac)
                .verify_slice(given)
                .is_ok(),
            Mac::Md5 => self
                .run::<Hmac<md5::Md5>>(secret, role, mac)
                .verify_slice(given)
                .is_ok(),
        }
    }

    fn run<M: hmac::Mac + KeyInit>(&self, secret: &Secret, role: Role, mac: Mac) -> M {
        // HMAC takes keys of any length (RFC 2104, section 3), so there is no error to meet here.
        let Ok(mut state) = <M as KeyInit>::new_from_slice(&secret.0) else {
            unreachable!("HMAC refused a key")
        };
        self.feed(role, mac, |part| state.update(part));
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE_A: [u8; NONCE] = [7; NONCE];

    #[test]
    fn a_proof_holds_for_its_own_transcript_role_mac_and_secret_only() {
        let secret = Secret::new(b"0123456789abcdef").expect("secret");
        let other = Secret::new(b"0123456789abcdeX").expect("secret");
        let seen = Transcript {
            hello: b"{\"nonce\":1}",
            client_nonce: &NONCE_A,
            channel: b"",
        };
        for mac in [Mac::Sha256, Mac::Md5] {
            let proof = seen.prove(&secret, Role::Client, mac);
            assert!(seen.verify(&secret, Role::Client, mac, &proof));
            assert!(
                !seen.verify(&other, Role::Client, mac, &proof),
                "other secret"
            );
            assert!(
                !seen.verify(&secret, Role::Server, mac, &proof),
                "reflected"
            );
            assert!(
                !seen.verify(&secret, Role::Client, mac, &proof[..8]),
                "cut short"
            );
            assert!(!seen.verify(&secret, Role::Client, mac, b""), "empty");
            let replayed = Transcript {
                hello: b"{\"nonce\":2}",
                ..seen
            };
            assert!(
                !replayed.verify(&secret, Role::Client, mac, &proof),
                "replayed"
            );
            let relayed = Transcript {
                channel: b"exporter",
                ..seen
            };
            assert!(
                !relayed.verify(&secret, Role::Client, mac, &proof),
                "another channel"
            );
        }
    }

    #[test]
    fn secrets_are_long_enough_and_private() {
        assert!(Secret::new(b"short").is_err());
        assert!(
            Secret::new(b"0123456789abcde\n\n").is_err(),
            "white space does not count"
        );
        assert!(Secret::new(&[b'x'; MAX_SECRET + 1]).is_err());
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("secret");
        std::fs::write(&path, Secret::generate().expect("random")).expect("write");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(
            Secret::from_file(&path)
                .expect_err("readable by the group")
                .contains("chmod 600")
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        assert!(Secret::from_file(&path).is_ok());
        // A credential that a list lets the server read, and what only looks like one.
        assert!(!opens_to_others(0o440, 0, 0) && !opens_to_others(0o400, 7, 7));
        for (mode, owner, group) in [(0o440, 0, 7), (0o440, 7, 0), (0o444, 0, 0), (0o460, 0, 0)] {
            assert!(opens_to_others(mode, owner, group), "{mode:o}");
        }
    }
}
