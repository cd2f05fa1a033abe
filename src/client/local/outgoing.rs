//! Bytes on their way out: a file, or a stream. Run by the client for each upload.

use super::{Folder, PIECE};
use crate::client::connection::{self, Wait};
use crate::client::show::clean;
use crate::client::{Error, Interrupt, Result, Source};
use crate::digest::Hasher;
use crate::sys::Errno;
use crate::sys::file::{self, Facts, Purpose, Stamp};
use nix::poll::PollFlags;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// A local file being uploaded.
#[derive(Debug)]
pub struct Outgoing {
    fd: OwnedFd,
    facts: Facts,
    at: u64,
    shown: String,
    interrupt: Interrupt,
}

impl Outgoing {
    /// Opens a file the user named, following links.
    ///
    /// # Errors
    /// `Local`, also for anything but a regular file.
    pub fn open(path: &Path, interrupt: &Interrupt) -> Result<Outgoing> {
        use nix::fcntl::OFlag;
        let shown = clean(path.as_os_str().as_bytes());
        // A pipe must not block the open; it is refused below.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty())
            .map_err(|errno| Error::local(&shown, errno))?;
        Outgoing::of(fd, shown, interrupt)
    }

    /// Opens a file found in a folder, not following links.
    ///
    /// # Errors
    /// `Local`, also for anything but a regular file.
    pub fn beneath(folder: &Folder, path: &[u8], interrupt: &Interrupt) -> Result<Outgoing> {
        let shown = folder.show(path);
        let fd = file::open_beneath(folder.fd.as_fd(), path, Purpose::Read, false)
            .map_err(|errno| Error::local(&shown, errno))?;
        Outgoing::of(fd, shown, interrupt)
    }

    fn of(fd: OwnedFd, shown: String, interrupt: &Interrupt) -> Result<Outgoing> {
        let facts = file::facts(fd.as_fd()).map_err(|errno| Error::local(&shown, errno))?;
        match facts.kind {
            file::Kind::File => Ok(Outgoing {
                fd,
                facts,
                at: 0,
                shown,
                interrupt: interrupt.clone(),
            }),
            file::Kind::Folder => Err(Error::here(format!("{shown}: a folder (-r sends folders)"))),
            file::Kind::Special => Err(Error::here(format!("{shown}: not a regular file"))),
        }
    }

    /// Bytes it had when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.facts.size
    }

    /// Its time when it was opened.
    #[must_use]
    pub fn modified(&self) -> Stamp {
        self.facts.modified
    }
}

impl Source for Outgoing {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let got = file::read_at(self.fd.as_fd(), into, self.at)
            .map_err(|errno| Error::local(&self.shown, errno))?;
        self.at += got as u64;
        Ok(got)
    }

    fn check(&mut self) -> Result<()> {
        let now = file::facts(self.fd.as_fd()).map_err(|errno| Error::local(&self.shown, errno))?;
        if now.size == self.facts.size && now.modified == self.facts.modified {
            return Ok(());
        }
        Err(Error::here(format!(
            "{}: the file changed while it was read",
            self.shown
        )))
    }

    fn skip(&mut self, offset: u64, hasher: &mut Hasher) -> Result<bool> {
        let mut buffer = vec![0; PIECE];
        while self.at < offset {
            self.interrupt.check()?;
            let most = PIECE.min(usize::try_from(offset - self.at).unwrap_or(PIECE));
            match self.read(&mut buffer[..most])? {
                0 => return Ok(false),
                got => hasher.update(&buffer[..got]),
            }
        }
        Ok(true)
    }

    fn rewind(&mut self) -> Result<()> {
        self.at = 0;
        Ok(())
    }
}

/// Standard input, or any other stream, being uploaded.
#[derive(Debug)]
pub struct Stream {
    fd: OwnedFd,
    wait: Wait,
}

impl Stream {
    /// Reads `fd` to its end, however long that takes.
    #[must_use]
    pub fn new(fd: OwnedFd, interrupt: &Interrupt) -> Stream {
        Stream {
            fd,
            wait: Wait::new(interrupt.clone(), Duration::MAX),
        }
    }
}

impl Source for Stream {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            // The wait comes first: a read of a pipe or terminal would not notice Ctrl-C (SA_RESTART, signal(7)).
            self.wait
                .until(self.fd.as_fd(), PollFlags::POLLIN)
                .map_err(|e| match connection::explain(&e) {
                    Error::Interrupted => Error::Interrupted,
                    _ => Error::here(format!("standard input: {e}")),
                })?;
            match nix::unistd::read(&self.fd, into) {
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                result => return result.map_err(|errno| Error::local("standard input", errno)),
            }
        }
    }
}
