//! The moment an upload becomes a file: on the disk first, then under its name, then the name on the disk. Run by children.

use super::stage::{self, Staged};
use super::upload::Target;
use super::{Library, digest};
use crate::config::Durability;
use crate::digest::Value;
use crate::error::Refusal;
use crate::sys::file;
use crate::sys::{Errno, Result};
use std::os::fd::{AsFd, BorrowedFd};

/// From this many files on, one sync of the filesystem is cheaper than one of each file.
const MANY: usize = 8;

/// An upload that is whole and checked, but shows under no name yet.
#[derive(Debug)]
pub struct Ready {
    pub(super) target: Target,
    pub(super) staged: Staged,
    pub(super) size: u64,
    pub(super) digest: Value,
}

impl Ready {
    /// Bytes of it.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// A stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Bytes.
    pub size: u64,
    /// Digest of them.
    pub digest: Value,
    /// Bytes of the file it took the place of.
    pub replaced: Option<u64>,
}

/// Gives a file to whom it is to belong, before it is shown.
pub type Give<'a> = &'a dyn Fn(BorrowedFd<'_>) -> Result<()>;

type Outcome = std::result::Result<Published, Refusal>;

pub(super) fn publish(library: &Library, ready: Vec<Ready>, give: Give<'_>) -> Vec<Outcome> {
    let durability = library.options.durability;
    let synced = if durability == Durability::None {
        vec![Ok(()); ready.len()]
    } else {
        sync_contents(library, &ready)
    };
    let mut outcomes: Vec<Outcome> = ready
        .iter()
        .zip(synced)
        .map(|(upload, synced)| {
            let shown = synced
                .and_then(|()| show(library, upload, give))
                .inspect_err(|&errno| tidy(library, &upload.staged, errno));
            shown
                .map(|replaced| Published {
                    size: upload.size,
                    digest: upload.digest,
                    replaced,
                })
                .map_err(Refusal::from)
        })
        .collect();
    if durability == Durability::Full {
        sync_names(&ready, &mut outcomes);
    }
    outcomes
}

fn sync_contents(library: &Library, ready: &[Ready]) -> Vec<Result<()>> {
    if ready.len() >= MANY {
        // Reports a write error of any of them since the root was opened, to all: none is then called stored.
        return vec![file::sync_filesystem(library.root.as_fd()); ready.len()];
    }
    ready
        .iter()
        .map(|upload| file::sync_data(upload.staged.fd()))
        .collect()
}

/// Puts one upload under its name in one step; the old file, if any, stays until then.
/// Returns the size of the file it took the place of, if there was one.
fn show(library: &Library, upload: &Ready, give: Give<'_>) -> Result<Option<u64>> {
    let Target {
        folder,
        name,
        overwrite,
    } = &upload.target;
    let fd = upload.staged.fd();
    if upload.size >= digest::WORTH_KEEPING {
        digest::keep(fd, &file::facts(fd)?, &upload.digest);
    }
    // From here on the digest could not be kept any more.
    give(fd)?;
    match &upload.staged {
        Staged::Unnamed(_) => match file::link_unnamed(fd, folder.as_fd(), name) {
            Err(Errno::EEXIST) if *overwrite => {
                let name = stage::random_name()?;
                let stage = library.staging_folder(false)?;
                file::link_unnamed(fd, stage, &name)?;
                replace(stage, &name, upload).inspect_err(|_| {
                    let _ = file::unlink(stage, &name);
                })
            }
            result => result.map(|()| None),
        },
        Staged::Named {
            name: staged,
            resumable,
            ..
        } => {
            let place = library.staging_folder(*resumable)?;
            let shown = match file::rename_new(place, staged, folder.as_fd(), name) {
                // A filesystem that has no such rename.
                Err(Errno::EINVAL) => file::link(place, staged, folder.as_fd(), name)
                    .and_then(|()| file::unlink(place, staged)),
                other => other,
            };
            match shown {
                Err(Errno::EEXIST) if *overwrite => replace(place, staged, upload),
                result => result.map(|()| None),
            }
        }
    }
}

/// Takes away what is left of an upload that could not be shown. A partial stays, unless its name was taken meanwhile:
/// resuming it would meet the same.
fn tidy(library: &Library, staged: &Staged, errno: Errno) {
    let Staged::Named {
        name, resumable, ..
    } = staged
    else {
        return;
    };
    if *resumable && errno != Errno::EEXIST {
        return;
    }
    if let Ok(place) = library.staging_folder(*resumable) {
        let _ = file::unlink(place, name);
    }
}

/// Moves a staged name over the target, if that is still a file. Returns that one's size.
fn replace(place: BorrowedFd<'_>, staged: &[u8], upload: &Ready) -> Result<Option<u64>> {
    let replaced = upload
        .target
        .check()
        .map_err(|refusal| refusal.errno.unwrap_or(Errno::EEXIST))?;
    file::rename(
        place,
        staged,
        upload.target.folder.as_fd(),
        &upload.target.name,
    )?;
    Ok(replaced)
}

/// Puts the names on the disk, each folder once; where that fails, success is not claimed.
fn sync_names(ready: &[Ready], outcomes: &mut [Outcome]) {
    let mut synced: Vec<((u64, u64), Result<()>)> = Vec::new();
    for (upload, outcome) in ready.iter().zip(outcomes) {
        if outcome.is_err() {
            continue;
        }
        let folder = upload.target.folder.as_fd();
        let result = file::facts(folder).and_then(|facts| {
            let key = (facts.device, facts.inode);
            if let Some((_, result)) = synced.iter().find(|(seen, _)| *seen == key) {
                return *result;
            }
            let result = file::sync(folder);
            synced.push((key, result));
            result
        });
        if let Err(errno) = result {
            *outcome = Err(errno.into());
        }
    }
}
