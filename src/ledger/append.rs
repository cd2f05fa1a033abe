//! A file that lines are added to, each written in one piece. Used by the broker, for its ledger, and by the client, for receipts of its own.
//!
//! Several processes may add to one file: an old server that still finishes its transfers, and its successor. Whoever writes holds the
//! lock of the file, so that none goes on behind a line that another could not finish.

use crate::sys::file::{self, Kind};
use crate::sys::{Errno, privs};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock that another process holds is tried, a millisecond apart; after that it is written without.
const LOCK_TRIES: u32 = 20;

/// An open file.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    file: File,
}

impl Appender {
    /// Opens the file, and makes it with the permissions `mode` where there is none.
    ///
    /// # Errors
    /// A sentence with what is wrong and the remedy: it cannot be opened, is no regular file, is another user's, or others may write to it.
    pub fn open(path: &Path, mode: u32) -> Result<Appender, String> {
        Appender::open_of(path, mode, privs::own_uid())
    }

    /// The same where it may be the file of the user `server`.
    fn open_of(path: &Path, mode: u32, server: u32) -> Result<Appender, String> {
        let say = |what: &str| format!("{}: {what}", path.display());
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(mode);
        // A link could lead anywhere, and what is no file could keep us waiting.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => say("its folder is not there: make it"),
            _ if error.raw_os_error() == Some(libc::ELOOP) => {
                say("is a link: name the file that it leads to")
            }
            _ => say(&error.to_string()),
        })?;
        let facts = file::facts(file.as_fd()).map_err(|errno| say(errno.desc()))?;
        if facts.kind != Kind::File {
            return Err(say("is no regular file"));
        }
        if facts.owner != 0 && facts.owner != server {
            return Err(say(
                "belongs to another user, who may write to it: chown it",
            ));
        }
        if facts.mode & 0o022 != 0 {
            let mode = facts.mode & 0o7777;
            return Err(say(&format!(
                "others may write to it (mode {mode:04o}): chmod go-w it"
            )));
        }
        let path = path.to_owned();
        Ok(Appender { path, file })
    }

    /// Says whether `open` would work for a server that is started as the user `server`, and makes nothing.
    ///
    /// # Errors
    /// As `open`.
    pub fn look(path: &Path, server: u32) -> Result<(), String> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound && folder.is_dir() => Ok(()),
            _ => Appender::open_of(path, 0o600, server).map(drop),
        }
    }

    /// The open file.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Its name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when the file has lost its name, and what is written to it is lost.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        file::facts(self.fd()).is_ok_and(|facts| facts.links == 0)
    }

    /// Adds `lines`, each with its end, in one write. Returns how many of their bytes are in the file: all, or fewer where the disk is full.
    ///
    /// # Errors
    /// None of them is.
    pub fn append(&mut self, lines: &[u8]) -> std::io::Result<usize> {
        let locked = self.lock();
        let written = self.append_locked(lines);
        if locked {
            file::unlock(self.fd());
        }
        written
    }

    fn append_locked(&mut self, lines: &[u8]) -> std::io::Result<usize> {
        if self.ends_whole()? {
            return retried(|| self.file.write(lines));
        }
        // Behind a line that was cut short: it ends here, damaged as it is.
        let written = retried(|| self.file.write(&[b"\n", lines].concat()))?;
        Ok(written.saturating_sub(1))
    }

    /// True when the next line begins at the beginning of a line.
    fn ends_whole(&self) -> Result<bool, Errno> {
        let size = file::facts(self.fd())?.size;
        let mut last = [b'\n'];
        if size > 0 {
            file::read_at(self.fd(), &mut last, size - 1)?;
        }
        Ok(last == *b"\n")
    }

    fn lock(&self) -> bool {
        for _ in 0..LOCK_TRIES {
            match file::try_lock(self.fd()) {
                Ok(true) => return true,
                Ok(false) => std::thread::sleep(Duration::from_millis(1)),
                // A filesystem that knows no locks.
                Err(_) => return false,
            }
        }
        false
    }
}

fn retried(mut write: impl FnMut() -> std::io::Result<usize>) -> std::io::Result<usize> {
    loop {
        match write() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_cut_line_is_never_continued() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ledger");
        let mut first = Appender::open(&path, 0o640).expect("open");
        let mut second = Appender::open(&path, 0o640).expect("open");
        assert_eq!(first.append(b"one\n").expect("append"), 4);
        // As a full disk leaves it.
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(b"tw"))
            .expect("write");
        assert_eq!(second.append(b"three\n").expect("append"), 6);
        assert_eq!(first.append(b"four\nfive\n").expect("append"), 10);
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "one\ntw\nthree\nfour\nfive\n");
        let mode = std::fs::metadata(&path)
            .expect("facts")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777 & !0o640, 0);
        assert!(!first.is_gone());
        std::fs::remove_file(&path).expect("remove");
        assert!(first.is_gone());
    }

    #[test]
    fn what_is_unsafe_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        let refusal = |name: &str| Appender::open(&at(name), 0o640).expect_err(name);
        std::fs::write(at("file"), "").expect("write");
        symlink(at("file"), at("link")).expect("link");
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("pipe");
        assert!(refusal("link").contains("is a link"));
        assert!(refusal("pipe").contains("no regular file"));
        assert!(refusal("no/where").contains("its folder is not there"));
        std::fs::set_permissions(at("file"), PermissionsExt::from_mode(0o664)).expect("chmod");
        assert!(refusal("file").contains("chmod go-w"));
    }
}
