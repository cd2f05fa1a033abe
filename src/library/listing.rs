//! Walking folders in bounded memory: one open folder a level, entries as the disk gives them. Run by children.

use crate::error::{Code, Refusal};
use crate::sys::Result;
use crate::sys::file::{self, Facts, Kind, Purpose};
use crate::wire::path::is_served_name;
use nix::dir::{Dir, OwningIter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Deepest folder below the listed one that is followed: each level holds a descriptor.
const MAX_DEPTH: usize = 128;

/// The entries of a folder, with those below it if asked, a folder before what is in it.
#[derive(Debug)]
pub struct Walk {
    levels: Vec<Level>,
    single: Option<(Vec<u8>, Facts)>,
    recursive: bool,
    one_filesystem: bool,
    unreadable: u64,
    /// Folders below the listed one that are not followed.
    closed: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Level {
    fd: OwnedFd,
    entries: OwningIter,
    /// Path of this folder below the listed one, with `/` at its end; empty for that one itself.
    prefix: Vec<u8>,
}

impl Level {
    fn new(fd: OwnedFd, prefix: Vec<u8>) -> Result<Level> {
        let entries =
            Dir::from_fd(fd.try_clone().map_err(|_| nix::errno::Errno::EMFILE)?)?.into_iter();
        Ok(Level {
            fd,
            entries,
            prefix,
        })
    }
}

impl Walk {
    pub(super) fn folder(
        fd: OwnedFd,
        recursive: bool,
        one_filesystem: bool,
        closed: Vec<Vec<u8>>,
    ) -> Result<Walk> {
        Ok(Walk {
            levels: vec![Level::new(fd, Vec::new())?],
            single: None,
            recursive,
            one_filesystem,
            unreadable: 0,
            closed,
        })
    }

    pub(super) fn one(name: &[u8], facts: Facts) -> Walk {
        Walk {
            levels: Vec::new(),
            single: Some((name.to_vec(), facts)),
            recursive: false,
            one_filesystem: false,
            unreadable: 0,
            closed: Vec::new(),
        }
    }

    /// Folders met so far whose inside could not be read.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The next entry: its path below the listed folder, and what it is.
    ///
    /// # Errors
    /// `Io`, `Depth`: the walk is over.
    pub fn next_entry(&mut self) -> std::result::Result<Option<(Vec<u8>, Facts)>, Refusal> {
        if let Some(single) = self.single.take() {
            return Ok(Some(single));
        }
        loop {
            let Some(level) = self.levels.last_mut() else {
                return Ok(None);
            };
            let Some(entry) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !is_served_name(name) {
                continue;
            }
            // Gone since, or not ours to look at: not there.
            let Ok(facts) = file::facts_at(level.fd.as_fd(), name) else {
                continue;
            };
            if facts.kind == Kind::Special {
                continue;
            }
            let path = [&level.prefix[..], name].concat();
            if self.recursive && facts.kind == Kind::Folder && !self.closed.contains(&path) {
                if self.levels.len() >= MAX_DEPTH {
                    return Err(Code::Depth.into());
                }
                let inside = below(
                    self.levels[self.levels.len() - 1].fd.as_fd(),
                    name,
                    &path,
                    self.one_filesystem,
                );
                match inside {
                    Ok(level) => self.levels.push(level),
                    Err(_) => self.unreadable += 1,
                }
            }
            return Ok(Some((path, facts)));
        }
    }
}

fn below(folder: BorrowedFd<'_>, name: &[u8], path: &[u8], one_filesystem: bool) -> Result<Level> {
    let fd = file::open_beneath(folder, name, Purpose::Folder, one_filesystem)?;
    Level::new(fd, [path, b"/"].concat())
}
