//! The server's side of TLS as children use it: certificates that everybody may see, and a key that is elsewhere. Prepared once by
//! the listener and inherited; each child has its handshake signed by the broker, over its own channel.

use super::ask::{Broker, Unanswered};
use super::tickets::Tickets;
use crate::config::Protocol;
use crate::ipc::{Chain, Handshake, MAX_CHAIN};
use crate::sys::sealed;
use crate::tls::{ALPN, ALPN_FTP, ALPN_HTTP, Engine, provider};
use rustls::pki_types::CertificateDer;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig, ServerConnection,
    ServerSessionMemoryCache,
};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{CipherSuite, Error, SignatureAlgorithm, SignatureScheme};
use sha2::{Digest, Sha256};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Before a TLS 1.3 transcript's hash stand spaces and this (RFC 8446, section 4.4.3).
const SPACES: [u8; 64] = [b' '; 64];
const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
/// Tickets for a client's data connections: some take a new one for each, and get none back for an upload.
const CONTROL_TICKETS: usize = 8;
/// What a data connection gives back for the ticket that was used for it.
const DATA_TICKETS: usize = 2;
/// Sessions of TLS 1.2 that are remembered.
const SESSIONS: usize = 32;
/// Bytes of each of the two randoms before the parameters of TLS 1.2.
const RANDOM: usize = 32;

/// Everything for a handshake but the key.
#[derive(Debug)]
pub struct Tls {
    drive: Arc<ServerConfig>,
    ftp: Ftp,
    http: Arc<ServerConfig>,
    key: Arc<Remote>,
}

/// For control connections of FTP, and the data connections that resume their sessions.
#[derive(Debug)]
struct Ftp {
    control: Arc<ServerConfig>,
    download: Arc<ServerConfig>,
    upload: Arc<ServerConfig>,
    upload_untold: Arc<ServerConfig>,
    client: Arc<Met>,
}

/// What is seen of the client when it says hello.
#[derive(Debug)]
struct Met {
    certificate: Arc<dyn ResolvesServerCert>,
    /// It uses a session once, and lives on the ticket that each connection brings.
    lives_on_tickets: AtomicBool,
}

impl ResolvesServerCert for Met {
    /// OpenSSL's clients name this suite that is none, and take a new ticket from each connection, of which they read one before they
    /// close. Go's never name it, read nothing where they only write, and use the first ticket for everything. A wrong guess is loud: the
    /// data connection is refused, or the upload is cut.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV;
        if hello.cipher_suites().contains(&named) {
            self.lives_on_tickets.store(true, Ordering::Relaxed);
        }
        self.certificate.resolve(hello)
    }
}

/// The key, as far as it is known here.
#[derive(Debug)]
struct Remote {
    /// SHA-256 of the certificate, in hexadecimal.
    leaf: String,
    schemes: Vec<SignatureScheme>,
    algorithm: SignatureAlgorithm,
    /// To the broker, in a child whose handshake is under way.
    broker: Mutex<Option<Broker>>,
}

impl Tls {
    /// Makes ready what the broker published. Starts no thread, keeps no descriptor, and no randomness that children would share:
    /// they get every random byte from the kernel (`a_handshake_is_random_in_each_child` of the suite).
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub fn prepare(chain: OwnedFd) -> Result<Tls, String> {
        let cannot = |what: &str| format!("the certificate cannot be made ready: {what}");
        let sealed = sealed::read(chain, MAX_CHAIN).map_err(|errno| cannot(errno.desc()))?;
        let chain: Chain =
            serde_json::from_slice(&sealed).map_err(|error| cannot(&error.to_string()))?;
        let certificates = chain
            .certificates
            .iter()
            .map(|text| hex::decode(text).map(CertificateDer::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| cannot(&error.to_string()))?;
        let leaf = certificates.first().ok_or_else(|| cannot("it is empty"))?;
        let schemes: Vec<_> = chain
            .schemes
            .iter()
            .map(|number| SignatureScheme::from(*number))
            .collect();
        let key = Arc::new(Remote {
            leaf: hex::encode(Sha256::digest(leaf)),
            algorithm: algorithm(&schemes).ok_or_else(|| cannot("its key signs nothing"))?,
            schemes,
            broker: Mutex::new(None),
        });
        let both = CertifiedKey::new(certificates, Arc::new(Key(key.clone())));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| cannot(&error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(both)));
        // A child serves one connection: it has nothing to remember for a next one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // Without it two channels of TLS 1.2 can be made to have the same name (RFC 7627, RFC 9266 section 4.2).
        config.require_ems = true;
        // A client that names protocols and not this one is refused by that; one that names none may come in.
        let mut ftp = config.clone();
        // Nothing rests on that name in FTP, and there are clients of TLS 1.2 without (Go before 1.20).
        ftp.require_ems = false;
        ftp.alpn_protocols = vec![ALPN_FTP.to_vec()];
        let client = Arc::new(Met {
            certificate: config.cert_resolver.clone(),
            lives_on_tickets: AtomicBool::new(false),
        });
        ftp.cert_resolver = client.clone();
        // Nothing rests on the channel's name in HTTP either.
        let mut http = config.clone();
        http.require_ems = false;
        http.alpn_protocols = vec![ALPN_HTTP.to_vec()];
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Tls {
            drive: Arc::new(config),
            ftp: Ftp::new(ftp, client),
            http: Arc::new(http),
            key,
        })
    }

    /// One handshake, signed over the channel of `broker`.
    pub(super) fn begin(&self, broker: &Broker, protocol: Protocol) -> Result<Engine, String> {
        // Not a second descriptor: before its client is let in, a child may not be able to make one.
        self.key.connect(Some(broker.clone()));
        let config = match protocol {
            Protocol::Drive => &self.drive,
            Protocol::Ftp => &self.ftp.control,
            Protocol::Http => &self.http,
        };
        engine(config)
    }

    /// The handshake of a data connection. Only those are signed for that need not resume a session: with `broker`. A client that
    /// will only send is given one ticket at most: what it does not read makes its closing a reset, with the end of the file still on
    /// its way.
    pub(super) fn begin_data(
        &self,
        broker: Option<&Broker>,
        reads: bool,
    ) -> Result<Engine, String> {
        self.key.connect(broker.cloned());
        let lives_on_tickets = self.ftp.client.lives_on_tickets.load(Ordering::Relaxed);
        engine(match (reads, lives_on_tickets) {
            (true, _) => &self.ftp.download,
            (false, true) => &self.ftp.upload,
            (false, false) => &self.ftp.upload_untold,
        })
    }

    /// Nothing more is signed.
    pub(super) fn end(&self) {
        self.key.connect(None);
    }
}

impl Ftp {
    /// Sessions are resumed by what this process alone remembers: whoever can resume one of this client's is this client.
    fn new(mut config: ServerConfig, client: Arc<Met>) -> Ftp {
        config.ticketer = Arc::new(Tickets::default());
        // For clients of TLS 1.2 that know no tickets.
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        config.send_tls13_tickets = CONTROL_TICKETS;
        let mut download = config.clone();
        download.send_tls13_tickets = DATA_TICKETS;
        let mut upload = config.clone();
        upload.send_tls13_tickets = 1;
        let mut upload_untold = config.clone();
        upload_untold.send_tls13_tickets = 0;
        Ftp {
            client,
            control: Arc::new(config),
            download: Arc::new(download),
            upload: Arc::new(upload),
            upload_untold: Arc::new(upload_untold),
        }
    }
}

fn engine(config: &Arc<ServerConfig>) -> Result<Engine, String> {
    ServerConnection::new(config.clone())
        .map(Engine::new)
        .map_err(|error| error.to_string())
}

fn algorithm(schemes: &[SignatureScheme]) -> Option<SignatureAlgorithm> {
    Some(match schemes.first()? {
        SignatureScheme::ED25519 => SignatureAlgorithm::ED25519,
        SignatureScheme::ECDSA_NISTP256_SHA256 | SignatureScheme::ECDSA_NISTP384_SHA384 => {
            SignatureAlgorithm::ECDSA
        }
        _ => SignatureAlgorithm::RSA,
    })
}

impl Remote {
    fn connect(&self, broker: Option<Broker>) {
        *self.broker.lock().unwrap_or_else(PoisonError::into_inner) = broker;
    }
}

/// What rustls is told the key is.
#[derive(Debug)]
struct Key(Arc<Remote>);

/// The key of one handshake, with the scheme that was chosen for it.
#[derive(Debug)]
struct Remotely {
    key: Arc<Remote>,
    scheme: SignatureScheme,
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let mut ours = self.0.schemes.iter();
        let scheme = ours.find(|ours| offered.contains(ours))?;
        Some(Box::new(Remotely {
            key: self.0.clone(),
            scheme: *scheme,
        }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm
    }
}

impl Signer for Remotely {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let cannot = |what: &str| Error::General(what.to_owned());
        let parts = parts(message).ok_or_else(|| cannot("a handshake of no known shape"))?;
        let broker = self
            .key
            .broker
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let broker = broker
            .as_ref()
            .ok_or_else(|| cannot("no session was resumed"))?;
        broker
            .ask_sign(&self.key.leaf, self.scheme.into(), parts)
            .map_err(|why| match why {
                Unanswered::Refused(refusal) => cannot(&refusal.message),
                Unanswered::Gone(reason) => cannot(&reason),
            })
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// Takes apart what a handshake signs; None for anything else. The broker puts it together again, and looks at each part.
fn parts(message: &[u8]) -> Option<Handshake> {
    let after = message.strip_prefix(&SPACES);
    if let Some(hash) = after.and_then(|after| after.strip_prefix(CONTEXT)) {
        return Some(Handshake::Tls13 {
            hash: hex::encode(hash),
        });
    }
    let (client, rest) = message.split_at_checked(RANDOM)?;
    let (server, params) = rest.split_at_checked(RANDOM)?;
    Some(Handshake::Tls12 {
        client_random: hex::encode(client),
        server_random: hex::encode(server),
        params: hex::encode(params),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart_or_refused() {
        let hash = [7; 32];
        let tls13 = [&SPACES[..], CONTEXT, &hash].concat();
        let found = parts(&tls13).expect("TLS 1.3");
        assert_eq!(
            found,
            Handshake::Tls13 {
                hash: hex::encode(hash)
            }
        );
        let tls12 = [&[1; 32][..], &[2; 32], &[3, 0, 29]].concat();
        let Some(Handshake::Tls12 { params, .. }) = parts(&tls12) else {
            panic!("TLS 1.2");
        };
        assert_eq!(params, "03001d");
        assert_eq!(parts(&tls12[..63]), None);
        // A client that sends spaces as its random in TLS 1.2 gets no TLS 1.3 signature.
        let spaces = [&SPACES[..], &[3, 0, 29]].concat();
        assert!(matches!(parts(&spaces), Some(Handshake::Tls12 { .. })));
    }
}
