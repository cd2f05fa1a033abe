//! What a child asks the broker, what it is answered, and when. One enum of questions, one of answers; `broker::answer`
//! has an `answer_x` for each `ask_x` of `child::ask`.
//!
//! A channel belongs to one child and has a phase; each question is legal in one phase, once. The broker believes
//! nothing that stands in a question: it mints what it signs, and knows the peer from the listener.

use crate::config::{Files, Listen, Login};
use crate::error::Code;
use crate::proof::Mac;
use crate::rights::Rights;
use crate::sys::net::Peer;
use crate::sys::{Result, channel};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Longest message in either direction, bytes.
pub const MAX_MESSAGE: usize = 8 * 1024;

/// How far a child has come. It goes forward only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has no client yet.
    Waiting,
    /// The client speaks TLS: a signature may be asked for, twice at most, and then the hello.
    Securing,
    /// The hello was given out, and a proof is awaited: the one question there is, once.
    Challenged,
    /// The library was given out, or never will be: nothing may be asked.
    Over,
}

/// What somebody who was let in may do: the broker's decision, which the child keeps to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who it is; none for anonymous.
    pub user: Option<String>,
    /// What they may do.
    pub rights: Rights,
    /// How files are kept, with the user's own limits over the server's.
    pub files: Files,
    /// Bytes a second for uploads; none for as fast as it goes.
    pub upload_rate: Option<u64>,
    /// Bytes a second for downloads.
    pub download_rate: Option<u64>,
    /// There is a quota: uploads and removals are told to the broker.
    pub quota: bool,
}

/// A child's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Ask {
    /// The signature of a TLS handshake. In `Securing`, as often as `MOST_SIGNATURES`.
    Sign {
        /// SHA-256 of the certificate the client was shown, in hexadecimal: there may be a newer one meanwhile.
        leaf: String,
        /// The signature scheme that the client chose (RFC 8446, section 4.2.3).
        scheme: u16,
        /// What it is to be made of.
        handshake: Handshake,
    },
    /// The TLS handshake is over: the hello, please. In `Securing`.
    Secured {
        /// The channel's name, `tls::EXPORTER` bytes in hexadecimal (RFC 9266).
        exporter: String,
    },
    /// Is this the client's proof? In `Challenged`.
    Prove {
        /// The client's nonce, in hexadecimal.
        nonce: String,
        /// The MAC it chose.
        mac: Mac,
        /// Its proof, in hexadecimal.
        proof: String,
    },
}

/// Signatures that one client's handshake may need; one does, and a second is for nothing we know.
pub const MOST_SIGNATURES: u32 = 2;

/// The parts of what a TLS server signs, in hexadecimal. The broker puts them together itself, so that nothing else gets under its
/// signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Handshake {
    /// Of a CertificateVerify (RFC 8446, section 4.4.3).
    Tls13 {
        /// The transcript's hash: 32 or 48 bytes.
        hash: String,
    },
    /// Of a ServerKeyExchange (RFC 8422, section 5.4).
    Tls12 {
        /// 32 bytes.
        client_random: String,
        /// 32 bytes.
        server_random: String,
        /// The ServerECDHParams: a named curve and a point on it.
        params: String,
    },
}

/// What everybody may know of the server's certificate and of its key, for the listener to make ready. Too long for a message: it
/// goes as a sealed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The certificates, DER in hexadecimal, the server's own first.
    pub certificates: Vec<String>,
    /// The signature schemes of the key, the best first.
    pub schemes: Vec<u16>,
}

/// Most bytes of a sealed `Chain`.
pub const MAX_CHAIN: usize = 256 * 1024;

/// What the broker says to a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Unasked, as soon as there is a client, but to one that speaks TLS in answer to `Secured`: the payload of the `H` frame.
    Hello {
        /// JSON text.
        payload: String,
        /// The library at once, where no proof is wanted; otherwise a proof has to follow.
        entry: Option<Grant>,
    },
    /// To `Sign`.
    Signed {
        /// The signature, in hexadecimal.
        signature: String,
    },
    /// To `Prove`: it is; this is the server's own, in hexadecimal. With it comes the library.
    Proved {
        /// The server's proof.
        proof: String,
        /// What this client may do; none when a login has to follow.
        entry: Option<Grant>,
    },
    /// Not so.
    Refused {
        /// For programs.
        code: Code,
        /// For people.
        message: String,
    },
}

impl Client {
    /// The client of `peer` at a socket that listens as `listen` says.
    #[must_use]
    pub fn at(listen: &Listen, peer: Peer) -> Client {
        Client {
            peer,
            proof: listen.proof,
            login: listen.login,
            tls: listen.tls,
        }
    }
}

impl Answer {
    /// True when the descriptors of the library (root, stage, partials) go with it.
    #[must_use]
    pub fn opens_library(&self) -> bool {
        matches!(
            self,
            Answer::Hello { entry: Some(_), .. } | Answer::Proved { entry: Some(_), .. }
        )
    }
}

/// A client, as the listener knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Who it is.
    pub peer: Peer,
    /// Whether clients of the listening socket it came to prove the secret.
    pub proof: bool,
    /// Whether they log in.
    pub login: Login,
    /// Whether they speak TLS.
    pub tls: bool,
}

/// What the listener tells the broker, over their own channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tell {
    /// A child is about to be born; with it comes the broker's end of its channel.
    Child {
        /// A number that no other child of this listener has.
        child: u64,
        /// Its client; none for a warm child.
        client: Option<Client>,
    },
    /// A warm child has this client now.
    Accepted {
        /// Which child.
        child: u64,
        /// Its client.
        client: Client,
    },
    /// Read the configuration, the secret and the library again.
    Reload,
    /// Read the certificate and its key again.
    Renew,
    /// Remove what is left in the stage.
    Sweep,
}

/// What the broker says to the listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// It is set up, or did what it was told. Descriptors go with it, in this order.
    Ready {
        /// The Landlock ruleset of the children.
        ruleset: bool,
        /// A sealed `Chain`.
        chain: bool,
    },
    /// It could not: lines for the operator.
    Problems(Vec<String>),
}

/// Sends one message. Does not wait when `wait` is false.
///
/// # Errors
/// As `channel::send`; EMSGSIZE for a message over `MAX_MESSAGE`.
pub fn send<T: Serialize>(
    to: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
    wait: bool,
) -> Result<()> {
    let bytes = serde_json::to_vec(message).map_err(|_| nix::errno::Errno::EINVAL)?;
    if bytes.len() > MAX_MESSAGE {
        return Err(nix::errno::Errno::EMSGSIZE);
    }
    channel::send(to, &bytes, descriptors, wait)
}

/// Receives one message; None at the end of the channel.
///
/// # Errors
/// As `channel::receive`; EBADMSG for one that is not of the type.
pub fn receive<T: DeserializeOwned>(
    from: BorrowedFd<'_>,
    wait: bool,
) -> Result<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = [0; MAX_MESSAGE];
    match channel::receive(from, &mut buffer, wait)? {
        None => Ok(None),
        Some((length, descriptors)) => match serde_json::from_slice(&buffer[..length]) {
            Ok(message) => Ok(Some((message, descriptors))),
            Err(_) => Err(nix::errno::Errno::EBADMSG),
        },
    }
}

/// Sends `message`, and waits for the answer.
///
/// # Errors
/// As `send` and `receive`; EPIPE when the other end is gone.
pub fn call<Q: Serialize, A: DeserializeOwned>(
    channel: &OwnedFd,
    message: &Q,
) -> Result<(A, Vec<OwnedFd>)> {
    send(channel.as_fd(), message, &[], true)?;
    receive(channel.as_fd(), true)?.ok_or(nix::errno::Errno::EPIPE)
}
