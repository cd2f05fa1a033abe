//! A file opened to be sent. Run by children.

use super::digest;
use crate::digest::{Checksum, Hasher, Kind, Value};
use crate::error::{Code, Refusal};
use crate::sys::file::{self, Facts};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes read at once for a digest.
const PIECE: usize = 64 * 1024;

/// An open regular file, and what it was when it was opened.
#[derive(Debug)]
pub struct Download {
    fd: OwnedFd,
    facts: Facts,
}

impl Download {
    pub(super) fn new(fd: OwnedFd, facts: Facts) -> Download {
        Download { fd, facts }
    }

    /// A file that somebody else opened.
    ///
    /// # Errors
    /// `NotFound` for what is no file.
    pub fn from_descriptor(fd: OwnedFd) -> Result<Download, Refusal> {
        let facts = file::facts(fd.as_fd())?;
        match facts.kind {
            file::Kind::File => Ok(Download { fd, facts }),
            _ => Err(Code::NotFound.into()),
        }
    }

    /// The file, for somebody else.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The file.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What it was when it was opened.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The digest of the whole file, if one is kept that still fits.
    #[must_use]
    pub fn kept_digest(&self, kind: Kind) -> Option<Value> {
        if self.facts.size < digest::WORTH_KEEPING {
            return None;
        }
        digest::kept(self.fd(), &self.facts, kind)
    }

    /// Keeps the digest of the whole file for next time.
    pub fn keep_digest(&self, value: &Value) {
        if self.facts.size >= digest::WORTH_KEEPING && digest::is_quiet(&self.facts) {
            digest::keep(self.fd(), &self.facts, value);
        }
    }

    /// Refuses when the file is not what it was when it was opened.
    ///
    /// # Errors
    /// `Changed`.
    pub fn unchanged(&self) -> Result<(), Refusal> {
        let now = file::facts(self.fd())?;
        if (now.size, now.modified) == (self.facts.size, self.facts.modified) {
            Ok(())
        } else {
            Err(Code::Changed.into())
        }
    }

    /// Takes bytes `from` to `to` into `hasher`, saying after each piece how many they were.
    ///
    /// # Errors
    /// `Io`; `Changed` when the file ends before `to`.
    pub fn hash(
        &self,
        hasher: &mut Hasher,
        scratch: &mut Scratch,
        from: u64,
        to: u64,
        moved: impl FnMut(u64),
    ) -> Result<(), Refusal> {
        hash_range(
            self.fd(),
            |piece| hasher.update(piece),
            scratch,
            from,
            to,
            moved,
        )
    }

    /// The same for a check sum that somebody asked for.
    ///
    /// # Errors
    /// As `hash`.
    pub fn checksum(
        &self,
        sum: &mut Checksum,
        scratch: &mut Scratch,
        from: u64,
        to: u64,
        moved: impl FnMut(u64),
    ) -> Result<(), Refusal> {
        hash_range(
            self.fd(),
            |piece| sum.update(piece),
            scratch,
            from,
            to,
            moved,
        )
    }
}

/// Room to read into for a digest: made once for a transfer, since fresh memory costs more than reading into it.
#[derive(Debug)]
pub struct Scratch(Vec<u8>);

impl Scratch {
    /// Small enough to stay in the processor's cache between reading and hashing.
    #[must_use]
    pub fn new() -> Scratch {
        Scratch(vec![0; PIECE])
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

/// Has bytes `from` to `to` of `fd` taken in by `take`.
pub(super) fn hash_range(
    fd: BorrowedFd<'_>,
    mut take: impl FnMut(&[u8]),
    scratch: &mut Scratch,
    mut from: u64,
    to: u64,
    mut moved: impl FnMut(u64),
) -> Result<(), Refusal> {
    while from < to {
        let most = usize::try_from(to - from).unwrap_or(PIECE).min(PIECE);
        match file::read_at(fd, &mut scratch.0[..most], from)? {
            0 => return Err(Code::Changed.into()),
            got => {
                take(&scratch.0[..got]);
                from += got as u64;
                moved(got as u64);
            }
        }
    }
    Ok(())
}
