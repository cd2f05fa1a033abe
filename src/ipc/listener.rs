//! What the listener tells the broker, and how it is answered.

use crate::config::{Encryption, Listen, Login, Protocol, Reuse};
use crate::sys::net::Peer;
use crate::wire::SessionId;
use serde::{Deserialize, Serialize};

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

/// What the listener tells the broker, over their own channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tell {
    /// A child is about to be born; with it comes the broker's end of its channel.
    Child {
        /// Its session, with a number that no other child of this listener has.
        session: SessionId,
        /// Its client; none for a warm child.
        client: Option<Client>,
    },
    /// A warm child has this client now.
    Accepted {
        /// The number of which child.
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
    /// Give the logins of browsers away, sealed: another server goes on with them. From now on they are not changed here.
    GiveLogins,
    /// Keep them: there is no other server.
    KeepLogins,
    /// Go on with these, which come with it.
    TakeLogins,
    /// Say a word, when it comes to it.
    Word,
    /// Commands are executed by the runner at the other end of the channel that comes with this; without one by nobody.
    Runner,
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
    /// It was asked for a word.
    Word,
    /// It could not: lines for the operator.
    Problems(Vec<String>),
}
