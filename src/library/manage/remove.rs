//! A folder removed with all that is in it. Run by children.
//!
//! Only what is served goes: a name that clients cannot see is not theirs to remove, and neither is the folder that it is in.

use super::{Removed, Result, removed_by};
use crate::error::{Code, Refusal};
use crate::library::Library;
use crate::sys::Errno;
use crate::sys::file::{self, Kind, Purpose};
use crate::wire::path::{RelPath, is_served_name};
use nix::dir::Dir;
use std::os::fd::{AsFd, BorrowedFd};

/// Deepest folder below the one that is removed: each level holds two descriptors.
const MAX_DEPTH: usize = 128;
/// How often a folder is gone through, as long as there was something in it each time.
const PASSES: usize = 16;

impl Library {
    /// Frees the name `path`, and removes all below first where it is a folder. `gone` is told of each file and folder. What is
    /// removed before a failure stays removed.
    ///
    /// # Errors
    /// `NotFound`; `NotEmpty` where something is in a folder that is not served; `Depth`, `Denied` (also for the root).
    pub fn remove_all(&self, path: &RelPath, mut gone: impl FnMut(&Removed)) -> Result<Removed> {
        let (place, facts) = self.find(path)?;
        if facts.kind == Kind::Folder {
            let folder = self.open_folder(path)?;
            self.empty(folder.as_fd(), 0, &mut gone)?;
        }
        let removed = place.free(&facts)?;
        gone(&removed);
        Ok(removed)
    }

    /// Removes what is in `folder`.
    fn empty(
        &self,
        folder: BorrowedFd<'_>,
        depth: usize,
        gone: &mut dyn FnMut(&Removed),
    ) -> Result<()> {
        if depth >= MAX_DEPTH {
            return Err(Code::Depth.into());
        }
        // Not every filesystem shows all names of a folder that changes while it is read.
        for _ in 0..PASSES {
            let entries = Dir::from_fd(file::open_beneath(folder, b"", Purpose::Folder, true)?)?;
            let mut found = false;
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if is_served_name(name) && self.clear(folder, name, depth, gone)? {
                    found = true;
                }
            }
            if !found {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Removes `name` from `folder`, with all below. Returns whether there was something that is served.
    fn clear(
        &self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        depth: usize,
        gone: &mut dyn FnMut(&Removed),
    ) -> Result<bool> {
        let facts = match file::facts_at(folder, name) {
            Ok(facts) if facts.kind != Kind::Special => facts,
            Ok(_) | Err(Errno::ENOENT) => return Ok(false),
            Err(other) => return Err(other.into()),
        };
        let removed = if facts.kind == Kind::Folder {
            let crossing = self.options.one_filesystem;
            match file::open_beneath(folder, name, Purpose::Folder, crossing) {
                Ok(inner) => self.empty(inner.as_fd(), depth + 1, gone)?,
                Err(Errno::EXDEV) => return Err(mounted(Errno::EXDEV)),
                Err(other) => return Err(other.into()),
            }
            file::remove_folder(folder, name)
        } else {
            file::unlink(folder, name)
        };
        match removed {
            Ok(()) => {
                gone(&removed_by(&facts));
                Ok(true)
            }
            // Somebody was faster.
            Err(Errno::ENOENT) => Ok(true),
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => Err(Refusal {
                message: "something is in it that is hidden, or that came meanwhile".into(),
                ..Errno::ENOTEMPTY.into()
            }),
            Err(Errno::EISDIR | Errno::ENOTDIR) => Err(Code::InUse.into()),
            Err(Errno::EBUSY) => Err(mounted(Errno::EBUSY)),
            Err(other) => Err(other.into()),
        }
    }
}

fn mounted(errno: Errno) -> Refusal {
    super::because(errno, "something is mounted there")
}
