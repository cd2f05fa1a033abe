//! Signals. The listener turns them into readable descriptors (signal-hook), so nothing is decided inside a
//! handler; a new child gives every one of them back its plain meaning.

use super::Result;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask,
};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// A signal as a stream of bytes: one arrives for each delivery, several may have merged into one.
#[derive(Debug)]
pub struct Pipe(pub UnixStream);

/// Arranges that `signal` is readable on the returned stream from now on.
///
/// # Errors
/// As socketpair(2) and sigaction(2).
pub fn as_pipe(signal: Signal) -> std::io::Result<Pipe> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal as i32, write)?;
    Ok(Pipe(read))
}

impl Pipe {
    /// True when something has arrived.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) == Ok(1)
    }

    /// Takes what has arrived; true when there was something.
    pub fn take(&mut self) -> bool {
        use std::io::Read;
        let mut any = false;
        while matches!(self.0.read(&mut [0; 64]), Ok(1..)) {
            any = true;
        }
        any
    }
}

/// Ignores SIGCHLD: children are never zombies, whoever looks or forgets to look (signal(7)).
pub fn ignore_sigchld() -> Result<()> {
    dispose(Signal::SIGCHLD, SigHandler::SigIgn)
}

fn dispose(signal: Signal, handler: SigHandler) -> Result<()> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: only SIG_IGN and SIG_DFL come here, so no code of ours runs in a handler.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// All signals held back until the value is dropped or `forget` is called on it in a child.
#[derive(Debug)]
pub struct Blocked(SigSet);

/// Holds all signals back, so that a child cannot be hit between its birth and `child_defaults`.
pub fn block_all() -> Result<Blocked> {
    let mut before = SigSet::empty();
    sigprocmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::all()),
        Some(&mut before),
    )?;
    Ok(Blocked(before))
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None);
    }
}

/// Gives a new child its own meaning of signals, then lets them in.
///
/// The handlers it was born with would write into the listener's pipes. SIGINT and SIGHUP are ignored: a
/// terminal sends them to the whole group, and the listener alone decides what they mean; as are those that are for the
/// listener only. SIGPIPE and SIGXFSZ are errors of the call that met them.
pub fn child_defaults() -> Result<()> {
    dispose(Signal::SIGTERM, SigHandler::SigDfl)?;
    for ignored in [
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGPIPE,
        Signal::SIGXFSZ,
    ] {
        dispose(ignored, SigHandler::SigIgn)?;
    }
    let_in()
}

/// For a process that ends when its parent does: the signal to end goes to the parent, which still needs it.
pub fn ignore_sigterm() -> Result<()> {
    dispose(Signal::SIGTERM, SigHandler::SigIgn)
}

/// Undoes what the starting program may have left behind: blocked signals and an ignored SIGTERM are inherited
/// through exec, and would make the server deaf to its operator. Signals are let in by `let_in`, once they mean something: what came
/// while one listener became the next waits for that.
pub fn start_clean() -> Result<()> {
    for ordinary in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ] {
        dispose(ordinary, SigHandler::SigDfl)?;
    }
    for ignored in [Signal::SIGPIPE, Signal::SIGXFSZ] {
        dispose(ignored, SigHandler::SigIgn)?;
    }
    Ok(())
}

/// Lets all signals in.
pub fn let_in() -> Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}
