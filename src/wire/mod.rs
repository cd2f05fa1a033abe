//! Bytes to types and back: what stands on the wire. Pure, used by children and clients alike; opens nothing, and
//! knows no process.
//!
//! The drive protocol is written down in `PROTOCOL.md` beside this file.

pub mod drive;
pub mod frame;
pub mod ftp;
pub mod name;
pub mod path;
