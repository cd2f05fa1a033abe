//! What a session is to be like, and what its handshake brought. Run by the client.

use super::connection::Interrupt;
use super::login::Login;
use super::rate::Rate;
use super::trust::Trust;
use crate::digest;
use crate::proof::{Mac, Secret};
use crate::rights::Rights;
use crate::wire::drive;
use std::sync::Arc;
use std::time::Duration;

/// How to talk to a server. The default has no secret and waits at most a minute for anything to move.
#[derive(Debug, Clone)]
pub struct Options {
    /// The shared secret; used only where the server asks for a proof.
    pub secret: Option<Secret>,
    /// Refuse a server that asks for no proof: one that cannot show that it has the secret either.
    pub require_proof: bool,
    /// Who logs in; nobody when absent. An address that names another user is refused.
    pub login: Option<Login>,
    /// Longest time to connect and shake hands.
    pub connect_timeout: Duration,
    /// Longest time in which nothing moves, later on.
    pub stall_timeout: Duration,
    /// Stops everything when it becomes true.
    pub interrupt: Interrupt,
    /// How servers under TLS are told from others.
    pub trust: Trust,
    /// Told to the user on the way, such as that a server was met for the first time.
    pub notice: Option<fn(&str)>,
    /// Limit for the bytes of files, shared by whoever has a clone.
    pub rate: Option<Arc<Rate>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            secret: None,
            require_proof: false,
            login: None,
            connect_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(60),
            interrupt: Interrupt::default(),
            trust: Trust::default(),
            notice: None,
            rate: None,
        }
    }
}

/// What the handshake brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// The MAC by which both ends proved the secret; None when the server asked for no proof.
    pub mac: Option<Mac>,
    /// TLS version and cipher suite; None without TLS.
    pub tls: Option<String>,
    /// A secret was given, and the server did not ask for it: nobody knows who that is.
    pub secret_unused: bool,
    /// Users may log in here.
    pub login_offered: bool,
    /// Who logged in; None for anonymous.
    pub user: Option<String>,
    /// What they may do; None when nobody logged in.
    pub rights: Option<Rights>,
    /// Digests the server computes, the best first.
    pub digests: Vec<digest::Kind>,
    /// Letters it answers.
    pub commands: String,
    /// Its limits.
    pub limits: drive::Limits,
}

impl SessionInfo {
    /// The name of the MAC by which both ends proved the secret.
    #[must_use]
    pub fn proved_by(&self) -> Option<&'static str> {
        self.mac.map(|mac| match mac {
            Mac::Sha256 => "hmac-sha256",
            Mac::Md5 => "hmac-md5",
        })
    }
}
