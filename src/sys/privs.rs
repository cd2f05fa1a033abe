//! Giving up privileges: each function does one step and proves that it holds. Run by children before their first client
//! byte, in the order of `child::sandbox`.

use super::{Errno, Result};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Who a process is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Identity {
    /// The user `name` of this machine and its group; None when there is none.
    #[must_use]
    pub fn of_user(name: &str) -> Option<Identity> {
        let user = nix::unistd::User::from_name(name).ok().flatten()?;
        Some(Identity {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        })
    }
}

/// The number of the user `name` of this machine.
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    let user = nix::unistd::User::from_name(name).ok().flatten()?;
    Some(user.uid.as_raw())
}

/// The number of the group `name` of this machine.
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    let group = nix::unistd::Group::from_name(name).ok().flatten()?;
    Some(group.gid.as_raw())
}

/// True when this process may give its files to the group `id` (chown(2)).
#[must_use]
pub fn may_give_to_group(id: u32) -> bool {
    let own = nix::unistd::getegid().as_raw() == id;
    let member = || {
        let groups = nix::unistd::getgroups().unwrap_or_default();
        groups.iter().any(|group| group.as_raw() == id)
    };
    is_root() || own || member()
}

/// The user this process is.
#[must_use]
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// True when this process may become another user.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Makes `folder` the root of all paths of this process, and its current folder.
pub fn enter_root(folder: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::fchdir(folder)?;
    nix::unistd::chroot(".")
}

/// Opens a folder that is empty and has no name: nothing can be found in it, and nothing made.
pub fn empty_folder() -> Result<OwnedFd> {
    let path = nix::unistd::mkdtemp("/tmp/forkftpd-empty-XXXXXX")?;
    let opened = super::file::open_folder(&path);
    nix::unistd::unlinkat(
        nix::fcntl::AT_FDCWD,
        &path,
        nix::unistd::UnlinkatFlags::RemoveDir,
    )?;
    opened
}

/// Empties the set of capabilities that this process could ever get back (capabilities(7), bounding set).
pub fn drop_bounding_set() -> Result<()> {
    for capability in 0..64 {
        // SAFETY: prctl with PR_CAPBSET_DROP takes a number.
        let dropped =
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0) };
        match Errno::result(dropped) {
            Ok(_) => {}
            // The kernel knows no further ones.
            Err(Errno::EINVAL) => return Ok(()),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// What the broker of a server that was started as root is left with: reading files of mode 0600, giving files away, and mounting
/// the library for itself (capabilities(7)).
pub const BROKER: [u32; 5] = [
    0,  // CAP_CHOWN
    1,  // CAP_DAC_OVERRIDE
    2,  // CAP_DAC_READ_SEARCH
    3,  // CAP_FOWNER
    21, // CAP_SYS_ADMIN
];

/// What the runner of a server that was started as root is left with: ending what runs as other users, becoming them, and pid
/// namespaces.
pub const RUNNER: [u32; 4] = [
    5,  // CAP_KILL
    6,  // CAP_SETGID
    7,  // CAP_SETUID
    21, // CAP_SYS_ADMIN
];

/// Gives up every capability but `kept`, of those that this process has, for good.
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn keep_capabilities(kept: &[u32]) -> Result<()> {
    drop_bounding_set()?;
    let mut sets = capabilities()?;
    for (at, half) in sets.iter_mut().enumerate() {
        let mask = kept
            .iter()
            .filter(|&&capability| capability / 32 == at as u32)
            .fold(0, |mask, &capability| mask | 1 << (capability % 32));
        half.permitted &= mask;
        half.effective = half.permitted;
        half.inheritable = 0;
    }
    set_capabilities(&sets)
}

/// Gives up the capabilities that an ordinary user's process was started with (capabilities(7), ambient set), for good: the one that opens
/// ports below 1024 is the listener's alone. The bounding set, which only somebody with more could use, is not ours to change.
///
/// # Errors
/// EPERM where a filter of the service manager keeps capset(2) from whoever has something to give up.
pub fn drop_capabilities() -> Result<()> {
    if has_capabilities()? {
        set_capabilities(&[Half::default(); 2])?;
    }
    Ok(())
}

/// True when this process may do anything that an ordinary one may not.
///
/// # Errors
/// As capget(2).
pub fn has_capabilities() -> Result<bool> {
    capabilities().map(|sets| sets.iter().any(|half| half.permitted != 0))
}

// struct __user_cap_header_struct and two of __user_cap_data_struct, version 3 (capget(2)).
const VERSION: u32 = 0x2008_0522;
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}
const OWN: Header = Header {
    version: VERSION,
    pid: 0,
};
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn capabilities() -> Result<[Half; 2]> {
    let mut sets = [Half::default(); 2];
    let own = OWN;
    // SAFETY: capget writes two structs of version 3 to `sets`, and reads the header.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw const own, &raw mut sets) };
    Errno::result(got).map(|_| sets)
}

fn set_capabilities(sets: &[Half; 2]) -> Result<()> {
    let own = OWN;
    // SAFETY: capset reads the header and two structs of version 3.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const own, sets) };
    Errno::result(set).map(drop)
}

/// Becomes `identity` with no other group, for good: groups first, then the group, then the user (setresuid(2)); read back,
/// and the way back proved closed.
pub fn become_user(identity: Identity) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    nix::unistd::setgroups(&[])?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    let (users, groups) = (nix::unistd::getresuid()?, nix::unistd::getresgid()?);
    let all = [users.real, users.effective, users.saved]
        .iter()
        .all(|id| *id == uid)
        && [groups.real, groups.effective, groups.saved]
            .iter()
            .all(|id| *id == gid)
        && count_groups()? == 0;
    if !all || nix::unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Supplementary groups of this process. Only their number: asking for the groups themselves has the C library look for a file
/// in /proc first, each time.
fn count_groups() -> Result<usize> {
    // SAFETY: with room for none, getgroups(2) writes nothing and returns the number.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    Errno::result(count).map(|count| count as usize)
}

/// Sees to it that no exec ever gives this process more than it has (PR_SET_NO_NEW_PRIVS).
pub fn no_new_privs() -> Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    if nix::sys::prctl::get_no_new_privs()? {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// The soft limit of descriptors under which a process whose standard three are open can make no new one.
const SHUT: u64 = 3;

/// Limits that hold whatever happens: no core file, and `most` descriptors. With `shut` none can be made at all before
/// another process says `open_descriptors`: every open then fails with EMFILE, whatever it is asked to open.
pub fn limit(most: u64, shut: bool) -> Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(
        Resource::RLIMIT_NOFILE,
        if shut { SHUT } else { most },
        most,
    )
}

/// Takes from the process `pid`, which is limited to `most` descriptors, the ability to make new ones.
///
/// # Errors
/// ESRCH when there is none; EINVAL when it has other limits, and so is not the one that was meant.
pub fn shut_descriptors(pid: i32, most: u64) -> Result<()> {
    change_limit(pid, (most, most), (SHUT, most))
}

/// Gives it back.
///
/// # Errors
/// As `shut_descriptors`.
pub fn open_descriptors(pid: i32, most: u64) -> Result<()> {
    change_limit(pid, (SHUT, most), (most, most))
}

/// Changes the soft and hard limit of descriptors of another process, if they are what they should be. A number that
/// meanwhile belongs to another process is met with nothing but a look at its limits.
fn change_limit(pid: i32, from: (u64, u64), to: (u64, u64)) -> Result<()> {
    let limit = |(soft, hard): (u64, u64)| libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    let mut now = limit((0, 0));
    // SAFETY: prlimit with a null new limit only writes the old one to `now`, which outlives the call.
    let looked = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut now) };
    Errno::result(looked)?;
    if (now.rlim_cur, now.rlim_max) == to {
        return Ok(());
    }
    if (now.rlim_cur, now.rlim_max) != from {
        return Err(Errno::EINVAL);
    }
    let wanted = limit(to);
    // SAFETY: prlimit reads the new limit, which outlives the call; a null old one is allowed.
    let set = unsafe {
        libc::prlimit(
            pid,
            libc::RLIMIT_NOFILE,
            &raw const wanted,
            std::ptr::null_mut(),
        )
    };
    Errno::result(set).map(drop)
}

/// Restricts this process to the Landlock ruleset behind `ruleset` (landlock(7)).
pub fn restrict_files(ruleset: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: landlock_restrict_self takes a descriptor, kept open by the borrow, and flags.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_landlock_restrict_self,
            ruleset.as_fd().as_raw_fd(),
            0u32,
        )
    })
    .map(drop)
}
