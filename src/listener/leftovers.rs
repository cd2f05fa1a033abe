//! Processes of this service that earlier listeners left behind: those that finish the sessions of before a restart, and children whose
//! listener was killed. While the service goes on they are let be; when it stops, nothing of it may stay. Run by the listener.
//!
//! Only where the service manager made a control group for this server: elsewhere nobody could tell whose they are.

use crate::log::{self, Level};
use crate::sys::cgroup::{self, Neighbour};
use crate::sys::process;
use nix::sys::signal::Signal;
use std::os::fd::AsFd;

/// What our processes call themselves, and among them those that finish what another listener began.
const OURS: &str = "forkftpd:";
const DRAINER: &str = "forkftpd:drain";
/// It ends all that came of what it looks after, and then itself, once its runner is gone.
const SUPERVISOR: &str = "forkftpd:super";

/// Those that were there when the service began to stop.
#[derive(Debug, Default)]
pub(super) struct Leftovers(Vec<Neighbour>);

impl Leftovers {
    /// Finds them, and asks them to end: whoever finishes the sessions of others knows how long they have.
    pub(super) fn call() -> Leftovers {
        if !cgroup::is_own() {
            return Leftovers::default();
        }
        let found = match cgroup::neighbours() {
            Ok(all) => strangers(all, std::process::id() as i32),
            Err(errno) => {
                let why = errno.desc();
                let what = "nobody can tell who is left of earlier listeners";
                log::event(Level::Warn, what, &[("error", &why)]);
                Vec::new()
            }
        };
        if !found.is_empty() {
            let what = "waiting for processes of earlier listeners";
            log::event(Level::Info, what, &[("processes", &found.len())]);
        }
        for one in found.iter().filter(|one| one.name == DRAINER) {
            let _ = process::kill(one.pidfd.as_fd(), Signal::SIGTERM);
        }
        Leftovers(found)
    }

    /// How many have not ended yet.
    pub(super) fn living(&mut self) -> usize {
        self.0.retain(|one| !process::has_ended(one.pidfd.as_fd()));
        self.0.len()
    }

    /// Ends them now.
    pub(super) fn kill(&mut self) {
        for one in self.0.iter().filter(|one| one.name != SUPERVISOR) {
            let _ = process::kill(one.pidfd.as_fd(), Signal::SIGKILL);
        }
    }
}

/// Ours, but not of this listener: none of those that descend from `me`.
fn strangers(mut all: Vec<Neighbour>, me: i32) -> Vec<Neighbour> {
    let mut family = vec![me];
    loop {
        let before = all.len();
        all.retain(|one| {
            let related = family.contains(&one.parent);
            if related {
                family.push(one.pid);
            }
            !related
        });
        if all.len() == before {
            break;
        }
    }
    all.retain(|one| one.name.starts_with(OURS));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_descends_from_this_listener_or_is_not_ours_is_left_alone() {
        let pidfd = || std::fs::File::open("/dev/null").expect("null").into();
        let all = [
            (30, 20, "forkftpd:hasher"),
            (20, 10, "forkftpd:broker"),
            (41, 40, "forkftpd:child"),
            (40, 1, "forkftpd:drain"),
            (50, 1, "sh"),
            (60, 50, "forkftpd:child"),
        ];
        let all = all.map(|(pid, parent, name)| Neighbour {
            pid,
            parent,
            name: name.into(),
            pidfd: pidfd(),
        });
        let left: Vec<_> = strangers(all.into(), 10)
            .iter()
            .map(|one| one.pid)
            .collect();
        assert_eq!(left, [41, 40, 60]);
    }
}
