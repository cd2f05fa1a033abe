//! Receipts of what was put: a file in which each upload that the server has stored gets a line, in the words of the server's own ledger; and what
//! the server says it has, without fetching it. Run by the client.

use super::session::Client;
use super::{Error, Result};
use crate::digest::{Kind, Value};
use crate::ledger::append::Appender;
use crate::ledger::{Line, Outcome, Verb, is_id};
use crate::wire::drive::{Cover, Get, GetEnd, GetStart, letter};
use crate::wire::name::{self, Name};
use crate::wire::path::RelPath;
use crate::wire::{Protocol, drive};
use jiff::Timestamp;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Permissions of a new file of receipts: it is its user's alone.
const MODE: u32 = 0o600;

/// A file that receipts are added to.
#[derive(Debug)]
pub struct Receipts {
    to: Mutex<Appender>,
    user: Option<String>,
}

impl Receipts {
    /// Opens the file, and makes it where there is none; for uploads of `user`.
    ///
    /// # Errors
    /// A sentence with what is wrong and the remedy.
    pub fn open(path: &Path, user: Option<&str>) -> std::result::Result<Receipts, String> {
        let to = Appender::open(path, MODE).map_err(|why| format!("receipts {why}"))?;
        Ok(Receipts {
            to: Mutex::new(to),
            user: user.map(str::to_owned),
        })
    }

    /// Adds a line for an upload to `path` that took so many seconds.
    ///
    /// # Errors
    /// `Local` when it cannot be written.
    pub fn add(&self, path: &[u8], kind: Kind, done: &drive::PutDone, seconds: f64) -> Result<()> {
        let line = Line {
            time: Timestamp::now(),
            deed: Verb::Upload,
            outcome: Outcome::Ok,
            // What a server says is looked at before it is kept.
            id: Some(done.id.clone()).filter(|id| is_id(id)),
            session: None,
            user: self.user.clone(),
            face: Some(Protocol::Drive),
            address: None,
            share: None,
            path: name::encode(path),
            to: None,
            size: Some(done.size),
            digest: Value::from_hex(kind, &done.digest),
            millis: (seconds * 1e3) as u64,
        };
        let line = line.to_bytes();
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let why = match to.append(&line) {
            Ok(written) if written == line.len() => return Ok(()),
            Ok(_) => "the disk is full".to_owned(),
            Err(error) => error.to_string(),
        };
        let path = to.path().display();
        Err(Error::here(format!("receipts {path}: {why}")))
    }
}

impl Client {
    /// What the server has under `path`: size, time and the digest of the whole, which it computes or knows; nothing is fetched.
    ///
    /// # Errors
    /// As any request; `Protocol` where the digest is none.
    pub fn stored(&mut self, path: &RelPath, kind: Kind) -> Result<(GetStart, Value)> {
        let request = Get {
            path: Name(path.as_bytes().to_vec()),
            offset: 0,
            length: Some(0),
            digest: kind,
            cover: Cover::File,
        };
        self.check_digest(kind)?;
        self.send(letter::GET, &request)?;
        self.flush()?;
        let start: GetStart = self.expect(letter::OK)?;
        if start.length != 0 {
            return Err(self.protocol("bytes were announced that nobody asked for"));
        }
        let end: GetEnd = self.expect(letter::END)?;
        match Value::from_hex(kind, &end.digest) {
            Some(digest) => Ok((start, digest)),
            None => Err(self.protocol("the digest is none")),
        }
    }
}
