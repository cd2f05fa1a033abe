//! What a child asks the dialer, and what the listener tells it. One enum of questions, one of answers.
//!
//! A channel belongs to one child; its questions are answered one after the other, each once. Who the client is, and at which of the
//! server's addresses it is, the dialer knows from the listener alone: no question says whom to connect to.

use crate::wire::SessionId;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A child's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Dial {
    /// A socket that listens for the client's data connection.
    Passive,
    /// A data connection to the client, where the listening socket allows it. Another question while it is being made gives it up:
    /// it is refused, and then the other is answered.
    Active {
        /// The client's port, 1024 or higher.
        port: u16,
    },
}

/// What the dialer says to a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialed {
    /// To `Passive`. With it comes the socket, which belongs to the child alone: it does not block, and is bound to the server's
    /// address of the control connection.
    Listening {
        /// Its port.
        port: u16,
        /// The address to tell the client: of the same family as the one it connected to, which it is if nothing else was decided.
        advertised: IpAddr,
    },
    /// To `Active`. With it comes the connected socket, which does not block.
    Connected,
    /// There is none.
    Refused {
        /// Why, for people.
        message: String,
    },
}

/// What the listener tells the dialer of a child that has a client; with it comes the dialer's end of the child's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newcomer {
    /// Its session.
    pub session: SessionId,
    /// Which of the dialer's listening sockets the client came to.
    pub place: u32,
    /// The client's end of the control connection.
    pub peer: SocketAddr,
    /// The server's end.
    pub local: SocketAddr,
}
