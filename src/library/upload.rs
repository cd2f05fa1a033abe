//! An upload from its announcement to the moment before it shows. Run by children.

use super::Library;
use super::ahead::Ahead;
use super::download::{Scratch, hash_range};
use super::partial::{self, Wanted};
use super::publish::Ready;
use super::stage::{self, Staged};
use super::streamed::{Begun, Expected, Source, Streamed};
use crate::config::Durability;
use crate::digest::{Hasher, Kind as DigestKind, Value};
use crate::error::{Code, Refusal};
use crate::sys::file::{self, Kind, Stamp};
use crate::sys::{Errno, copy};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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
    /// Digest it will be checked by; without one none is computed.
    pub digest: Option<DigestKind>,
    /// Replace a file of that name.
    pub overwrite: bool,
    /// Where the name is taken, take the next free one, as `Streamed` has it.
    pub rename_taken: bool,
    /// Most bytes of it, besides what the library takes.
    pub largest: Option<u64>,
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
    pub(super) if_taken: IfTaken,
    pub(super) expected: Option<Expected>,
}

/// What is done where the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfTaken {
    /// It is not published.
    Refuse,
    /// It takes the place of a file.
    Replace,
    /// It gets the next free name.
    Rename,
}

/// The lesser of two limits.
fn lesser(one: Option<u64>, other: Option<u64>) -> u64 {
    one.unwrap_or(u64::MAX).min(other.unwrap_or(u64::MAX))
}

/// An upload under way. Dropped before `finish`, it leaves the library as it was; what can be resumed is kept out of sight.
#[derive(Debug)]
pub struct Upload {
    target: Target,
    staged: Staged,
    /// The partial whose lock keeps others away, where the bytes are staged elsewhere.
    guard: Option<Staged>,
    /// What has to be copied before the first byte is written.
    source: Option<Source>,
    hasher: Option<Hasher>,
    /// False while there are bytes before the client's that are not copied, or not in the digest.
    is_taken_over: bool,
    written: u64,
    /// Bytes of it already on their way to the disk.
    pushed: u64,
    ahead: Ahead,
    /// Bytes of the whole, where it has to have so many.
    size: Option<u64>,
    modified: Option<Stamp>,
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
        let largest = lesser(options.largest_file, announced.largest);
        if announced.size.is_some_and(|size| size > largest) {
            return Err(Code::TooLarge.into());
        }
        let folder = match library.open_folder(&above) {
            Err(Errno::ENOENT) if announced.parents => make_folders(library, &above)?,
            opened => opened?,
        };
        let target = Target {
            folder,
            name: name.to_vec(),
            if_taken: IfTaken::of(announced.rename_taken, announced.overwrite),
            expected: None,
        };
        let replaces = target.check()?.is_some();
        let (staged, kept) = if announced.size.is_some_and(|size| size < partial::SMALLEST) {
            let stage = library.staging_folder(false)?;
            (stage::create(stage, options.named)?, 0)
        } else {
            let wanted = if announced.resume {
                Wanted::Kept
            } else {
                Wanted::Fresh
            };
            partial::open_for(library, path, wanted, target.if_taken)?
        };
        let mut begun = Begun::of(staged, kept);
        if kept > 0 && announced.size.is_some_and(|size| kept > size) {
            file::truncate(begun.staged.fd(), 0)?;
            begun.written = 0;
        }
        let coming = announced.size.map_or(0, |size| size - begun.written);
        let mut upload = Upload::new(library, target, replaces, begun, announced.digest);
        upload.largest = largest;
        upload.size = announced.size;
        upload.modified = announced.modified;
        upload.begun(library, coming, 0)
    }

    /// An upload as `streamed::begin` found its beginning.
    pub(super) fn streamed(
        library: &Library,
        target: Target,
        replaces: bool,
        begun: Begun,
        streamed: Streamed,
    ) -> Result<Upload, Refusal> {
        let coming = streamed.size.unwrap_or(0);
        let mut upload = Upload::new(library, target, replaces, begun, streamed.digest);
        upload.largest = lesser(library.options.largest_file, streamed.largest);
        upload.modified = streamed.modified;
        let copied = upload.source.as_ref().map_or(0, |_| upload.written);
        upload.begun(library, coming, copied)
    }

    fn new(
        library: &Library,
        target: Target,
        replaces: bool,
        begun: Begun,
        digest: Option<DigestKind>,
    ) -> Upload {
        let options = library.options;
        Upload {
            target,
            staged: begun.staged,
            guard: begun.guard,
            source: begun.source,
            hasher: digest.map(Hasher::new),
            is_taken_over: begun.written == 0,
            written: begun.written,
            pushed: 0,
            ahead: Ahead::new(begun.written, 0),
            size: None,
            modified: None,
            replaces,
            keep_free: options.keep_free,
            largest: options.largest_file.unwrap_or(u64::MAX),
            durability: options.durability,
        }
    }

    /// Sees whether the rest will fit: at least `coming` bytes, beside those that are to be copied.
    fn begun(mut self, library: &Library, coming: u64, copied: u64) -> Result<Upload, Refusal> {
        self.ahead = Ahead::new(self.written, coming);
        let fits = if self.written.saturating_add(coming) > self.largest {
            Err(Code::TooLarge.into())
        } else {
            self.check_space(coming.saturating_add(copied))
        };
        match fits {
            Ok(()) => Ok(self),
            Err(refusal) => {
                self.abandon(library);
                Err(refusal)
            }
        }
    }

    /// Takes what is there before the client's first byte: copies it, if it is another file's, and puts it into the digest,
    /// saying after each piece how many bytes it was. Returns the offset at which the client's bytes begin. To be called
    /// before anything is written.
    ///
    /// # Errors
    /// `Io`; `Changed` for a file that is being changed while it is copied, `NoSpace`.
    pub fn take_over(&mut self, mut moved: impl FnMut(u64)) -> Result<u64, Refusal> {
        if let Some(source) = &self.source {
            source.copy(self.staged.fd(), &mut moved)?;
            if let Some(guard) = self.guard.as_ref()
                && source.becomes_partial(&mut self.staged, guard)?
            {
                self.guard = None;
            }
            self.source = None;
        }
        if !self.is_taken_over {
            if let Some(hasher) = &mut self.hasher {
                let (fd, end) = (self.staged.fd(), self.written);
                hash_range(
                    fd,
                    |piece| hasher.update(piece),
                    &mut Scratch::new(),
                    0,
                    end,
                    moved,
                )?;
            }
            self.is_taken_over = true;
        }
        Ok(self.written)
    }

    /// The digest of what there is so far; None where none is computed, or what was there before is not in it yet.
    #[must_use]
    pub fn digest(&self) -> Option<Value> {
        let hasher = self.hasher.as_ref().filter(|_| self.is_taken_over);
        hasher.map(Hasher::finish)
    }

    /// Lends the digest in the making to who computes it beside the writing: what is written from now on is not put into it here.
    /// Until `take_hasher_back` the upload has no digest. None where none is computed, or what was there before is not in it yet.
    pub fn lend_hasher(&mut self) -> Option<Hasher> {
        self.hasher.take_if(|_| self.is_taken_over)
    }

    /// The digest of all that was written, from who computed it.
    pub fn take_hasher_back(&mut self, hasher: Hasher) {
        self.hasher = Some(hasher);
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// `Size` beyond what was announced, `TooLarge`, `NoSpace`, `Io`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if !self.is_taken_over {
            self.take_over(|_| ())?;
        }
        let end = self.may_grow(bytes.len())?;
        self.take_room(end);
        file::write_at(self.staged.fd(), bytes, self.written)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.grown(end);
        Ok(())
    }

    /// True when nobody has to see the next bytes, for a digest: `write_from` may write them.
    #[must_use]
    pub fn takes_unseen(&self) -> bool {
        self.is_taken_over && self.hasher.is_none()
    }

    /// Writes the next `count` bytes, which `pipe` holds. Only where they need not be seen.
    ///
    /// # Errors
    /// As `write`; what is left in the pipe is of no use then.
    pub fn write_from(&mut self, pipe: &copy::Pipe, count: usize) -> Result<(), Refusal> {
        let end = self.may_grow(count)?;
        self.take_room(end);
        pipe.write_at(self.staged.fd(), self.written, count)?;
        self.grown(end);
        Ok(())
    }

    /// Sees whether `count` more bytes may be written. Returns how many it will be then.
    fn may_grow(&self, count: usize) -> Result<u64, Refusal> {
        let end = self.written + count as u64;
        if self.size.is_some_and(|size| end > size) {
            return Err(Refusal::new(
                Code::Size,
                "more bytes came than were announced",
            ));
        }
        if end > self.largest {
            return Err(Code::TooLarge.into());
        }
        if self.written / LOOK_EVERY != end / LOOK_EVERY {
            // What was taken for it is not free any more.
            self.check_space(end - self.written.max(self.ahead.taken()).min(end))?;
        }
        Ok(end)
    }

    fn take_room(&mut self, end: u64) {
        let (file, keep) = (self.staged.fd(), self.keep_free);
        self.ahead
            .reach(file, end, |bytes| has_room(file, bytes, keep) == Ok(true));
    }

    /// All up to `end` was written.
    fn grown(&mut self, end: u64) {
        self.written = end;
        if self.durability != Durability::None && end - self.pushed >= WRITEBACK {
            copy::start_writeback(self.staged.fd(), self.pushed, end - self.pushed);
            self.pushed = end;
        }
    }

    /// Checks the whole against what the client says it sent.
    ///
    /// # Errors
    /// `Size`, `Digest`: what was received is thrown away, since it is proved wrong.
    pub fn finish(self, library: &Library, size: u64, digest: &Value) -> Result<Ready, Refusal> {
        let wrong = if size != self.written || self.size.is_some_and(|said| said != size) {
            Some(Refusal::new(
                Code::Size,
                format!("{} bytes came, {size} were sent", self.written),
            ))
        } else if self.digest() != Some(*digest) {
            Some(Refusal::from(Code::Digest))
        } else {
            None
        };
        if let Some(refusal) = wrong {
            self.discard(library);
            return Err(refusal);
        }
        self.stamped(library)
    }

    /// Ends an upload of which the caller has a proof of its own that it is whole, and whose client may have said what digest it
    /// has: of the kind that was to be computed.
    ///
    /// # Errors
    /// `Digest`: what was received is thrown away, since it is proved wrong. `Io`.
    pub fn finish_whole(self, library: &Library, said: Option<&Value>) -> Result<Ready, Refusal> {
        if said.is_some() && self.digest().as_ref() != said {
            self.discard(library);
            return Err(Code::Digest.into());
        }
        self.stamped(library)
    }

    /// Gives it the time of change that its client said.
    fn stamped(mut self, library: &Library) -> Result<Ready, Refusal> {
        // That would be a change.
        self.ahead.trim(self.staged.fd(), self.written);
        if let Some(stamp) = self.modified
            && let Err(errno) = file::set_modified(self.staged.fd(), stamp)
        {
            self.abandon(library);
            return Err(errno.into());
        }
        Ok(self.finish_streamed())
    }

    /// The same without a word of the client's on digest or time. One that was not taken over, though there was something to copy,
    /// is refused by `publish`.
    #[must_use]
    pub fn finish_streamed(mut self) -> Ready {
        self.ahead.trim(self.staged.fd(), self.written);
        let digest = self.digest();
        Ready {
            target: self.target,
            staged: self.staged,
            guard: self.guard,
            size: self.written,
            digest,
            replaces: self.replaces,
        }
    }

    /// Throws away what was received, also what could have been resumed.
    pub fn discard(self, library: &Library) {
        self.staged.remove(library);
        if let Some(guard) = &self.guard {
            guard.remove_if_empty(library);
        }
    }

    /// Ends an upload that was cut: what can be resumed stays, the rest goes.
    pub fn abandon(mut self, library: &Library) {
        self.ahead.trim(self.staged.fd(), self.written);
        if !self.staged.is_resumable() || self.written < partial::SMALLEST {
            self.discard(library);
        }
    }

    /// Ends an upload whose rest is to come later: what there is stays, however little, as safe as the operator wants files to
    /// be. Returns how many bytes it is.
    ///
    /// # Errors
    /// `Io`: it is thrown away.
    pub fn keep(mut self, library: &Library) -> Result<u64, Refusal> {
        self.ahead.trim(self.staged.fd(), self.written);
        let kept = if !self.staged.is_resumable() {
            Err(Errno::EOPNOTSUPP)
        } else if self.durability == Durability::None {
            Ok(())
        } else {
            file::sync_data(self.staged.fd())
        };
        let size = self.written;
        match kept {
            Ok(()) => Ok(size),
            Err(errno) => {
                self.discard(library);
                Err(errno.into())
            }
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
        let fits = has_room(self.staged.fd(), coming, self.keep_free)?;
        fits.then_some(()).ok_or(Code::NoSpace.into())
    }
}

/// Whether the disk has `bytes` beside those that are to stay free.
fn has_room(file: BorrowedFd<'_>, bytes: u64, keep_free: u64) -> Result<bool, Errno> {
    Ok(file::free_space(file)? >= bytes.saturating_add(keep_free))
}

impl Target {
    /// Refuses what could not be published, before the bytes come; the publishing itself is what decides. Returns the size of
    /// the file that would be replaced.
    pub(super) fn check(&self) -> Result<Option<u64>, Refusal> {
        if self.if_taken == IfTaken::Rename {
            return Ok(None);
        }
        match file::facts_at(self.folder.as_fd(), &self.name) {
            Err(Errno::ENOENT) if self.expected.is_some() => {
                let what = "there is no file of that name";
                Err(Refusal::new(Code::Changed, what))
            }
            Err(Errno::ENOENT) => Ok(None),
            Err(other) => Err(other.into()),
            Ok(there) => match there.kind {
                Kind::Folder => Err(Code::IsFolder.into()),
                Kind::Special => Err(Refusal::new(
                    Code::Exists,
                    "the name is taken by something that is not served",
                )),
                Kind::File if self.expected.is_some_and(|expected| !expected.is(&there)) => {
                    let what = "the file of that name is not the one that was expected";
                    Err(Refusal::new(Code::Changed, what))
                }
                Kind::File if self.if_taken == IfTaken::Replace => Ok(Some(there.size)),
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
