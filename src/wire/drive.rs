//! Payloads of the drive protocol: one struct per frame. Requests refuse unknown, doubled and missing keys; answers
//! tolerate unknown ones, so that an older client understands a newer server.

mod run;

pub use run::{Commands, Ended, Offer, Run, RunEnd};

use super::name::Name;
use crate::digest;
use crate::error::{Code, Refusal};
use crate::proof::Mac;
use crate::rights::Rights;
use serde::{Deserialize, Serialize};

/// The version this program speaks.
pub const PROTOCOL: &str = "forkftp/1";
/// The port by convention.
pub const PORT: u16 = 8888;

/// Letters that a server answers after the handshake, as the hello lists them.
pub const COMMANDS: &str = "LGPMRFSTNQX";

/// Letters of the frames (`PROTOCOL.md`, section 3).
#[allow(missing_docs)]
pub mod letter {
    pub const HELLO: u8 = b'H';
    pub const PROVE: u8 = b'A';
    pub const LOGIN: u8 = b'U';
    pub const LIST: u8 = b'L';
    pub const GET: u8 = b'G';
    pub const PUT: u8 = b'P';
    pub const MAKE: u8 = b'M';
    pub const RENAME: u8 = b'R';
    pub const REMOVE: u8 = b'F';
    pub const STAT: u8 = b'S';
    pub const TIME: u8 = b'T';
    pub const QUIT: u8 = b'Q';
    pub const ECHO: u8 = b'N';
    pub const RUN: u8 = b'X';
    pub const OK: u8 = b'K';
    pub const ERROR: u8 = b'E';
    pub const DATA: u8 = b'D';
    pub const END: u8 = b'Z';
}

/// `H`: the server's first word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// `PROTOCOL`.
    pub protocol: String,
    /// 32 fresh random bytes in hexadecimal.
    pub nonce: String,
    /// MACs by which the shared secret may be proved, the best first; empty when none is asked for.
    pub macs: Vec<String>,
    /// Whether users log in: `none`, `optional` or `required`.
    pub login: String,
    /// How, the best first (names of RFC 5802); empty where they do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mechanisms: Vec<String>,
    /// Digests a transfer may carry, the best first.
    pub digests: Vec<digest::Kind>,
    /// Letters this server answers after the handshake.
    pub commands: String,
    /// Limits in force.
    pub limits: Limits,
}

/// Limits a client must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest payload of a control frame, bytes.
    pub control: u32,
    /// Longest payload of a `D` frame, bytes.
    pub data: u32,
    /// Seconds without a request after which the connection ends.
    pub idle: u32,
}

/// `A`: the client's proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prove {
    /// The client's 32 fresh random bytes in hexadecimal.
    pub nonce: String,
    /// The MAC chosen from the offer.
    pub mac: Mac,
    /// The client's proof in hexadecimal.
    pub proof: String,
}

/// `K` to `A`: the server's proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proved {
    /// In hexadecimal.
    pub proof: String,
}

/// `U`: a message of SCRAM (RFC 5802), the client's first or its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// As the RFC writes it.
    pub message: String,
}

/// `K` to the first `U`: the server's first message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginNext {
    /// As the RFC writes it.
    pub message: String,
}

/// `K` to the second `U`: the user is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The server's last message, which proves that it knows the user's verifier.
    pub message: String,
    /// Who it is.
    pub user: String,
    /// What they may do.
    pub rights: Rights,
}

/// `L`: list a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The folder; empty for the root.
    pub path: Name,
    /// With everything below it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recursive: bool,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Regular file.
    File,
    /// Folder.
    Folder,
}

/// One line in the `D` frames that answer `L`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path below the folder that was listed.
    pub name: Name,
    /// File or folder.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Bytes; 0 for a folder.
    pub size: u64,
    /// Last change of content, seconds since 1970 UTC.
    pub mtime: i64,
    /// Nanoseconds of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nsec: u32,
}

/// `Z` after a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// How many entries there were.
    pub entries: u64,
    /// Folders that could not be read and are therefore listed without what is in them.
    #[serde(default, skip_serializing_if = "is_zero64")]
    pub unreadable: u64,
}

/// Which bytes a digest covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cover {
    /// Those that were sent.
    #[default]
    Range,
    /// The whole file, whatever part of it was sent.
    File,
}

/// `G`: get a file or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The file.
    pub path: Name,
    /// First byte wanted.
    #[serde(default, skip_serializing_if = "is_zero64")]
    pub offset: u64,
    /// How many bytes; to the end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Which digest.
    #[serde(default)]
    pub digest: digest::Kind,
    /// Of what.
    #[serde(default)]
    pub cover: Cover,
}

/// `K` to `G`: what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetStart {
    /// Size of the whole file.
    pub size: u64,
    /// First byte that follows.
    pub offset: u64,
    /// How many follow.
    pub length: u64,
    /// Last change of content, seconds since 1970 UTC.
    pub mtime: i64,
    /// Nanoseconds of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nsec: u32,
}

/// `Z` after a file that was got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetEnd {
    /// In hexadecimal.
    pub digest: String,
}

/// `P`: put a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// Where to.
    pub path: Name,
    /// Bytes of the whole file, when known beforehand: lets the server refuse what does not fit before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Time of change to give the file, seconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<i64>,
    /// Nanoseconds of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nsec: u32,
    /// Which digest `Z` will carry.
    #[serde(default)]
    pub digest: digest::Kind,
    /// Replace a file of that name.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overwrite: bool,
    /// Make the folders on the way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub parents: bool,
    /// Go on where an upload of that name was cut; wait for the `K` that says where.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resume: bool,
}

/// First `K` to a `P` with `resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutStart {
    /// The byte to go on with: 0 when nothing was kept.
    pub offset: u64,
    /// Digest of the bytes before it, in hexadecimal.
    pub digest: String,
}

/// `Z` of the client after the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutEnd {
    /// Bytes of the whole file.
    pub size: u64,
    /// Digest of the whole file, in hexadecimal.
    pub digest: String,
}

/// `K` after a file that was put: it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutDone {
    /// Bytes stored.
    pub size: u64,
    /// Their digest, in hexadecimal.
    pub digest: String,
    /// What the server waited for before it said so: `full`, `file` or `none`.
    pub durability: String,
    /// The name it got, where that was taken and a drop box gives another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// What the upload is known by in the server's log and ledger, 16 hexadecimal digits; empty from a server that has no such.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
}

/// `M`: make a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Make {
    /// Its path.
    pub path: Name,
    /// Make the folders on the way, and do not mind when it is there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub parents: bool,
}

/// `R`: give a file or folder another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The old path.
    pub path: Name,
    /// The new one.
    pub to: Name,
    /// Replace a file of that name.
    #[serde(default, skip_serializing_if = "is_false")]
    pub overwrite: bool,
}

/// `F`: free a name: remove a file, or an empty folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// Its path.
    pub path: Name,
}

/// `S`: what is there under a name. The `K` carries an `Entry` with that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stat {
    /// Its path.
    pub path: Name,
}

/// `T`: set the time of change of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTime {
    /// Its path.
    pub path: Name,
    /// Seconds since 1970 UTC.
    pub mtime: i64,
    /// Nanoseconds of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nsec: u32,
}

/// `K` with nothing to say, and the payload of `Q`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `E`: why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
}

impl From<&Refusal> for Fault {
    fn from(refusal: &Refusal) -> Fault {
        Fault {
            code: refusal.code,
            message: refusal.message.clone(),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::new(fault.code, fault.message)
    }
}

/// A whole `E` frame, for those who have no session yet.
#[must_use]
pub fn refusal_frame(refusal: &Refusal) -> Vec<u8> {
    let payload = serde_json::to_vec(&Fault::from(refusal)).unwrap_or_default();
    let mut frame = super::frame::Header {
        letter: letter::ERROR,
        length: payload.len() as u32,
    }
    .encode()
    .to_vec();
    frame.extend_from_slice(&payload);
    frame
}

// serde wants these by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero64(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_strict() {
        let get = |text: &str| serde_json::from_str::<Get>(text);
        assert!(get(r#"{"path":"a"}"#).is_ok());
        for (bad, why) in [
            (r#"{}"#, "no path"),
            (r#"{"path":"a","path":"b"}"#, "doubled key"),
            (r#"{"path":"a","colour":1}"#, "unknown key"),
            (r#"{"path":"a","offset":-1}"#, "negative"),
            (
                r#"{"path":"a","offset":18446744073709551616}"#,
                "over 64 bits",
            ),
            (r#"{"path":"a","digest":"crc"}"#, "unknown digest"),
            (r#"{"path":"%4"}"#, "broken escape"),
            (r#"["a"]x"#, "no JSON"),
        ] {
            assert!(get(bad).is_err(), "{why}");
        }
        assert!(
            serde_json::from_str::<Fault>(r#"{"code":"new","message":"m","more":1}"#).is_ok(),
            "answers are not"
        );
    }
}
