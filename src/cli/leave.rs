//! `forkftpd leave`: has a listener leave its clients to a drainer and end, for whoever starts another one right after that. It is what
//! SIGUSR1 does, and this waits until it is done.

use crate::sys::process;
use clap::Args;
use nix::sys::signal::Signal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long the listener may take: it may be waiting for its broker.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a listener calls itself.
const LISTENER: &str = "forkftpd:listen";

#[derive(Debug, Args)]
pub(super) struct Leave {
    /// The listener's process id.
    #[arg(long, value_name = "N")]
    pid: i32,
}

/// # Errors
/// Lines for people: why nobody left.
pub(super) fn leave(asked: &Leave) -> Result<String, Vec<String>> {
    let pid = asked.pid;
    let one = |what: &str| vec![format!("pid {pid}: {what}")];
    let pidfd = process::open(pid).map_err(|errno| one(errno.desc()))?;
    // Of the process that the descriptor is for: another one would not have had its number while that lives.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim_end() != LISTENER {
        return Err(one("it is no listener of forkftpd"));
    }
    process::kill(pidfd.as_fd(), Signal::SIGUSR1).map_err(|errno| one(errno.desc()))?;
    let until = Instant::now() + PATIENCE;
    while !process::has_ended(pidfd.as_fd()) {
        if Instant::now() >= until {
            return Err(one("it has not left; its log says why"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(String::new())
}
