//! Becoming another program, and being the parent of all that comes of it. Run by the supervisors of the runner, and by the
//! process that becomes the program.

use super::process::Ending;
use super::{Errno, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::unistd::Pid;
use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::BorrowedFd;

/// From now on a descendant whose parent has ended is a child of this process (PR_SET_CHILD_SUBREAPER, prctl(2)).
///
/// # Errors
/// As prctl(2).
pub fn adopt_orphans() -> Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// Children that end wait to be reaped, whatever the starting program left behind.
///
/// # Errors
/// As sigaction(2).
pub fn heed_children() -> Result<()> {
    default_action(Signal::SIGCHLD)
}

/// Signals that there are, from 1 on.
const SIGNALS: libc::c_long = 64;

/// Gives every signal its plain meaning and lets all of them in: what is ignored or blocked would stay so in another program. Also those
/// that the C library keeps for itself, which the starting program may have ignored, and which it does not let us name.
///
/// # Errors
/// As sigprocmask(2).
pub fn default_signals() -> Result<()> {
    // struct sigaction of the kernel: SIG_DFL, no flags, no restorer, an empty mask of 64 bits.
    let action = [0_u64; 4];
    let old = std::ptr::null_mut::<u64>();
    for signal in 1..=SIGNALS {
        // SAFETY: the kernel reads a struct as long as `action`, with a mask of 8 bytes, and writes nothing to a null pointer.
        // SIGKILL and SIGSTOP cannot be changed, and need not be.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                action.as_ptr(),
                old,
                size_of::<u64>(),
            )
        };
    }
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

fn default_action(signal: Signal) -> Result<()> {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: SIG_DFL: no code of ours runs in a handler.
    unsafe { nix::sys::signal::sigaction(signal, &action) }.map(drop)
}

/// Ends with the process `parent`, which made this one. Has to come after every change of identity, which forgets it.
///
/// # Errors
/// ESRCH when it has ended already.
pub fn die_with(parent: u32) -> Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid().as_raw() as u32 == parent {
        Ok(())
    } else {
        Err(Errno::ESRCH)
    }
}

/// Leaves the session and the process group, and with them any terminal.
///
/// # Errors
/// EPERM where this process leads a group.
pub fn new_session() -> Result<()> {
    nix::unistd::setsid().map(drop)
}

/// Yields to others by so much (nice(2)).
///
/// # Errors
/// As setpriority(2).
pub fn yield_by(steps: i32) -> Result<()> {
    // SAFETY: setpriority takes numbers.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, steps) }).map(drop)
}

/// A limit of setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Seconds of processor time, of each process.
    Cpu,
    /// Bytes of memory that a process writes to.
    Memory,
    /// Bytes of a file that is written.
    File,
    /// Processes and threads of the user, whoever made them.
    Processes,
    /// Descriptors of each process.
    Descriptors,
    /// Bytes of a core file.
    Core,
}

/// Bounds this process and what it makes, for good. What is bounded closer already stays so.
///
/// # Errors
/// As setrlimit(2).
pub fn bound(what: Bound, most: u64) -> Result<()> {
    let resource = match what {
        Bound::Cpu => Resource::RLIMIT_CPU,
        Bound::Memory => Resource::RLIMIT_DATA,
        Bound::File => Resource::RLIMIT_FSIZE,
        Bound::Processes => Resource::RLIMIT_NPROC,
        Bound::Descriptors => Resource::RLIMIT_NOFILE,
        Bound::Core => Resource::RLIMIT_CORE,
    };
    let (_, hard) = getrlimit(resource)?;
    let most = most.min(hard);
    setrlimit(resource, most, most)
}

/// Processes and threads that belong to `uid` now, as far as this process may know of them: RLIMIT_NPROC counts them all.
#[must_use]
pub fn tasks_of(uid: u32) -> u64 {
    let Ok(all) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let mut tasks = 0;
    for entry in all.flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // It may have ended meanwhile.
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else {
            continue;
        };
        let field = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line?.split_whitespace().next()?.parse::<u64>().ok()
        };
        if field("Uid:") == Some(u64::from(uid)) {
            tasks += field("Threads:").unwrap_or(1);
        }
    }
    tasks
}

/// Makes `input` the standard input of this process, and `output` its standard output and error. Neither is one of the three.
///
/// # Errors
/// As dup2(2).
pub fn standard_streams(input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::dup2_stdin(input)?;
    nix::unistd::dup2_stdout(output)?;
    nix::unistd::dup2_stderr(output)
}

/// Becomes the program `arguments[0]`, an absolute path.
///
/// # Errors
/// As execve(2).
pub fn become_program(arguments: &[CString], environment: &[CString]) -> Result<Infallible> {
    let path = arguments.first().ok_or(Errno::EINVAL)?;
    nix::unistd::execve(path, arguments, environment)
}

/// The children of this process, which has one thread: also those that have ended and were not reaped. As the machine numbers
/// them, and so of no use in a pid namespace of its own.
///
/// # Errors
/// As open(2): a kernel without CONFIG_PROC_CHILDREN, or no /proc.
pub fn children() -> Result<Vec<i32>> {
    let listed = std::fs::read_to_string("/proc/thread-self/children");
    let listed = listed.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let pids = listed.split_whitespace().map(str::parse);
    pids.collect::<std::result::Result<_, _>>()
        .map_err(|_| Errno::EPROTO)
}

/// True when the child `pid` has ended and waits to be reaped.
///
/// # Errors
/// ECHILD when this process has no such child.
pub fn has_ended(pid: i32) -> Result<bool> {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::Pid(Pid::from_raw(pid)), flags) {
        Ok(WaitStatus::StillAlive) => Ok(false),
        Ok(_) => Ok(true),
        // nix has no word for a real-time signal.
        Err(Errno::EINVAL) => Ok(true),
        Err(other) => Err(other),
    }
}

/// Reaps a child that has ended: which, and how. None while all of them live.
///
/// # Errors
/// ECHILD when there is no child.
pub fn reap() -> Result<Option<(i32, Ending)>> {
    wait_for(-1)
}

/// The same for the child `pid`.
///
/// # Errors
/// ECHILD when this process has no such child.
pub fn reap_one(pid: i32) -> Result<Option<Ending>> {
    wait_for(pid).map(|reaped| reaped.map(|(_, ending)| ending))
}

fn wait_for(which: i32) -> Result<Option<(i32, Ending)>> {
    let mut status = 0;
    // SAFETY: waitpid writes to `status`, which outlives the call.
    let pid = unsafe { libc::waitpid(which, &raw mut status, libc::WNOHANG) };
    match Errno::result(pid)? {
        0 => Ok(None),
        pid if libc::WIFSIGNALED(status) => Ok(Some((pid, Ending::Killed(libc::WTERMSIG(status))))),
        pid => Ok(Some((pid, Ending::Exited(libc::WEXITSTATUS(status))))),
    }
}

/// Kills the child `pid`, whose number is its own until it is reaped.
pub fn kill_child(pid: i32) {
    if pid > 0 {
        let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// In the first process of a pid namespace: kills every other one in it, at once; none can be born meanwhile (kill(2), -1).
/// False, and nothing is done, in any other process.
#[must_use]
pub fn kill_namespace() -> bool {
    if nix::unistd::getpid().as_raw() != 1 || !is_in_namespace() {
        return false;
    }
    let _ = nix::sys::signal::kill(Pid::from_raw(-1), Signal::SIGKILL);
    true
}

/// True in a pid namespace below the one that /proc belongs to: this process has another number there (proc(5), NSpid).
fn is_in_namespace() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().count() > 1)
}

#[cfg(test)]
mod tests {
    use super::super::process;
    use super::*;

    #[test]
    fn own_tasks_are_counted() {
        let own = nix::unistd::getuid().as_raw();
        assert!(tasks_of(own) >= 1);
        assert_eq!(tasks_of(4_000_000_001), 0);
    }

    #[test]
    fn nothing_is_killed_outside_a_namespace_of_its_own() {
        assert!(!kill_namespace());
    }

    #[test]
    fn orphans_are_adopted_seen_and_reaped() {
        // In a process of its own: this one has threads, and children of other tests.
        let adopts = process::spawn(|| {
            let adopted = || -> Result<bool> {
                heed_children()?;
                adopt_orphans()?;
                let middle = process::spawn(|| {
                    let _ = process::spawn(|| {
                        loop {
                            nix::unistd::pause()
                        }
                    });
                    process::exit(0)
                })?;
                let until = process::monotonic_millis() + 5000;
                while process::monotonic_millis() < until {
                    let all = children()?;
                    if has_ended(middle.pid)? && all.len() == 2 {
                        all.iter().for_each(|pid| kill_child(*pid));
                        let mut reaped = 0;
                        while let Ok(some) = reap() {
                            reaped += usize::from(some.is_some());
                        }
                        return Ok(reaped == 2);
                    }
                }
                Ok(false)
            };
            process::exit(i32::from(adopted() == Ok(true)))
        })
        .expect("spawn");
        let mut ended = [nix::poll::PollFd::new(
            std::os::fd::AsFd::as_fd(&adopts.pidfd),
            nix::poll::PollFlags::POLLIN,
        )];
        assert_eq!(nix::poll::poll(&mut ended, 10_000u16), Ok(1));
        let status = nix::sys::wait::waitpid(Pid::from_raw(adopts.pid), None);
        assert_eq!(
            status,
            Ok(nix::sys::wait::WaitStatus::Exited(
                Pid::from_raw(adopts.pid),
                1
            ))
        );
    }
}
