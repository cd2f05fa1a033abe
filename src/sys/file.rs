//! Files and folders by descriptor: nothing here takes an absolute path, but `open_folder`, with which the
//! listener opens the library once. Run by children through the library, and by the listener at start.

use super::{Errno, Result};
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{FileStat, Mode, SFlag};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What an object is, as far as a file server cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Folder,
    /// Link, device, pipe or socket: never served.
    Special,
}

/// A moment as the filesystem keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp {
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    pub nanos: u32,
}

/// What fstat(2) says, in our words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub modified: Stamp,
    /// Last change of the content or of anything about it; no program can set it back.
    pub changed: Stamp,
    /// Number within its filesystem.
    pub inode: u64,
    /// Filesystem it is on.
    pub device: u64,
    /// Names it has.
    pub links: u64,
    /// User it belongs to.
    pub owner: u32,
    /// Group it belongs to.
    pub group: u32,
    /// Permission bits (inode(7)): those of `0o777`, set-user-id, set-group-id and sticky.
    pub mode: u32,
}

impl Facts {
    /// What tells it from everything else on this machine, as long as it is there: filesystem and number.
    #[must_use]
    pub fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

impl From<FileStat> for Facts {
    fn from(stat: FileStat) -> Facts {
        let kind = match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFDIR => Kind::Folder,
            _ => Kind::Special,
        };
        Facts {
            kind,
            size: stat.st_size.max(0) as u64,
            modified: Stamp {
                seconds: stat.st_mtime,
                nanos: stat.st_mtime_nsec as u32,
            },
            changed: Stamp {
                seconds: stat.st_ctime,
                nanos: stat.st_ctime_nsec as u32,
            },
            inode: stat.st_ino,
            device: stat.st_dev,
            links: stat.st_nlink,
            owner: stat.st_uid,
            group: stat.st_gid,
            mode: stat.st_mode & 0o7777,
        }
    }
}

/// Opens a folder by path, following links: for the operator's own words at start, never for a client's.
pub fn open_folder(path: &Path) -> Result<OwnedFd> {
    nix::fcntl::open(
        path,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

/// What an opened object is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Read its bytes or entries.
    Read,
    /// A folder, to reach what lies in it.
    Folder,
    /// Write to a file that exists.
    Write,
    /// See what it is, and nothing more (O_PATH): whatever it is and whoever may read it, nothing happens to it.
    Look,
}

/// Opens `path` below `root` (openat2(2)): no `..` or absolute part leads out, no link of any kind is followed on the
/// way or at its end, and a pipe or device does not block. The caller judges what it got with `facts`.
///
/// `one_filesystem` also refuses to cross a mount.
///
/// # Errors
/// ENOENT, ENOTDIR, EACCES; ELOOP for a link; EXDEV for a way out; ENOSYS where the kernel (before 5.6) or a service manager's filter lacks it.
pub fn open_beneath(
    root: BorrowedFd<'_>,
    path: &[u8],
    purpose: Purpose,
    one_filesystem: bool,
) -> Result<OwnedFd> {
    let waits_for_nothing = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let flags = match purpose {
        Purpose::Read => OFlag::O_RDONLY | waits_for_nothing,
        Purpose::Folder => OFlag::O_RDONLY | OFlag::O_DIRECTORY | waits_for_nothing,
        Purpose::Write => OFlag::O_RDWR | waits_for_nothing,
        // openat2(2) takes no other flags beside it.
        Purpose::Look => OFlag::O_PATH,
    };
    let mut resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    if one_filesystem {
        resolve |= ResolveFlag::RESOLVE_NO_XDEV;
    }
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(resolve);
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    loop {
        // EAGAIN: a rename or mount ran at the same time, and the kernel could not vouch for the way (openat2(2)).
        match nix::fcntl::openat2(root, path, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Creates a file without a name on the filesystem of `folder` (O_TMPFILE, open(2)): it vanishes unless it is linked.
///
/// # Errors
/// EOPNOTSUPP, EISDIR or ENOENT where the filesystem cannot: use `create_new`.
pub fn create_unnamed(folder: BorrowedFd<'_>) -> Result<OwnedFd> {
    nix::fcntl::openat(
        folder,
        c".",
        OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC,
        Mode::from_bits_truncate(0o666),
    )
}

/// Creates `name` in `folder`; EEXIST when anything has that name.
pub fn create_new(folder: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    let flags =
        OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    nix::fcntl::openat(folder, name, flags, Mode::from_bits_truncate(0o666))
}

/// Gives an unnamed file its name; EEXIST when the name is taken.
pub fn link_unnamed(file: BorrowedFd<'_>, folder: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    match nix::unistd::linkat(file, c"", folder, name, AtFlags::AT_EMPTY_PATH) {
        // Kernels before 6.10 want CAP_DAC_READ_SEARCH for that, and say ENOENT; the way by /proc needs none (open(2), O_TMPFILE).
        Err(Errno::ENOENT) => {
            let by_number = format!("/proc/self/fd/{}", file.as_raw_fd());
            nix::unistd::linkat(
                nix::fcntl::AT_FDCWD,
                by_number.as_str(),
                folder,
                name,
                AtFlags::AT_SYMLINK_FOLLOW,
            )
        }
        result => result,
    }
}

/// Gives the file `from` in `folder` the second name `to` in `into`; EEXIST when that is taken. (link(2) is atomic
/// without clobbering on every filesystem, renameat2 with RENAME_NOREPLACE is not to be had on some network ones.)
pub fn link(folder: BorrowedFd<'_>, from: &[u8], into: BorrowedFd<'_>, to: &[u8]) -> Result<()> {
    nix::unistd::linkat(folder, from, into, to, AtFlags::empty())
}

/// Moves `from` in `folder` over `to` in `into`, replacing what is there in one step.
pub fn rename(folder: BorrowedFd<'_>, from: &[u8], into: BorrowedFd<'_>, to: &[u8]) -> Result<()> {
    nix::fcntl::renameat(folder, from, into, to)
}

/// Moves `from` in `folder` to `to` in `into` in one step, unless that is taken: then EEXIST, also where it is the same file.
///
/// # Errors
/// EINVAL on filesystems without RENAME_NOREPLACE (rename(2)), and for a folder that would come to lie in itself.
pub fn rename_new(
    folder: BorrowedFd<'_>,
    from: &[u8],
    into: BorrowedFd<'_>,
    to: &[u8],
) -> Result<()> {
    let flags = nix::fcntl::RenameFlags::RENAME_NOREPLACE;
    nix::fcntl::renameat2(folder, from, into, to, flags)
}

/// Removes an empty folder.
///
/// # Errors
/// ENOTEMPTY (on some filesystems EEXIST), ENOTDIR, EBUSY for a mount.
pub fn remove_folder(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    nix::unistd::unlinkat(parent, name, nix::unistd::UnlinkatFlags::RemoveDir)
}

/// Removes a file's name.
pub fn unlink(folder: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    nix::unistd::unlinkat(folder, name, nix::unistd::UnlinkatFlags::NoRemoveDir)
}

/// Makes a folder.
pub fn make_folder(parent: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<()> {
    nix::sys::stat::mkdirat(parent, name, Mode::from_bits_truncate(mode))
}

/// Gives the open file or folder to `owner`.
pub fn give_to(fd: BorrowedFd<'_>, owner: super::privs::Identity) -> Result<()> {
    let (uid, gid) = (owner.uid.into(), owner.gid.into());
    nix::unistd::fchown(fd, Some(uid), Some(gid))
}

/// Gives an open file to `owner` and `group`, where they are named.
pub fn give(fd: BorrowedFd<'_>, owner: Option<u32>, group: Option<u32>) -> Result<()> {
    nix::unistd::fchown(fd, owner.map(Into::into), group.map(Into::into))
}

/// Sets the permission bits of an open file or folder (fchmod(2)); it need not be open for writing.
///
/// # Errors
/// EPERM for who does not own it, EROFS.
pub fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    nix::sys::stat::fchmod(fd, Mode::from_bits_truncate(mode))
}

/// The moment at which the open file was made (statx(2)), which nothing changes later; None where the filesystem does not
/// keep it.
pub fn born(fd: BorrowedFd<'_>) -> Result<Option<Stamp>> {
    let mut found = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the descriptor is kept open by the borrow, the empty path ends with NUL, and `found` has room for what is written.
    Errno::result(unsafe {
        libc::statx(
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_BTIME,
            found.as_mut_ptr(),
        )
    })?;
    // SAFETY: all bits zero are a valid statx, and the kernel has filled in the rest.
    let found = unsafe { found.assume_init() };
    let kept = found.stx_mask & libc::STATX_BTIME != 0;
    Ok(kept.then_some(Stamp {
        seconds: found.stx_btime.tv_sec,
        nanos: found.stx_btime.tv_nsec,
    }))
}

/// What the open object is.
pub fn facts(fd: BorrowedFd<'_>) -> Result<Facts> {
    nix::sys::stat::fstat(fd).map(Facts::from)
}

/// What `name` in `folder` is, a link being itself.
pub fn facts_at(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Facts> {
    nix::sys::stat::fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(Facts::from)
}

/// Puts the file's bytes, and its size, on the disk (fdatasync(2)).
pub fn sync_data(file: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::fdatasync(file)
}

/// Puts everything about the file or folder on the disk (fsync(2)); for a folder, the names in it.
pub fn sync(fd: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::fsync(fd)
}

/// Puts all that was written to the filesystem of `fd` on the disk (syncfs(2)), and reports a write error since it was opened.
pub fn sync_filesystem(fd: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::syncfs(fd)
}

/// Takes the exclusive lock of the open file (flock(2)), kept until every copy of the descriptor is closed. False when
/// another has it.
pub fn try_lock(file: BorrowedFd<'_>) -> Result<bool> {
    // SAFETY: flock takes a descriptor, kept open by the borrow, and a constant.
    match Errno::result(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(Errno::EWOULDBLOCK) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Gives up the lock of `try_lock`.
pub fn unlock(file: BorrowedFd<'_>) {
    // SAFETY: flock takes a descriptor, kept open by the borrow, and a constant. Unlocking cannot fail.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

/// Sets the time of the last change of content, leaving the time of the last read alone.
pub fn set_modified(file: BorrowedFd<'_>, stamp: Stamp) -> Result<()> {
    use nix::sys::time::TimeSpec;
    nix::sys::stat::futimens(
        file,
        &TimeSpec::UTIME_OMIT,
        &TimeSpec::new(stamp.seconds, i64::from(stamp.nanos)),
    )
}

/// Bytes that an ordinary user may still fill, and inodes still free, on the filesystem of `fd`.
pub fn free_space(fd: BorrowedFd<'_>) -> Result<u64> {
    let stat = nix::sys::statvfs::fstatvfs(fd)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Reads the extended attribute `name` into `value`, and returns its length; None when there is none, it is longer than
/// `value`, or the filesystem keeps no attributes.
pub fn attribute(file: BorrowedFd<'_>, name: &CStr, value: &mut [u8]) -> Option<usize> {
    // SAFETY: the kernel writes at most `value.len()` bytes to `value`; `name` ends with NUL.
    let got = unsafe {
        libc::fgetxattr(
            file.as_raw_fd(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    usize::try_from(got).ok()
}

/// Sets the extended attribute `name` (fsetxattr(2)).
///
/// # Errors
/// ENOTSUP where the filesystem keeps none, ENOSPC, EACCES.
pub fn set_attribute(file: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `value.len()` bytes of `value`; `name` ends with NUL.
    Errno::result(unsafe {
        libc::fsetxattr(
            file.as_raw_fd(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    })
    .map(drop)
}

/// Reads into `into` from `offset`; 0 at the end of the file.
pub fn read_at(file: BorrowedFd<'_>, into: &mut [u8], offset: u64) -> Result<usize> {
    let offset = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    loop {
        match nix::sys::uio::pread(file, into, offset) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
/// ENOSPC, EDQUOT, EFBIG, EIO; a part may have been written.
pub fn write_at(file: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> Result<()> {
    while !bytes.is_empty() {
        let position = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
        match nix::sys::uio::pwrite(file, bytes, position) {
            Ok(0) => return Err(Errno::EIO),
            Ok(n) => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
            Err(Errno::EINTR) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Takes room on the disk for `length` bytes from `offset`, without a change of the file's size (fallocate(2)). Not on btrfs, which would
/// not compress what is written there, though its administrator may want that.
///
/// # Errors
/// EOPNOTSUPP where the filesystem cannot, or should not; ENOSPC, EDQUOT, EFBIG, EIO.
pub fn allocate(file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};
    use nix::sys::statfs::{BTRFS_SUPER_MAGIC, fstatfs};
    if fstatfs(file)?.filesystem_type() == BTRFS_SUPER_MAGIC {
        return Err(Errno::EOPNOTSUPP);
    }
    let position = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
    let length = i64::try_from(length).map_err(|_| Errno::EFBIG)?;
    fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, position, length)
}

/// Cuts the file to `size` bytes, and gives back what was taken on the disk beyond them.
pub fn truncate(file: BorrowedFd<'_>, size: u64) -> Result<()> {
    nix::unistd::ftruncate(file, i64::try_from(size).map_err(|_| Errno::EFBIG)?)
}

/// This moment, by the clock that filesystems stamp with.
#[must_use]
pub fn now() -> Stamp {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME_COARSE)
        .unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    Stamp {
        seconds: now.tv_sec(),
        nanos: now.tv_nsec() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn beneath_means_beneath_and_without_links() {
        let dir = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(dir.path().join("in")).expect("mkdir");
        std::fs::write(dir.path().join("in/file"), "x").expect("write");
        std::fs::write(dir.path().join("out"), "x").expect("write");
        std::os::unix::fs::symlink("file", dir.path().join("in/link")).expect("symlink");
        std::os::unix::fs::symlink("/", dir.path().join("in/slash")).expect("symlink");
        nix::unistd::mkfifo(&dir.path().join("in/fifo"), Mode::from_bits_truncate(0o600))
            .expect("mkfifo");
        let root = open_folder(&dir.path().join("in")).expect("open");
        let open = |path: &str| open_beneath(root.as_fd(), path.as_bytes(), Purpose::Read, false);
        assert!(open("file").is_ok());
        assert_eq!(open("../out").err(), Some(Errno::EXDEV));
        assert_eq!(open("/etc/passwd").err(), Some(Errno::EXDEV));
        assert_eq!(open("link").err(), Some(Errno::ELOOP));
        assert_eq!(open("slash/etc/passwd").err(), Some(Errno::ELOOP));
        let fifo = open("fifo").expect("a pipe opens at once");
        assert_eq!(facts(fifo.as_fd()).expect("facts").kind, Kind::Special);
    }

    #[test]
    fn an_unnamed_file_gets_a_name_once() {
        let dir = tempfile::tempdir().expect("tempdir");
        let folder = open_folder(dir.path()).expect("open");
        let Ok(file) = create_unnamed(folder.as_fd()) else {
            return;
        };
        write_at(file.as_fd(), b"whole", 0).expect("write");
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 0);
        link_unnamed(file.as_fd(), folder.as_fd(), b"name").expect("link");
        assert_eq!(
            link_unnamed(file.as_fd(), folder.as_fd(), b"name"),
            Err(Errno::EEXIST)
        );
        assert_eq!(
            std::fs::read(dir.path().join("name")).expect("read"),
            b"whole"
        );
    }
}
