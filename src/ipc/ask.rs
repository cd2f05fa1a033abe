//! What a child asks the broker, and when.

use super::Deed;
use crate::ledger::Verb;
use crate::proof::Mac;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use zeroize::Zeroizing;

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
    /// The commands that this client may have run. In `In`, for the drive protocol.
    Commands {
        /// Those behind this one.
        after: Option<String>,
    },
    /// Have this command run. In `In`, for the drive protocol.
    Run {
        /// Which.
        name: String,
    },
    /// Is there room in the quota for this much more? In `In`. What is reserved is given back by `Spent`, or when the child ends.
    Reserve {
        /// Bytes of an upload.
        bytes: u64,
        /// New files.
        files: u64,
    },
    /// Give the file that comes along to whom it belongs. In `In`.
    Give {
        /// The drop box that it comes into, of those in the grant.
        drop_box: Option<usize>,
    },
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
    /// A transfer begins: if nothing more is heard of it, it was cut when the child ended. In `In`, and of a file that was lent by a
    /// share link. Not answered.
    Begun {
        /// A number that it is known by.
        ticket: u32,
        /// What.
        verb: Verb,
        /// As in `Deed`.
        path: String,
        /// As there.
        shared: bool,
    },
    /// The next part of a path that is too long for one message, or of the new one of a rename. Not answered.
    PathPart {
        /// Of the new one.
        to: bool,
        /// Letters.
        letters: String,
    },
    /// That was done, or not: for the ledger. In `In`, and of a file that was lent by a share link. Answered where that is awaited.
    Done(Deed),
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
