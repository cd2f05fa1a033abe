//! Why something was not done: the one table from the kernel's numbers to the codes a client sees. Used by all processes.
//!
//! There are three outcomes. A *refusal* is answered, and the session goes on. A *hang-up* ends this session. A *bug* aborts
//! the child (a panic; release builds abort). Only the first has a code.

use crate::sys::Errno;
use serde::{Deserialize, Serialize};

/// Stable codes of refusals: the `code` of an `E` frame. Names are never changed, only added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Too many clients, from everywhere or from this address. The connection ends; try later.
    Busy,
    /// The server is going down. The connection ends; try later.
    Closing,
    /// The proof of the shared secret was wrong or missing. The connection ends.
    Proof,
    /// A login is needed, or was not accepted.
    Login,
    /// Nothing was heard, or nothing moved, for too long. The connection ends.
    Timeout,
    /// Bytes that are no frame, or a frame where it has no place. The connection ends.
    Protocol,
    /// A letter that this server does not know. The frame was skipped.
    Letter,
    /// A payload that is no valid request: not JSON, unknown or doubled or missing keys, impossible values.
    Request,
    /// A path that no file here can have: empty parts, `.`, `..`, control bytes, a leading dot, too long.
    Name,
    /// Nothing of that name (or nothing that is served).
    NotFound,
    /// A folder where a file was asked for.
    IsFolder,
    /// A file where a folder was asked for.
    NotFolder,
    /// The name is taken, and overwriting was not asked for.
    Exists,
    /// Another upload of that name is under way.
    InUse,
    /// The server may not do that with this file.
    Denied,
    /// The disk is full, or would fall below the space kept free.
    NoSpace,
    /// The user's quota is used up.
    Quota,
    /// A folder that is not empty.
    NotEmpty,
    /// Larger than this server takes.
    TooLarge,
    /// The offset lies behind the end of the file.
    Range,
    /// The bytes do not have the digest that was announced. Nothing was stored.
    Digest,
    /// More or fewer bytes than were announced. Nothing was stored.
    Size,
    /// The file changed while it was being sent. What was received is not one version of it.
    Changed,
    /// Folders nested deeper than this server follows.
    Depth,
    /// The other side gave up in the middle.
    Cancelled,
    /// The disk reported an error; the server's log says more.
    Io,
    /// A code this program does not know, from a newer server.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// The code as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Busy => "busy",
            Code::Closing => "closing",
            Code::Proof => "proof",
            Code::Login => "login",
            Code::Timeout => "timeout",
            Code::Protocol => "protocol",
            Code::Letter => "letter",
            Code::Request => "request",
            Code::Name => "name",
            Code::NotFound => "not-found",
            Code::IsFolder => "is-folder",
            Code::NotFolder => "not-folder",
            Code::Exists => "exists",
            Code::InUse => "in-use",
            Code::Denied => "denied",
            Code::NoSpace => "no-space",
            Code::Quota => "quota",
            Code::NotEmpty => "not-empty",
            Code::TooLarge => "too-large",
            Code::Range => "range",
            Code::Digest => "digest",
            Code::Size => "size",
            Code::Changed => "changed",
            Code::Depth => "depth",
            Code::Cancelled => "cancelled",
            Code::Io => "io",
            Code::Unknown => "unknown",
        }
    }

    /// What the kernel's number means to a client. What must not be told apart (a link, a way out) is absent.
    #[must_use]
    pub fn of(errno: Errno) -> Code {
        match errno {
            Errno::ENOENT | Errno::ELOOP | Errno::EXDEV | Errno::ENXIO | Errno::ENODEV => {
                Code::NotFound
            }
            Errno::ENOTDIR => Code::NotFolder,
            Errno::EISDIR => Code::IsFolder,
            Errno::EEXIST => Code::Exists,
            Errno::ENOTEMPTY => Code::NotEmpty,
            Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::ETXTBSY => Code::Denied,
            Errno::ENOSPC | Errno::EDQUOT => Code::NoSpace,
            Errno::EFBIG => Code::TooLarge,
            Errno::ENAMETOOLONG | Errno::EILSEQ | Errno::EINVAL => Code::Name,
            Errno::EBUSY => Code::InUse,
            _ => Code::Io,
        }
    }

    /// The sentence that goes with the code where nothing more exact is known.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Code::Busy => "too many clients, try again later",
            Code::Closing => "the server is going down",
            Code::Proof => "the shared secret was not proved",
            Code::Login => "login refused",
            Code::Timeout => "nothing happened for too long",
            Code::Protocol => "that is not the drive protocol",
            Code::Letter => "no such command",
            Code::Request => "malformed request",
            Code::Name => "not a name that can be stored here",
            Code::NotFound => "no such file or folder",
            Code::IsFolder => "that is a folder",
            Code::NotFolder => "that is not a folder",
            Code::Exists => "the name is taken",
            Code::InUse => "another upload of that name is under way",
            Code::Denied => "permission denied",
            Code::NoSpace => "no space left",
            Code::Quota => "the quota is used up",
            Code::NotEmpty => "the folder is not empty",
            Code::TooLarge => "too large for this server",
            Code::Range => "the offset lies behind the end of the file",
            Code::Digest => "the digest does not match",
            Code::Size => "the size does not match",
            Code::Changed => "the file changed while it was being sent",
            Code::Depth => "folders are nested too deep",
            Code::Cancelled => "given up",
            Code::Io => "input or output error",
            Code::Unknown => "refused",
        }
    }
}

/// A request that was not carried out; the session goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people, one line.
    pub message: String,
    /// The kernel's number behind it, for the log only.
    pub errno: Option<Errno>,
}

impl Refusal {
    /// A refusal with a message of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
            errno: None,
        }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Refusal {
        Refusal::new(code, code.text())
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        let code = Code::of(errno);
        Refusal {
            code,
            message: code.text().to_owned(),
            errno: Some(errno),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_as_str_for_every_code() {
        for code in [
            Code::Busy,
            Code::NotFound,
            Code::InUse,
            Code::NoSpace,
            Code::TooLarge,
            Code::IsFolder,
            Code::Io,
        ] {
            assert_eq!(serde_json::to_value(code).expect("json"), code.as_str());
        }
        assert_eq!(
            serde_json::from_str::<Code>("\"from-the-future\"").expect("json"),
            Code::Unknown
        );
    }

    #[test]
    fn what_must_not_be_told_apart_is_absent() {
        for errno in [Errno::ENOENT, Errno::ELOOP, Errno::EXDEV] {
            assert_eq!(Code::of(errno), Code::NotFound);
        }
    }
}
