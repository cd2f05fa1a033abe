//! One execution, from the runner's side: a supervisor is made for it, and says at the end how it ended. Used for whatever is
//! executed.

use super::kin;
use super::program::Ready;
use super::supervise::{self, Work};
use crate::config::Program;
use crate::ipc::{self, Outcome};
use crate::sys::process::{self, Spawned, monotonic_millis};
use crate::sys::{Result, channel, execute, privs};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What becomes of output beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// It ends the execution.
    End,
    /// It is thrown away.
    #[allow(dead_code)]
    Discard,
}

/// Something to execute.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) program: &'a Program,
    /// In the environment, besides what every program finds there.
    pub(super) environment: Vec<(&'static str, String)>,
    /// Standard input; nothing without it.
    pub(super) input: Option<OwnedFd>,
    /// Where output and errors go.
    pub(super) output: OwnedFd,
    /// Ends the execution when its other end is closed.
    pub(super) watch: Option<OwnedFd>,
    pub(super) excess: Excess,
}

/// How supervisors keep what they supervise together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    /// A pid namespace for each execution: the kernel ends all of it at once.
    Namespace,
    /// The supervisor adopts what loses its parent, and looks for it.
    Subreaper,
}

impl Fence {
    /// The stronger one of those that can be had here.
    ///
    /// # Errors
    /// When neither can.
    pub(super) fn best() -> Result<Fence> {
        if privs::is_root()
            && let Ok(first) = process::spawn_first(|| process::exit(0))
        {
            await_end(&first);
            return Ok(Fence::Namespace);
        }
        // What cannot be seen cannot be ended.
        execute::children().map(|_| Fence::Subreaper)
    }

    /// The name in the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Fence::Namespace => "pid namespace",
            Fence::Subreaper => "subreaper",
        }
    }
}

fn await_end(process: &Spawned) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut ended = [PollFd::new(process.pidfd.as_fd(), PollFlags::POLLIN)];
    // It does nothing but end.
    let _ = poll(&mut ended, PollTimeout::from(5000u16));
    let _ = execute::reap_one(process.pid);
}

/// What a supervisor says before it ends.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Word {
    pub(super) outcome: Outcome,
    pub(super) bytes: u64,
    /// Something that came of it does not die.
    pub(super) haunted: bool,
}

/// An execution under way.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) process: Spawned,
    word: OwnedFd,
    began: u64,
}

/// An execution that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// Bytes of output that were given on.
    pub(super) bytes: u64,
    pub(super) millis: u64,
    /// Something that came of it does not die.
    pub(super) haunted: bool,
}

/// Begins to execute `task`.
///
/// # Errors
/// EAGAIN, ENOMEM, EMFILE: nothing was begun.
pub(super) fn start(task: Task<'_>, fence: Fence) -> Result<Supervised> {
    let (word, theirs) = channel::pair()?;
    let work = Work {
        ready: Ready::new(task.program, &task.environment)?,
        limits: task.program.limits,
        input: task.input,
        output: task.output,
        watch: task.watch,
        excess: task.excess,
    };
    let began = monotonic_millis();
    let life = || supervise::run(work, theirs);
    let process = match fence {
        Fence::Namespace => process::spawn_first(life)?,
        Fence::Subreaper => process::spawn(life)?,
    };
    Ok(Supervised {
        process,
        word,
        began,
    })
}

impl Supervised {
    /// Readable when it is over.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.process.pidfd.as_fd()
    }

    /// How it ended. Only once that is so. `others` are the supervisors of all other executions.
    pub(super) fn finish(self, others: &[i32]) -> Ended {
        let _ = execute::reap_one(self.process.pid);
        let millis = monotonic_millis().saturating_sub(self.began);
        let word = ipc::receive::<Word>(self.word.as_fd(), false);
        if let Ok(Some((word, _))) = word {
            return Ended {
                outcome: word.outcome,
                bytes: word.bytes,
                millis,
                haunted: word.haunted,
            };
        }
        // Somebody killed it: what it had is ours now, unless the kernel has ended that.
        let clean = kin::end_all(others, |_, _| {});
        Ended {
            outcome: Outcome::broken("its supervisor was killed"),
            bytes: 0,
            millis,
            haunted: !clean,
        }
    }
}
