//! What the broker orders of the runner, and how an execution ends.
//!
//! What is executed stands in the configuration, which the runner reads itself: an order names it, and nobody can tell the runner a
//! command line.

use crate::error::Code;
use crate::wire::SessionId;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the listener tells the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Hear {
    /// Orders come by the channel whose end comes with this, and by no other any more.
    Broker,
}

/// What the broker orders of the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Order {
    /// A command of a client that may have it. With it come two descriptors: the end of a pipe that its output goes to, and the end of a
    /// channel by which an `Outcome` is told. When nobody holds the other end of either, the command ends.
    Command {
        /// Which.
        name: String,
        /// Whose: one command at a time of each.
        session: SessionId,
        /// Who logged in.
        user: Option<String>,
        /// The client's address, if it came over a network.
        address: Option<IpAddr>,
        /// The client, for the log.
        peer: String,
    },
}

/// How an execution ended. Nothing that came of it is alive then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The program ended, with this code.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
    /// Its time was over.
    Time,
    /// It wrote more than it may.
    Output,
    /// Whoever it was for is gone.
    Gone,
    /// It never began, or nobody knows how it ended.
    Failed {
        /// For programs.
        code: Code,
        /// For people.
        message: String,
    },
}

impl Outcome {
    /// It failed because of the server.
    #[must_use]
    pub fn broken(message: impl Into<String>) -> Outcome {
        Outcome::Failed {
            code: Code::Io,
            message: message.into(),
        }
    }
}

/// For the log: `exit 0`, `signal 9`, `time`.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Exit(code) => write!(f, "exit {code}"),
            Outcome::Signal(signal) => write!(f, "signal {signal}"),
            Outcome::Time => f.write_str("time"),
            Outcome::Output => f.write_str("output"),
            Outcome::Gone => f.write_str("gone"),
            Outcome::Failed { message, .. } => f.write_str(message),
        }
    }
}
