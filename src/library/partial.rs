//! Cut uploads, kept out of sight for resuming. Run by children; swept by the listener.
//!
//! A partial's name is a digest of its path, and each user has a folder of them: there is one for each. It is locked while
//! it is written: one upload of a name at a time.

use super::Library;
use super::stage::{self, Staged, remove_unlocked};
use super::upload::IfTaken;
use crate::error::{Code, Refusal};
use crate::sys::Errno;
use crate::sys::file::{self, Facts, Kind, Purpose};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Less than this is not worth keeping: it is sent again faster than it is looked for.
pub(super) const SMALLEST: u64 = 1024 * 1024;
const SUFFIX: &[u8] = b".part";
const DIGITS: usize = 64;

fn name_of(path: &RelPath) -> Vec<u8> {
    [blake3::hash(path.as_bytes()).to_hex().as_bytes(), SUFFIX].concat()
}

/// True for a name as `name_of` makes it.
pub(super) fn is_ours(name: &[u8]) -> bool {
    name.strip_suffix(SUFFIX)
        .is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// What is wanted of a partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// An empty one: what was kept goes.
    Fresh,
    /// With what was kept, if there is any.
    Kept,
}

/// Opens the partial of `path` in the owner's folder, making an empty one if there is none, and locks it. Returns it and what
/// it is.
///
/// # Errors
/// `InUse` when another upload writes it.
pub(super) fn open(
    partials: BorrowedFd<'_>,
    path: &RelPath,
    wanted: Wanted,
) -> Result<(Staged, Facts), Refusal> {
    let name = name_of(path);
    // Another upload may publish or drop the file between our open and our lock: then look again.
    for _ in 0..16 {
        let Some(fd) = open_or_make(partials, &name, wanted)? else {
            continue;
        };
        if !file::try_lock(fd.as_fd())? {
            return Err(Code::InUse.into());
        }
        let (ours, there) = (file::facts(fd.as_fd())?, file::facts_at(partials, &name));
        if !there.is_ok_and(|there| there.identity() == ours.identity()) {
            continue;
        }
        // With a second name it was published, and the process died before it took this name away: these bytes are a visible
        // file's. And a fresh one is a new file, so that the moment of its making is that of this upload.
        if ours.links > 1 || (wanted == Wanted::Fresh && ours.size > 0) {
            file::unlink(partials, &name)?;
            continue;
        }
        let staged = Staged::Named {
            fd,
            name,
            resumable: true,
        };
        return Ok((staged, ours));
    }
    Err(Code::InUse.into())
}

/// The same for an upload of `path`: what to write to, and how many bytes of it are there. Where another upload writes the partial and this
/// one gets the next name if the name is taken, which soon it will be, it is staged elsewhere, and cannot be resumed.
pub(super) fn open_for(
    library: &Library,
    path: &RelPath,
    wanted: Wanted,
    if_taken: IfTaken,
) -> Result<(Staged, u64), Refusal> {
    match open(library.staging_folder(true)?, path, wanted) {
        Ok((staged, facts)) => Ok((staged, facts.size)),
        Err(refusal) if refusal.code == Code::InUse && if_taken == IfTaken::Rename => {
            let stage = library.staging_folder(false)?;
            Ok((stage::create(stage, library.options.named)?, 0))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Opens the partial `name`, or makes it, trying first what is the likelier. None when somebody was faster.
fn open_or_make(
    partials: BorrowedFd<'_>,
    name: &[u8],
    wanted: Wanted,
) -> Result<Option<OwnedFd>, Errno> {
    let open = || file::open_beneath(partials, name, Purpose::Write, true);
    let make = || file::create_new(partials, name);
    let result = match wanted {
        Wanted::Fresh => match make() {
            Err(Errno::EEXIST) => open(),
            made => made,
        },
        Wanted::Kept => match open() {
            Err(Errno::ENOENT) => make(),
            opened => opened,
        },
    };
    match result {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::EEXIST | Errno::ENOENT) => Ok(None),
        Err(other) => Err(other),
    }
}

/// What the partial of `path` is, whether it is being written or not; None where nothing of it is there.
pub(super) fn look(partials: BorrowedFd<'_>, path: &RelPath) -> Option<Facts> {
    let there = file::facts_at(partials, &name_of(path)).ok()?;
    (there.kind == Kind::File && there.links == 1 && there.size > 0).then_some(there)
}

/// True when the cut upload `partial` is what came last to its name, and not the file `published`. That one's time of change
/// alone would not tell: it moves when the file's digest is kept, or its times or permissions are set; but then the file was
/// made before the upload began. In doubt it is the partial: what comes of that is a file that its owner sent, and no mixture.
///
/// # Errors
/// `Io`.
pub(super) fn is_newer(
    partial: (BorrowedFd<'_>, &Facts),
    published: (BorrowedFd<'_>, &Facts),
) -> Result<bool, Refusal> {
    if partial.1.size == 0 {
        return Ok(false);
    }
    if partial.1.changed >= published.1.changed {
        return Ok(true);
    }
    let began = file::born(partial.0)?;
    let made = file::born(published.0)?;
    Ok(began.zip(made).is_some_and(|(began, made)| began >= made))
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
            || !file::facts_at(partials, name).is_ok_and(|there| there.kind == Kind::Folder)
        {
            continue;
        }
        if let Ok(folder) = file::open_beneath(partials, name, Purpose::Folder, true) {
            removed += sweep_one(folder.as_fd(), hours)?;
        }
    }
    Ok(removed)
}

/// The partials in an owner's folder that nobody is writing to: their bytes, and how many they are.
///
/// # Errors
/// When the folder cannot be read.
pub fn kept(partials: BorrowedFd<'_>) -> Result<(u64, u64), Errno> {
    let here = file::open_beneath(partials, b"", Purpose::Folder, true)?;
    let (mut bytes, mut files) = (0u64, 0);
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
            files += 1;
        }
    }
    Ok((bytes, files))
}

fn sweep_one(partials: BorrowedFd<'_>, hours: u32) -> Result<u64, Errno> {
    let oldest = file::now().seconds - i64::from(hours) * 3600;
    remove_unlocked(partials, |name, facts| {
        is_ours(name)
            && (facts.links > 1 || facts.size < SMALLEST || facts.changed.seconds < oldest)
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
        let open = |path: &RelPath, wanted| open(partials.as_fd(), path, wanted);
        let (first, _) = open(&path, Wanted::Kept).expect("first");
        for wanted in [Wanted::Kept, Wanted::Fresh] {
            assert_eq!(open(&path, wanted).expect_err("second").code, Code::InUse);
        }
        let other = RelPath::parse(b"a/c").expect("path");
        open(&other, Wanted::Kept).expect("another name");
        file::write_at(first.fd(), b"kept", 0).expect("write");
        let Staged::Named { name, .. } = &first else {
            panic!("unnamed")
        };
        file::link(partials.as_fd(), name, partials.as_fd(), b"published").expect("link");
        drop(first);
        let (again, facts) = open(&path, Wanted::Kept).expect("again");
        assert_eq!(facts.size, 0, "the published bytes are not written to");
        assert_eq!(
            std::fs::read(dir.path().join("published")).expect("read"),
            b"kept"
        );
        file::write_at(again.fd(), b"cut", 0).expect("write");
        drop(again);
        let (kept, facts) = open(&path, Wanted::Kept).expect("kept");
        assert_eq!(facts.size, 3);
        assert_eq!(look(partials.as_fd(), &path).expect("there").size, 3);
        drop(kept);
        let (_, facts) = open(&path, Wanted::Fresh).expect("fresh");
        assert_eq!(facts.size, 0);
        assert!(look(partials.as_fd(), &path).is_none(), "nothing of it");
    }
}
