//! What a child asks the broker, what it is answered, and when. One enum of questions, one of answers; `broker::answer`
//! has an `answer_x` for each `ask_x` of `child::ask`.
//!
//! A channel belongs to one child and has a phase; each question is legal in one phase, once. The broker believes
//! nothing that stands in a question: it mints what it signs, and knows the peer from the listener.

mod dial;

pub use dial::{Dial, Dialed, Newcomer};

use crate::config::{Encryption, Files, Listen, Login, OnHangup, OnTaken, Protocol, Reuse};
use crate::error::Code;
use crate::proof::Mac;
use crate::rights::Rights;
use crate::sys::net::Peer;
use crate::sys::privs::Identity;
use crate::sys::{Result, channel};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use zeroize::{Zeroize, Zeroizing};

/// Longest message in either direction, bytes.
pub const MAX_MESSAGE: usize = 8 * 1024;
/// Room for a message with the longest name and the longest password, bytes.
const USUAL: usize = 2048;

/// Descriptors a child may have open: a walk of the deepest folders holds two each, a batch of uploads two each.
pub const DESCRIPTORS: u64 = 640;

/// True when a child can make no new descriptor before its client is let in, and the broker lifts that: where it cannot be moved
/// into an empty root folder, in which there is nothing to open.
#[must_use]
pub fn shuts_descriptors(identity: Option<Identity>) -> bool {
    identity.is_none()
}

/// Logins that one connection may try.
pub const LOGIN_ATTEMPTS: u32 = 3;

/// How far a child has come. It goes forward only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has no client yet.
    Waiting,
    /// The client speaks TLS: a signature may be asked for, twice at most, and then the hello.
    Securing,
    /// The hello was given out, and a proof is awaited: the one question there is, once.
    Challenged,
    /// A login is awaited, or the word that none will come.
    Login,
    /// The first half of a login was answered: the second is awaited, once.
    Answering,
    /// The library was given out. What is used up of a quota may be told.
    In,
    /// Nothing will be given out: nothing may be asked.
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
    /// The last descriptor is a Landlock ruleset to be entered first.
    pub narrower: bool,
    /// New files belong to somebody else: the broker gives them away.
    pub gives: bool,
    /// What becomes of a new file whose name is taken.
    pub on_taken: OnTaken,
    /// What becomes of an upload by FTP whose client hung up at its end.
    pub on_hangup: OnHangup,
}

/// A child's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Ask {
    /// The signature of a TLS handshake. In `Securing`, and in `Login` where TLS may begin then, as often as `MOST_SIGNATURES`;
    /// in `In` for data connections that need not resume a session.
    Sign {
        /// SHA-256 of the certificate the client was shown, in hexadecimal: there may be a newer one meanwhile.
        leaf: String,
        /// The signature scheme that the client chose (RFC 8446, section 4.2.3).
        scheme: u16,
        /// What it is to be made of.
        handshake: Handshake,
    },
    /// The TLS handshake is over: the hello, please, where the protocol has one. In `Securing`, and in `Login` where TLS may begin
    /// then.
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
    /// What follows this first message of SCRAM? In `Login`.
    LoginFirst {
        /// As the client sent it.
        message: String,
    },
    /// Is this last message of SCRAM right? In `Answering`.
    LoginFinal {
        /// As the client sent it.
        message: String,
    },
    /// Is this the user's password? In `Login`, for protocols that have nothing better.
    Password {
        /// Who they say they are.
        user: String,
        /// As it was typed.
        password: Zeroizing<String>,
    },
    /// May this client go on without a login? In `Login`.
    Anonymous,
    /// A share link, please. In `In`, for users.
    ShareNew {
        /// A file below the user's home, in the letters of `wire::name`.
        path: String,
        /// For how long.
        seconds: u64,
        /// How often it may be opened; none for as often as anybody likes.
        count: Option<u32>,
    },
    /// The user's own share links. In `In`.
    Shares {
        /// Those behind this one.
        after: Option<String>,
    },
    /// One of the user's own share links ends. In `In`.
    ShareEnd {
        /// Which.
        id: String,
    },
    /// The file of a share link. In `Login`, and nothing else is answered then; and in `In`.
    ShareOpen {
        /// What stands in the link.
        token: String,
        /// Its content is wanted, which counts; otherwise only what tells of it.
        reads: bool,
    },
    /// The client comes by a proxy that is trusted, and this is who it is. In `Login`, before anything else, once.
    Forwarded {
        /// Its address.
        address: IpAddr,
        /// It speaks TLS with the proxy.
        secure: bool,
    },
    /// Is this the user's password? Then a session for the browser it was typed into, please, and not the library: the connection may
    /// be another visitor's. In `Login` and in `In`, for HTTP.
    SignIn {
        /// Who they say they are.
        user: String,
        /// As it was typed.
        password: Zeroizing<String>,
        /// The session that the browser had, which ends where the new one begins.
        old: Option<Zeroizing<String>>,
    },
    /// Whose session is this? In `Login` it lets them in; in `In` it has to be that of who is in.
    Session {
        /// What the browser keeps.
        token: Zeroizing<String>,
    },
    /// That session is over. In `Login` and in `In`.
    SignOut {
        /// What the browser keeps.
        token: Zeroizing<String>,
        /// All of the same user are.
        everywhere: bool,
    },
    /// Is there room in the quota for this much more? In `In`. What is reserved is given back by `Spent`, or when the child ends.
    Reserve {
        /// Bytes of an upload.
        bytes: u64,
        /// New files.
        files: u64,
    },
    /// Give the file that comes along to whom it belongs. In `In`.
    Give,
    /// What came of reservations and removals. In `In`.
    Spent {
        /// Reserved before, and not any more.
        reserved_bytes: u64,
        /// The same for files.
        reserved_files: u64,
        /// Bytes that are in the home now and were not before.
        bytes: i64,
        /// The same for files.
        files: i64,
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
    /// For the drive protocol. Unasked, as soon as there is a client, but to one that speaks TLS in answer to `Secured`: the payload
    /// of the `H` frame.
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
    /// To `LoginFirst`: the server's first message of SCRAM.
    Continue {
        /// For the client.
        message: String,
    },
    /// To `LoginFinal`, `Password`, `Anonymous` and, in `Login`, to `Session`: the client is in. With it comes the library.
    Welcome {
        /// The server's last message of SCRAM, if it was that.
        message: Option<String>,
        /// What this client may do.
        entry: Grant,
    },
    /// To `ShareNew`: it is made.
    Shared(Share),
    /// To `Shares`.
    Shares {
        /// As many as fit.
        shares: Vec<Share>,
        /// There are more behind them.
        more: bool,
    },
    /// To `ShareOpen`: the file comes along.
    Lent {
        /// Its path, below the home of the user who shares it, in the letters of `wire::name`.
        path: String,
        /// Bytes a second for it; none for as fast as it goes.
        rate: Option<u64>,
        /// The last descriptor is a Landlock ruleset to be entered first: the child opens nothing any more.
        alone: bool,
        /// Nothing else will be answered.
        is_last: bool,
    },
    /// To `SignIn`: a new session.
    Session {
        /// For the browser to keep.
        token: Zeroizing<String>,
        /// Whose it is.
        user: String,
        /// How long it holds at most.
        seconds: u64,
    },
    /// To `Reserve`, `Spent`, `Give`, `Forwarded` and `SignOut`, in `In` to `Session`, and to `Secured` where there is no hello: it is
    /// so, or it is done.
    Noted,
    /// Not so.
    Refused {
        /// For programs.
        code: Code,
        /// For people.
        message: String,
    },
}

/// Most bytes of the letters of a path that is shared: it has to fit into an answer.
pub const LONGEST_SHARED: usize = 4000;

/// A share link, as its user sees it. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What it is called.
    pub id: String,
    /// The file, in the letters of `wire::name`.
    pub path: String,
    /// When it was made.
    pub made: u64,
    /// When it ends.
    pub expires: u64,
    /// How often it can still be opened; none for as often as anybody likes.
    pub left: Option<u32>,
    /// What stands in the link. Who has it gets the file.
    pub token: String,
}

impl Client {
    /// True when nothing is given out before the client has proved something, or said that it will not.
    #[must_use]
    pub fn has_to_ask(&self) -> bool {
        self.proof || self.login != Login::None || self.protocol != Protocol::Drive
    }

    /// The client of `peer` at a socket that listens as `listen` says.
    #[must_use]
    pub fn at(listen: &Listen, peer: Peer) -> Client {
        let address = peer.address().map(|address| address.to_canonical());
        let plain = &listen.ftp.plain_networks;
        let may_be_plain =
            address.is_some_and(|address| plain.iter().any(|network| network.contains(&address)));
        Client {
            peer,
            protocol: listen.protocol,
            proof: listen.proof,
            login: listen.login,
            tls: match listen.tls {
                Encryption::Required if may_be_plain => Encryption::Optional,
                tls => tls,
            },
            signs_data: listen.protocol == Protocol::Ftp && listen.ftp.reuse != Reuse::Require,
            by_proxy: peer != Peer::Pipe && listen.http.trusted_proxies.include(address),
            session_hours: listen.http.session_hours,
        }
    }
}

impl Answer {
    /// True when the library's descriptors go with it, or that of a file.
    #[must_use]
    pub fn opens_library(&self) -> bool {
        matches!(
            self,
            Answer::Hello { entry: Some(_), .. }
                | Answer::Proved { entry: Some(_), .. }
                | Answer::Welcome { .. }
                | Answer::Lent { .. }
        )
    }
}

/// A client, as the listener knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Who it is.
    pub peer: Peer,
    /// What clients of the listening socket it came to speak.
    pub protocol: Protocol,
    /// Whether they prove the secret.
    pub proof: bool,
    /// Whether they log in.
    pub login: Login,
    /// Whether they speak TLS, and from when on.
    pub tls: Encryption,
    /// Whether its data connections may be TLS sessions of their own, which have to be signed for.
    pub signs_data: bool,
    /// Whether it is a proxy whose word is taken for who its clients are.
    pub by_proxy: bool,
    /// Hours for which a login in a browser holds.
    pub session_hours: u32,
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
        /// Its process.
        pid: i32,
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
    // In one place from the beginning: what has to grow leaves what it was behind.
    let mut bytes = Vec::with_capacity(USUAL);
    let written = serde_json::to_writer(&mut bytes, message);
    let sent = match written {
        Err(_) => Err(nix::errno::Errno::EINVAL),
        Ok(()) if bytes.len() > MAX_MESSAGE => Err(nix::errno::Errno::EMSGSIZE),
        Ok(()) => channel::send(to, &bytes, descriptors, wait),
    };
    // It may have been a password.
    bytes[..].zeroize();
    sent
}

/// A message, the descriptors that came along, and the process that sent it where the channel knows.
pub type FromWhom<T> = (T, Vec<OwnedFd>, Option<i32>);

/// Receives one message, and without waiting; None at the end of the channel.
///
/// # Errors
/// As `receive`.
pub fn receive_from<T: DeserializeOwned>(from: BorrowedFd<'_>) -> Result<Option<FromWhom<T>>> {
    let mut buffer = [0; MAX_MESSAGE];
    let Some(got) = channel::receive(from, &mut buffer, false)? else {
        return Ok(None);
    };
    let message = parse(&buffer[..got.length]);
    // It may have been a password.
    buffer[..got.length].zeroize();
    message.map(|message| Some((message, got.descriptors, got.sender)))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|_| nix::errno::Errno::EBADMSG)
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
        Some(got) => parse(&buffer[..got.length]).map(|message| Some((message, got.descriptors))),
    }
}

/// Sends `message` with `descriptors`, and waits for the answer.
///
/// # Errors
/// As `send` and `receive`; EPIPE when the other end is gone.
pub fn call<Q: Serialize, A: DeserializeOwned>(
    channel: &OwnedFd,
    message: &Q,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(A, Vec<OwnedFd>)> {
    send(channel.as_fd(), message, descriptors, true)?;
    receive(channel.as_fd(), true)?.ok_or(nix::errno::Errno::EPIPE)
}
