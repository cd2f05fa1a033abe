//! Cut uploads, kept out of sight for resuming. Run by children; swept by the listener.
//!
//! A partial's name is a digest of its path, and each user has a folder of them: there is one for each. It is locked while
//! it is written: one upload of a name at a time.

use super::stage::{Staged, remove_unlocked};
use crate::error::{Code, Refusal};
use crate::sys::Errno;
use crate::sys::file::{self, Purpose};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, BorrowedFd};

/// Less than this is not worth keeping: it is sent again faster than it is looked for.
pub(super) const SMALLEST: u64 = 1024 * 1024;
const SUFFIX: &[u8] = b".part";
const DIGITS: usize = 64;

fn name_of(path: &RelPath) -> Vec<u8> {
    [blake3::hash(path.as_bytes()).to_hex().as_bytes(), SUFFIX].concat()
}

/// Opens the partial of `path` in the owner's folder, making an empty one if there is none, and locks it.
///
/// # Errors
/// `InUse` when another upload writes it.
pub(super) fn open(partials: BorrowedFd<'_>, path: &RelPath) -> Result<Staged, Refusal> {
    let name = name_of(path);
    // Another upload may publish or drop the file between our open and our lock: then look again.
    for _ in 0..16 {
        let fd = match file::open_beneath(partials, &name, Purpose::Write, true) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => match file::create_new(partials, &name) {
                Ok(fd) => fd,
                Err(Errno::EEXIST) => continue,
                Err(other) => return Err(other.into()),
            },
            Err(other) => return Err(other.into()),
        };
        if !file::try_lock(fd.as_fd())? {
            return Err(Code::InUse.into());
        }
        let (ours, there) = (file::facts(fd.as_fd())?, file::facts_at(partials, &name));
        if there.is_ok_and(|there| there.inode == ours.inode) {
            if ours.links == 1 {
                return Ok(Staged::Named {
                    fd,
                    name,
                    resumable: true,
                });
            }
            // It was published, and the process died before it took this name away: these bytes are a visible file's.
            file::unlink(partials, &name)?;
        }
    }
    Err(Code::InUse.into())
}

/// Removes partials that nobody has touched for `hours`, and second names of published files: here, and in the folders of the
/// users.
pub(super) fn sweep(partials: BorrowedFd<'_>, hours: u32) -> Result<u64, Errno> {
    let mut removed = sweep_one(partials, hours)?;
    let here = file::open_beneath(partials, b"", Purpose::Folder, true)?;
    for entry in nix::dir::Dir::from_fd(here)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".")
            || !file::facts_at(partials, name).is_ok_and(|there| there.kind == file::Kind::Folder)
        {
            continue;
        }
        if let Ok(folder) = file::open_beneath(partials, name, Purpose::Folder, true) {
            removed += sweep_one(folder.as_fd(), hours)?;
        }
    }
    Ok(removed)
}

/// Bytes of the partials in an owner's folder that nobody is writing to.
///
/// # Errors
/// When the folder cannot be read.
pub fn kept_bytes(partials: BorrowedFd<'_>) -> Result<u64, Errno> {
    let here = file::open_beneath(partials, b"", Purpose::Folder, true)?;
    let mut bytes = 0u64;
    for entry in nix::dir::Dir::from_fd(here)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !name.ends_with(SUFFIX) {
            continue;
        }
        // Gone since, or somebody's who counts it.
        let Ok(fd) = file::open_beneath(partials, name, Purpose::Read, true) else {
            continue;
        };
        if file::try_lock(fd.as_fd())? {
            bytes = bytes.saturating_add(file::facts(fd.as_fd())?.size);
        }
    }
    Ok(bytes)
}

fn sweep_one(partials: BorrowedFd<'_>, hours: u32) -> Result<u64, Errno> {
    let oldest = file::now().seconds - i64::from(hours) * 3600;
    remove_unlocked(partials, |name, facts| {
        let ours = name.strip_suffix(SUFFIX).is_some_and(|digits| {
            digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit)
        });
        ours && (facts.links > 1 || facts.size < SMALLEST || facts.changed.seconds < oldest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_and_never_a_published_file() {
        let dir = tempfile::tempdir().expect("tempdir");
        let partials = file::open_folder(dir.path()).expect("open");
        let path = RelPath::parse(b"a/b").expect("path");
        let first = open(partials.as_fd(), &path).expect("first");
        assert_eq!(
            open(partials.as_fd(), &path).expect_err("second").code,
            Code::InUse
        );
        let other = RelPath::parse(b"a/c").expect("path");
        open(partials.as_fd(), &other).expect("another name");
        file::write_at(first.fd(), b"kept", 0).expect("write");
        let Staged::Named { name, .. } = &first else {
            panic!("unnamed")
        };
        file::link(partials.as_fd(), name, partials.as_fd(), b"published").expect("link");
        drop(first);
        let again = open(partials.as_fd(), &path).expect("again");
        assert_eq!(
            file::facts(again.fd()).expect("facts").size,
            0,
            "the published bytes are not written to"
        );
        assert_eq!(
            std::fs::read(dir.path().join("published")).expect("read"),
            b"kept"
        );
    }
}
