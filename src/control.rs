//! What is said over the control socket, between the listener and the commands `who`, `top`, `metrics` and `kick`: one line of JSON in, one out,
//! then the end. Words only.

use crate::wire::SessionId;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Longest request, bytes, with its line's end.
pub const MAX_REQUEST: usize = 4096;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Who is there: `{"who":{}}`.
    Who {},
    /// What was done since the start: `{"metrics":{}}`.
    Metrics {},
    /// End the sessions of somebody: `{"kick":{"pid":4711}}`.
    Kick(Whom),
}

/// Whose sessions are ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Whom {
    /// The one that this child serves.
    Pid(i32),
    /// The one of this name.
    Session(SessionId),
    /// All of this user.
    User(String),
    /// All from this address.
    Address(IpAddr),
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Whom::Pid(pid) => write!(f, "pid {pid}"),
            Whom::Session(session) => write!(f, "session {session}"),
            Whom::User(user) => write!(f, "user {user}"),
            Whom::Address(address) => write!(f, "address {address}"),
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// To `Who`.
    Who(Status),
    /// To `Metrics`.
    Metrics {
        /// In Prometheus' text form.
        text: String,
    },
    /// To `Kick`: so many sessions are ended; at least one.
    Kicked {
        /// How many.
        sessions: u32,
    },
    /// Nothing was done, and why: a line for people.
    Refused {
        /// The reason.
        message: String,
    },
}

/// A server, and all who are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its listener's process id.
    pub pid: u32,
    /// When it was started, RFC 3339.
    pub started: String,
    /// Clients that are there and counted.
    pub clients: u32,
    /// Children that wait for a client.
    pub warm: u32,
    /// Most clients at once.
    pub max_clients: u32,
    /// Most from one address.
    pub max_per_address: u32,
    /// One for each child that has a client, the oldest first.
    pub sessions: Vec<Session>,
}

/// One session. The pid, the address and the moment it began are the listener's own knowledge, the rest is what its child says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name, as in the log.
    pub session: SessionId,
    /// The child's process id.
    pub pid: i32,
    /// What it speaks; none before the child said so.
    pub protocol: Option<String>,
    /// The client: `IP:PORT`, `[IPv6]:PORT`, or `uid:N` on a Unix socket.
    pub address: String,
    /// Who logged in; none for anonymous, and before.
    pub user: Option<String>,
    /// What it is at.
    pub state: State,
    /// For how many seconds.
    pub state_seconds: u64,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
    /// When the client connected, RFC 3339.
    pub since: String,
}

/// What a session is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The client has not proved itself, or not logged in.
    Login,
    /// The client asks nothing.
    Idle,
    /// A request is being answered.
    Busy,
}

impl State {
    /// The name for people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Login => "login",
            State::Idle => "idle",
            State::Busy => "busy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_they_are_documented() {
        let kick = |whom| Request::Kick(whom);
        for (text, request) in [
            (r#"{"who":{}}"#, Request::Who {}),
            (r#"{"metrics":{}}"#, Request::Metrics {}),
            (r#"{"kick":{"pid":4711}}"#, kick(Whom::Pid(4711))),
            (
                r#"{"kick":{"session":"69206f41-7"}}"#,
                kick(Whom::Session(SessionId::new(0x6920_6f41, 7))),
            ),
            (
                r#"{"kick":{"user":"anna"}}"#,
                kick(Whom::User("anna".into())),
            ),
            (
                r#"{"kick":{"address":"2001:db8::1"}}"#,
                kick(Whom::Address("2001:db8::1".parse().expect("address"))),
            ),
        ] {
            assert_eq!(
                serde_json::from_str::<Request>(text).expect("request"),
                request
            );
            assert_eq!(serde_json::to_string(&request).expect("json"), text);
        }
        for nonsense in [
            "",
            "[]",
            r#"{"who":{"all":true}}"#,
            r#"{"kick":{}}"#,
            r#"{"kick":{"pid":1,"user":"anna"}}"#,
            r#"{"kick":{"address":"host.example"}}"#,
            r#"{"kick":{"session":7}}"#,
            r#"{"kick":{"pid":4711}}{"kick":{"pid":4712}}"#,
        ] {
            assert!(serde_json::from_str::<Request>(nonsense).is_err());
        }
    }
}
