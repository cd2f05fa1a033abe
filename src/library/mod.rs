//! The library: the one door to the files that are served. Run by children; the broker opens it, and gives it to those
//! that may.
//!
//! Everything is reached from the root's descriptor downwards, and judged after it was opened; nothing here takes a path
//! of the whole machine. What is not a regular file or a folder, and what has a hidden name, is absent. An upload shows
//! only when it is whole.

mod ahead;
mod digest;
mod download;
mod inspect;
mod listing;
mod manage;
mod partial;
mod publish;
mod stage;
mod streamed;
#[cfg(test)]
mod tests;
mod upload;

pub use download::{Download, Scratch};
pub use inspect::{Features, Inspected, Left, Tried};
pub use listing::Walk;
pub use manage::Removed;
pub use partial::kept;
pub use publish::{Give, Published, Ready};
pub use streamed::{Expected, From, Streamed};
pub use upload::{Announced, Upload};

use crate::config::Files;
use crate::error::{Code, Refusal};
use crate::sys::file::{self, Facts, Kind, Purpose};
use crate::sys::privs::Identity;
use crate::sys::{Errno, Result, mount};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Our own folder at the root of the library: hidden, as every name that begins with a dot.
const PRIVATE: &[u8] = b".forkftp";

/// An open library.
#[derive(Debug)]
pub struct Library {
    /// Keeps the mount alive that the others belong to; in the process that opened it, as root.
    tree: Option<OwnedFd>,
    root: OwnedFd,
    /// None for those who may not change anything.
    staging: Option<Staging>,
    options: Files,
    /// Folders below the root whose inside is not shown.
    closed: Vec<RelPath>,
}

/// Where uploads are until they show: both on the filesystem of the root.
#[derive(Debug)]
struct Staging {
    stage: OwnedFd,
    partial: OwnedFd,
}

/// Whose cut uploads are whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// All clients are one, where nobody logs in.
    Everybody,
    /// Those who do not log in, where others do.
    Anonymous,
    /// This user.
    User(&'a str),
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
        // Where `..` ends, for whoever may do that; otherwise the walls of the children alone keep them in.
        let tree = mount::alone(root.as_fd()).ok();
        let root = match &tree {
            Some(tree) => file::open_beneath(tree.as_fd(), b"", Purpose::Folder, false)
                .map_err(|e| say("cannot be opened", e))?,
            None => root,
        };
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
            let what = match e {
                Errno::EROFS => {
                    "the staging area .forkftp cannot be made (under systemd, the unit has to say ReadWritePaths= of the library)"
                }
                _ => "the staging area .forkftp cannot be made; the server's user needs to write there",
            };
            say(what, e)
        })?;
        let stage =
            own_folder(private.as_fd(), b"stage", owner).map_err(|e| say(".forkftp/stage", e))?;
        let partial = own_folder(private.as_fd(), b"partial", owner)
            .map_err(|e| say(".forkftp/partial", e))?;
        let library = Library {
            tree,
            root,
            staging: Some(Staging { stage, partial }),
            options,
            closed: Vec::new(),
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
        let staging = self.staging()?;
        for folder in [&staging.stage, &staging.partial] {
            if file::facts(folder.as_fd())?.device != root {
                return Err(Errno::EXDEV);
            }
        }
        Ok(())
    }

    /// The library behind the descriptors that `lend` gave in another process: root, stage and partials, or the root alone.
    /// None for anything else.
    #[must_use]
    pub fn from_descriptors(given: Vec<OwnedFd>, options: Files) -> Option<Library> {
        let mut given = given.into_iter();
        let root = given.next()?;
        let staging = match (given.next(), given.next(), given.next()) {
            (None, ..) => None,
            (Some(stage), Some(partial), None) => Some(Staging { stage, partial }),
            _ => return None,
        };
        Some(Library {
            tree: None,
            root,
            staging,
            options,
            closed: Vec::new(),
        })
    }

    /// Has no walk lead into these folders: they show, and what is in them does not.
    #[must_use]
    pub fn closing(self, closed: Vec<RelPath>) -> Library {
        Library { closed, ..self }
    }

    /// True for a folder whose inside is not shown.
    #[must_use]
    pub fn is_closed(&self, path: &RelPath) -> bool {
        let lies_in = |closed: &RelPath| {
            closed.is_root() || closed == path || path.folders_above().any(|above| above == *closed)
        };
        self.closed.iter().any(lies_in)
    }

    /// The descriptors for a child that serves `owner` below `home`: the folder, and stage and partials if it `writes`.
    ///
    /// # Errors
    /// As `file::open_beneath` for `home`; EXDEV when that is on another filesystem, where nothing staged could be published;
    /// those of making the owner's folder of partials.
    pub fn lend(
        &self,
        home: &RelPath,
        owner: Owner<'_>,
        writes: bool,
        server: Option<Identity>,
    ) -> Result<Vec<OwnedFd>> {
        let root = self.open_folder(home)?;
        if !writes {
            return Ok(vec![root]);
        }
        if file::facts(root.as_fd())?.device != file::facts(self.root.as_fd())?.device {
            return Err(Errno::EXDEV);
        }
        let Staging { stage, partial } = self.staging()?;
        let partial = match owner {
            Owner::Everybody => file::open_beneath(partial.as_fd(), b"", Purpose::Folder, true)?,
            Owner::Anonymous => own_folder(partial.as_fd(), b"anonymous", server)?,
            Owner::User(name) => {
                let folder = [b"user-", hex::encode(name).as_bytes()].concat();
                own_folder(partial.as_fd(), &folder, server)?
            }
        };
        let stage = file::open_beneath(stage.as_fd(), b"", Purpose::Folder, true)?;
        Ok(vec![root, stage, partial])
    }

    /// Our own folder `name`, for what the broker keeps about the library.
    ///
    /// # Errors
    /// As `file::open_beneath`, and those of making it.
    pub fn private_folder(&self, name: &[u8]) -> Result<OwnedFd> {
        let private = file::open_beneath(self.root.as_fd(), PRIVATE, Purpose::Folder, true)?;
        own_folder(private.as_fd(), name, None)
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// # Errors
    /// EROFS for those who may not change anything.
    fn staging(&self) -> Result<&Staging> {
        self.staging.as_ref().ok_or(Errno::EROFS)
    }

    /// The folder in which staged files have their names: those that can be resumed, or the others.
    ///
    /// # Errors
    /// EROFS for those who may not change anything.
    fn staging_folder(&self, resumable: bool) -> Result<BorrowedFd<'_>> {
        let staging = self.staging()?;
        let folder = if resumable {
            &staging.partial
        } else {
            &staging.stage
        };
        Ok(folder.as_fd())
    }

    /// True when the descriptors lead nowhere but down, whatever is asked of them.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.tree.is_some()
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
        let Staging { stage, partial } = self.staging()?;
        Ok(stage::sweep(stage.as_fd())?
            + partial::sweep(partial.as_fd(), self.options.partial_hours)?)
    }

    /// What this filesystem can do, for `forkftpd check`: files without a name, and kept digests.
    #[must_use]
    pub fn abilities(&self) -> (bool, bool) {
        let unnamed = self
            .staging()
            .and_then(|staging| file::create_unnamed(staging.stage.as_fd()));
        let digests = unnamed
            .as_ref()
            .is_ok_and(|f| file::set_attribute(f.as_fd(), c"user.forkftp.test", b"1").is_ok());
        (unnamed.is_ok(), digests)
    }

    /// Opens `path` for reading, and says what it is: a file or a folder, nothing else passes.
    fn open_served(&self, path: &RelPath) -> std::result::Result<(OwnedFd, Facts), Refusal> {
        let open = |purpose| {
            let root = self.root.as_fd();
            let fd =
                file::open_beneath(root, path.as_bytes(), purpose, self.options.one_filesystem)?;
            file::facts(fd.as_fd()).map(|facts| (fd, facts))
        };
        let opened = match open(Purpose::Read) {
            // A device on a mount that has none is denied; it is as absent as elsewhere.
            Err(Errno::EACCES) => match open(Purpose::Look) {
                Ok((_, facts)) if facts.kind == Kind::Special => Err(Errno::ENOENT),
                _ => Err(Errno::EACCES),
            },
            other => other,
        };
        let (fd, facts) = opened?;
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
    /// `NotFound`, `Denied`, also where the inside is not shown.
    pub fn walk(&self, path: &RelPath, recursive: bool) -> std::result::Result<Walk, Refusal> {
        if self.is_closed(path) {
            return Err(Code::Denied.into());
        }
        let (fd, facts) = self.open_served(path)?;
        match (facts.kind, path.split_last()) {
            (Kind::File, Some((_, name))) => Ok(Walk::one(name, facts)),
            _ => {
                let below = |closed: &RelPath| match path.is_root() {
                    true => Some(closed.as_bytes().to_vec()),
                    false => {
                        let rest = closed.as_bytes().strip_prefix(path.as_bytes())?;
                        rest.strip_prefix(b"/").map(<[u8]>::to_vec)
                    }
                };
                let closed = self.closed.iter().filter_map(below).collect();
                let crossing = self.options.one_filesystem;
                Walk::folder(fd, recursive, crossing, closed).map_err(Refusal::from)
            }
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

    /// Begins an upload to `path` of a client that announces neither its size nor a digest. Nothing shows before `publish`;
    /// when it is cut, it is kept for its owner, from 1 MiB on.
    ///
    /// # Errors
    /// As `begin_upload`; `Range` where there are not so many bytes as it is to begin after; `InUse` also for one that is to go
    /// on at the end, where a cut upload waits that is newer than the file.
    pub fn begin_streamed(
        &self,
        path: &RelPath,
        streamed: Streamed,
    ) -> std::result::Result<Upload, Refusal> {
        streamed::begin(self, path, streamed)
    }

    /// What the owner's cut upload of `path` is, where nothing is published under that name, or `whatever` is. A living upload of the same owner
    /// is seen in it as far as it has come; nobody else's is ever seen.
    #[must_use]
    pub fn resumable(&self, path: &RelPath, whatever: bool) -> Option<Facts> {
        let crossing = self.options.one_filesystem;
        if whatever {
            return partial::look(self.staging_folder(true).ok()?, path);
        }
        match file::open_beneath(self.root(), path.as_bytes(), Purpose::Look, crossing) {
            Err(Errno::ENOENT) => partial::look(self.staging_folder(true).ok()?, path),
            _ => None,
        }
    }

    /// Bytes of the owner's cut upload of `path`, whatever is published under that name; 0 when nothing is kept.
    #[must_use]
    pub fn kept(&self, path: &RelPath) -> u64 {
        let partials = self.staging_folder(true);
        let there = partials
            .ok()
            .and_then(|partials| partial::look(partials, path));
        there.map_or(0, |facts| facts.size)
    }

    /// Throws the owner's cut upload of `path` away, if there is one.
    ///
    /// # Errors
    /// `InUse` when somebody is just going on with it.
    pub fn forget(&self, path: &RelPath) -> std::result::Result<(), Refusal> {
        if self.kept(path) > 0 {
            let (kept, _) = partial::open(self.staging_folder(true)?, path, partial::Wanted::Kept)?;
            kept.remove(self);
        }
        Ok(())
    }

    /// Bytes that an upload may take now: what is free, less what the operator wants kept free.
    ///
    /// # Errors
    /// `Io`.
    pub fn room(&self) -> std::result::Result<u64, Refusal> {
        let free = file::free_space(self.root())?;
        Ok(free.saturating_sub(self.options.keep_free))
    }

    /// Shows finished uploads under their names, waiting for the disk as the operator decided, and answers for each.
    /// Many at once cost little more than one. `give` is called for each before it is shown.
    #[must_use]
    pub fn publish(
        &self,
        ready: Vec<Ready>,
        give: Give<'_>,
    ) -> Vec<std::result::Result<Published, Refusal>> {
        publish::publish(self, ready, give)
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
