//! The digest of a stored file, kept with it in an extended attribute, so that a file can be sent without being
//! read and still carry its digest. Run by children.
//!
//! Kept with it are the size, the time of change of the content, and the moment of writing the attribute. Writing it
//! changes the inode's ctime, which nobody can set at will: a file is believed unchanged while its ctime is not later than
//! `SETTLE` after that moment. Changing, renaming or linking the file moves its ctime, and the digest is computed anew.

use crate::digest::{Kind, Value};
use crate::sys::file::{self, Facts, Stamp};
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

/// How long writing the attribute, and publishing the file right after it, may take.
const SETTLE_NANOS: i128 = 50_000_000;
/// A file whose content changed this recently may change again without its time stamp telling (a tick of the clock is 4 to 10 ms).
const RECENT_NANOS: i128 = 20_000_000;
/// Smaller files are hashed faster than their attribute is written: it is neither kept nor looked for.
pub(super) const WORTH_KEEPING: u64 = 64 * 1024;
const VERSION: u8 = 1;
/// version, size, mtime, moment of writing, digest
const LONGEST: usize = 1 + 8 + 12 + 12 + 32;

fn name(kind: Kind) -> &'static CStr {
    match kind {
        Kind::Blake3 => c"user.forkftp.blake3",
        Kind::Sha256 => c"user.forkftp.sha256",
        Kind::Md5 => c"user.forkftp.md5",
    }
}

/// The digest kept with `file`, if it still belongs to what `facts` describe.
pub(super) fn kept(file: BorrowedFd<'_>, facts: &Facts, kind: Kind) -> Option<Value> {
    let mut record = [0; LONGEST];
    let length = file::attribute(file, name(kind), &mut record)?;
    let (head, digest) = record.get(..length)?.split_at_checked(LONGEST - 32)?;
    let written = stamp(&head[21..33]);
    let fits = head[0] == VERSION
        && head[1..9] == facts.size.to_be_bytes()
        && stamp(&head[9..21]) == facts.modified;
    (fits && settled(written, facts.changed))
        .then(|| Value::new(kind, digest))
        .flatten()
}

/// Keeps `value` with `file`, as the digest of what `facts` describe. Where the filesystem keeps no attributes, or the file
/// is not ours to mark, it is computed again next time.
pub(super) fn keep(file: BorrowedFd<'_>, facts: &Facts, value: &Value) {
    let mut record = Vec::with_capacity(LONGEST);
    record.push(VERSION);
    record.extend_from_slice(&facts.size.to_be_bytes());
    put(&mut record, facts.modified);
    put(&mut record, file::now());
    record.extend_from_slice(value.as_bytes());
    let _ = file::set_attribute(file, name(value.kind()), &record);
}

/// True when the content `facts` describe is old enough for its time stamp to show the next change.
pub(super) fn is_quiet(facts: &Facts) -> bool {
    nanos(file::now()) - nanos(facts.modified) > RECENT_NANOS
}

fn settled(written: Stamp, changed: Stamp) -> bool {
    (0..=SETTLE_NANOS).contains(&(nanos(changed) - nanos(written)))
}

fn nanos(stamp: Stamp) -> i128 {
    i128::from(stamp.seconds) * 1_000_000_000 + i128::from(stamp.nanos)
}

fn put(record: &mut Vec<u8>, stamp: Stamp) {
    record.extend_from_slice(&stamp.seconds.to_be_bytes());
    record.extend_from_slice(&stamp.nanos.to_be_bytes());
}

fn stamp(bytes: &[u8]) -> Stamp {
    let (mut seconds, mut nanos) = ([0; 8], [0; 4]);
    seconds.copy_from_slice(&bytes[..8]);
    nanos.copy_from_slice(&bytes[8..12]);
    Stamp {
        seconds: i64::from_be_bytes(seconds),
        nanos: u32::from_be_bytes(nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hasher;
    use std::os::fd::AsFd;

    #[test]
    fn a_kept_digest_goes_with_any_change_of_the_file() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("f");
        std::fs::write(&path, "one").expect("write");
        let open = || {
            std::fs::File::options()
                .read(true)
                .write(true)
                .open(&path)
                .expect("open")
        };
        let look = || file::facts(open().as_fd()).expect("facts");
        let mark = || {
            keep(open().as_fd(), &look(), &Hasher::new(Kind::Md5).finish());
        };
        mark();
        if kept(open().as_fd(), &look(), Kind::Md5).is_none() {
            // This filesystem keeps no attributes.
            return;
        }
        assert!(
            kept(open().as_fd(), &look(), Kind::Sha256).is_none(),
            "another kind"
        );
        let before = look().modified;
        std::thread::sleep(std::time::Duration::from_millis(60));
        std::fs::write(&path, "two").expect("write");
        assert!(
            kept(open().as_fd(), &look(), Kind::Md5).is_none(),
            "written"
        );
        file::set_modified(open().as_fd(), before).expect("utimens");
        assert!(
            kept(open().as_fd(), &look(), Kind::Md5).is_none(),
            "written, and the time of it forged"
        );
        mark();
        assert!(kept(open().as_fd(), &look(), Kind::Md5).is_some());
        std::thread::sleep(std::time::Duration::from_millis(60));
        std::fs::rename(&path, dir.path().join("g")).expect("rename");
        std::fs::rename(dir.path().join("g"), &path).expect("rename");
        // Not every filesystem moves the ctime of a renamed file; those that do make us compute again.
        let _ = kept(open().as_fd(), &look(), Kind::Md5);
    }
}
