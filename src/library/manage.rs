//! Folders made, names changed and freed, times and permissions set. Run by children.
//!
//! As everywhere in the library, the folder that a name is in is opened beneath the root, without following links, and what
//! bears the name is judged before anything is done to it: what is neither a regular file nor a folder is absent, and nothing
//! takes its place. The act itself names it by that folder's descriptor.
//!
//! The kernel has no call that removes or renames what a descriptor shows, so that between the judging and the act somebody
//! who can write to the folder by other ways may put something else under the name. No client can: none can make a link, a
//! pipe or a device, and a file is never taken for a folder, nor a folder for a file. What is left is that of two clients who
//! change one name at the same time, one may free what the other has just put there, as if it had come a moment later.

mod remove;

use super::Library;
use super::upload::make_folders;
use crate::config::Durability;
use crate::error::{Code, Refusal};
use crate::sys::file::{self, Facts, Kind, Purpose, Stamp};
use crate::sys::{self, Errno};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Bytes of the file; 0 for a folder.
    pub size: u64,
    /// File or folder.
    pub kind: Kind,
}

type Result<T> = std::result::Result<T, Refusal>;

/// A name, and the open folder it is in.
struct Place<'a> {
    library: &'a Library,
    folder: OwnedFd,
    name: Vec<u8>,
}

impl Library {
    /// Makes the folder `path`; with `parents` those on the way too, and one that is there is no failure. Returns whether it
    /// was made.
    ///
    /// # Errors
    /// `Exists`, `NotFound` and `NotFolder` for the way there, `Denied`, `NoSpace`.
    pub fn make_folder(&self, path: &RelPath, parents: bool) -> Result<bool> {
        let Some((above, name)) = path.split_last() else {
            return if parents {
                Ok(false)
            } else {
                Err(Code::Exists.into())
            };
        };
        let folder = match self.open_folder(&above) {
            Err(Errno::ENOENT) if parents => make_folders(self, &above)?,
            opened => opened?,
        };
        let place = self.place(folder, name);
        match file::make_folder(place.folder.as_fd(), name, 0o777) {
            Ok(()) => place.settle().map(|()| true),
            Err(Errno::EEXIST) if parents && place.holds_folder() => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Gives the file or folder `from` the name `to`, in one step. A file replaces another only with `overwrite`, a folder
    /// replaces nothing. Returns the file that went away for it.
    ///
    /// # Errors
    /// `NotFound`, `Exists`; `IsFolder` where a file would replace a folder; `Name` for a folder into itself; `NotFolder` and
    /// `NotFound` for the way there; `Denied`, also for the root and between filesystems.
    pub fn rename(&self, from: &RelPath, to: &RelPath, overwrite: bool) -> Result<Option<Removed>> {
        let (here, facts) = self.find(from)?;
        let Some((above, name)) = to.split_last() else {
            return Err(Code::Exists.into());
        };
        if facts.kind == Kind::Folder && is_below(to, from) {
            return Err(Refusal::new(Code::Name, "a folder cannot go into itself"));
        }
        let there = match self.open_folder(&above) {
            Err(Errno::ENOENT) => {
                let what = "the folder that it is to go to is not there";
                return Err(Refusal::new(Code::NotFound, what));
            }
            opened => self.place(opened?, name),
        };
        let overwrite = overwrite && facts.kind == Kind::File;
        let replaced = here.rename(facts, &there, overwrite)?;
        there.settle()?;
        here.settle()?;
        Ok(replaced)
    }

    /// Frees the name `path`: removes a file, or an empty folder. The bytes of a file that is being sent to somebody go
    /// when they have been sent.
    ///
    /// # Errors
    /// `NotFound`, `NotEmpty`, `Denied` (also for the root).
    pub fn remove(&self, path: &RelPath) -> Result<Removed> {
        let (place, facts) = self.find(path)?;
        place.free(&facts)
    }

    /// The same for a protocol that has one word for files and another for folders.
    ///
    /// # Errors
    /// As `remove`; `IsFolder` and `NotFolder` for what is not of this `kind`.
    pub fn remove_only(&self, path: &RelPath, kind: Kind) -> Result<Removed> {
        let (place, facts) = self.find(path)?;
        match (facts.kind, kind) {
            (Kind::Folder, Kind::File) => Err(Code::IsFolder.into()),
            (Kind::File, Kind::Folder) => Err(Code::NotFolder.into()),
            _ => place.free(&facts),
        }
    }

    /// What is under the name `path`, or the root.
    ///
    /// # Errors
    /// `NotFound`, `NotFolder`, `Denied`.
    pub fn stat(&self, path: &RelPath) -> Result<Facts> {
        look(self.root.as_fd(), path.as_bytes(), self)
    }

    /// Sets the time of change of the file `path`. What the filesystem cannot keep of it, it keeps as near as it can.
    ///
    /// # Errors
    /// `NotFound`, `IsFolder`; `Denied` for a file that is another user's.
    pub fn set_time(&self, path: &RelPath, stamp: Stamp) -> Result<()> {
        // Its owner may set the time of a file that is open for reading (utimensat(2)).
        let (fd, facts) = self.open_served(path)?;
        if facts.kind != Kind::File {
            return Err(Code::IsFolder.into());
        }
        file::set_modified(fd.as_fd(), stamp)?;
        if self.options.durability == Durability::Full {
            file::sync(fd.as_fd())?;
        }
        Ok(())
    }

    /// Sets the permission bits of the file or folder `path`: those of `0o777`. Its owner, who is the one that serves it, keeps
    /// what serving it needs: reading and writing a file, and going into a folder, too.
    ///
    /// # Errors
    /// `Request` for other bits; `NotFound`; `Denied` for what is another user's, and for a folder whose group the operator has
    /// passed on to what is made in it (set-group-id), which would be taken away.
    pub fn set_mode(&self, path: &RelPath, bits: u32) -> Result<()> {
        let (fd, facts) = self.open_served(path)?;
        let needed = if facts.kind == Kind::Folder {
            0o700
        } else {
            0o600
        };
        if bits & !0o777 != 0 || bits & needed != needed {
            let what = format!("permissions are from {needed:03o} to 777: the owner keeps his");
            return Err(Refusal::new(Code::Request, what));
        }
        if facts.mode & 0o6000 != 0 {
            let what = "these permissions are the operator's to change";
            return Err(Refusal::new(Code::Denied, what));
        }
        file::set_mode(fd.as_fd(), facts.mode & 0o1000 | bits)?;
        if self.options.durability == Durability::Full {
            file::sync(fd.as_fd())?;
        }
        Ok(())
    }

    fn place(&self, folder: OwnedFd, name: &[u8]) -> Place<'_> {
        Place {
            library: self,
            folder,
            name: name.to_vec(),
        }
    }

    /// Where `path` is, and what: something that is served, and not the root.
    fn find(&self, path: &RelPath) -> Result<(Place<'_>, Facts)> {
        let Some((above, name)) = path.split_last() else {
            let what = "the root of the library stays where it is";
            return Err(Refusal::new(Code::Denied, what));
        };
        let place = self.place(self.open_folder(&above)?, name);
        let facts = place.look()?;
        Ok((place, facts))
    }
}

impl Place<'_> {
    /// What bears the name, if it is served.
    fn look(&self) -> Result<Facts> {
        look(self.folder.as_fd(), &self.name, self.library)
    }

    fn holds_folder(&self) -> bool {
        self.look().is_ok_and(|facts| facts.kind == Kind::Folder)
    }

    /// Removes what `facts` describe.
    fn free(&self, facts: &Facts) -> Result<Removed> {
        let removed = match facts.kind {
            Kind::Folder => file::remove_folder(self.folder.as_fd(), &self.name),
            _ => file::unlink(self.folder.as_fd(), &self.name),
        };
        removed.map_err(|errno| match errno {
            Errno::ENOTEMPTY | Errno::EEXIST => Refusal {
                message: "the folder is not empty (what is in it may be hidden)".into(),
                ..Errno::ENOTEMPTY.into()
            },
            // It was a file a moment ago, or a folder: somebody put another thing there.
            Errno::EISDIR | Errno::ENOTDIR => Code::InUse.into(),
            Errno::EBUSY => because(errno, "something is mounted there"),
            other => other.into(),
        })?;
        self.settle()?;
        Ok(removed_by(facts))
    }

    /// Puts the folder's names on the disk, where the operator wants that.
    fn settle(&self) -> Result<()> {
        if self.library.options.durability == Durability::Full {
            file::sync(self.folder.as_fd())?;
        }
        Ok(())
    }

    /// Moves what `facts` describe to `there`.
    fn rename(&self, facts: Facts, there: &Place<'_>, overwrite: bool) -> Result<Option<Removed>> {
        let (from, into) = (self.folder.as_fd(), there.folder.as_fd());
        let moved = match file::rename_new(from, &self.name, into, &there.name) {
            Err(Errno::EINVAL) if overwrite => match there.look() {
                // There is no telling a new name from an old one here; if a file comes there meanwhile, it is replaced.
                Err(refusal) if refusal.errno == Some(Errno::ENOENT) => {
                    file::rename(from, &self.name, into, &there.name)
                }
                _ => Err(Errno::EEXIST),
            },
            Err(Errno::EINVAL) if facts.kind == Kind::Folder => self.rename_folder(there),
            Err(Errno::EINVAL) => self.rename_by_link(there),
            moved => moved,
        };
        match moved {
            Ok(()) => Ok(None),
            Err(Errno::EEXIST) if overwrite => self.replace(facts, there).map(Some),
            Err(errno) => Err(unmoved(errno)),
        }
    }

    /// Moves the file that `facts` describe over the file at `there`.
    fn replace(&self, facts: Facts, there: &Place<'_>) -> Result<Removed> {
        let old = there.look().map_err(|_| {
            Refusal::new(
                Code::Exists,
                "the name is taken by something that is not served",
            )
        })?;
        if old.kind == Kind::Folder {
            return Err(Code::IsFolder.into());
        }
        if (old.device, old.inode) == (facts.device, facts.inode) {
            // rename(2) would do nothing at all, and say that it had.
            return Err(Refusal::new(
                Code::Exists,
                "both names are of the same file already",
            ));
        }
        let (from, into) = (self.folder.as_fd(), there.folder.as_fd());
        file::rename(from, &self.name, into, &there.name).map_err(unmoved)?;
        Ok(removed_by(&old))
    }

    /// The same for a file where the filesystem cannot rename without replacing. For a moment it has both names, and keeps
    /// them if this process ends then.
    fn rename_by_link(&self, there: &Place<'_>) -> sys::Result<()> {
        let (from, into) = (self.folder.as_fd(), there.folder.as_fd());
        file::link(from, &self.name, into, &there.name)?;
        file::unlink(from, &self.name).inspect_err(|_| {
            let _ = file::unlink(into, &there.name);
        })
    }

    /// The same for a folder: it replaces an empty one that was made for it. That shows for a moment, and stays if this
    /// process ends then.
    fn rename_folder(&self, there: &Place<'_>) -> sys::Result<()> {
        let (from, into) = (self.folder.as_fd(), there.folder.as_fd());
        file::make_folder(into, &there.name, 0o700)?;
        file::rename(from, &self.name, into, &there.name).inspect_err(|_| {
            // Only if nobody has put anything there: else it is theirs now.
            let _ = file::remove_folder(into, &there.name);
        })
    }
}

/// What is at `path` below `folder`, if it is served.
fn look(folder: BorrowedFd<'_>, path: &[u8], library: &Library) -> Result<Facts> {
    let crossing = library.options.one_filesystem;
    let fd = file::open_beneath(folder, path, Purpose::Look, crossing)?;
    let facts = file::facts(fd.as_fd())?;
    if facts.kind == Kind::Special {
        return Err(Code::NotFound.into());
    }
    Ok(facts)
}

fn is_below(path: &RelPath, folder: &RelPath) -> bool {
    path.folders_above().any(|above| above == *folder)
}

fn removed_by(facts: &Facts) -> Removed {
    let size = if facts.kind == Kind::File {
        facts.size
    } else {
        0
    };
    Removed {
        size,
        kind: facts.kind,
    }
}

/// A refusal by the kernel that needs words of its own.
fn because(errno: Errno, what: &str) -> Refusal {
    Refusal {
        code: Code::Denied,
        message: what.into(),
        errno: Some(errno),
    }
}

/// Why a rename was not carried out.
fn unmoved(errno: Errno) -> Refusal {
    match errno {
        Errno::EXDEV => because(
            errno,
            "it would have to go to another filesystem; get it, put it there, and remove it here",
        ),
        Errno::EBUSY => because(errno, "something is mounted there"),
        // A folder into itself, by a way that the names do not show.
        Errno::EINVAL | Errno::EOPNOTSUPP => because(errno, "this filesystem cannot do that"),
        Errno::ENOTEMPTY => Code::Exists.into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
