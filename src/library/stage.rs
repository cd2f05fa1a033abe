//! Where bytes wait until they are a file: nameless where the filesystem can, under a random name where it cannot. Run by
//! children; swept by the listener at start.

use super::Library;
use crate::sys::file::{self, Kind};
use crate::sys::{Errno, Result, random};
use nix::dir::Dir;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const PREFIX: &[u8] = b"put-";
/// How often a name is tried.
const TRIES: u32 = 8;
const RANDOM_DIGITS: usize = 32;

/// A staged file.
#[derive(Debug)]
pub(super) enum Staged {
    /// Vanishes by itself unless it is linked, whatever happens to this process.
    Unnamed(OwnedFd),
    /// Locked as long as it is open, so that a sweep leaves it alone.
    Named {
        /// The file.
        fd: OwnedFd,
        /// Its name in the stage or among the partials.
        name: Vec<u8>,
        /// A cut upload is kept under its name, for resuming.
        resumable: bool,
    },
}

impl Staged {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Staged::Unnamed(fd) | Staged::Named { fd, .. } => fd.as_fd(),
        }
    }

    /// True when it is kept under its name after a cut, for resuming.
    pub(super) fn is_resumable(&self) -> bool {
        matches!(
            self,
            Staged::Named {
                resumable: true,
                ..
            }
        )
    }

    /// Takes its name away, if it has one.
    pub(super) fn remove(&self, library: &Library) {
        if let Staged::Named {
            name, resumable, ..
        } = self
            && let Ok(place) = library.staging_folder(*resumable)
        {
            let _ = file::unlink(place, name);
        }
    }

    /// Takes the name of a partial away that holds nothing: what was only opened for its lock.
    pub(super) fn remove_if_empty(&self, library: &Library) {
        if file::facts(self.fd()).is_ok_and(|facts| facts.size == 0) {
            self.remove(library);
        }
    }
}

/// Makes an empty staged file in `stage`.
pub(super) fn create(stage: BorrowedFd<'_>, named: bool) -> Result<Staged> {
    if named {
        return create_named(stage);
    }
    match file::create_unnamed(stage) {
        Ok(fd) => Ok(Staged::Unnamed(fd)),
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => {
            create_named(stage)
        }
        Err(other) => Err(other),
    }
}

pub(super) fn create_named(stage: BorrowedFd<'_>) -> Result<Staged> {
    for _ in 0..TRIES {
        let name = random_name()?;
        let fd = file::create_new(stage, &name)?;
        // Another server that sweeps as it starts may have been faster, and has taken it for a leftover.
        if file::try_lock(fd.as_fd())? && file::facts(fd.as_fd())?.links > 0 {
            return Ok(Staged::Named {
                fd,
                name,
                resumable: false,
            });
        }
    }
    Err(Errno::EAGAIN)
}

/// A name that no other process has: random from the kernel.
pub(super) fn random_name() -> Result<Vec<u8>> {
    let mut bytes = [0; RANDOM_DIGITS / 2];
    random::fill(&mut bytes)?;
    Ok([PREFIX, hex::encode(bytes).as_bytes()].concat())
}

/// Removes what earlier servers left: regular files with a name as `random_name` makes it, that nobody has locked.
pub(super) fn sweep(stage: BorrowedFd<'_>) -> Result<u64> {
    remove_unlocked(stage, |name, _| is_ours(name))
}

/// True for a name as `random_name` makes it.
pub(super) fn is_ours(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.len() == RANDOM_DIGITS && rest.iter().all(u8::is_ascii_hexdigit))
}

/// Removes the unlocked regular files of `folder` for which `ours` is true.
pub(super) fn remove_unlocked(
    folder: BorrowedFd<'_>,
    ours: impl Fn(&[u8], &file::Facts) -> bool,
) -> Result<u64> {
    let names = Dir::from_fd(file::open_beneath(
        folder,
        b"",
        file::Purpose::Folder,
        true,
    )?)?;
    let mut removed = 0;
    for entry in names {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let Ok(facts) = file::facts_at(folder, name) else {
            continue;
        };
        if facts.kind != Kind::File || !ours(name, &facts) {
            continue;
        }
        let Ok(fd) = file::open_beneath(folder, name, file::Purpose::Write, true) else {
            continue;
        };
        if file::try_lock(fd.as_fd())? && file::unlink(folder, name).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_our_leftovers_and_nothing_else() {
        let dir = tempfile::tempdir().expect("tempdir");
        let stage = file::open_folder(dir.path()).expect("open");
        let alive = create_named(stage.as_fd()).expect("create");
        let Staged::Named { fd, name: left, .. } = create_named(stage.as_fd()).expect("create")
        else {
            panic!("unnamed")
        };
        drop(fd);
        std::fs::write(dir.path().join("put-notes"), "mine").expect("write");
        std::fs::write(
            dir.path().join("put-0123456789abcdef0123456789abcdeg"),
            "mine",
        )
        .expect("write");
        std::fs::create_dir(dir.path().join("put-00000000000000000000000000000000"))
            .expect("mkdir");
        assert_eq!(sweep(stage.as_fd()), Ok(1));
        assert!(file::facts_at(stage.as_fd(), &left).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 4);
        drop(alive);
        assert_eq!(sweep(stage.as_fd()), Ok(1));
    }
}
