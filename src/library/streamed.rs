//! Uploads of clients that need not say how long a file is nor what its digest is, but may say where in it they begin: what is
//! already there is taken from the owner's cut upload, or from a copy of the published file, which itself stays as it is until
//! the whole is shown. Run by children.
//!
//! Whatever happens to this process, a partial holds nothing but what its owner sent or said to have: a copy becomes a
//! partial only when all of it is there, and one that is only appended to never does.

use super::Library;
use super::download::Download;
use super::partial::{self, Wanted};
use super::stage::{self, Staged};
use super::upload::{IfTaken, Target, Upload, make_folders};
use crate::digest::Kind;
use crate::error::{Code, Refusal};
use crate::sys::file::{self, Facts, Purpose, Stamp};
use crate::sys::{Errno, copy};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes copied at once: a client waits no longer than that between two signs of life.
const PIECE: usize = 16 * 1024 * 1024;
/// The same, where they have to be read and written.
const SMALL_PIECE: usize = 256 * 1024;

/// What a client says about a file that it sends as a stream of bytes.
#[derive(Debug, Clone, Copy)]
pub struct Streamed {
    /// Where the client's bytes begin.
    pub from: From,
    /// Bytes that are to come, if announced: only to see whether there is room for them.
    pub size: Option<u64>,
    /// Time of change to give it.
    pub modified: Option<Stamp>,
    /// Digest to compute of the whole.
    pub digest: Option<Kind>,
    /// Replace a file of that name.
    pub overwrite: bool,
    /// What has to have the name: otherwise it is refused (`Changed`), when it begins and right before it is shown. Not together
    /// with `rename_taken`.
    pub expected: Option<Expected>,
    /// Where the name is taken, take the next free one: `name-1.ext` and so on. Nothing is replaced then, and what is published
    /// under the name is never gone on with.
    pub rename_taken: bool,
    /// Most bytes of the whole, besides what the library takes.
    pub largest: Option<u64>,
    /// Make the folders on the way.
    pub parents: bool,
}

impl Default for Streamed {
    /// From the beginning, nothing known, nothing replaced.
    fn default() -> Streamed {
        Streamed {
            from: From::Start,
            size: None,
            modified: None,
            digest: None,
            overwrite: false,
            expected: None,
            rename_taken: false,
            largest: None,
            parents: false,
        }
    }
}

/// What an upload may take the place of, where its client said that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Any file.
    File,
    /// The file that was found to be this, unchanged.
    This(Facts),
}

impl Expected {
    /// True when `there` is that.
    pub(super) fn is(&self, there: &Facts) -> bool {
        match self {
            Expected::File => true,
            Expected::This(known) => {
                let version = |facts: &Facts| (facts.identity(), facts.size, facts.modified);
                version(known) == version(there)
            }
        }
    }
}

/// Where a client's bytes begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the beginning: what was kept of an earlier upload goes.
    Start,
    /// After so many bytes of the owner's cut upload, or else of the published file.
    Offset(u64),
    /// After all bytes of the published file, or else of the owner's cut upload.
    End,
    /// After all bytes of the owner's cut upload, which have to be so many. The published file has no part in it.
    Kept(u64),
}

/// What is to be copied before the client's bytes.
#[derive(Debug)]
pub(super) struct Source {
    file: Download,
    /// Bytes of it, from its beginning.
    length: u64,
    /// Stage and partials, where the copy is to become the partial of the name.
    folders: Option<(OwnedFd, OwnedFd)>,
}

pub(super) fn begin(
    library: &Library,
    path: &RelPath,
    streamed: Streamed,
) -> Result<Upload, Refusal> {
    let Some((above, name)) = path.split_last() else {
        return Err(Code::IsFolder.into());
    };
    let folder = match library.open_folder(&above) {
        Err(Errno::ENOENT) if streamed.parents => make_folders(library, &above)?,
        opened => opened?,
    };
    let target = Target {
        folder,
        name: name.to_vec(),
        if_taken: IfTaken::of(streamed.rename_taken, streamed.overwrite),
        expected: streamed.expected,
    };
    let replaces = target.check()?.is_some();
    let begun = match streamed.from {
        From::Start | From::Offset(0) => from_start(library, path, target.if_taken)?,
        // Nothing but a file that may be replaced was let through.
        From::Offset(offset) if replaces => after_last(library, path, Some(offset))?,
        From::Offset(offset) => after_kept(library, path, Some(offset))?,
        From::End if replaces => after_last(library, path, None)?,
        From::End => after_kept(library, path, None)?,
        From::Kept(size) => after_all_kept(library, path, size)?,
    };
    Upload::streamed(library, target, replaces, begun, streamed)
}

/// The state in which an upload begins.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) staged: Staged,
    /// Bytes before the client's.
    pub(super) written: u64,
    /// Where they have to be copied from.
    pub(super) source: Option<Source>,
    /// The partial whose lock keeps other uploads of the name away, while the bytes are staged elsewhere.
    pub(super) guard: Option<Staged>,
}

impl Begun {
    pub(super) fn of(staged: Staged, written: u64) -> Begun {
        Begun {
            staged,
            written,
            source: None,
            guard: None,
        }
    }
}

fn from_start(library: &Library, path: &RelPath, if_taken: IfTaken) -> Result<Begun, Refusal> {
    let (staged, _) = partial::open_for(library, path, Wanted::Fresh, if_taken)?;
    Ok(Begun::of(staged, 0))
}

/// Goes on with the cut upload where nothing is published: after `offset` bytes of it, or after all.
fn after_kept(library: &Library, path: &RelPath, offset: Option<u64>) -> Result<Begun, Refusal> {
    let (kept, facts) = partial::open(library.staging_folder(true)?, path, Wanted::Kept)?;
    go_on(library, kept, facts.size, offset.unwrap_or(facts.size))
}

/// The same after all of it, if that is `size` bytes, whatever is published.
fn after_all_kept(library: &Library, path: &RelPath, size: u64) -> Result<Begun, Refusal> {
    let (kept, facts) = partial::open(library.staging_folder(true)?, path, Wanted::Kept)?;
    if facts.size != size {
        kept.remove_if_empty(library);
        let what = format!("{} bytes are kept of that upload", facts.size);
        return Err(Refusal::new(Code::Range, what));
    }
    Ok(Begun::of(kept, size))
}

fn go_on(library: &Library, kept: Staged, size: u64, offset: u64) -> Result<Begun, Refusal> {
    if size < offset {
        kept.remove_if_empty(library);
        return Err(too_far(size));
    }
    if size > offset {
        file::truncate(kept.fd(), offset)?;
    }
    Ok(Begun::of(kept, offset))
}

/// Goes on with what came last to the name, a cut upload or the published file: after `offset` bytes of it, or after all.
fn after_last(library: &Library, path: &RelPath, offset: Option<u64>) -> Result<Begun, Refusal> {
    let (kept, facts) = partial::open(library.staging_folder(true)?, path, Wanted::Kept)?;
    let begun = choose(library, path, offset, (kept.fd(), &facts)).and_then(|source| {
        let Some(source) = source else {
            return Ok(None);
        };
        let stage = library.staging_folder(false)?;
        let staged = stage::create(stage, library.options.named)?;
        Ok(Some((source, staged)))
    });
    match begun {
        Ok(None) => go_on(library, kept, facts.size, offset.unwrap_or(facts.size)),
        Ok(Some((source, staged))) => Ok(Begun {
            staged,
            written: source.length,
            source: Some(source),
            guard: Some(kept),
        }),
        Err(refusal) => {
            kept.remove_if_empty(library);
            Err(refusal)
        }
    }
}

/// What of the published file is to be copied; None where the owner's cut upload is what came last.
fn choose(
    library: &Library,
    path: &RelPath,
    offset: Option<u64>,
    kept: (BorrowedFd<'_>, &Facts),
) -> Result<Option<Source>, Refusal> {
    let file = library.open_file(path)?;
    let size = file.facts().size;
    if partial::is_newer(kept, (file.fd(), &file.facts()))? {
        // An offset beyond its end is refused later: going on with the file that it was to replace would make one of two.
        return match offset {
            Some(_) => Ok(None),
            None => Err(Refusal::new(
                Code::InUse,
                format!(
                    "a cut upload of that name waits with {} bytes: go on with it from an offset, or send the whole anew",
                    kept.1.size
                ),
            )),
        };
    }
    let length = offset.unwrap_or(size);
    if length > size {
        return Err(too_far(size));
    }
    let folders = match offset {
        Some(_) => Some((
            duplicate(library.staging_folder(false)?)?,
            duplicate(library.staging_folder(true)?)?,
        )),
        None => None,
    };
    Ok(Some(Source {
        file,
        length,
        folders,
    }))
}

fn duplicate(folder: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    file::open_beneath(folder, b"", Purpose::Folder, true)
}

fn too_far(size: u64) -> Refusal {
    Refusal::new(Code::Range, format!("there are only {size} bytes"))
}

impl Source {
    /// Copies into `to`, saying after each piece how many bytes it was.
    ///
    /// # Errors
    /// `Changed`, `NoSpace`, `TooLarge`, `Io`.
    pub(super) fn copy(&self, to: BorrowedFd<'_>, moved: impl FnMut(u64)) -> Result<(), Refusal> {
        copy_bytes(self.file.fd(), to, self.length, true, moved)?;
        self.file.unchanged()
    }

    /// Puts the finished copy `staged` in the place of the partial `guard`, in one step, if it is to be one. Returns whether
    /// it is.
    pub(super) fn becomes_partial(
        &self,
        staged: &mut Staged,
        guard: &Staged,
    ) -> Result<bool, Refusal> {
        let Some((stage, partials)) = &self.folders else {
            return Ok(false);
        };
        let Staged::Named { name: partial, .. } = guard else {
            return Ok(false);
        };
        let (fd, name) = match staged {
            Staged::Named { fd, name, .. } => (fd, name.clone()),
            Staged::Unnamed(fd) => {
                // Nobody has it open who could have the lock.
                file::try_lock(fd.as_fd())?;
                let name = stage::random_name()?;
                file::link_unnamed(fd.as_fd(), stage.as_fd(), &name)?;
                (fd, name)
            }
        };
        let fd = fd.try_clone().map_err(|_| Errno::EMFILE);
        let moved = fd.and_then(|fd| {
            file::rename(stage.as_fd(), &name, partials.as_fd(), partial)?;
            Ok(fd)
        });
        let fd = moved.inspect_err(|_| {
            let _ = file::unlink(stage.as_fd(), &name);
        })?;
        *staged = Staged::Named {
            fd,
            name: partial.clone(),
            resumable: true,
        };
        Ok(true)
    }
}

/// Copies the first `size` bytes of `from`, in the kernel if it can.
fn copy_bytes(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    size: u64,
    mut in_kernel: bool,
    mut moved: impl FnMut(u64),
) -> Result<(), Refusal> {
    let mut room = Vec::new();
    let mut done = 0;
    while done < size {
        let left = usize::try_from(size - done).unwrap_or(PIECE);
        let got = if in_kernel {
            match copy::copy_range(from, to, done, left.min(PIECE)) {
                Err(
                    Errno::EXDEV | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EPERM,
                ) => {
                    in_kernel = false;
                    continue;
                }
                result => result?,
            }
        } else {
            room.resize(SMALL_PIECE, 0);
            let got = file::read_at(from, &mut room[..left.min(SMALL_PIECE)], done)?;
            file::write_at(to, &room[..got], done)?;
            got
        };
        if got == 0 {
            return Err(Code::Changed.into());
        }
        done += got as u64;
        moved(got as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
