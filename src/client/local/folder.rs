//! An open folder, and what a path below it is. Run by the client for targets of downloads and sources of uploads.

use crate::client::show::clean;
use crate::client::{Error, Result};
use crate::sys::Errno;
use crate::sys::file::{self, Facts, Purpose};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    pub(super) fd: OwnedFd,
    /// For messages; cleaned, ends with a slash unless empty.
    shown: String,
}

impl Folder {
    /// Opens a folder the user named. Links are followed: the user's word counts.
    ///
    /// # Errors
    /// `Local`.
    pub fn open(path: &Path) -> Result<Folder> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let shown = clean(path.as_os_str().as_bytes());
        let fd = file::open_folder(path).map_err(|errno| Error::local(&shown, errno))?;
        let shown = if path == Path::new(".") {
            String::new()
        } else {
            format!("{}/", shown.trim_end_matches('/'))
        };
        Ok(Folder { fd, shown })
    }

    /// A folder below this one, whose path a server chose; its parts are made if `make` is set and they are missing.
    ///
    /// # Errors
    /// `Local`; also where a link or a file stands in the way.
    pub fn beneath(&self, path: &RelPath, make: bool) -> Result<Folder> {
        let shown = || format!("{}{}", self.shown, clean(path.as_bytes()));
        let open = |path: &RelPath| {
            file::open_beneath(self.fd.as_fd(), path.as_bytes(), Purpose::Folder, false)
        };
        let mut fd = open(path);
        if make && matches!(fd, Err(Errno::ENOENT)) {
            for step in path.folders_above().chain([path.clone()]) {
                let Some((parent, name)) = step.split_last() else {
                    continue;
                };
                match open(&parent)
                    .and_then(|parent| file::make_folder(parent.as_fd(), name, 0o777))
                {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(errno) => {
                        return Err(Error::local(
                            format!("make folder {}{}", self.shown, clean(step.as_bytes())),
                            errno,
                        ));
                    }
                }
            }
            fd = open(path);
        }
        let fd = fd.map_err(|errno| match errno {
            Errno::ELOOP => Error::here(format!("{}: a symbolic link is in the way", shown())),
            _ => Error::local(shown(), errno),
        })?;
        Ok(Folder {
            fd,
            shown: if path.is_root() {
                self.shown.clone()
            } else {
                format!("{}/", shown())
            },
        })
    }

    /// True when `name` is a regular file of that size and time (in seconds).
    #[must_use]
    pub fn holds(&self, name: &[u8], size: u64, modified: i64) -> bool {
        let facts = file::facts_at(self.fd.as_fd(), name);
        facts.is_ok_and(|facts| {
            facts.kind == file::Kind::File
                && facts.size == size
                && facts.modified.seconds == modified
        })
    }

    /// What lies in the folder `path` below this one, in the order of the disk, without `.` and `..`; a link is itself.
    ///
    /// # Errors
    /// `Local`.
    pub fn entries(&self, path: &RelPath) -> Result<Vec<(Vec<u8>, Facts)>> {
        let say = |errno| Error::local(format!("{}{}", self.shown, clean(path.as_bytes())), errno);
        let fd = file::open_beneath(self.fd.as_fd(), path.as_bytes(), Purpose::Folder, false)
            .map_err(say)?;
        let here = fd.try_clone().map_err(|e| Error::here(e.to_string()))?;
        let mut entries = Vec::new();
        for entry in nix::dir::Dir::from_fd(fd).map_err(say)? {
            let entry = entry.map_err(say)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            match file::facts_at(here.as_fd(), name) {
                Ok(facts) => entries.push((name.to_vec(), facts)),
                // It went away in between.
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(Error::local(self.show(name), errno)),
            }
        }
        Ok(entries)
    }

    /// How to call `name` in here in a message.
    #[must_use]
    pub fn show(&self, name: &[u8]) -> String {
        format!("{}{}", self.shown, clean(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_below_and_links_are_not_followed() {
        let dir = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(dir.path().join("in")).expect("mkdir");
        std::fs::create_dir(dir.path().join("out")).expect("mkdir");
        std::os::unix::fs::symlink("../out", dir.path().join("in/link")).expect("symlink");
        let root = Folder::open(&dir.path().join("in")).expect("folder");
        let path = |text: &str| RelPath::parse(text.as_bytes()).expect("path");
        root.beneath(&path("a/b/c"), true).expect("made");
        assert!(dir.path().join("in/a/b/c").is_dir());
        assert!(root.beneath(&path("link"), true).is_err());
        assert!(root.beneath(&path("link/x"), true).is_err());
        assert!(root.beneath(&path("no"), false).is_err());
        let outside = std::fs::read_dir(dir.path().join("out")).expect("list");
        assert_eq!(outside.count(), 0);
    }
}
