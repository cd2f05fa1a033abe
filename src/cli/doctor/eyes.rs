//! Looking at the library as the server's user sees it: in a process of its own that becomes that user, and that nobody waits for
//! longer than is said. A disk that hangs then costs an answer, and not the whole.

use super::library::{Look, Seen};
use super::patient::Patient;
use crate::sys::{privs, process};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long the library's disk may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// Most bytes of an answer.
const LONGEST: u64 = 1 << 20;

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eyes {
    /// This process is the server's user.
    Own,
    /// This process is root, and can be them.
    Theirs(privs::Identity),
    /// This process is somebody else, who sees other things.
    Strangers,
}

impl Eyes {
    /// Of somebody who cannot be anybody else.
    pub(super) fn of(the_servers: bool) -> Eyes {
        if the_servers {
            Eyes::Own
        } else {
            Eyes::Strangers
        }
    }
}

/// What there is to see at the library.
///
/// # Errors
/// Why there is nothing: a sentence.
pub(super) fn look(patient: &Patient) -> Result<Seen, String> {
    let identity = match patient.eyes {
        Eyes::Own => None,
        Eyes::Theirs(identity) => Some(identity),
        Eyes::Strangers => {
            return Err("only root, or the server's user, sees it as the server does".into());
        }
    };
    let look = Look::at(patient);
    if !process::one_thread() {
        return Err("this process has a thread too many to look with other eyes".into());
    }
    let failed = |error: &dyn std::fmt::Display| format!("it could not be looked at: {error}");
    let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| failed(&errno.desc()))?;
    let looking = process::spawn(|| {
        let became = identity.map_or(Ok(()), privs::become_user);
        let said = became
            .map_err(|errno| format!("cannot become uid {}: {}", patient.serves, errno.desc()))
            .map(|()| look.seen());
        let text = serde_json::to_vec(&said).unwrap_or_default();
        let written = File::from(to.try_clone().unwrap_or_else(|_| process::exit(1)));
        let _ = (&written).write_all(&text);
        process::exit(0)
    })
    .map_err(|errno| failed(&errno.desc()))?;
    drop(to);
    let answer = read_until(File::from(from), Instant::now() + PATIENCE);
    // It has ended, but where its disk hangs.
    let _ = process::kill(looking.pidfd.as_fd(), Signal::SIGKILL);
    let Some(answer) = answer else {
        let seconds = PATIENCE.as_secs();
        return Err(format!("its disk gave no answer within {seconds} seconds"));
    };
    serde_json::from_slice(&answer)
        .unwrap_or_else(|_| Err("whoever looked ended without an answer".into()))
}

/// All that comes; None when the other end has not closed by then.
fn read_until(mut from: File, until: Instant) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut wait = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        match poll(&mut wait, left) {
            Ok(0) => return None,
            Err(nix::errno::Errno::EINTR) => continue,
            Err(_) => return None,
            Ok(_) => {}
        }
        match from.read(&mut part) {
            Ok(0) | Err(_) => return Some(all),
            Ok(read) => all.extend_from_slice(&part[..read]),
        }
        if all.len() as u64 > LONGEST {
            return None;
        }
    }
}
