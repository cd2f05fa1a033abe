//! The client: everything between a person, or a program, and one server. Runs in the process of the one who uses it.
//! It must not trust the server with names, sizes, counts or escapes, and it links in nothing of the server.
//!
//! # Map
//! | room | job |
//! |---|---|
//! | [`url`] | which server and which path |
//! | `connection` | descriptors: waiting, stalls, Ctrl-C |
//! | `secure`, `trust`, [`known_hosts`] | TLS, and whether the server is the one that is meant |
//! | `session`, `terms` | [`Client`]: proof, frames, `ping`, `quit` |
//! | `login` | [`Login`]: who we are, if the server wants to know |
//! | `list`, `get`, `put`, `manage` | the requests, one at a time and pipelined |
//! | [`command`] | commands of the server's operator |
//! | [`local`] | files and folders on this side, safely |
//! | [`rate`], [`show`], [`moment`], [`exit`] | how fast, how it looks, when, how it ends |
//! | `link` | [`Link`]: a server that is talked to again and again |
//! | `batch`, [`report`] | many files over several connections, and the account of it |
//! | [`download`], [`upload`], [`listing`], [`removal`], [`stating`] | the commands `get`, `put`, `list`, `rm` and `stat` |
//! | [`progress`] | bars |
//! | [`shell`] | the shell |
//!
//! # Example
//! ```no_run
//! use forkftp::client::{Client, GetRequest, Options, PutRequest, Url};
//! use forkftp::proof::Secret;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url: Url = "drive://files.example.org/reports".parse()?;
//! let options = Options { secret: Some(Secret::from_file("secret".as_ref())?), ..Options::default() };
//! let mut client = Client::connect(&url, &options)?;
//!
//! client.list(&url.path, false, |entry| {
//!     eprintln!("{} {}", entry.size, forkftp::wire::name::encode(&entry.name.0));
//!     Ok(())
//! })?;
//!
//! let mut bytes = Vec::new();
//! let got = client.get_to(&GetRequest::whole(url.join(b"may.pdf")?), &mut bytes)?;
//! assert_eq!(got.start.size, bytes.len() as u64);
//!
//! let put = PutRequest::new(url.join(b"june.txt")?);
//! let stored = client.put_from(&put, &mut &b"sunny\n"[..])?;
//! eprintln!("stored, durability {}", stored.durability);
//! client.quit()?;
//! # Ok(())
//! # }
//! ```

mod batch;
pub mod command;

mod connection;
pub mod download;
pub mod exit;
mod get;
pub mod known_hosts;
mod link;
mod list;
pub mod listing;
pub mod local;
mod login;
mod manage;
pub mod moment;
pub mod progress;
mod put;
pub mod rate;
pub mod receipt;
pub mod removal;
pub mod report;
#[cfg(test)]
mod scripted;
mod secure;
mod session;
pub mod shell;
pub mod show;
pub mod stating;
mod terms;
mod trust;
pub mod upload;
pub mod url;

pub use connection::Interrupt;
pub use get::{GetRequest, Got, Sink};
pub use link::Link;
pub use list::MAX_KEPT;
pub use login::Login;
pub use put::{PutRequest, Source};
pub use session::Client;
pub use terms::{Options, SessionInfo};
pub use trust::Trust;
pub use url::Url;

use crate::error::{Code, Refusal};
use crate::sys::Errno;

/// What every call of the client returns on failure.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The server answered `E`. Unless the code ends the connection (`Error::ends_connection`), the session goes on.
    Refused(Refusal),
    /// No connection could be made.
    Connect(String),
    /// The connection was lost, or nothing moved on it for too long.
    Lost(String),
    /// The server's certificate is not the one that is meant, or whether it is cannot be said.
    Identity(String),
    /// The server wants proof of a shared secret, and there is none, or it cannot be used.
    Secret(String),
    /// The server did not accept our proof.
    ProofRefused(String),
    /// The server's own proof is wrong: it is not the one that has the secret.
    ServerProof,
    /// Nobody can log in: the server wants a user and none was named, or has none, or the password cannot be used.
    Login(String),
    /// The server did not accept the user with this password.
    LoginRefused(String),
    /// The server's last message of the login is wrong: it does not know this user.
    ServerLogin,
    /// The server broke the protocol. Nothing more it says is looked at.
    Protocol(String),
    /// The bytes that came are not those of the file.
    Digest {
        /// What the server announced, hexadecimal.
        announced: String,
        /// What the bytes have, hexadecimal.
        found: String,
    },
    /// A local file could not be read, written or made.
    Local {
        /// What was being done, and why it failed, in words.
        what: String,
        /// The kernel's number, where it was the kernel that refused.
        errno: Option<Errno>,
    },
    /// The caller's interrupt flag was set.
    Interrupted,
    /// The request was in flight when the connection ended for another reason; it may be made again.
    Unanswered,
}

impl Error {
    /// A local failure with the kernel's reason.
    pub fn local(what: impl std::fmt::Display, errno: Errno) -> Error {
        Error::Local {
            what: format!("{what}: {}", show::reason(errno)),
            errno: Some(errno),
        }
    }

    /// A local failure that is ours to explain.
    pub fn here(what: impl Into<String>) -> Error {
        Error::Local {
            what: what.into(),
            errno: None,
        }
    }

    /// True when no further request can be made on that connection.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        match self {
            Error::Refused(refusal) => code_ends(refusal.code),
            Error::Digest { .. } | Error::Local { .. } => false,
            _ => true,
        }
    }

    /// A short word for programs: the wire's code for refusals, one of ours for everything else.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Refused(refusal) => refusal.code.as_str(),
            Error::Connect(_) => "connect",
            Error::Lost(_) => "lost",
            Error::Identity(_) => "identity",
            Error::Secret(_) => "secret",
            Error::ProofRefused(_) => "proof",
            Error::ServerProof => "server-proof",
            Error::Login(_) | Error::LoginRefused(_) => "login",
            Error::ServerLogin => "server-login",
            Error::Protocol(_) => "protocol",
            Error::Digest { .. } => "digest",
            Error::Local { .. } => "local",
            Error::Interrupted => "interrupted",
            Error::Unanswered => "unanswered",
        }
    }
}

/// True for the codes after which the server closes (`PROTOCOL.md`, section 9).
fn code_ends(code: Code) -> bool {
    matches!(
        code,
        Code::Busy | Code::Closing | Code::Proof | Code::Timeout | Code::Protocol
    )
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // The words of a server may be anything at all.
            Error::Refused(refusal) => f.write_str(&show::clean(refusal.message.as_bytes())),
            Error::Connect(why) | Error::Lost(why) | Error::Identity(why) | Error::Secret(why) | Error::Login(why) => f.write_str(why),
            Error::ProofRefused(why) => write!(f, "the server refused the proof of the shared secret: {}", show::clean(why.as_bytes())),
            Error::ServerProof => f.write_str("the server's proof of the shared secret is wrong: this is not the server that has it"),
            Error::LoginRefused(why) => write!(f, "the server refused the login: {}", show::clean(why.as_bytes())),
            Error::ServerLogin => f.write_str("the server could not show that it knows this user: it is another server, or somebody pretends to be it"),
            Error::Protocol(why) => write!(f, "the server broke the protocol: {}", show::clean(why.as_bytes())),
            Error::Digest { announced, found } => {
                write!(f, "the digest does not match: announced {}, received {found}", show::clean(announced.as_bytes()))
            }
            Error::Local { what, .. } => f.write_str(what),
            Error::Interrupted => f.write_str("interrupted"),
            Error::Unanswered => f.write_str("not answered before the connection ended"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal.code {
            Code::Proof => Error::ProofRefused(refusal.message),
            Code::Login => Error::LoginRefused(refusal.message),
            _ => Error::Refused(refusal),
        }
    }
}
