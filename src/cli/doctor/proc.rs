//! What the kernel says of processes, control groups and sockets, in /proc and /sys (proc(5), cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};

/// A process, by its number or as `self`.
#[derive(Debug, Clone)]
pub(super) struct Process(PathBuf);

impl Process {
    pub(super) fn of(pid: u32) -> Process {
        Process(PathBuf::from(format!("/proc/{pid}")))
    }

    pub(super) fn own() -> Process {
        Process("/proc/self".into())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The text of one of its files; None when it is gone, or not for us.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// What stands behind `key:` in its status.
    pub(super) fn status(&self, key: &str) -> Option<String> {
        let text = self.text("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        Some(line?.strip_prefix(':')?.trim().to_owned())
    }

    /// Its real user and group.
    pub(super) fn user(&self) -> Option<(u32, u32)> {
        let first = |key| self.status(key)?.split_whitespace().next()?.parse().ok();
        Some((first("Uid")?, first("Gid")?))
    }

    /// Its soft and hard limit of `name`; `u64::MAX` for none.
    pub(super) fn limit(&self, name: &str) -> Option<(u64, u64)> {
        limit(&self.text("limits")?, name)
    }

    /// The processes that it made.
    pub(super) fn children(&self) -> Vec<u32> {
        let Some(pid) = self.0.file_name() else {
            return Vec::new();
        };
        let told = fs::read_to_string(self.path("task").join(pid).join("children"));
        let told = told.unwrap_or_default();
        told.split_whitespace().flat_map(str::parse).collect()
    }

    /// The least of what its control group and those above it allow, of a `controller`: `new` is the file's name in version 2 of control
    /// groups, `old` in version 1. None for no limit, or none to be seen.
    pub(super) fn control_group(&self, controller: &str, new: &str, old: &str) -> Option<u64> {
        let told = self.text("cgroup")?;
        let values = told.lines().flat_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (list, path) = (parts.next()?, parts.next()?);
            let (root, file) = if list.is_empty() {
                ("/sys/fs/cgroup".to_owned(), new)
            } else if list.split(',').any(|name| name == controller) {
                (format!("/sys/fs/cgroup/{list}"), old)
            } else {
                return None;
            };
            least(Path::new(&root), path.trim_start_matches('/'), file)
        });
        values.min().filter(|value| *value < UNLIMITED)
    }
}

/// What version 1 of control groups says for no limit, and more than any machine has.
const UNLIMITED: u64 = 1 << 60;

/// The least number in the files `file` from `root/path` up to `root`.
fn least(root: &Path, path: &str, file: &str) -> Option<u64> {
    let here = root.join(path);
    let folders = here
        .ancestors()
        .take_while(|folder| folder.starts_with(root));
    folders
        .filter_map(|folder| number(&folder.join(file)))
        .min()
}

/// The number that is all there is in a file.
pub(super) fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn limit(limits: &str, name: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut values = line.split_whitespace().map(|word| match word {
        "unlimited" => Some(u64::MAX),
        word => word.parse().ok(),
    });
    Some((values.next()??, values.next()??))
}

/// A TCP socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) port: u16,
    pub(super) inode: u64,
}

/// The TCP sockets that listen here, of whomever; None where the kernel does not say.
pub(super) fn listening() -> Option<Vec<Listening>> {
    let v4 = fs::read_to_string("/proc/net/tcp").ok()?;
    let v6 = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let lines = v4.lines().skip(1).chain(v6.lines().skip(1));
    Some(lines.filter_map(socket).collect())
}

fn socket(line: &str) -> Option<Listening> {
    /// TCP_LISTEN.
    const LISTENS: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTENS {
        return None;
    }
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    Some(Listening {
        port: u16::from_str_radix(port, 16).ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// The sockets that a process has open, by number; None where we may not look.
pub(super) fn sockets_of(process: &Process) -> Option<Vec<u64>> {
    let open = fs::read_dir(process.path("fd")).ok()?;
    let links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let numbers = links.filter_map(|link| {
        let text = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        text.parse().ok()
    });
    Some(numbers.collect())
}

/// What is mounted where a path leads: the kind of filesystem, and its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) kind: String,
    pub(super) options: Vec<String>,
}

/// The mount that `path`, without links, is on, as the text of a mountinfo has it.
pub(super) fn mount_of(mounts: &str, path: &Path) -> Option<Mount> {
    let mut best: Option<(usize, Mount)> = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let fields: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        let (Some(point), Some(own), Some(kind)) = (fields.get(4), fields.get(5), after.first())
        else {
            continue;
        };
        let point = unescaped(point);
        let depth = Path::new(&point).components().count();
        // Of two on the same folder, the later one lies above.
        if path.starts_with(&point) && best.as_ref().is_none_or(|(most, _)| depth >= *most) {
            let theirs = after.get(2).copied().unwrap_or_default();
            let options = own.split(',').chain(theirs.split(','));
            best = Some((
                depth,
                Mount {
                    kind: (*kind).to_owned(),
                    options: options.map(str::to_owned).collect(),
                },
            ));
        }
    }
    best.map(|(_, mount)| mount)
}

/// A path as mountinfo writes it: blanks, tabs, line ends and backslashes are three octal digits.
fn unescaped(text: &str) -> String {
    let codes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let replace = |text: String, (code, letter): &(&str, &str)| text.replace(code, letter);
    codes.iter().fold(text.to_owned(), replace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_kernel_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 unlimited            files     \n";
        assert_eq!(limit(limits, "Max open files"), Some((1024, u64::MAX)));
        assert_eq!(limit(limits, "Max processes"), None);
        let line = "   0: 0100007F:C350 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0";
        let listening = Listening {
            port: 50000,
            inode: 4711,
        };
        assert_eq!(socket(line), Some(listening));
        assert_eq!(socket(&line.replace(" 0A ", " 01 ")), None);
        assert_eq!(socket("damaged"), None);
        let mounts = "22 1 8:1 / / rw,relatime - ext4 /dev/a rw\n23 22 8:2 / /srv/a\\040b ro,noexec shared:1 - xfs /dev/b rw,prjquota\n";
        let found = mount_of(mounts, Path::new("/srv/a b/c")).expect("mount");
        assert_eq!(found.kind, "xfs");
        assert_eq!(found.options, ["ro", "noexec", "rw", "prjquota"]);
        let root = mount_of(mounts, Path::new("/srv/a")).expect("mount");
        assert_eq!(root.kind, "ext4");
        assert_eq!(mount_of("", Path::new("/")), None);
    }

    #[test]
    fn this_process_is_found() {
        let own = Process::of(std::process::id());
        assert!(own.user().is_some());
        assert!(
            own.limit("Max open files")
                .is_some_and(|(soft, _)| soft > 2)
        );
        assert!(sockets_of(&own).is_some());
    }
}
