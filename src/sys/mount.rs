//! A view of a folder that leads nowhere else: mounted for the holders of its descriptor alone, under no path. Run by the broker
//! when it was started as root.

use super::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// struct mount_attr of linux/mount.h.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Opens `folder` once more as the root of a mount of its own (open_tree(2) with OPEN_TREE_CLONE): `..` ends there, whoever asks
/// and however, and no link in it is followed, no device opened, nothing executed (mount_setattr(2)). What is mounted below
/// comes along. The mount lasts as long as the descriptor; what is opened beneath it, with `file::open_beneath`, belongs to it.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN; ENOSYS before Linux 5.12, EINVAL where the filesystem of `folder` cannot be cloned.
pub fn alone(folder: BorrowedFd<'_>) -> Result<OwnedFd> {
    let here = c"".as_ptr();
    let recursive = libc::AT_RECURSIVE | libc::AT_EMPTY_PATH;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | recursive as libc::c_uint;
    // SAFETY: open_tree reads a path, empty here and static, beside a descriptor that the borrow keeps open.
    let raw = unsafe { libc::syscall(libc::SYS_open_tree, folder.as_raw_fd(), here, flags) };
    let raw = Errno::result(raw)?;
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    let tree = unsafe { OwnedFd::from_raw_fd(raw as i32) };
    let attributes = Attributes {
        set: libc::MOUNT_ATTR_NOSUID
            | libc::MOUNT_ATTR_NODEV
            | libc::MOUNT_ATTR_NOEXEC
            | libc::MOUNT_ATTR_NOSYMFOLLOW,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: mount_setattr reads `attributes`, whose size goes with it, and the same empty path.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            here,
            recursive,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    Errno::result(set).map(|_| tree)
}
