//! What a child says it did, for the ledger.

use crate::digest::{self, Value};
use crate::ledger::{Outcome, Verb};
use serde::{Deserialize, Serialize};

/// Most bytes of the letters of a path in one message: what is longer comes in parts before it. JSON may take six for one.
pub const PATH_PART: usize = 500;
/// Most bytes of the letters of a path: each of its bytes may take three.
pub const LONGEST_LETTERS: usize = 3 * crate::wire::path::MAX_PATH;
/// Transfers that one child may say that it is at, at once: uploads that wait for each other are at it until all are stored.
pub const MOST_UNDER_WAY: usize = 192;

/// Something that was done for a client, or refused. Who that client is, and when it was, the broker knows for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    /// What.
    pub verb: Verb,
    /// What came of it.
    pub outcome: Outcome,
    /// What the receipt of an upload that was stored is known by, 16 hexadecimal digits.
    pub id: Option<String>,
    /// Below the user's home, in the letters of `wire::name`; the end of it, where `PathPart` came before.
    pub path: String,
    /// The new path of a rename.
    pub to: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// Digest of the whole file, in hexadecimal.
    pub digest: Option<(digest::Kind, String)>,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// It is about the file that was lent last by a share link, wherever that is.
    pub shared: bool,
    /// Of a transfer that was said to begin: which.
    pub begun: Option<u32>,
    /// The child waits to be told that all that it has said so far is written down.
    pub awaited: bool,
}

impl Deed {
    /// The digest, if it is one. `Err` where it says that it is, and is not.
    ///
    /// # Errors
    /// Nothing to say.
    #[allow(clippy::result_unit_err)]
    pub fn digest(&self) -> Result<Option<Value>, ()> {
        match &self.digest {
            None => Ok(None),
            Some((kind, hex)) => Value::from_hex(*kind, hex).map(Some).ok_or(()),
        }
    }
}
