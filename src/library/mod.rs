//! The library: the one door to the files that are served. Run by children; the broker opens it, and gives it to those
//! that may.
//!
//! Everything is reached from the root's descriptor downwards, and judged after it was opened; nothing here takes a path
//! of the whole machine. What is not a regular file or a folder, and what has a hidden name, is absent. An upload shows
//! only when it is whole.

mod digest;
mod download;
mod listing;
mod manage;
mod partial;
mod publish;
mod stage;
mod upload;

pub use download::{Download, Scratch};
pub use listing::Walk;
pub use manage::Removed;
pub use publish::{Published, Ready};
pub use upload::{Announced, Upload};

use crate::config::Files;
use crate::error::{Code, Refusal};
use crate::sys::file::{self, Facts, Kind, Purpose};
use crate::sys::privs::Identity;
use crate::sys::{Errno, Result};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Our own folder at the root of the library: hidden, as every name that begins with a dot.
const PRIVATE: &[u8] = b".forkftp";

/// An open library.
#[derive(Debug)]
pub struct Library {
    root: OwnedFd,
    stage: OwnedFd,
    partial: OwnedFd,
    options: Files,
}

impl Library {
    /// Opens the library at `path` and makes its staging area. Takes no lock: several servers may share one.
    ///
    /// # Errors
    /// A sentence with what is wrong and the remedy.
    pub fn open(
        path: &Path,
        options: Files,
        owner: Option<Identity>,
    ) -> std::result::Result<Library, String> {
        let say = |what: &str, errno: Errno| {
            format!("library {}: {what}: {}", path.display(), errno.desc())
        };
        let root = file::open_folder(path).map_err(|e| {
            say(
                "cannot be opened; make the folder, or name another with --library",
                e,
            )
        })?;
        match file::open_beneath(root.as_fd(), b"", Purpose::Folder, options.one_filesystem) {
            Ok(_) => {}
            Err(Errno::ENOSYS | Errno::EPERM) => {
                return Err(say(
                    "openat2 is not to be had (needs Linux 5.6; under systemd, DynamicUser= and RestrictSUIDSGID= take it away)",
                    Errno::ENOSYS,
                ));
            }
            Err(other) => return Err(say("cannot be used", other)),
        }
        let private = own_folder(root.as_fd(), PRIVATE, owner).map_err(|e| {
            say(
                "the staging area .forkftp cannot be made; the server's user needs to write there",
                e,
            )
        })?;
        let stage =
            own_folder(private.as_fd(), b"stage", owner).map_err(|e| say(".forkftp/stage", e))?;
        let partial = own_folder(private.as_fd(), b"partial", owner)
            .map_err(|e| say(".forkftp/partial", e))?;
        let library = Library {
            root,
            stage,
            partial,
            options,
        };
        library.same_filesystem().map_err(|e| {
            say(
                "the staging area .forkftp has to be on the same filesystem as the library",
                e,
            )
        })?;
        Ok(library)
    }

    /// Publishing is a link or a rename: both need stage and root on one filesystem.
    fn same_filesystem(&self) -> Result<()> {
        let root = file::facts(self.root.as_fd())?.device;
        for staging in [&self.stage, &self.partial] {
            if file::facts(staging.as_fd())?.device != root {
                return Err(Errno::EXDEV);
            }
        }
        Ok(())
    }

    /// The library behind the descriptors that `descriptors` gave in another process; None when one is missing.
    #[must_use]
    pub fn from_descriptors(given: Vec<OwnedFd>, options: Files) -> Option<Library> {
        let [root, stage, partial] = <[OwnedFd; 3]>::try_from(given).ok()?;
        Some(Library {
            root,
            stage,
            partial,
            options,
        })
    }

    /// The descriptors a child needs.
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        [self.root.as_fd(), self.stage.as_fd(), self.partial.as_fd()]
    }

    /// What the operator decided.
    #[must_use]
    pub fn options(&self) -> Files {
        self.options
    }

    /// Removes what earlier servers left in the stage, and partials whose time is over. Only files that bear one of our
    /// names and that no living process has locked. Returns how many went.
    ///
    /// # Errors
    /// When a folder of the staging area cannot be read.
    pub fn sweep(&self) -> Result<u64> {
        Ok(stage::sweep(self.stage.as_fd())?
            + partial::sweep(self.partial.as_fd(), self.options.partial_hours)?)
    }

    /// What this filesystem can do, for `forkftpd check`: files without a name, and kept digests.
    #[must_use]
    pub fn abilities(&self) -> (bool, bool) {
        let unnamed = file::create_unnamed(self.stage.as_fd());
        let digests = unnamed
            .as_ref()
            .is_ok_and(|f| file::set_attribute(f.as_fd(), c"user.forkftp.test", b"1").is_ok());
        (unnamed.is_ok(), digests)
    }

    /// Opens `path` for reading, and says what it is: a file or a folder, nothing else passes.
    fn open_served(&self, path: &RelPath) -> std::result::Result<(OwnedFd, Facts), Refusal> {
        let fd = file::open_beneath(
            self.root.as_fd(),
            path.as_bytes(),
            Purpose::Read,
            self.options.one_filesystem,
        )?;
        let facts = file::facts(fd.as_fd())?;
        if facts.kind == Kind::Special {
            return Err(Code::NotFound.into());
        }
        Ok((fd, facts))
    }

    /// Opens the folder `path`.
    fn open_folder(&self, path: &RelPath) -> Result<OwnedFd> {
        file::open_beneath(
            self.root.as_fd(),
            path.as_bytes(),
            Purpose::Folder,
            self.options.one_filesystem,
        )
    }

    /// Opens a file to send.
    ///
    /// # Errors
    /// `NotFound`, `IsFolder`, `Denied`.
    pub fn open_file(&self, path: &RelPath) -> std::result::Result<Download, Refusal> {
        let (fd, facts) = self.open_served(path)?;
        match facts.kind {
            Kind::File => Ok(Download::new(fd, facts)),
            _ => Err(Code::IsFolder.into()),
        }
    }

    /// Lists the folder `path`, or the one file of that name.
    ///
    /// # Errors
    /// `NotFound`, `Denied`.
    pub fn walk(&self, path: &RelPath, recursive: bool) -> std::result::Result<Walk, Refusal> {
        let (fd, facts) = self.open_served(path)?;
        match (facts.kind, path.split_last()) {
            (Kind::File, Some((_, name))) => Ok(Walk::one(name, facts)),
            _ => Walk::folder(fd, recursive, self.options.one_filesystem).map_err(Refusal::from),
        }
    }

    /// Begins an upload to `path`. Nothing shows before `publish`.
    ///
    /// # Errors
    /// `Name` for the root, `NotFound` and `NotFolder` for the way there, `Exists`, `IsFolder`, `InUse`, `NoSpace`, `TooLarge`, `Denied`.
    pub fn begin_upload(
        &self,
        path: &RelPath,
        announced: Announced,
    ) -> std::result::Result<Upload, Refusal> {
        Upload::begin(self, path, announced)
    }

    /// Shows finished uploads under their names, waiting for the disk as the operator decided, and answers for each.
    /// Many at once cost little more than one.
    #[must_use]
    pub fn publish(&self, ready: Vec<Ready>) -> Vec<std::result::Result<Published, Refusal>> {
        publish::publish(self, ready)
    }
}

/// Opens our folder `name`, making it if need be, private to the user who serves.
fn own_folder(parent: BorrowedFd<'_>, name: &[u8], owner: Option<Identity>) -> Result<OwnedFd> {
    let made = match file::make_folder(parent, name, 0o700) {
        Ok(()) => true,
        Err(Errno::EEXIST) => false,
        Err(other) => return Err(other),
    };
    let folder = file::open_beneath(parent, name, Purpose::Folder, true)?;
    match owner {
        Some(owner) if made => file::give_to(folder.as_fd(), owner)?,
        // Somebody else's: made by a server that ran as another user.
        Some(owner) if file::facts(folder.as_fd())?.owner != owner.uid => {
            return Err(Errno::EACCES);
        }
        _ => {}
    }
    Ok(folder)
}
