//! Moving file bytes without touching them. Run by children.

use super::{Errno, Result};
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Sends up to `count` bytes of `file` from `offset` to `to`, inside the kernel (sendfile(2)). Returns how many went; 0
/// means that the file ends there.
///
/// # Errors
/// EAGAIN when the send timeout of the socket passed with nothing sent; EIO from the disk; EPIPE and ECONNRESET from the peer.
pub fn send_file(
    to: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> Result<usize> {
    let mut position = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    loop {
        match nix::sys::sendfile::sendfile64(to, file, Some(&mut position), count) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// A pipe between a file and a socket: the same way as sendfile's, of a size of our own choice (splice(2)).
#[derive(Debug)]
pub struct Pipe {
    reads: OwnedFd,
    writes: OwnedFd,
}

impl Pipe {
    /// One that holds `size` bytes.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM; EPERM when that is more than the system allows, to one pipe or to all of one user.
    pub fn new(size: usize) -> Result<Pipe> {
        let size = i32::try_from(size).map_err(|_| Errno::EPERM)?;
        let (reads, writes) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&writes, FcntlArg::F_SETPIPE_SZ(size))?;
        Ok(Pipe { reads, writes })
    }

    /// Puts up to `count` bytes of `file` from `offset` into the pipe, which is empty. Returns how many; 0 means that the file
    /// ends there.
    ///
    /// # Errors
    /// EIO from the disk; EINVAL for a file of which this cannot be done.
    pub fn fill(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> Result<usize> {
        let mut position = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        loop {
            let flags = SpliceFFlags::empty();
            match splice(file, Some(&mut position), &self.writes, None, count, flags) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }

    /// Sends up to `count` bytes from the pipe, which holds as many, to `to`. `more` says that further bytes follow at once.
    ///
    /// # Errors
    /// As `send_file`, but for those of the file.
    pub fn drain(&self, to: BorrowedFd<'_>, count: usize, more: bool) -> Result<usize> {
        let flags = if more {
            SpliceFFlags::SPLICE_F_MORE
        } else {
            SpliceFFlags::empty()
        };
        loop {
            match splice(&self.reads, None, to, None, count, flags) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }
}

/// Reads bytes of `file` from `offset` (pread(2)). Returns how many; 0 means that the file ends there.
///
/// # Errors
/// EIO from the disk.
pub fn read_at(file: BorrowedFd<'_>, into: &mut [u8], offset: u64) -> Result<usize> {
    let position = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    loop {
        match nix::sys::uio::pread(file, into, position) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Copies up to `count` bytes of `from` at `offset` to the same place in `to`, inside the kernel (copy_file_range(2)): where the
/// filesystem can, both then share them on the disk. Returns how many were copied; 0 means that `from` ends there.
///
/// # Errors
/// EXDEV, EINVAL, ENOSYS, EOPNOTSUPP and EPERM where it cannot be done so: read and write them; ENOSPC, EDQUOT, EFBIG, EIO.
pub fn copy_range(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> Result<usize> {
    let start = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    loop {
        let (mut here, mut there) = (start, start);
        match nix::fcntl::copy_file_range(from, Some(&mut here), to, Some(&mut there), count) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Starts writing `length` bytes from `offset` to the disk, without waiting (sync_file_range(2)). A hint: the durability
/// comes from the fdatasync that follows, which then has little left to do.
pub fn start_writeback(file: BorrowedFd<'_>, offset: u64, length: u64) {
    // SAFETY: sync_file_range takes a descriptor, kept open by the borrow, and numbers.
    unsafe {
        libc::sync_file_range(
            file.as_fd().as_raw_fd(),
            offset as i64,
            length as i64,
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}
