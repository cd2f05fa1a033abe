//! The control group that the service manager put this process into: who else is in it. Run by the listener when a service ends.

use super::{Errno, Result, process};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Another process of the group.
#[derive(Debug)]
pub struct Neighbour {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its name, as `process::set_name` gave it.
    pub name: String,
    /// A descriptor that can mean no other process.
    pub pidfd: OwnedFd,
}

/// True when a service manager started this very process (systemd.exec(5), $SYSTEMD_EXEC_PID), and so made a control group for it and
/// for those that come from it alone.
#[must_use]
pub fn is_own() -> bool {
    let started = std::env::var("SYSTEMD_EXEC_PID");
    started.is_ok_and(|pid| pid == std::process::id().to_string())
}

/// The other processes in the control group (version 2) of this one, as far as they can be looked at.
///
/// # Errors
/// ENOENT without such groups, and what reading their files gives.
pub fn neighbours() -> Result<Vec<Neighbour>> {
    let own = group_of("self").ok_or(Errno::ENOENT)?;
    let beneath = own.strip_prefix("/").unwrap_or(Path::new(""));
    // Where there are groups of version 1 as well, those of version 2 are one floor below.
    let listed = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .find_map(|at| {
            let file = Path::new(at).join(beneath).join("cgroup.procs");
            std::fs::read_to_string(file).ok()
        });
    let listed = listed.ok_or(Errno::ENOENT)?;
    let me = std::process::id() as i32;
    let others = listed
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0 && *pid != me);
    Ok(others.filter_map(|pid| look_at(pid, &own)).collect())
}

/// None when it has ended meanwhile, or is another's to look at.
fn look_at(pid: i32, group: &Path) -> Option<Neighbour> {
    let pidfd = process::open(pid).ok()?;
    // From here on the number is that process's, if it was at all: one that is in the group is one that was meant.
    if group_of(&pid.to_string()).as_deref() != Some(group) {
        return None;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, parent) = parse(&stat)?;
    Some(Neighbour {
        pid,
        parent,
        name,
        pidfd,
    })
}

/// Name and parent in the line of /proc/PID/stat (proc(5)): `pid (name) state parent ...`, where the name may hold anything.
fn parse(stat: &str) -> Option<(String, i32)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let parent = after.split_whitespace().nth(1)?.parse().ok()?;
    Some((name.to_owned(), parent))
}

/// The path of the control group of version 2 of a process.
fn group_of(pid: &str) -> Option<PathBuf> {
    let said = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let line = said.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(line.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let line = "12 (a) b (c) S 7 12 12 0 -1";
        assert_eq!(parse(line), Some(("a) b (c".into(), 7)));
        assert_eq!(parse("12 (a"), None);
    }

    #[test]
    fn whoever_shares_the_group_is_seen_and_this_process_is_not() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep");
        let (pid, me) = (child.id() as i32, std::process::id() as i32);
        let seen = neighbours();
        child.kill().expect("kill");
        child.wait().expect("wait");
        let seen = match seen {
            // A machine without groups of version 2.
            Err(Errno::ENOENT) => return,
            seen => seen.expect("neighbours"),
        };
        let found = seen.iter().find(|one| one.pid == pid).expect("the child");
        assert_eq!(found.parent, me);
        assert!(seen.iter().all(|one| one.pid != me));
    }
}
