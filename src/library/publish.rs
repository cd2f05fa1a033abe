//! The moment an upload becomes a file: on the disk first, then under its name, then the name on the disk. Run by children.

use super::stage::{self, Staged};
use super::upload::{IfTaken, Target};
use super::{Library, digest, partial};
use crate::config::Durability;
use crate::digest::Value;
use crate::error::{Code, Refusal};
use crate::sys::file;
use crate::sys::{Errno, Result};
use crate::wire::path::MAX_NAME;
use std::os::fd::{AsFd, BorrowedFd};

/// From this many files on, one sync of the filesystem is cheaper than one of each file.
const MANY: usize = 8;

/// Longest part of a name, with its dot, that stays at the end.
const LONGEST_EXTENSION: usize = 32;
/// How many names are tried where one is taken.
const NAMES: u32 = 9999;

/// An upload that is whole and checked, but shows under no name yet.
#[derive(Debug)]
pub struct Ready {
    pub(super) target: Target,
    pub(super) staged: Staged,
    /// The partial whose lock keeps others away, where the bytes are staged elsewhere.
    pub(super) guard: Option<Staged>,
    pub(super) size: u64,
    pub(super) digest: Option<Value>,
    /// A file had the name when the upload began.
    pub(super) replaces: bool,
}

impl IfTaken {
    pub(super) fn of(rename: bool, overwrite: bool) -> IfTaken {
        match (rename, overwrite) {
            (true, _) => IfTaken::Rename,
            (false, true) => IfTaken::Replace,
            (false, false) => IfTaken::Refuse,
        }
    }
}

impl Ready {
    /// Bytes of it.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Digest of them, if one was computed.
    #[must_use]
    pub fn digest(&self) -> Option<Value> {
        self.digest
    }
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The name in its folder: another than was asked for, where that was taken and the upload was to be renamed.
    pub name: Vec<u8>,
    /// Bytes.
    pub size: u64,
    /// Digest of them, if one was computed.
    pub digest: Option<Value>,
    /// Bytes of the file it took the place of.
    pub replaced: Option<u64>,
}

/// The last word on a file that is on the disk, before it is shown: its place among those that are published together, and it. Gives it to
/// whom it is to belong, sees whether its client is still there. Where it refuses, the file is not shown, and what can be resumed is kept.
pub type Give<'a> = &'a dyn Fn(usize, BorrowedFd<'_>) -> std::result::Result<(), Refusal>;

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
        .enumerate()
        .map(|(at, (upload, synced))| {
            let outcome = synced
                .map_err(Refusal::from)
                .and_then(|()| show(library, upload, &|fd| give(at, fd)));
            tidy(library, upload, &outcome);
            outcome
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
fn show(
    library: &Library,
    upload: &Ready,
    give: &dyn Fn(BorrowedFd<'_>) -> std::result::Result<(), Refusal>,
) -> Outcome {
    let fd = upload.staged.fd();
    let facts = file::facts(fd)?;
    if facts.size != upload.size {
        let what = "not all of it was written";
        return Err(Refusal::new(Code::Io, what));
    }
    if let Some(digest) = &upload.digest
        && upload.size >= digest::WORTH_KEEPING
    {
        digest::keep(fd, &facts, digest);
    }
    // From here on the digest could not be kept any more.
    give(fd)?;
    let target = &upload.target;
    let mut name = target.name.clone();
    let replaced = match target.if_taken {
        IfTaken::Refuse => show_new(library, upload, &name).map(|()| None)?,
        // It is likely to be there still: one failure less on the way.
        IfTaken::Replace if upload.replaces => replace(library, upload)?,
        IfTaken::Replace => match show_new(library, upload, &name) {
            Err(Errno::EEXIST) => replace(library, upload)?,
            result => result.map(|()| None)?,
        },
        IfTaken::Rename => {
            name = show_beside(library, upload)?;
            None
        }
    };
    Ok(Published {
        name,
        size: upload.size,
        digest: upload.digest,
        replaced,
    })
}

/// Shows it under `name`, which nothing may have.
fn show_new(library: &Library, upload: &Ready, name: &[u8]) -> Result<()> {
    let folder = upload.target.folder.as_fd();
    match &upload.staged {
        Staged::Unnamed(fd) => file::link_unnamed(fd.as_fd(), folder, name),
        Staged::Named {
            name: staged,
            resumable,
            ..
        } => {
            let place = library.staging_folder(*resumable)?;
            match file::rename_new(place, staged, folder, name) {
                // A filesystem that has no such rename.
                Err(Errno::EINVAL) => file::link(place, staged, folder, name)
                    .and_then(|()| file::unlink(place, staged)),
                other => other,
            }
        }
    }
}

/// Shows it under the first name that is free, of the target's and those made of it. Returns that name.
fn show_beside(library: &Library, upload: &Ready) -> Result<Vec<u8>> {
    let wanted = &upload.target.name;
    for number in 0..=NAMES {
        let name = numbered(wanted, number);
        match show_new(library, upload, &name) {
            Err(Errno::EEXIST) => {}
            result => return result.map(|()| name),
        }
    }
    Err(Errno::EEXIST)
}

/// `stem-number.extension`, of a stem that is cut where the whole would be too long; the name itself for 0.
fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    if number == 0 {
        return name.to_vec();
    }
    let (mut stem, mut extension) = (name, &name[..0]);
    if let Some(dot) = name.iter().rposition(|&byte| byte == b'.')
        && dot > 0
        && name.len() - dot <= LONGEST_EXTENSION
    {
        (stem, extension) = name.split_at(dot);
    }
    let tail = [format!("-{number}").as_bytes(), extension].concat();
    let room = MAX_NAME.saturating_sub(tail.len());
    if stem.len() > room {
        // Not in the middle of a character, where it is UTF-8.
        let is_inside = |at: usize| stem[at] & 0xc0 == 0x80;
        let start = (room.saturating_sub(3)..=room)
            .rev()
            .find(|&at| !is_inside(at));
        stem = &stem[..start.unwrap_or(room)];
    }
    [stem, &tail].concat()
}

/// Shows it in the place of the target, if that is still a file. Returns that one's size.
fn replace(library: &Library, upload: &Ready) -> std::result::Result<Option<u64>, Refusal> {
    let target = &upload.target;
    let (folder, name) = (target.folder.as_fd(), &target.name);
    match &upload.staged {
        Staged::Unnamed(fd) => {
            let stage = library.staging_folder(false)?;
            let staged = stage::random_name()?;
            file::link_unnamed(fd.as_fd(), stage, &staged)?;
            let replaced = target.check().and_then(|replaced| {
                file::rename(stage, &staged, folder, name)?;
                Ok(replaced)
            });
            replaced.inspect_err(|_| {
                let _ = file::unlink(stage, &staged);
            })
        }
        Staged::Named {
            name: staged,
            resumable,
            ..
        } => {
            let replaced = target.check()?;
            let place = library.staging_folder(*resumable)?;
            file::rename(place, staged, folder, name)?;
            Ok(replaced)
        }
    }
}

/// Takes away what is left of an upload. What could not be shown stays for resuming, if it can be resumed, and is worth it,
/// and its name was not taken or changed meanwhile: resuming it would meet the same.
fn tidy(library: &Library, upload: &Ready, outcome: &Outcome) {
    if let Err(refusal) = outcome {
        let stays = upload.staged.is_resumable()
            && upload.size >= partial::SMALLEST
            && !matches!(refusal.code, Code::Exists | Code::Changed);
        if !stays {
            upload.staged.remove(library);
        }
    }
    if let Some(guard) = &upload.guard {
        guard.remove_if_empty(library);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_name_is_one_that_a_file_can_have() {
        let long = |text: &str, count: usize| text.repeat(count).into_bytes();
        let cases: [(Vec<u8>, Vec<u8>); 9] = [
            (b"a".to_vec(), b"a-12".to_vec()),
            (b"a.b".to_vec(), b"a-12.b".to_vec()),
            (b"a.b.".to_vec(), b"a.b-12.".to_vec()),
            (b"\xff.\xfe".to_vec(), b"\xff-12.\xfe".to_vec()),
            (long("a", 255), [&long("a", 252)[..], b"-12"].concat()),
            (
                [&long("a", 251)[..], b".txt"].concat(),
                [&long("a", 248)[..], b"-12.txt"].concat(),
            ),
            // Of the character at the end nothing is left, or all.
            (
                [&long("\u{20ac}", 84)[..], b"aaa"].concat(),
                [&long("\u{20ac}", 84)[..], b"-12"].concat(),
            ),
            (
                [&long("\u{20ac}", 84)[..], b".a"].concat(),
                [&long("\u{20ac}", 83)[..], b"-12.a"].concat(),
            ),
            // That is no extension.
            (
                [b"a.", &long("b", 40)[..]].concat(),
                [b"a.", &long("b", 40)[..], b"-12"].concat(),
            ),
        ];
        for (name, next) in cases {
            assert_eq!(numbered(&name, 0), name);
            let found = numbered(&name, 12);
            assert_eq!(found, next, "{}", name.escape_ascii());
            assert!(crate::wire::path::is_served_name(&found));
        }
        assert_eq!(numbered(&long("\u{1f600}", 63), NAMES).len(), 248 + 5);
        assert_eq!(numbered(&[0x80; 255], NAMES).len(), MAX_NAME, "no UTF-8");
    }
}
