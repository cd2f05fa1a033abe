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
    /// The server ends: nothing more is begun, and what runs has as long as the listener is there.
    Leave,
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
    /// An upload is about to show. With it comes the end of a channel by which the child hears that this is noted, and says what came
    /// of it.
    Upload(Uploaded),
}

/// An upload that a hook may have to hear of, as the broker knows it from the child that stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uploaded {
    /// What its receipt is known by.
    pub id: String,
    /// Where it goes, from the library's root, in the letters of `wire::name`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Kind and hexadecimal digits of its digest, if one was computed.
    pub digest: Option<(String, String)>,
    /// Who stored it, if they logged in.
    pub user: Option<String>,
    /// The protocol.
    pub face: String,
    /// The client's address, if it came over a network.
    pub address: Option<IpAddr>,
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// What tells whether it shows.
    pub shows: Shows,
}

/// What a file is known by, under whatever name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shows {
    /// Its filesystem.
    pub device: u64,
    /// Its number there, which another file may get when it is gone.
    pub inode: u64,
    /// When it was made, in seconds and nanoseconds, where the filesystem knows.
    pub born: Option<(i64, u32)>,
}

/// What the runner says to a child about an upload that is to show, over a channel of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Noted {
    /// Whatever happens now, the hooks will hear of it if it shows.
    Safe,
    /// It is not noted, and is not to be shown.
    Failed {
        /// For programs.
        code: Code,
        /// For people.
        message: String,
    },
}

/// What a child says to that. Where it says nothing and closes the channel, the runner looks itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Shown {
    /// It shows, under this name in its folder.
    As {
        /// In the letters of `wire::name`.
        name: String,
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
