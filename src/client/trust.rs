//! Whether the server at the other end of a TLS handshake is the one the user means. Run by the client, within the handshake.
//!
//! In this order, and the first that applies decides alone: the key the user named (`--pin`); the authorities the user named
//! (`--ca`); the key by which the server is known; the authorities of the system. A server that none of these knows is taken
//! at its word the first time, its key is written down, and from then on it is known by that.

use super::known_hosts::{self, KnownHosts};
use crate::tls::Fingerprint;
use crate::tls::certificate::Facts;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How servers under TLS are told from others. The default trusts the system's authorities and nobody else.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The key the server has to have.
    pub pin: Option<Fingerprint>,
    /// A file of authorities, PEM: no others count, and no key that is known.
    pub authorities: Option<PathBuf>,
    /// The keys of servers met before. None: no server is met for a first time, nothing is written down.
    pub known_hosts: Option<KnownHosts>,
}

/// What the verdict rests on.
#[derive(Debug)]
enum Ground {
    /// This key, and no other: the user's `--pin`.
    Pin(Fingerprint),
    /// These authorities, from the user's file, with the certificates themselves.
    Authorities(RootCertStore, Vec<CertificateDer<'static>>),
    /// This key, by which it is known.
    Known(Fingerprint),
    /// The system's authorities; otherwise it may be met for the first time, if there is where to write that down.
    System(Arc<RootCertStore>, bool),
}

/// The judge of one handshake.
#[derive(Debug)]
pub(super) struct Judge {
    ground: Ground,
    /// As the known hosts name it.
    server: String,
    provider: Arc<CryptoProvider>,
    verdict: Mutex<Verdict>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(super) enum Verdict {
    /// No certificate was seen.
    #[default]
    None,
    /// It is the server that is meant.
    Trusted,
    /// Nobody knows it: its key is to be written down once the connection has stood.
    FirstMet(Fingerprint),
    /// It is not.
    Refused(String),
}

impl Judge {
    /// Makes ready to judge the server at `host` and `port`.
    ///
    /// # Errors
    /// A sentence: a file that cannot be used.
    pub(super) fn new(
        trust: &Trust,
        host: &str,
        port: u16,
        provider: Arc<CryptoProvider>,
    ) -> Result<Judge, String> {
        let server = known_hosts::name(host, port);
        let ground = if let Some(pin) = trust.pin {
            Ground::Pin(pin)
        } else if let Some(path) = &trust.authorities {
            let (store, certificates) = authorities(path)?;
            Ground::Authorities(store, certificates)
        } else {
            let known = trust.known_hosts.as_ref().map(|hosts| hosts.find(&server));
            match known.transpose()?.flatten() {
                Some(key) => Ground::Known(key),
                None => Ground::System(system(), trust.known_hosts.is_some()),
            }
        };
        Ok(Judge {
            ground,
            server,
            provider,
            verdict: Mutex::default(),
        })
    }

    /// What came of it, for whoever made the handshake.
    pub(super) fn verdict(&self) -> Verdict {
        let verdict = self.verdict.lock();
        verdict.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Verdict {
        let parsed = match ParsedCertificate::try_from(leaf) {
            Ok(parsed) => parsed,
            Err(error) => return Verdict::Refused(format!("its certificate is none: {error}")),
        };
        let key = Fingerprint::of(&parsed.subject_public_key_info());
        let server = &self.server;
        let signed = |roots: &RootCertStore| {
            let known = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, others, now, known)
        };
        let named = || match verify_server_name(&parsed, name) {
            Ok(()) => Verdict::Trusted,
            Err(error) => Verdict::Refused(format!(
                "its certificate is for somebody else: {}",
                why(&error)
            )),
        };
        match &self.ground {
            Ground::Pin(pin) | Ground::Known(pin) if *pin == key => Verdict::Trusted,
            Ground::Pin(pin) => Verdict::Refused(format!(
                "THIS IS NOT THE SERVER that --pin names.\n  wanted {pin}\n  came   {key}\nNothing was sent to it"
            )),
            Ground::Known(known) => Verdict::Refused(format!(
                "THE KEY OF THIS SERVER IS NOT THE ONE IT IS KNOWN BY. Somebody may be between you and it.\n  known {known}\n  came  {key}\nNothing was sent. If those who run it say that the new key is theirs, forget the old one with: forkftp known-hosts remove {server}"
            )),
            Ground::Authorities(roots, certificates) => match signed(roots) {
                Ok(()) => named(),
                // A self-signed certificate that calls itself an authority is no server's to rustls; the user says it is.
                Err(error) if certificates.contains(&leaf.clone().into_owned()) => {
                    match Facts::read(leaf).map(|facts| facts.trouble(now.as_secs() as i64)) {
                        Ok(None) => named(),
                        _ => Verdict::Refused(format!("its certificate {}", why(&error))),
                    }
                }
                Err(error) => Verdict::Refused(format!(
                    "none of the authorities of --ca stands for it: its certificate {}\n  it has {key}",
                    why(&error)
                )),
            },
            Ground::System(roots, may_meet) => match signed(roots) {
                Ok(()) => named(),
                Err(error) if is_dated(&error) => Verdict::Refused(format!(
                    "its certificate {}; to accept it all the same: --pin {key}",
                    why(&error)
                )),
                Err(_) if *may_meet => Verdict::FirstMet(key),
                Err(error) => Verdict::Refused(format!(
                    "nobody stands for it: its certificate {}; to accept it: --pin {key}",
                    why(&error)
                )),
            },
        }
    }
}

/// True for a certificate out of its time: that is nothing one is asked to get used to.
fn is_dated(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
                | CertificateError::Revoked
        )
    )
}

/// What is wrong with a certificate, in words.
fn why(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(what) => match what {
            CertificateError::UnknownIssuer => "is by an authority that is not known".into(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "has expired".into()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "is not valid yet".into()
            }
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// Reads the user's authorities.
fn authorities(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let say = |what: String| format!("--ca {}: {what}", path.display());
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| say(error.to_string()))?;
    let mut store = RootCertStore::empty();
    for certificate in &found {
        let added = store.add(certificate.clone());
        added.map_err(|error| say(format!("a certificate that is none: {error}")))?;
    }
    if found.is_empty() {
        return Err(say("holds no certificate (PEM is wanted)".into()));
    }
    Ok((store, found))
}

/// The system's authorities, read once: every connection of this process has the same.
fn system() -> Arc<RootCertStore> {
    static STORE: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut store = RootCertStore::empty();
        // A system without any, or with one that is damaged, trusts so much less.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    };
    STORE.get_or_init(load).clone()
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.judge(leaf, others, name, now);
        let kept = self.verdict.lock();
        *kept.unwrap_or_else(PoisonError::into_inner) = verdict.clone();
        match verdict {
            Verdict::Refused(_) | Verdict::None => Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            )),
            Verdict::Trusted | Verdict::FirstMet(_) => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::provider;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    struct Made {
        der: CertificateDer<'static>,
        pem: String,
        key: Fingerprint,
    }

    fn made(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Made {
        let key = KeyPair::generate().expect("key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut asked = CertificateParams::new(names).expect("names");
        change(&mut asked);
        let made = asked.self_signed(&key).expect("certificate");
        let facts = Facts::read(made.der()).expect("facts");
        Made {
            der: made.der().clone(),
            pem: made.pem(),
            key: facts.fingerprint,
        }
    }

    fn judged(trust: &Trust, host: &str, leaf: &Made) -> Verdict {
        let judge = Judge::new(trust, host, 8888, provider()).expect("judge");
        let name = ServerName::try_from(host.to_owned()).expect("name");
        let _ = judge.verify_server_cert(&leaf.der, &[], &name, &[], UnixTime::now());
        judge.verdict()
    }

    fn refusal(verdict: Verdict) -> String {
        match verdict {
            Verdict::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_that_was_named_is_the_only_one() {
        let (right, wrong) = (made(&["h"], |_| ()), made(&["h"], |_| ()));
        let trust = Trust {
            pin: Some(right.key),
            ..Trust::default()
        };
        assert!(matches!(judged(&trust, "h", &right), Verdict::Trusted));
        // The key is the name: what else the certificate says does not matter.
        assert!(matches!(judged(&trust, "other", &right), Verdict::Trusted));
        let said = refusal(judged(&trust, "h", &wrong));
        assert!(said.contains(&right.key.to_string()) && said.contains(&wrong.key.to_string()));
    }

    #[test]
    fn a_server_is_met_once_and_then_known() {
        let folder = tempfile::tempdir().expect("folder");
        let hosts = KnownHosts::at(folder.path().join("known_hosts"));
        let trust = Trust {
            known_hosts: Some(hosts.clone()),
            ..Trust::default()
        };
        let server = made(&["h"], |_| ());
        let Verdict::FirstMet(key) = judged(&trust, "h", &server) else {
            panic!("not met");
        };
        assert_eq!(key, server.key);
        assert_eq!(hosts.find("h:8888"), Ok(None), "written down too early");
        hosts.add("h:8888", key).expect("add");
        assert!(matches!(judged(&trust, "h", &server), Verdict::Trusted));
        let other = made(&["h"], |_| ());
        let said = refusal(judged(&trust, "h", &other));
        for word in [
            &key.to_string(),
            &other.key.to_string(),
            "forkftp known-hosts remove h:8888",
        ] {
            assert!(said.contains(word), "{said}");
        }
        // Nothing to write down to: nobody is met.
        let said = refusal(judged(&Trust::default(), "h", &server));
        assert!(said.contains("--pin"), "{said}");
        let old = made(&["h"], |asked| {
            asked.not_after = rcgen::date_time_ymd(2001, 1, 1);
        });
        let said = refusal(judged(&trust, "new", &old));
        assert!(said.contains("expired"), "{said}");
    }

    #[test]
    fn authorities_that_were_named_are_the_only_ones_and_names_count() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("ca.pem");
        let trust = Trust {
            authorities: Some(file.clone()),
            known_hosts: Some(KnownHosts::at(folder.path().join("known_hosts"))),
            ..Trust::default()
        };
        let authority_key = KeyPair::generate().expect("key");
        let mut asked = CertificateParams::new(Vec::new()).expect("names");
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = asked.self_signed(&authority_key).expect("certificate");
        let issuer = Issuer::new(asked, authority_key);
        let key = KeyPair::generate().expect("key");
        let asked = CertificateParams::new(vec!["h".to_owned(), "192.0.2.7".to_owned()]);
        let signed = asked.expect("names").signed_by(&key, &issuer);
        let signed = signed.expect("certificate");
        let leaf = Made {
            der: signed.der().clone(),
            pem: signed.pem(),
            key: Facts::read(signed.der()).expect("facts").fingerprint,
        };
        std::fs::write(&file, authority.pem()).expect("write");
        assert!(matches!(judged(&trust, "h", &leaf), Verdict::Trusted));
        assert!(matches!(
            judged(&trust, "192.0.2.7", &leaf),
            Verdict::Trusted
        ));
        let said = refusal(judged(&trust, "other", &leaf));
        assert!(said.contains("somebody else"), "{said}");
        // One that signed itself, with and without calling itself an authority (openssl req -x509 does).
        for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
            let own = made(&["h"], |asked| asked.is_ca = is_ca);
            let said = refusal(judged(&trust, "h", &own));
            assert!(
                said.contains("not known") || said.contains("none of"),
                "{said}"
            );
            let alone = Trust {
                authorities: Some(folder.path().join("own.pem")),
                ..Trust::default()
            };
            std::fs::write(folder.path().join("own.pem"), &own.pem).expect("write");
            assert!(matches!(judged(&alone, "h", &own), Verdict::Trusted));
            assert!(refusal(judged(&alone, "o", &own)).contains("somebody else"));
            let old = made(&["h"], |asked| {
                asked.is_ca = is_ca;
                asked.not_after = rcgen::date_time_ymd(2001, 1, 1);
            });
            std::fs::write(folder.path().join("own.pem"), &old.pem).expect("write");
            refusal(judged(&alone, "h", &old));
        }
        std::fs::write(&file, "nothing").expect("write");
        assert!(Judge::new(&trust, "h", 1, provider()).is_err());
    }
}
