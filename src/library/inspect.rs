//! A library looked at as it is, before anybody opens it to serve: what its filesystem can do, what is left, what lies in the staging
//! area. Nothing is made that stays, and no lock is taken. Run by the operator's command, as the user who serves.

use super::{PRIVATE, partial, stage};
use crate::sys::file::{self, Facts, Kind, Purpose};
use crate::sys::machine::{self, Room};
use crate::sys::process::monotonic_millis;
use crate::sys::{Errno, Result};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Seconds after which a file of the stage that nobody has written to is left over: no upload stands still for so long.
const LEFT_OVER: i64 = 3600;
/// Bytes that are written to see how long the disk takes.
const SAMPLE: [u8; 4096] = [0x5a; 4096];

/// A library that nobody has opened to serve.
#[derive(Debug)]
pub struct Inspected {
    root: OwnedFd,
    private: Result<OwnedFd>,
}

/// What came of trying something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tried {
    /// It can be done.
    Works,
    /// It cannot, for this reason.
    Fails(String),
    /// It could not be tried, for this reason.
    Untried(String),
}

impl From<Result<()>> for Tried {
    fn from(result: Result<()>) -> Tried {
        match result {
            Ok(()) => Tried::Works,
            // Of the moment, and of who asks: they say nothing of what could be done.
            Err(errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EACCES | Errno::EROFS)) => {
                Tried::Untried(errno.desc().to_owned())
            }
            Err(errno) => Tried::Fails(errno.desc().to_owned()),
        }
    }
}

/// What the filesystem can do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Features {
    /// openat2(2), by which nothing outside the library can be reached.
    pub openat2: Tried,
    /// Files without a name (O_TMPFILE).
    pub unnamed: Tried,
    /// Such a file gets its name (linkat(2)).
    pub link: Tried,
    /// A rename that replaces nothing (RENAME_NOREPLACE).
    pub rename_new: Tried,
    /// Extended attributes (`user.`).
    pub attributes: Tried,
    /// Room taken before it is written (fallocate(2)).
    pub allocate: Tried,
    /// Names that differ in case are different names.
    pub case: Tried,
    /// A small file was written and synced, in so many milliseconds.
    pub sync_millis: Option<u64>,
    /// The filesystem's clock is ahead of this machine's by so many seconds, or behind where negative.
    pub ahead_seconds: Option<i64>,
}

/// What lies in the staging area.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Cut uploads.
    pub partials: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that are kept longer than they should be.
    pub stale: u64,
    /// The last change of the one that waits the longest, seconds since 1970.
    pub oldest: Option<i64>,
    /// Files of the stage that no upload writes to any more.
    pub staged: u64,
}

impl Inspected {
    /// Opens the folder, and the private one in it if there is one.
    ///
    /// # Errors
    /// As open(2) for the library itself.
    pub fn open(path: &Path) -> Result<Inspected> {
        let root = file::open_folder(path)?;
        let private = file::open_beneath(root.as_fd(), PRIVATE, Purpose::Folder, true);
        Ok(Inspected { root, private })
    }

    /// What the root is.
    ///
    /// # Errors
    /// As fstat(2).
    pub fn facts(&self) -> Result<Facts> {
        file::facts(self.root.as_fd())
    }

    /// What the private folder is.
    ///
    /// # Errors
    /// ENOENT where no server has made it yet.
    pub fn private_facts(&self) -> Result<Facts> {
        file::facts_at(self.root.as_fd(), PRIVATE)
    }

    /// What is left on its filesystem.
    ///
    /// # Errors
    /// As fstatvfs(3).
    pub fn room(&self) -> Result<Room> {
        machine::room(self.root.as_fd())
    }

    fn staging(&self, name: &[u8]) -> Result<OwnedFd> {
        let private = self.private.as_ref().map_err(|errno| *errno)?;
        file::open_beneath(private.as_fd(), name, Purpose::Folder, true)
    }

    /// Tries what the server does. Names are tried in the stage, if there is one; they are gone again afterwards.
    #[must_use]
    pub fn features(&self) -> Features {
        let here = self.root.as_fd();
        let openat2 = file::open_beneath(here, b"", Purpose::Folder, true).map(drop);
        let stage = self.staging(b"stage");
        let place = stage.as_ref().map_or(here, AsFd::as_fd);
        let unnamed = file::create_unnamed(place);
        let mut features = Features {
            openat2: openat2.into(),
            unnamed: unnamed.as_ref().map(drop).map_err(|errno| *errno).into(),
            link: untried(),
            rename_new: untried(),
            attributes: untried(),
            allocate: untried(),
            case: untried(),
            sync_millis: None,
            ahead_seconds: None,
        };
        match &stage {
            Ok(stage) => features.with_names(stage.as_fd(), unnamed.ok()),
            Err(_) => {
                if let Ok(file) = unnamed {
                    features.with_a_file(file.as_fd());
                }
            }
        }
        features
    }

    /// Counts what lies in the staging area at the moment `now`, seconds since 1970, where cut uploads are kept for `hours`. Zeros where
    /// there is none.
    ///
    /// # Errors
    /// As open(2) for a staging area that this user may not read.
    pub fn left(&self, hours: u32, now: i64) -> Result<Left> {
        let mut left = Left::default();
        let folder = |name: &[u8]| match self.staging(name) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::ENOENT) => Ok(None),
            Err(other) => Err(other),
        };
        if let Some(stage) = folder(b"stage")? {
            each(stage.as_fd(), |name, facts| {
                if stage::is_ours(name) && facts.changed.seconds < now - LEFT_OVER {
                    left.staged += 1;
                }
            })?;
        }
        let Some(partials) = folder(b"partial")? else {
            return Ok(left);
        };
        let oldest_kept = now - i64::from(hours) * 3600;
        let mut count = |name: &[u8], facts: Facts| {
            if !partial::is_ours(name) || facts.kind != Kind::File {
                return;
            }
            let changed = facts.changed.seconds;
            left.partials += 1;
            left.bytes = left.bytes.saturating_add(facts.size);
            left.stale += u64::from(changed < oldest_kept);
            left.oldest = Some(left.oldest.map_or(changed, |oldest| oldest.min(changed)));
        };
        let mut folders = Vec::new();
        each(partials.as_fd(), |name, facts| {
            if facts.kind == Kind::Folder {
                folders.push(name.to_vec());
            }
            count(name, facts);
        })?;
        for name in folders {
            let folder = file::open_beneath(partials.as_fd(), &name, Purpose::Folder, true)?;
            each(folder.as_fd(), &mut count)?;
        }
        Ok(left)
    }
}

impl Features {
    fn with_a_file(&mut self, file: BorrowedFd<'_>) {
        self.attributes = file::set_attribute(file, c"user.forkftp.test", b"1").into();
        self.allocate = file::allocate(file, 0, SAMPLE.len() as u64).into();
        let began = monotonic_millis();
        let synced = file::write_at(file, &SAMPLE, 0).and_then(|()| file::sync(file));
        if synced.is_ok() {
            self.sync_millis = Some(monotonic_millis().saturating_sub(began));
        }
        let stamped = file::facts(file).map(|facts| facts.modified.seconds);
        self.ahead_seconds = stamped.ok().map(|at| at - file::now().seconds);
    }

    fn with_names(&mut self, stage: BorrowedFd<'_>, unnamed: Option<OwnedFd>) {
        let names = (stage::random_name(), stage::random_name());
        let (Ok(first), Ok(second)) = names else {
            return;
        };
        let file = match unnamed {
            Some(file) => {
                let linked = file::link_unnamed(file.as_fd(), stage, &first);
                self.link = linked.into();
                file
            }
            None => match file::create_new(stage, &first) {
                Ok(file) => file,
                Err(errno) => {
                    self.attributes = Err(errno).into();
                    return;
                }
            },
        };
        self.with_a_file(file.as_fd());
        if file::facts_at(stage, &first).is_ok() {
            self.rename_new = file::rename_new(stage, &first, stage, &second).into();
            let there = if self.rename_new == Tried::Works {
                &second
            } else {
                &first
            };
            self.case = match file::facts_at(stage, &there.to_ascii_uppercase()) {
                Err(Errno::ENOENT) => Tried::Works,
                Ok(_) => Tried::Fails("the same name in capitals finds the file".into()),
                Err(other) => Err(other).into(),
            };
        }
        for name in [&first, &second] {
            let _ = file::unlink(stage, name);
        }
    }
}

fn untried() -> Tried {
    Tried::Untried("there is no staging area yet".into())
}

/// Calls `what` with the names in a folder and what they are.
fn each(folder: BorrowedFd<'_>, mut what: impl FnMut(&[u8], Facts)) -> Result<()> {
    let here = file::open_beneath(folder, b"", Purpose::Folder, true)?;
    for entry in nix::dir::Dir::from_fd(here)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if let Ok(facts) = file::facts_at(folder, name) {
            what(name, facts);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_leaves_nothing_and_counts_what_was_left() {
        let dir = tempfile::tempdir().expect("tempdir");
        let planned = Inspected::open(dir.path()).expect("open");
        assert_eq!(planned.features().openat2, Tried::Works);
        assert!(matches!(planned.features().rename_new, Tried::Untried(_)));
        let now = file::now().seconds;
        assert_eq!(planned.left(1, now), Ok(Left::default()));
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 0);

        let private = dir.path().join(".forkftp");
        let alice = private.join("partial/user-616c696365");
        std::fs::create_dir_all(&alice).expect("partials");
        std::fs::create_dir(private.join("stage")).expect("stage");
        let name = format!("{}.part", "0a".repeat(32));
        std::fs::write(private.join("partial").join(&name), "some").expect("write");
        std::fs::write(alice.join(&name), "more").expect("write");
        std::fs::write(private.join("partial/notes"), "mine").expect("write");
        std::fs::write(
            private
                .join("stage")
                .join(format!("put-{}", "0a".repeat(16))),
            "",
        )
        .expect("write");
        let library = Inspected::open(dir.path()).expect("open");
        let features = library.features();
        assert_eq!(features.rename_new, Tried::Works);
        assert!(features.sync_millis.is_some());
        assert_eq!(
            features.ahead_seconds.map(i64::abs).map(|s| s < 2),
            Some(true)
        );
        let left = library.left(1, now).expect("left");
        assert_eq!((left.partials, left.bytes, left.stale), (2, 8, 0));
        assert_eq!(left.staged, 0, "just written");
        let later = library.left(1, now + 2 * 3600).expect("left");
        assert_eq!((later.partials, later.stale, later.staged), (2, 2, 1));
        assert!(
            later
                .oldest
                .is_some_and(|oldest| (now - 5..=now + 5).contains(&oldest))
        );
        let staged = std::fs::read_dir(private.join("stage")).expect("list");
        assert_eq!(staged.count(), 1, "nothing of the look stays");
    }
}
