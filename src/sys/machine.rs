//! What the kernel says of this machine and of a filesystem's room: questions that change nothing. Run by the operator's commands.

use super::{Errno, Result};
use nix::unistd::AccessFlags;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// What a filesystem has and has left (statvfs(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Room {
    /// Bytes of all of it.
    pub size: u64,
    /// Bytes that an ordinary user may still fill.
    pub free: u64,
    /// Inodes of all of it; 0 where there is no fixed number.
    pub inodes: u64,
    /// Inodes that an ordinary user may still take.
    pub free_inodes: u64,
}

/// The room on the filesystem of `fd`.
///
/// # Errors
/// As fstatvfs(3).
pub fn room(fd: BorrowedFd<'_>) -> Result<Room> {
    let stat = nix::sys::statvfs::fstatvfs(fd)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Ok(Room {
        size: bytes(stat.blocks()),
        free: bytes(stat.blocks_available()),
        inodes: stat.files(),
        free_inodes: stat.files_available(),
    })
}

/// The version of Landlock that this kernel has (landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION).
///
/// # Errors
/// ENOSYS where it has none, EOPNOTSUPP where it is turned off at boot; EPERM where a filter of system calls takes it away.
pub fn landlock_version() -> Result<u32> {
    const VERSION: libc::c_uint = 1;
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with no attributes, a size of 0 and this flag the call only returns a number.
    let said = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, VERSION) };
    Errno::result(said).map(|version| u32::try_from(version).unwrap_or(0))
}

/// True when something keeps this machine's clock right: NTP, or the like (adjtimex(2), STA_UNSYNC).
///
/// # Errors
/// As adjtimex(2).
pub fn clock_is_kept() -> Result<bool> {
    // SAFETY: struct timex holds numbers only, for which zeros are a value; no mode is set, so that nothing is changed.
    let mut asked: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: adjtimex reads and writes the struct, which outlives the call.
    Errno::result(unsafe { libc::adjtimex(&raw mut asked) })?;
    Ok(asked.status & libc::STA_UNSYNC == 0)
}

/// The IP addresses of this machine's interfaces, in the network namespace of this process.
///
/// # Errors
/// As getifaddrs(3).
pub fn own_addresses() -> Result<Vec<IpAddr>> {
    let mut own = Vec::new();
    for interface in nix::ifaddrs::getifaddrs()? {
        let Some(address) = interface.address else {
            continue;
        };
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let v6 = address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
        own.extend(v4.or(v6).filter(|ip| !own.contains(ip)));
    }
    Ok(own)
}

/// What somebody wants to do with a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Write to it, or make names in it.
    Write,
    /// Pass through it to what is in it.
    Pass,
}

/// Whether this process's real user may do that (access(2)).
///
/// # Errors
/// EACCES when not; EROFS; those of the way there.
pub fn may(path: &Path, access: Access) -> Result<()> {
    let flags = match access {
        Access::Read => AccessFlags::R_OK,
        Access::Write => AccessFlags::W_OK,
        Access::Pass => AccessFlags::X_OK,
    };
    nix::unistd::access(path, flags)
}

/// The name of the user with the number `uid`; None where this machine has none.
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    let user = nix::unistd::User::from_uid(uid.into()).ok().flatten()?;
    Some(user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_machine_answers() {
        let folder = super::super::file::open_folder(Path::new("/")).expect("root");
        let room = room(folder.as_fd()).expect("room");
        assert!(room.size > 0 && room.free <= room.size, "{room:?}");
        assert!(room.free_inodes <= room.inodes, "{room:?}");
        let own = own_addresses().expect("addresses");
        assert!(own.iter().any(IpAddr::is_loopback), "{own:?}");
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(may(Path::new("/"), Access::Pass), Ok(()));
        assert_eq!(may(Path::new("/nowhere"), Access::Read), Err(Errno::ENOENT));
        clock_is_kept().expect("clock");
    }
}
