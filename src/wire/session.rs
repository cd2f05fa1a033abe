//! The name of a session, the same in the lines of all processes that have to do with it, in listings and in the ledger.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One session: `SSSSSSSS-N`, the moment when its server started (seconds since 1970, eight hexadecimal digits) and the number of its
/// child among those of that server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SessionId {
    start: u32,
    number: u64,
}

impl SessionId {
    /// Child `number` of a server that started at `start`, in seconds since 1970.
    #[must_use]
    pub const fn new(start: u32, number: u64) -> SessionId {
        SessionId { start, number }
    }

    /// When its server started, in seconds since 1970.
    #[must_use]
    pub const fn start(self) -> u32 {
        self.start
    }

    /// The child's number, which no other child of the same server has.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.start, self.number)
    }
}

impl FromStr for SessionId {
    type Err = String;

    /// Only what `Display` writes: two texts never mean one session.
    fn from_str(text: &str) -> Result<SessionId, String> {
        let parsed = text.split_once('-').and_then(|(start, number)| {
            let start = u32::from_str_radix(start, 16).ok()?;
            Some(SessionId::new(start, number.parse().ok()?))
        });
        let parsed = parsed.filter(|id| id.to_string() == text);
        parsed.ok_or_else(|| format!("{text:?} is no session: they look like 69206f41-7"))
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for SessionId {
    type Error = String;

    fn try_from(text: String) -> Result<SessionId, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_name() {
        for (id, text) in [
            (SessionId::new(0x6920_6f41, 7), "69206f41-7"),
            (SessionId::new(1, 0), "00000001-0"),
            (
                SessionId::new(u32::MAX, u64::MAX),
                "ffffffff-18446744073709551615",
            ),
        ] {
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(
                serde_json::to_string(&id).expect("json"),
                format!("{text:?}")
            );
        }
        for no in [
            "",
            "-",
            "69206f41",
            "69206f41-",
            "69206F41-7",
            "69206f41-07",
            "69206f41-+7",
            "9206f41-7",
            "069206f41-7",
            "69206f41-7 ",
            "69206f41-18446744073709551616",
        ] {
            assert!(no.parse::<SessionId>().is_err(), "{no:?}");
        }
    }
}
