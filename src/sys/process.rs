//! Making, naming and ending processes. Run by the listener (spawn, kill) and by every child
//! (descriptor hygiene, exit).

use super::{Errno, Result};
use std::convert::Infallible;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A child as its parent sees it: the number for the log, and the descriptor that becomes readable
/// when the child has ended (also with SIGCHLD ignored), and that a recycled pid can never fool.
#[derive(Debug)]
pub struct Spawned {
    /// Process id, for logs and `kill` by hand only.
    pub pid: i32,
    /// pidfd, taken in the same call that made the child (clone(2), CLONE_PIDFD), close-on-exec.
    pub pidfd: OwnedFd,
}

/// Forks, and runs `life` in the child. `life` has no way to return (nothing is an `Infallible`), so a failed child can never
/// come back into its parent's loop and become a second one.
///
/// clone(2) with CLONE_PIDFD rather than fork(2) and pidfd_open(2): with SIGCHLD ignored a short life is
/// over, and its number free again, before pidfd_open gets there. The old clone rather than clone3,
/// which service managers turn off together with namespaces.
///
/// # Errors
/// EAGAIN (process limit), ENOMEM, EMFILE: no child was made.
pub fn spawn<F: FnOnce() -> Infallible>(life: F) -> Result<Spawned> {
    spawn_with(0, life)
}

/// The same, and the child is the first process of a pid namespace of its own: when it ends, the kernel kills every process that
/// came of it (pid_namespaces(7)).
///
/// # Errors
/// As `spawn`; EPERM without CAP_SYS_ADMIN.
pub fn spawn_first<F: FnOnce() -> Infallible>(life: F) -> Result<Spawned> {
    spawn_with(libc::CLONE_NEWPID, life)
}

fn spawn_with<F: FnOnce() -> Infallible>(flags: libc::c_int, life: F) -> Result<Spawned> {
    let mut pidfd: libc::c_int = -1;
    let flags = flags | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: clone without CLONE_VM and with a null stack is fork: the child gets its own copy of this
    // stack and goes on from here. The process has one thread (`one_thread`, asserted by the listener before its
    // loop), so no lock can be held by a thread that is missing in the child. `pidfd` outlives the call.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags as libc::c_ulong,
            0usize,
            &raw mut pidfd,
            0usize,
            0usize,
        )
    };
    match pid {
        -1 => Err(Errno::last()),
        // An empty match: there is no value of the type to go on with.
        #[allow(unreachable_code)]
        0 => match life() {},
        pid => {
            // SAFETY: the kernel has just stored a new descriptor in `pidfd`, which nothing else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Spawned {
                pid: pid as i32,
                pidfd,
            })
        }
    }
}

/// True while this process has exactly one thread, which `spawn` needs.
#[must_use]
pub fn one_thread() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |tasks| tasks.count() == 1)
}

/// Ends the process at once. No destructor and no exit handler runs: they would act on what the
/// child shares with its parent.
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit takes any integer and does not return.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor above standard error but those in `keep`, with one call per gap.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> Result<()> {
    let mut kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    kept.sort_unstable();
    let mut from: RawFd = 3;
    for &fd in kept.iter().filter(|&&fd| fd >= 3) {
        if fd > from {
            close_range(from as u32, fd as u32 - 1)?;
        }
        from = fd + 1;
    }
    close_range(from as u32, u32::MAX)
}

/// Closes a descriptor that an `OwnedFd` of this process still names, and that nothing will use again. For children, which
/// leave by `exit` and drop nothing.
pub fn give_up(fd: BorrowedFd<'_>) {
    // SAFETY: close takes a number. The caller's `OwnedFd` is neither used nor dropped from now on.
    unsafe { libc::close(fd.as_raw_fd()) };
}

fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: close_range takes numbers only. The caller, a new child, owns none of the closed descriptors through
    // an `OwnedFd` that it will ever drop: children leave by `exit`.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) }).map(drop)
}

/// A pidfd of a process that somebody else made.
///
/// # Errors
/// ESRCH when there is none of this number.
pub fn open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends `signal` to the process behind `pidfd`, which can be no other than the one it was made for.
pub fn kill(pidfd: BorrowedFd<'_>, signal: nix::sys::signal::Signal) -> Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: pidfd_send_signal reads a descriptor that the borrow keeps open; a null siginfo is allowed.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as libc::c_int,
            none,
            0u32,
        )
    };
    Errno::result(sent).map(drop)
}

/// True when the process behind `pidfd` has ended.
#[must_use]
pub fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(pidfd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO) == Ok(1)
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It left by `exit` with this code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// The kernel is too old to tell (before 6.15), since with SIGCHLD ignored there is nothing to wait for.
    Unknown,
}

/// struct pidfd_info of linux/pidfd.h, as of version 0 (64 bytes) with the exit code in it.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}
const PIDFD_INFO_EXIT: u64 = 1 << 3;
mod request {
    #![allow(missing_docs)]
    nix::ioctl_readwrite!(pidfd_get_info, 0xFF, 11, super::PidfdInfo);
}

/// How the process behind `pidfd` ended, once the pidfd is readable.
#[must_use]
pub fn ending(pidfd: BorrowedFd<'_>) -> Ending {
    let mut info = PidfdInfo {
        mask: PIDFD_INFO_EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: the request number encodes the size of `info`, which is writable and outlives the call.
    let asked = unsafe { request::pidfd_get_info(pidfd.as_raw_fd(), &raw mut info) };
    if asked.is_err() || info.mask & PIDFD_INFO_EXIT == 0 {
        return Ending::Unknown;
    }
    match info.exit_code & 0x7f {
        0 => Ending::Exited((info.exit_code >> 8) & 0xff),
        signal => Ending::Killed(signal),
    }
}

/// Names the process as `ps -o comm` shows it; at most 15 bytes of `name` are used.
pub fn set_name(name: &std::ffi::CStr) {
    // The call cannot fail for a valid pointer, and a missing name harms nobody.
    let _ = nix::sys::prctl::set_name(name);
}

/// Sets the permission bits that new files and folders of this process do not get (umask(2)).
pub fn set_umask(bits: u32) {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(bits));
}

/// Closes this process's memory to every other one of the same user, and to core files (PR_SET_DUMPABLE, prctl(2)).
pub fn hide_memory() -> Result<()> {
    nix::sys::prctl::set_dumpable(false)
}

/// Most descriptors that a process takes for itself: more would only make tables larger, and some containers say 1e9.
pub const MOST_DESCRIPTORS: u64 = 1 << 20;

/// Raises the soft limit of open descriptors to the hard one: an idle session costs the listener one.
pub fn raise_descriptor_limit() -> Result<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.min(MOST_DESCRIPTORS);
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    Ok(wanted)
}

/// How many descriptors this process may have open.
pub fn descriptor_limit() -> Result<u64> {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, _)| soft)
}

/// Gives free heap pages back to the kernel. Every page the listener holds is copied into each child's tables.
pub fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim only touches the allocator's own free lists.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Most holes that are filled, so that it has an end whatever the allocator does.
const MOST_HOLES: u32 = 100_000;

/// Fills the holes that freed memory has left all over the heap, for good. What is allocated from then on comes from the heap's end, one
/// thing beside the other: a child then writes to few pages that it shares with its parent, each of which costs it a fault and
/// a copy. For a process with one thread, once, after it has set itself up.
pub fn fill_heap() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallinfo2 only reads the allocator's own lists.
        let end = || unsafe { libc::mallinfo2() }.keepcost;
        let (mut size, mut holes) = (64 * 1024, 0);
        while size >= SMALLEST && holes < MOST_HOLES {
            let before = end();
            let block: Vec<u8> = std::hint::black_box(Vec::with_capacity(size));
            if end() == before {
                std::mem::forget(block);
                holes += 1;
            } else {
                // It came from the end, so that there is no hole of this size.
                size -= if size > 1024 { size / 2 } else { 16 };
            }
        }
    }
}

/// The allocator makes nothing smaller.
#[cfg(target_env = "gnu")]
const SMALLEST: usize = 16;

/// Milliseconds on a clock that never goes back (CLOCK_MONOTONIC), equal in all processes of the machine.
#[must_use]
pub fn monotonic_millis() -> u64 {
    monotonic_micros() / 1000
}

/// The same in microseconds.
#[must_use]
pub fn monotonic_micros() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    now.tv_sec() as u64 * 1_000_000 + now.tv_nsec() as u64 / 1000
}

/// Seconds since 1970 on the clock of the wall; 0 before.
#[must_use]
pub fn wall_seconds() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    // Tests run in a threaded program, so these children touch no lock and no heap before `exit`.
    fn ending_of(spawned: &Spawned) -> Ending {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(spawned.pidfd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(
            poll(&mut fds, PollTimeout::from(5000u16)),
            Ok(1),
            "the child did not end"
        );
        nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(spawned.pid), None).ok();
        ending(spawned.pidfd.as_fd())
    }

    #[test]
    fn a_child_reports_its_code_and_its_signal() {
        let exits = spawn(|| exit(7)).expect("spawn");
        assert!(matches!(
            ending_of(&exits),
            Ending::Exited(7) | Ending::Unknown
        ));
        let waits = spawn(|| {
            loop {
                nix::unistd::pause()
            }
        })
        .expect("spawn");
        kill(waits.pidfd.as_fd(), nix::sys::signal::Signal::SIGKILL).expect("kill");
        assert!(matches!(
            ending_of(&waits),
            Ending::Killed(9) | Ending::Unknown
        ));
    }

    #[test]
    fn close_all_but_keeps_exactly_the_named() {
        let (a, b) = nix::unistd::pipe().expect("pipe");
        let child = spawn(|| {
            let _ = close_all_but(&[b.as_fd()]);
            let open = |fd: BorrowedFd<'_>| nix::fcntl::fcntl(fd, nix::fcntl::F_GETFD).is_ok();
            exit(i32::from(open(b.as_fd())) + 2 * i32::from(open(a.as_fd())))
        })
        .expect("spawn");
        assert!(matches!(
            ending_of(&child),
            Ending::Exited(1) | Ending::Unknown
        ));
    }
}
