//! Ending everything that came of an execution, whatever it did to get away. Run by a supervisor; and by the runner, for what a
//! supervisor left that was killed.

use crate::sys::execute;
use crate::sys::process::{Ending, monotonic_millis};
use std::time::Duration;

/// How long it is tried, in milliseconds: longer lives only what hangs in the kernel.
const PATIENCE: u64 = 10_000;
/// How long the killed are given to die before it is looked again.
const BREATH: Duration = Duration::from_millis(2);

/// Kills every descendant of this process but the children in `spared`, and reaps them; `reaped` is told of each. False when something
/// does not die.
pub(super) fn end_all(spared: &[i32], reaped: impl FnMut(i32, Ending)) -> bool {
    if execute::kill_namespace() {
        end_namespace(reaped)
    } else {
        end_children(spared, reaped)
    }
}

/// In the first process of a pid namespace the kernel does it at once: all that is left is to wait.
fn end_namespace(mut reaped: impl FnMut(i32, Ending)) -> bool {
    let until = monotonic_millis() + PATIENCE;
    loop {
        match execute::reap() {
            Ok(Some((pid, ending))) => reaped(pid, ending),
            Ok(None) if monotonic_millis() > until => return false,
            Ok(None) => std::thread::sleep(BREATH),
            // No child is left.
            Err(_) => return true,
        }
    }
}

/// Elsewhere each child is killed, and what it leaves becomes a child of this process, which is a subreaper, and is killed in turn. What
/// has died is not reaped before nothing lives any more: it goes on counting for the limit of processes, so that somebody who forks and
/// dies faster than they are killed soon cannot fork.
fn end_children(spared: &[i32], mut reaped: impl FnMut(i32, Ending)) -> bool {
    let until = monotonic_millis() + PATIENCE;
    let mut seen_none = false;
    loop {
        let living = kill_children(spared);
        // What is born between two looks at the list could stand in neither of its halves.
        if !living && seen_none {
            break;
        }
        seen_none = !living;
        if monotonic_millis() > until {
            return false;
        }
        if living {
            std::thread::sleep(BREATH);
        }
    }
    let dead = execute::children().unwrap_or_default();
    for pid in dead.into_iter().filter(|pid| !spared.contains(pid)) {
        if let Ok(Some(ending)) = execute::reap_one(pid) {
            reaped(pid, ending);
        }
    }
    true
}

/// Kills the children that live. True when there were any.
fn kill_children(spared: &[i32]) -> bool {
    // Without the list nothing could be said; the runner has looked whether it can be had.
    let Ok(children) = execute::children() else {
        return true;
    };
    let mut any = false;
    for pid in children.into_iter().filter(|pid| !spared.contains(pid)) {
        if execute::has_ended(pid) == Ok(false) {
            execute::kill_child(pid);
            any = true;
        }
    }
    any
}

/// Reaps what has ended by itself.
pub(super) fn reap_ended(mut reaped: impl FnMut(i32, Ending)) {
    while let Ok(Some((pid, ending))) = execute::reap() {
        reaped(pid, ending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Result, process};
    use nix::poll::{PollFd, PollFlags, poll};
    use std::os::fd::AsFd;

    /// A chain of processes, each of which leaves its parent's session and outlives it.
    fn breed(generations: u32) -> Result<()> {
        if generations == 0 {
            loop {
                nix::unistd::pause();
            }
        }
        let _ = execute::new_session();
        process::spawn(|| {
            let _ = breed(generations - 1);
            process::exit(0)
        })?;
        if generations.is_multiple_of(2) {
            process::exit(0)
        }
        breed(0)
    }

    #[test]
    fn nothing_gets_away() {
        // Closed on their side when the last of them is gone.
        let (gone, alive) = nix::unistd::pipe().expect("pipe");
        let parent = process::spawn(|| {
            let ended = || -> Result<bool> {
                execute::heed_children()?;
                execute::adopt_orphans()?;
                for _ in 0..3 {
                    process::spawn(|| {
                        let _ = breed(6);
                        process::exit(0)
                    })?;
                }
                Ok(end_all(&[], |_, _| {}) && execute::children()?.is_empty())
            };
            process::exit(i32::from(ended() == Ok(true)))
        })
        .expect("spawn");
        drop(alive);
        let mut over = [PollFd::new(gone.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut over, 20_000u16), Ok(1), "somebody lives on");
        let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(parent.pid), None);
        assert!(
            matches!(status, Ok(nix::sys::wait::WaitStatus::Exited(_, 1))),
            "{status:?}"
        );
    }
}
