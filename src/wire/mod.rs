//! Bytes to types and back: what stands on the wire. Pure, used by children and clients alike; opens nothing, and
//! knows no process.
//!
//! The drive protocol is written down in `PROTOCOL.md` beside this file.

pub mod drive;
pub mod frame;
pub mod ftp;
pub mod http;
pub mod name;
pub mod path;
mod session;

#[cfg(test)]
mod dice;

pub use session::SessionId;

use serde::{Deserialize, Serialize};

/// What the clients of a listening socket speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// The drive protocol.
    #[default]
    Drive = 1,
    /// FTP (RFC 959), with or without TLS (RFC 4217).
    Ftp = 2,
    /// HTTP/1.1 (RFC 9110, RFC 9112).
    Http = 3,
}

impl Protocol {
    /// All there are.
    pub const ALL: [Protocol; 3] = [Protocol::Drive, Protocol::Ftp, Protocol::Http];

    /// The name in listings and in the configuration, and the scheme of URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Drive => "drive",
            Protocol::Ftp => "ftp",
            Protocol::Http => "http",
        }
    }

    /// The scheme of URLs under TLS from the first byte.
    #[must_use]
    pub fn secure_scheme(self) -> &'static str {
        match self {
            Protocol::Drive => "drives",
            Protocol::Ftp => "ftps",
            Protocol::Http => "https",
        }
    }
}
