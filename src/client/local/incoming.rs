//! A file on its way in: unnamed or under a hidden name until it is whole. Run by the client for each download.

use super::{Folder, PIECE};
use crate::client::show::clean;
use crate::client::{Error, Interrupt, Result, Sink};
use crate::digest::{Hasher, Kind};
use crate::sys::Errno;
use crate::sys::file::{self, Facts, Purpose, Stamp};
use crate::wire::drive::GetStart;
use crate::wire::path::MAX_NAME;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// How downloads treat what is there already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Replace a file of that name.
    pub overwrite: bool,
    /// Keep what came of a file whose download is cut, and go on with it.
    pub resume: bool,
}

/// The file that the bytes of a download go to before it has its name.
#[derive(Debug)]
enum Aside {
    /// No name at all: it vanishes by itself (O_TMPFILE).
    Unnamed(OwnedFd),
    /// A hidden name, taken away when this is dropped unless it is kept for `--resume`.
    Named {
        fd: OwnedFd,
        name: Vec<u8>,
        keep: bool,
    },
}

/// One file being downloaded. Dropping it before `finish` leaves nothing, or with `resume` the part.
#[derive(Debug)]
pub struct Incoming {
    folder: Arc<Folder>,
    name: Vec<u8>,
    manner: Manner,
    aside: Option<Aside>,
    at: u64,
}

impl Incoming {
    /// A download to `name` in `folder`.
    ///
    /// # Errors
    /// `Local` when the name is taken and may not be replaced, by anything but a file never; or when it is no name.
    pub fn new(folder: Arc<Folder>, name: &[u8], manner: Manner) -> Result<Incoming> {
        if matches!(name, b"" | b"." | b"..")
            || name.contains(&b'/')
            || name.contains(&0)
            || name.len() > MAX_NAME
        {
            return Err(Error::here(format!("{}: not a file name", clean(name))));
        }
        match file::facts_at(folder.fd.as_fd(), name) {
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(Error::local(folder.show(name), errno)),
            Ok(Facts {
                kind: file::Kind::Folder,
                ..
            }) => {
                return Err(Error::here(format!(
                    "{}: a folder has that name",
                    folder.show(name)
                )));
            }
            Ok(_) if manner.overwrite => {}
            Ok(_) => return Err(taken(&folder, name)),
        }
        Ok(Incoming {
            folder,
            name: name.to_vec(),
            manner,
            aside: None,
            at: 0,
        })
    }

    /// How to call it in a message.
    #[must_use]
    pub fn shown(&self) -> String {
        self.folder.show(&self.name)
    }

    /// With `resume`: opens the part, or makes an empty one, and hashes what it holds. Returns how much that is, with the
    /// hasher; None without `resume`.
    ///
    /// # Errors
    /// `Local`, also when another download holds the part; `Interrupted`.
    pub fn resume(&mut self, digest: Kind, interrupt: &Interrupt) -> Result<Option<(u64, Hasher)>> {
        if !self.manner.resume {
            return Ok(None);
        }
        let name = part_name(&self.name);
        let folder = self.folder.fd.as_fd();
        let say = |errno| match errno {
            Errno::ELOOP => Error::here(format!(
                "{}: a symbolic link is in the way",
                self.folder.show(&name)
            )),
            _ => Error::local(self.folder.show(&name), errno),
        };
        let fd = match file::create_new(folder, &name) {
            Err(Errno::EEXIST) => file::open_beneath(folder, &name, Purpose::Write, false),
            other => other,
        }
        .map_err(say)?;
        let facts = file::facts(fd.as_fd()).map_err(say)?;
        // A second name could be anything the user owns, placed here by somebody else to be written to.
        if facts.kind != file::Kind::File || facts.links > 1 {
            return Err(Error::here(format!(
                "{}: not a part of a download",
                self.folder.show(&name)
            )));
        }
        if !file::try_lock(fd.as_fd()).map_err(say)? {
            return Err(Error::here(format!(
                "{}: another download is writing it",
                self.folder.show(&name)
            )));
        }
        let mut hasher = Hasher::new(digest);
        let mut at = 0;
        let mut buffer = vec![0; PIECE.min(usize::try_from(facts.size).unwrap_or(PIECE))];
        while at < facts.size {
            interrupt.check()?;
            match file::read_at(fd.as_fd(), &mut buffer, at).map_err(say)? {
                0 => break,
                got => {
                    hasher.update(&buffer[..got]);
                    at += got as u64;
                }
            }
        }
        self.at = at;
        self.aside = Some(Aside::Named {
            fd,
            name,
            keep: true,
        });
        Ok(Some((at, hasher)))
    }

    /// Throws away what came so far. True when that was a part that would have been kept.
    pub fn discard(&mut self) -> bool {
        let mut part = false;
        if let Some(Aside::Named { keep, .. }) = &mut self.aside {
            part = std::mem::replace(keep, false) && self.at > 0;
        }
        self.drop_aside();
        part
    }

    /// Gives the whole file its time and its name.
    ///
    /// # Errors
    /// `Local`, also when the name was taken meanwhile.
    pub fn finish(mut self, modified: Stamp) -> Result<()> {
        let folder = self.folder.clone();
        let say = |errno| match errno {
            Errno::EEXIST => taken(&folder, &self.name),
            _ => Error::local(folder.show(&self.name), errno),
        };
        let at = folder.fd.as_fd();
        match self.aside.as_mut() {
            None => return Err(Error::here("nothing was received")),
            Some(Aside::Unnamed(fd)) => {
                stamp(fd.as_fd(), modified);
                if self.manner.overwrite {
                    // A link never replaces: a hidden name first, then rename, which does.
                    let hidden = hidden_name()?;
                    file::link_unnamed(fd.as_fd(), at, &hidden).map_err(say)?;
                    file::rename(at, &hidden, at, &self.name).map_err(|errno| {
                        let _ = file::unlink(at, &hidden);
                        say(errno)
                    })?;
                } else {
                    file::link_unnamed(fd.as_fd(), at, &self.name).map_err(say)?;
                }
            }
            Some(Aside::Named { fd, name, keep }) => {
                stamp(fd.as_fd(), modified);
                if self.manner.overwrite {
                    file::rename(at, name, at, &self.name).map_err(say)?;
                } else {
                    match file::link(at, name, at, &self.name) {
                        Ok(()) => file::unlink(at, name).map_err(say)?,
                        // No second names on this filesystem: the best there is, with a small gap between look and rename.
                        Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS)
                            if file::facts_at(at, &self.name) == Err(Errno::ENOENT) =>
                        {
                            file::rename(at, name, at, &self.name).map_err(say)?;
                        }
                        Err(errno) => return Err(say(errno)),
                    }
                }
                // It has gone from the hidden name: nothing to take away there.
                *keep = true;
            }
        }
        self.aside = None;
        Ok(())
    }

    fn drop_aside(&mut self) {
        if let Some(Aside::Named {
            name, keep: false, ..
        }) = self.aside.take()
        {
            let _ = file::unlink(self.folder.fd.as_fd(), &name);
        }
        self.at = 0;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // An empty part is not worth keeping.
        if let Some(Aside::Named { keep, .. }) = &mut self.aside {
            *keep &= self.at > 0;
        }
        self.drop_aside();
    }
}

impl Sink for Incoming {
    fn start(&mut self, start: &GetStart) -> Result<()> {
        if self.aside.is_none() {
            let folder = self.folder.fd.as_fd();
            let aside = match file::create_unnamed(folder) {
                // Filesystems without O_TMPFILE (open(2)).
                Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => {
                    let name = hidden_name()?;
                    file::create_new(folder, &name).map(|fd| Aside::Named {
                        fd,
                        name,
                        keep: false,
                    })
                }
                other => other.map(Aside::Unnamed),
            };
            self.aside = Some(aside.map_err(|errno| Error::local(self.shown(), errno))?);
        }
        if start.offset == self.at {
            Ok(())
        } else {
            Err(Error::here(format!(
                "{}: the part has another length",
                self.shown()
            )))
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let (Some(Aside::Unnamed(fd)) | Some(Aside::Named { fd, .. })) = &self.aside else {
            return Err(Error::here("bytes before the beginning"));
        };
        file::write_at(fd.as_fd(), bytes, self.at)
            .map_err(|errno| Error::local(self.shown(), errno))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn taken(folder: &Folder, name: &[u8]) -> Error {
    Error::Local {
        what: format!(
            "{} is there already (--overwrite replaces it)",
            folder.show(name)
        ),
        errno: Some(Errno::EEXIST),
    }
}

/// A time that the filesystem cannot hold is no reason to lose the file.
fn stamp(fd: BorrowedFd<'_>, modified: Stamp) {
    let _ = file::set_modified(fd, modified);
}

/// Where the part of a download to `name` is kept.
fn part_name(name: &[u8]) -> Vec<u8> {
    const END: &[u8] = b".forkftp-part";
    if name.len() + 1 + END.len() <= MAX_NAME {
        return [b".", name, END].concat();
    }
    // Too long with its additions: a digest names it as surely.
    let mut hasher = Hasher::new(Kind::Blake3);
    hasher.update(name);
    [b".", hasher.finish().to_hex().as_bytes(), END].concat()
}

fn hidden_name() -> Result<Vec<u8>> {
    let random = crate::proof::nonce().map_err(|e| Error::here(format!("no randomness: {e}")))?;
    Ok(format!(".forkftp-{}", hex::encode(&random[..12])).into_bytes())
}

#[cfg(test)]
mod tests;
