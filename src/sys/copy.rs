//! Moving file bytes without touching them. Run by children.

use super::{Errno, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

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
