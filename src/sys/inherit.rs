//! What a program takes over from the one that started it, and leaves to the one it becomes: variables and open descriptors
//! (environ(7), execve(2)). Run by the listener, at its start and at its end.

use super::{Errno, Result, process};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes a variable out of the environment, so that no process that is started later has it.
///
/// # Panics
/// When the process has more than one thread: another could be reading the environment.
#[must_use]
pub fn take_variable(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    assert!(
        process::one_thread(),
        "the environment is changed by one thread"
    );
    // SAFETY: there is no other thread that could read the environment meanwhile.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

static ADOPTED: AtomicBool = AtomicBool::new(false);

/// Takes over the descriptors with these numbers, which the starting program left open. They close on exec from now on.
///
/// Once, at the start, before this process has opened anything.
///
/// # Errors
/// EBADF for a number that is not open, stands there twice, or is one of the three standard ones; EALREADY for a second call.
pub fn adopt(numbers: &[RawFd]) -> Result<Vec<OwnedFd>> {
    if ADOPTED.swap(true, Ordering::Relaxed) {
        return Err(Errno::EALREADY);
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let twice = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    if twice || sorted.first().is_some_and(|&first| first <= 2) {
        return Err(Errno::EBADF);
    }
    let mut adopted = Vec::with_capacity(numbers.len());
    for &number in numbers {
        // SAFETY: it is borrowed for one question, which says EBADF where there is none.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl(fd, FcntlArg::F_GETFD)?;
        // SAFETY: it is open, as the kernel has just said, and nothing in this process owns it: it was open before the process
        // began, no number stands there twice, and this runs once.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        leave_open(fd.as_fd(), false)?;
        adopted.push(fd);
    }
    Ok(adopted)
}

/// Whether `fd` stays open over exec.
pub fn leave_open(fd: BorrowedFd<'_>, open: bool) -> Result<()> {
    let flags = if open {
        FdFlag::empty()
    } else {
        FdFlag::FD_CLOEXEC
    };
    fcntl(fd, FcntlArg::F_SETFD(flags)).map(drop)
}

/// Becomes the program at `path`, with these arguments (the first is its name) and variables. Blocked signals stay blocked, and
/// those that wait go on waiting.
///
/// # Errors
/// As execve(2): then nothing has changed. EINVAL for text with a zero byte.
pub fn become_program(
    path: &Path,
    arguments: &[OsString],
    variables: &[(OsString, OsString)],
) -> Result<Infallible> {
    let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL);
    let path = text(path.as_os_str())?;
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| text(argument))
        .collect::<Result<_>>()?;
    let pair = |(name, value): &(OsString, OsString)| {
        let mut bytes = name.clone().into_vec();
        bytes.push(b'=');
        bytes.extend_from_slice(value.as_bytes());
        text(OsStr::from_bytes(&bytes))
    };
    let variables: Vec<_> = variables.iter().map(pair).collect::<Result<_>>()?;
    nix::unistd::execve(&path, &arguments, &variables)
}
