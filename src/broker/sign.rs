//! The server's certificate and its private key, which no other process ever has. A child in the middle of a TLS handshake asks
//! for a signature, and gets one only over what a handshake signs: the message is put together here from parts whose shape is
//! checked, so that a child, whoever it may be by then, cannot have anything else signed.

use crate::config::Tls;
use crate::ipc::{Chain, Handshake, MAX_CHAIN};
use crate::log::{self, Level};
use crate::proof::opens_to_others;
use crate::sys::{Errno, sealed};
use crate::tls::EXPORTER;
use crate::tls::certificate::Facts;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, SignatureScheme};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Longest file of a chain or a key, bytes. In hexadecimal, and with what is around it, a chain of that length fits a sealed `Chain`.
const MAX_FILE: usize = MAX_CHAIN / 2 - 4096;

/// What a TLS 1.3 server signs begins so (RFC 8446, section 4.4.3); the transcript's hash follows.
const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
const SPACES: [u8; 64] = [b' '; 64];
/// Bytes of a client's or server's random in TLS 1.2.
const RANDOM: usize = 32;
/// ECCurveType named_curve (RFC 8422, section 5.4).
const NAMED_CURVE: u8 = 3;
/// The groups our TLS knows: number, and bytes of a point. Those of P-256 and P-384 come uncompressed, after a 4.
const GROUPS: [(u16, usize); 3] = [(23, 65), (24, 97), (29, 32)];

/// Schemes that a key may have, the best first.
const SCHEMES: [SignatureScheme; 9] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// A certificate with its key.
#[derive(Debug)]
pub struct Pair {
    /// What the certificate says.
    pub facts: Facts,
    certificates: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
    /// SHA-256 of the server's own certificate, in hexadecimal: by this children name the pair.
    leaf: String,
}

impl Pair {
    /// Reads both files.
    ///
    /// # Errors
    /// A sentence with the file, what is wrong and the remedy. A certificate that has expired is none.
    pub fn load(tls: &Tls) -> Result<Pair, String> {
        let chain = |what: String| format!("tls_certificate {}: {what}", tls.certificate.display());
        let text = read(&tls.certificate, false).map_err(chain)?;
        let certificates = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| chain(format!("is damaged: {error}")))?;
        let Some(leaf) = certificates.first() else {
            return Err(chain("holds no certificate (PEM is wanted)".into()));
        };
        let facts = Facts::read(leaf).map_err(chain)?;
        let key =
            load_key(&tls.key).map_err(|what| format!("tls_key {}: {what}", tls.key.display()))?;
        let leaf = hex::encode(Sha256::digest(leaf));
        let both = CertifiedKey::new(certificates, key);
        match both.keys_match() {
            Ok(()) => {}
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                return Err(format!(
                    "tls_key {} is not the key of the first certificate in {}: the two belong together, and the server's own certificate comes first",
                    tls.key.display(),
                    tls.certificate.display()
                ));
            }
            Err(error) => return Err(chain(format!("cannot be used: {error}"))),
        }
        Ok(Pair {
            facts,
            certificates: both.cert,
            key: both.key,
            leaf,
        })
    }

    /// The chain, the server's own certificate first.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Says in the log what the operator should know of it.
    pub(super) fn announce(&self) {
        let names = self.facts.names.join(",");
        log::event(
            Level::Info,
            "certificate",
            &[
                ("names", &names),
                ("fingerprint", &self.facts.fingerprint),
                (
                    "expires",
                    &crate::tls::certificate::day(self.facts.not_after),
                ),
            ],
        );
        let now = jiff::Timestamp::now().as_second();
        if let Some(trouble) = self.facts.trouble(now) {
            log::event(
                Level::Warn,
                "clients may refuse the certificate",
                &[("reason", &format!("it {trouble}"))],
            );
        }
    }

    /// What the listener makes ready for its children.
    pub(super) fn publish(&self) -> Result<OwnedFd, Errno> {
        let has = |scheme: &&SignatureScheme| self.key.choose_scheme(&[**scheme]).is_some();
        let chain = Chain {
            certificates: self.certificates.iter().map(hex::encode).collect(),
            schemes: SCHEMES.iter().filter(has).map(|s| u16::from(*s)).collect(),
        };
        sealed::make(&serde_json::to_vec(&chain).map_err(|_| Errno::EINVAL)?)
    }

    fn sign(&self, scheme: u16, handshake: &Handshake) -> Result<String, &'static str> {
        let scheme = SignatureScheme::from(scheme);
        let message = message(scheme, handshake)?;
        let signer = self.key.choose_scheme(&[scheme]);
        let signer = signer.ok_or("a signature of another kind of key")?;
        let signature = signer.sign(&message);
        signature
            .map(hex::encode)
            .map_err(|_| "the key cannot sign")
    }
}

/// The pair in force, and the one before it, for sessions that began with that.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    current: Option<Pair>,
    previous: Option<Pair>,
}

impl Pairs {
    /// Loads what the configuration names.
    pub(super) fn load(tls: Option<&Tls>) -> Result<Pairs, String> {
        let current = tls.map(Pair::load).transpose()?;
        if let Some(pair) = &current {
            pair.announce();
        }
        Ok(Pairs {
            current,
            previous: None,
        })
    }

    pub(super) fn current(&self) -> Option<&Pair> {
        self.current.as_ref()
    }

    /// Keeps what sessions of `old` may still need.
    pub(super) fn succeed(&mut self, old: Pairs) {
        let leaf = |pair: &Option<Pair>| pair.as_ref().map(|pair| pair.leaf.clone());
        self.previous = if leaf(&self.current) == leaf(&old.current) {
            old.previous
        } else {
            old.current
        };
    }

    /// Signs a handshake with the key of the certificate `leaf`.
    ///
    /// # Errors
    /// Why the child that asked is cut off.
    pub(super) fn sign(
        &self,
        leaf: &str,
        scheme: u16,
        handshake: &Handshake,
    ) -> Result<String, &'static str> {
        let mut pairs = self.current.iter().chain(&self.previous);
        let pair = pairs.find(|pair| pair.leaf == leaf);
        pair.ok_or("a signature for a certificate that is not ours")?
            .sign(scheme, handshake)
    }
}

/// The name of a channel as a child says it.
pub(super) fn exporter(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut bytes = [0; EXPORTER];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| "a channel's name of another length")?;
    Ok(bytes.to_vec())
}

/// What is signed, put together.
fn message(scheme: SignatureScheme, handshake: &Handshake) -> Result<Vec<u8>, &'static str> {
    let bytes = |text: &str| hex::decode(text).map_err(|_| "parts that are no hexadecimal");
    match handshake {
        Handshake::Tls13 { hash } => {
            let hash = bytes(hash)?;
            if !matches!(hash.len(), 32 | 48) {
                return Err("a transcript hash of no length");
            }
            // RFC 8446, section 4.2.3: not in TLS 1.3.
            if matches!(
                scheme,
                SignatureScheme::RSA_PKCS1_SHA256
                    | SignatureScheme::RSA_PKCS1_SHA384
                    | SignatureScheme::RSA_PKCS1_SHA512
            ) {
                return Err("a signature scheme that TLS 1.3 does not have");
            }
            Ok([&SPACES[..], CONTEXT, &hash].concat())
        }
        Handshake::Tls12 {
            client_random,
            server_random,
            params,
        } => {
            let (client, server) = (bytes(client_random)?, bytes(server_random)?);
            let params = bytes(params)?;
            if client.len() != RANDOM || server.len() != RANDOM {
                return Err("a random of no length");
            }
            if !is_named_curve(&params) {
                return Err("parameters that are no point on a named curve");
            }
            Ok([client, server, params].concat())
        }
    }
}

/// True for the ServerECDHParams of a group that our TLS knows, and nothing behind.
fn is_named_curve(params: &[u8]) -> bool {
    let [NAMED_CURVE, high, low, length, point @ ..] = params else {
        return false;
    };
    let group = u16::from_be_bytes([*high, *low]);
    let Some((_, size)) = GROUPS.iter().find(|(number, _)| *number == group) else {
        return false;
    };
    usize::from(*length) == *size
        && point.len() == *size
        && (*size == 32 || point.first() == Some(&4))
}

fn load_key(path: &Path) -> Result<Arc<dyn SigningKey>, String> {
    let text = Zeroizing::new(read(path, true)?);
    let mut key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| format!("holds no private key in PEM: {error}"))?;
    let loaded = rustls::crypto::ring::sign::any_supported_type(&key);
    key.zeroize();
    loaded.map_err(|_| {
        "is a kind of key that is not known here: ECDSA with P-256 or P-384, Ed25519, or RSA with at least 2048 bits".into()
    })
}

/// Reads a small regular file; a `private` one only if nobody but its owner can.
fn read(path: &Path, private: bool) -> Result<Vec<u8>, String> {
    // Non-blocking: a pipe in its place is refused below, not waited for.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|error| format!("{error}; make one with: forkftpd cert new"))?;
    let facts = file.metadata().map_err(|error| error.to_string())?;
    if !facts.is_file() {
        return Err("not a regular file".into());
    }
    let mode = facts.permissions().mode() & 0o777;
    if private && opens_to_others(mode, facts.uid(), facts.gid()) {
        return Err(format!(
            "mode {mode:04o} lets others than its owner (uid {}) at it; run: chmod 600 {}",
            facts.uid(),
            path.display()
        ));
    }
    // With room for all of it from the start: growing would leave copies behind.
    let mut content = Vec::with_capacity(MAX_FILE + 1);
    file.take(MAX_FILE as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|error| error.to_string())?;
    if content.len() > MAX_FILE {
        return Err(format!("is longer than {MAX_FILE} bytes"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path) -> Tls {
        let key = rcgen::KeyPair::generate().expect("key");
        let asked = rcgen::CertificateParams::new(vec!["h".to_owned()]).expect("names");
        let made = asked.self_signed(&key).expect("certificate");
        let tls = Tls {
            certificate: folder.join("crt"),
            key: folder.join("key"),
        };
        std::fs::write(&tls.certificate, made.pem()).expect("write");
        std::fs::write(&tls.key, key.serialize_pem()).expect("write");
        chmod(&tls.key, 0o600);
        tls
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn pairs_that_are_not_whole_are_refused_with_a_remedy() {
        let folder = tempfile::tempdir().expect("folder");
        let tls = pair(folder.path());
        Pair::load(&tls).expect("a pair");
        chmod(&tls.key, 0o640);
        let said = Pair::load(&tls).expect_err("readable by the group");
        assert!(said.contains("chmod 600"), "{said}");
        chmod(&tls.key, 0o600);
        let gone = Tls {
            certificate: folder.path().join("nowhere"),
            key: tls.key.clone(),
        };
        let mixed = Tls {
            key: tls.key.clone(),
            certificate: folder.path().join("other"),
        };
        let made = rcgen::generate_simple_self_signed(vec!["o".to_owned()]).expect("made");
        std::fs::write(&mixed.certificate, made.cert.pem()).expect("write");
        let said = Pair::load(&mixed).expect_err("another's key");
        assert!(said.contains("is not the key"), "{said}");
        let said = Pair::load(&gone).expect_err("gone");
        assert!(said.contains("forkftpd cert new"), "{said}");
        std::fs::write(&tls.certificate, "nothing").expect("write");
        let said = Pair::load(&tls).expect_err("no certificate");
        assert!(said.contains("no certificate"), "{said}");
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&tls.certificate, damaged).expect("write");
        let said = Pair::load(&tls).expect_err("damaged");
        assert!(said.contains("is no X.509 certificate"), "{said}");
    }

    #[test]
    fn only_what_a_handshake_signs_is_signed() {
        let folder = tempfile::tempdir().expect("folder");
        let tls = pair(folder.path());
        let pairs = Pairs::load(Some(&tls)).expect("pairs");
        let leaf = pairs.current().expect("a pair").leaf.clone();
        let scheme = u16::from(SignatureScheme::ECDSA_NISTP256_SHA256);
        let tls13 = |bytes: usize| Handshake::Tls13 {
            hash: "ab".repeat(bytes),
        };
        for (bytes, good) in [
            (32, true),
            (48, true),
            (0, false),
            (31, false),
            (33, false),
            (64, false),
        ] {
            let signed = pairs.sign(&leaf, scheme, &tls13(bytes));
            assert_eq!(signed.is_ok(), good, "{bytes}: {signed:?}");
        }
        let rsa = u16::from(SignatureScheme::RSA_PKCS1_SHA256);
        assert!(pairs.sign(&leaf, rsa, &tls13(32)).is_err());
        assert!(pairs.sign(&"00".repeat(32), scheme, &tls13(32)).is_err());
        let tls12 = |client: usize, server: usize, params: &str| Handshake::Tls12 {
            client_random: "01".repeat(client),
            server_random: "02".repeat(server),
            params: params.into(),
        };
        let x25519 = format!("03001d20{}", "11".repeat(32));
        let p256 = format!("0300174104{}", "11".repeat(64));
        let p384 = format!("0300186104{}", "11".repeat(96));
        for good in [&x25519, &p256, &p384] {
            assert!(
                pairs.sign(&leaf, scheme, &tls12(32, 32, good)).is_ok(),
                "{good}"
            );
        }
        for (client, server, params) in [
            (31, 32, x25519.clone()),
            (32, 33, x25519.clone()),
            (32, 32, String::new()),
            (32, 32, "xx".into()),
            (32, 32, "54".repeat(66)),
            (32, 32, format!("{x25519}00")),
            (32, 32, x25519[..66].to_owned()),
            (32, 32, format!("01{}", &x25519[2..])),
            (32, 32, format!("03001e20{}", "11".repeat(32))),
            (32, 32, format!("03001720{}", "11".repeat(32))),
            (32, 32, format!("0300174102{}", "11".repeat(64))),
        ] {
            let refused = pairs.sign(&leaf, scheme, &tls12(client, server, &params));
            assert!(refused.is_err(), "{params}");
        }
        assert!(exporter(&"00".repeat(31)).is_err());
        assert!(exporter(&"00".repeat(32)).is_ok());
    }

    #[test]
    fn the_pair_before_serves_on_and_the_one_before_that_does_not() {
        let folders = [(); 3].map(|()| tempfile::tempdir().expect("folder"));
        let tls = folders.each_ref().map(|folder| pair(folder.path()));
        let load = |tls: &Tls| Pairs::load(Some(tls)).expect("pairs");
        let mut pairs = load(&tls[0]);
        let mut leaves = vec![pairs.current().expect("pair").leaf.clone()];
        for tls in &tls[1..] {
            for _ in 0..2 {
                // A reload that changes nothing pushes nothing out.
                let mut next = load(tls);
                next.succeed(std::mem::take(&mut pairs));
                pairs = next;
            }
            leaves.push(pairs.current().expect("pair").leaf.clone());
        }
        let hash = Handshake::Tls13 {
            hash: "ab".repeat(32),
        };
        let signs = |leaf: &String| pairs.sign(leaf, 0x0403, &hash).is_ok();
        assert_eq!(
            leaves.iter().map(signs).collect::<Vec<_>>(),
            [false, true, true]
        );
    }
}
