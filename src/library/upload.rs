//! An upload from its announcement to the moment before it shows. Run by children.

use super::download::{Scratch, hash_range};
use super::publish::Ready;
use super::stage::{self, Staged};
use super::{Library, partial};
use crate::config::Durability;
use crate::digest::{Hasher, Kind as DigestKind, Value};
use crate::error::{Code, Refusal};
use crate::sys::file::{self, Kind, Stamp};
use crate::sys::{Errno, copy};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, OwnedFd};

/// Free space is looked at again after this many bytes.
const LOOK_EVERY: u64 = 16 * 1024 * 1024;
/// Bytes that are sent on their way to the disk at once, so that the last sync has little left to do.
const WRITEBACK: u64 = 8 * 1024 * 1024;

/// What a client says about a file before it sends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Announced {
    /// Bytes of the whole, if known.
    pub size: Option<u64>,
    /// Time of change to give it.
    pub modified: Option<Stamp>,
    /// Digest it will be checked by.
    pub digest: DigestKind,
    /// Replace a file of that name.
    pub overwrite: bool,
    /// Make the folders on the way.
    pub parents: bool,
    /// Go on with what was kept of a cut upload.
    pub resume: bool,
}

/// Where an upload goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) folder: OwnedFd,
    pub(super) name: Vec<u8>,
    pub(super) overwrite: bool,
}

/// An upload under way. Dropped before `finish`, it leaves the library as it was; what can be resumed is kept out of sight.
#[derive(Debug)]
pub struct Upload {
    target: Target,
    staged: Staged,
    hasher: Hasher,
    written: u64,
    /// Bytes of it already on their way to the disk.
    pushed: u64,
    announced: Announced,
    replaces: bool,
    keep_free: u64,
    largest: u64,
    durability: Durability,
}

impl Upload {
    pub(super) fn begin(
        library: &Library,
        path: &RelPath,
        announced: Announced,
    ) -> Result<Upload, Refusal> {
        let options = library.options;
        let Some((above, name)) = path.split_last() else {
            return Err(Code::IsFolder.into());
        };
        if announced
            .size
            .is_some_and(|size| options.largest_file.is_some_and(|most| size > most))
        {
            return Err(Code::TooLarge.into());
        }
        let folder = match library.open_folder(&above) {
            Err(Errno::ENOENT) if announced.parents => make_folders(library, &above)?,
            opened => opened?,
        };
        let target = Target {
            folder,
            name: name.to_vec(),
            overwrite: announced.overwrite,
        };
        let replaces = target.check()?;
        let staged = if announced.size.is_some_and(|size| size < partial::SMALLEST) {
            stage::create(library.staging_folder(false)?, options.named)?
        } else {
            partial::open(library.staging_folder(true)?, path)?
        };
        let mut upload = Upload {
            target,
            staged,
            hasher: Hasher::new(announced.digest),
            written: 0,
            pushed: 0,
            announced,
            replaces: replaces.is_some(),
            keep_free: options.keep_free,
            largest: options.largest_file.unwrap_or(u64::MAX),
            durability: options.durability,
        };
        match upload.settle() {
            Ok(()) => Ok(upload),
            Err(refusal) => {
                upload.abandon(library);
                Err(refusal)
            }
        }
    }

    /// Takes over what was kept, if it is wanted, and sees whether the rest will fit.
    fn settle(&mut self) -> Result<(), Refusal> {
        let kept = file::facts(self.staged.fd())?.size;
        let whole = self.announced.size;
        if self.announced.resume && whole.is_none_or(|size| kept <= size) {
            self.written = kept;
        } else if kept > 0 {
            file::truncate(self.staged.fd(), 0)?;
        }
        self.check_space(whole.map_or(0, |size| size - self.written))
    }

    /// Takes what was kept into the digest, saying after each piece how many bytes it was, and returns how many are
    /// kept and their digest. For an upload with `resume`, before anything is written.
    ///
    /// # Errors
    /// `Io`.
    pub fn resume(&mut self, moved: impl FnMut(u64)) -> Result<(u64, Value), Refusal> {
        hash_range(
            self.staged.fd(),
            &mut self.hasher,
            &mut Scratch::new(),
            0,
            self.written,
            moved,
        )?;
        Ok((self.written, self.hasher.finish()))
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// `Size` beyond what was announced, `TooLarge`, `NoSpace`, `Io`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let end = self.written + bytes.len() as u64;
        if self.announced.size.is_some_and(|size| end > size) {
            return Err(Refusal::new(
                Code::Size,
                "more bytes came than were announced",
            ));
        }
        if end > self.largest {
            return Err(Code::TooLarge.into());
        }
        if self.written / LOOK_EVERY != end / LOOK_EVERY {
            self.check_space(bytes.len() as u64)?;
        }
        file::write_at(self.staged.fd(), bytes, self.written)?;
        self.hasher.update(bytes);
        self.written = end;
        if self.durability != Durability::None && end - self.pushed >= WRITEBACK {
            copy::start_writeback(self.staged.fd(), self.pushed, end - self.pushed);
            self.pushed = end;
        }
        Ok(())
    }

    /// Checks the whole against what the client says it sent.
    ///
    /// # Errors
    /// `Size`, `Digest`: what was received is thrown away, since it is proved wrong.
    pub fn finish(self, library: &Library, size: u64, digest: &Value) -> Result<Ready, Refusal> {
        let found = self.hasher.finish();
        let wrong = if size != self.written || self.announced.size.is_some_and(|said| said != size)
        {
            Some(Refusal::new(
                Code::Size,
                format!("{} bytes came, {size} were sent", self.written),
            ))
        } else if found != *digest {
            Some(Refusal::from(Code::Digest))
        } else {
            None
        };
        if let Some(refusal) = wrong {
            self.discard(library);
            return Err(refusal);
        }
        if let Some(stamp) = self.announced.modified
            && let Err(errno) = file::set_modified(self.staged.fd(), stamp)
        {
            self.abandon(library);
            return Err(errno.into());
        }
        Ok(Ready {
            target: self.target,
            staged: self.staged,
            size,
            digest: found,
        })
    }

    /// Throws away what was received, also what could have been resumed.
    pub fn discard(self, library: &Library) {
        if let Staged::Named {
            name, resumable, ..
        } = &self.staged
            && let Ok(place) = library.staging_folder(*resumable)
        {
            let _ = file::unlink(place, name);
        }
    }

    /// Ends an upload that was cut: what can be resumed stays, the rest goes.
    pub fn abandon(self, library: &Library) {
        let keep = self.written >= partial::SMALLEST
            && matches!(
                &self.staged,
                Staged::Named {
                    resumable: true,
                    ..
                }
            );
        if !keep {
            self.discard(library);
        }
    }

    /// True when it takes the place of a file.
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.replaces
    }

    /// Bytes of the whole received so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    fn check_space(&self, coming: u64) -> Result<(), Refusal> {
        let free = file::free_space(self.staged.fd())?;
        if free < coming.saturating_add(self.keep_free) {
            Err(Code::NoSpace.into())
        } else {
            Ok(())
        }
    }
}

impl Target {
    /// Refuses what could not be published, before the bytes come; the publishing itself is what decides. Returns the size of
    /// the file that would be replaced.
    pub(super) fn check(&self) -> Result<Option<u64>, Refusal> {
        match file::facts_at(self.folder.as_fd(), &self.name) {
            Err(Errno::ENOENT) => Ok(None),
            Err(other) => Err(other.into()),
            Ok(there) => match there.kind {
                Kind::Folder => Err(Code::IsFolder.into()),
                Kind::Special => Err(Refusal::new(
                    Code::Exists,
                    "the name is taken by something that is not served",
                )),
                Kind::File if self.overwrite => Ok(Some(there.size)),
                Kind::File => Err(Code::Exists.into()),
            },
        }
    }
}

/// Opens `folder`, making what is missing on the way.
pub(super) fn make_folders(library: &Library, folder: &RelPath) -> Result<OwnedFd, Refusal> {
    let mut parent = library.open_folder(&RelPath::root())?;
    for path in folder
        .folders_above()
        .chain(std::iter::once(folder.clone()))
    {
        let Some((_, name)) = path.split_last() else {
            continue;
        };
        match file::make_folder(parent.as_fd(), name, 0o777) {
            Ok(()) if library.options.durability == Durability::Full => file::sync(parent.as_fd())?,
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(other) => return Err(other.into()),
        }
        parent = library.open_folder(&path)?;
    }
    Ok(parent)
}
