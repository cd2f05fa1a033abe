//! What both ends of a TLS connection agree on: the name of the protocol inside, how the channel is named to the proofs made in
//! it, and how a key is named to people. Used by the broker, by children and by clients; it opens nothing and knows no socket.

pub mod certificate;
mod engine;

pub use engine::{Engine, SEALED_AT_ONCE};

use rustls::crypto::CryptoProvider;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The protocol inside, as ALPN names it (RFC 7301): no server of another protocol takes this connection for its own.
pub const ALPN: &[u8] = b"forkftp/1";
/// FTP under TLS (IANA's registry of ALPN protocol identifiers).
pub const ALPN_FTP: &[u8] = b"ftp";
/// HTTP/1.1 under TLS (the same registry).
pub const ALPN_HTTP: &[u8] = b"http/1.1";
/// Bytes of a channel's name.
pub const EXPORTER: usize = 32;

/// The label under which a channel is named (RFC 9266, section 2).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The arithmetic of all of this project's TLS. It asks the kernel for every random byte, so that nothing of it repeats after a
/// fork.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What TLS says went wrong, in words for a log or a person.
#[must_use]
pub fn explain(error: &rustls::Error) -> String {
    use rustls::{AlertDescription, Error};
    match error {
        Error::InvalidMessage(_) => "these bytes are no TLS".into(),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::NoApplicationProtocol => {
            "the two ends have no protocol in common (ALPN): a drive speaks forkftp/1".into()
        }
        Error::AlertReceived(alert) => format!("the other end refused: {alert:?}"),
        Error::PeerIncompatible(what) => {
            format!("the two ends have nothing in common: {what:?}")
        }
        // What it holds was made by our own side, for this.
        Error::General(what) => what.clone(),
        other => other.to_string(),
    }
}

/// The SHA-256 of a public key (its SubjectPublicKeyInfo, as RFC 7469 pins it): `sha256:` and 64 digits.
///
/// Of the key, not of the certificate: what a server shows in each handshake is that it has the key, and a certificate renewed
/// for the same key is the same server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of this SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn of(public_key: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(public_key).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Fingerprint, String> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix("sha256:");
        match digits.map(|digits| hex::decode_to_slice(digits, &mut bytes)) {
            Some(Ok(())) => Ok(Fingerprint(bytes)),
            _ => Err(format!(
                "{text}: a fingerprint is sha256: and 64 hexadecimal digits, as forkftpd check prints it"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_written() {
        let one = Fingerprint::of(b"a key");
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_ne!(one, Fingerprint::of(b"another key"));
        for bad in ["", "sha256:", "sha256:00", "md5:00", &one.to_string()[..70]] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
