//! The spool: what hooks are still to be run for, on disk, so that no end of a process and no power cut loses it. Written by the runner;
//! looked at and changed by `forkftpd hooks`.
//!
//! An upload is noted as an *intent* before it shows, and its client hears of nothing before that is on the disk. When it shows, a *job*
//! is made of the intent for each hook: a second name of the same file, so that a full disk stops nobody. An intent of which nobody says
//! what came of it is compared with what stands at its path: the file is known by its number and the moment of its making. A job goes when its
//! hook has ended well, and to the *failed* when it is given up. A job may be done twice, and is never lost.
//!
//! More than one runner may have the spool open, while a server hands over to the next: each locks the intents that it is waiting
//! for, and jobs are done by the one that has the lock of all.

mod entry;
mod spooled;

pub(super) use entry::{Entry, JobName, wait_after};
pub use spooled::{Job, Spooled};

use crate::config::Hook;
use crate::ipc::{Shows, Uploaded};
use crate::sys::file::{self, Facts, Kind, Purpose, Stamp};
use crate::sys::{Errno, Result, random};
use crate::wire::name;
use nix::dir::Dir;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Longest entry, bytes.
const LONGEST: usize = 64 * 1024;
/// Entries of a folder that are looked at for a file that got another name.
const MOST_BESIDE: usize = 100_000;

/// An open spool.
#[derive(Debug)]
pub(super) struct Spool {
    folder: OwnedFd,
    intents: OwnedFd,
    jobs: OwnedFd,
    failed: OwnedFd,
    /// What is written waits for the disk.
    syncs: bool,
    /// The last number that was given.
    last: u64,
}

/// An upload that was noted, and does not show yet as far as anybody knows. Locked as long as this is there.
#[derive(Debug)]
pub(super) struct Intent {
    name: Vec<u8>,
    entry: Entry,
    _lock: OwnedFd,
}

impl Intent {
    /// Where the upload was to go.
    pub(super) fn path(&self) -> &str {
        &self.entry.upload.path
    }
}

impl Spool {
    /// Opens the spool, and makes it where there is none.
    ///
    /// # Errors
    /// A sentence with what is wrong and the remedy.
    pub(super) fn open(path: &Path, syncs: bool) -> std::result::Result<Spool, String> {
        let say = |what: &str, errno: Errno| {
            format!("spool_folder {}: {what}: {}", path.display(), errno.desc())
        };
        let cannot = |errno| {
            say(
                "cannot be opened, or made: make the folder above it, for the user who starts the server",
                errno,
            )
        };
        let made = nix::unistd::mkdir(path, nix::sys::stat::Mode::S_IRWXU);
        if let Err(errno) = made
            && errno != Errno::EEXIST
        {
            return Err(cannot(errno));
        }
        let folder = file::open_folder(path).map_err(cannot)?;
        let facts = file::facts(folder.as_fd()).map_err(cannot)?;
        if facts.mode & 0o077 != 0 || facts.owner != crate::sys::privs::own_uid() {
            return Err(format!(
                "spool_folder {}: it has to be of mode 0700 and of the user who starts the server: chmod, chown",
                path.display()
            ));
        }
        let inner = |name: &[u8]| {
            match file::make_folder(folder.as_fd(), name, 0o700) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(other) => return Err(cannot(other)),
            }
            file::open_beneath(folder.as_fd(), name, Purpose::Folder, true).map_err(cannot)
        };
        let (intents, jobs, failed) = (inner(b"intents")?, inner(b"jobs")?, inner(b"failed")?);
        Ok(Spool {
            folder,
            intents,
            jobs,
            failed,
            syncs,
            last: 0,
        })
    }

    /// Takes the lock of those who do jobs; none while another has it.
    ///
    /// # Errors
    /// As open(2) and flock(2).
    pub(super) fn lock(&self) -> Result<Option<OwnedFd>> {
        let opened = match file::create_new(self.folder.as_fd(), b"lock") {
            Err(Errno::EEXIST) => {
                file::open_beneath(self.folder.as_fd(), b"lock", Purpose::Write, true)
            }
            made => made,
        };
        let lock = opened?;
        Ok(file::try_lock(lock.as_fd())?.then_some(lock))
    }

    /// Notes an upload that is about to show. It is safe after the next `settle_intents`.
    ///
    /// # Errors
    /// ENOSPC, EDQUOT, EIO: it is not noted.
    pub(super) fn intend(&self, upload: Uploaded) -> Result<Intent> {
        let mut bytes = [0; 16];
        random::fill(&mut bytes)?;
        let name = hex::encode(bytes).into_bytes();
        let entry = Entry::new(upload);
        let lock = self.write(self.intents.as_fd(), &name, &entry, true)?;
        let _lock = lock;
        Ok(Intent { name, entry, _lock })
    }

    /// Puts what was noted on the disk.
    ///
    /// # Errors
    /// EIO: it may not be there.
    pub(super) fn settle_intents(&self) -> Result<()> {
        match self.syncs {
            true => file::sync(self.intents.as_fd()),
            false => Ok(()),
        }
    }

    /// Makes jobs of an upload that shows, under the name `shown`, for those of the `hooks` that heed it. Returns their names.
    ///
    /// # Errors
    /// EMLINK, EIO: the intent stays, and is looked at again by whoever opens the spool next.
    pub(super) fn confirm(
        &mut self,
        intent: Intent,
        shown: &[u8],
        hooks: &[Hook],
    ) -> Result<Vec<(JobName, Entry)>> {
        let Intent {
            name, mut entry, ..
        } = intent;
        let mut made = Vec::new();
        let Some(path) = entry.path() else {
            file::unlink(self.intents.as_fd(), &name)?;
            return Ok(made);
        };
        let now = path.beside(shown).unwrap_or_else(|| path.clone());
        let mut renamed = None;
        if now != path {
            entry.upload.path = name::encode(now.as_bytes());
            // Without room it keeps the name that was asked for, in case that this process ends before the job is done.
            renamed = self.write(self.intents.as_fd(), &name, &entry, true).ok();
        }
        for hook in hooks.iter().filter(|hook| hook.heeds(&now)) {
            let job = JobName::new(self.number(), &entry.upload.id, &hook.name);
            let to = job.to_string().into_bytes();
            file::link(self.intents.as_fd(), &name, self.jobs.as_fd(), &to)?;
            made.push((job, entry.clone()));
        }
        if self.syncs && !made.is_empty() {
            file::sync(self.jobs.as_fd())?;
        }
        file::unlink(self.intents.as_fd(), &name)?;
        drop(renamed);
        Ok(made)
    }

    /// Forgets an upload that does not show, or makes jobs of it if it does: `library` is where it would.
    ///
    /// # Errors
    /// As `confirm`.
    pub(super) fn judge(
        &mut self,
        intent: Intent,
        library: BorrowedFd<'_>,
        hooks: &[Hook],
    ) -> Result<Vec<(JobName, Entry)>> {
        match shown_as(library, &intent.entry)? {
            Some(name) => self.confirm(intent, &name, hooks),
            None => file::unlink(self.intents.as_fd(), &intent.name).map(|()| Vec::new()),
        }
    }

    /// Judges the intents that nobody waits for any more.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn recover(
        &mut self,
        library: BorrowedFd<'_>,
        hooks: &[Hook],
        mut failed: impl FnMut(&str, Errno),
    ) -> Result<Vec<(JobName, Entry)>> {
        let mut found = Vec::new();
        for name in names(self.intents.as_fd())? {
            if name.starts_with(b".") {
                let _ = self.remove_unlocked(&name);
                continue;
            }
            let open = file::open_beneath(self.intents.as_fd(), &name, Purpose::Write, true);
            let Ok(lock) = open else { continue };
            if !file::try_lock(lock.as_fd())? {
                continue;
            }
            let Some(entry) = read(lock.as_fd()) else {
                // Cut short, it was never said to be safe.
                let _ = file::unlink(self.intents.as_fd(), &name);
                continue;
            };
            let path = entry.upload.path.clone();
            let _lock = lock;
            let intent = Intent { name, entry, _lock };
            match self.judge(intent, library, hooks) {
                Ok(jobs) => found.extend(jobs),
                Err(errno) => failed(&path, errno),
            }
        }
        Ok(found)
    }

    fn remove_unlocked(&self, name: &[u8]) -> Result<()> {
        let left = file::open_beneath(self.intents.as_fd(), name, Purpose::Write, true)?;
        if file::try_lock(left.as_fd())? {
            file::unlink(self.intents.as_fd(), name)?;
        }
        Ok(())
    }

    /// The names of all jobs, in their order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn jobs(&mut self) -> Result<Vec<JobName>> {
        let names = self.waiting()?;
        self.last = names.last().map_or(0, |name| name.number).max(self.last);
        Ok(names)
    }

    /// The same for who makes none.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn waiting(&self) -> Result<Vec<JobName>> {
        sorted(self.jobs.as_fd())
    }

    /// The same of those that were given up.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn failed(&self) -> Result<Vec<JobName>> {
        sorted(self.failed.as_fd())
    }

    /// What a job is about; none when it is gone, or cannot be read.
    pub(super) fn job(&self, job: &JobName) -> Option<Entry> {
        read_at(self.jobs.as_fd(), job)
    }

    /// The same of one that was given up.
    pub(super) fn failed_job(&self, job: &JobName) -> Option<Entry> {
        read_at(self.failed.as_fd(), job)
    }

    /// Notes what came of a try.
    ///
    /// # Errors
    /// ENOSPC, EIO: what stood there stands.
    pub(super) fn note(&self, job: &JobName, entry: &Entry) -> Result<()> {
        let name = job.to_string().into_bytes();
        self.write(self.jobs.as_fd(), &name, entry, false).map(drop)
    }

    /// A job is done, or is not to be done.
    ///
    /// # Errors
    /// ENOENT, EIO.
    pub(super) fn done(&self, job: &JobName) -> Result<()> {
        file::unlink(self.jobs.as_fd(), job.to_string().as_bytes())
    }

    /// A job is given up.
    ///
    /// # Errors
    /// As rename(2).
    pub(super) fn give_up(&self, job: &JobName) -> Result<()> {
        let name = job.to_string().into_bytes();
        file::rename(self.jobs.as_fd(), &name, self.failed.as_fd(), &name)
    }

    /// One that was given up is to be done after all, from the beginning.
    ///
    /// # Errors
    /// ENOENT where it was not given up; as rename(2); ENOSPC.
    pub(super) fn retry(&self, job: &JobName) -> Result<()> {
        let mut entry = self.failed_job(job).ok_or(Errno::ENOENT)?;
        let name = job.to_string().into_bytes();
        (entry.tries, entry.again) = (0, 0);
        self.write(self.failed.as_fd(), &name, &entry, false)?;
        file::rename(self.failed.as_fd(), &name, self.jobs.as_fd(), &name)
    }

    /// One that waits for its next try does not wait for it any longer.
    ///
    /// # Errors
    /// ENOENT where there is none; ENOSPC.
    pub(super) fn hasten(&self, job: &JobName) -> Result<()> {
        let mut entry = self.job(job).ok_or(Errno::ENOENT)?;
        (entry.tries, entry.again) = (0, 0);
        self.note(job, &entry)
    }

    /// One that was given up is not to be done.
    ///
    /// # Errors
    /// ENOENT, EIO.
    pub(super) fn drop_failed(&self, job: &JobName) -> Result<()> {
        file::unlink(self.failed.as_fd(), job.to_string().as_bytes())
    }

    /// A number that is higher than those before it, also those of earlier runs as long as the clock does not go back.
    fn number(&mut self) -> u64 {
        let Stamp { seconds, nanos } = file::now();
        let now = seconds.unsigned_abs() * 1_000_000_000 + u64::from(nanos);
        self.last = now.max(self.last + 1);
        self.last
    }

    /// Writes an entry in one step, locked if anybody is to wait for it.
    fn write(
        &self,
        folder: BorrowedFd<'_>,
        to: &[u8],
        entry: &Entry,
        locked: bool,
    ) -> Result<OwnedFd> {
        let bytes = serde_json::to_vec(entry).map_err(|_| Errno::EINVAL)?;
        let new = [b".", to].concat();
        match file::unlink(folder, &new) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(other) => return Err(other),
        }
        let made = file::create_new(folder, &new)?;
        let written = (|| {
            if locked {
                file::try_lock(made.as_fd())?;
            }
            file::write_at(made.as_fd(), &bytes, 0)?;
            if self.syncs {
                file::sync_data(made.as_fd())?;
            }
            file::rename(folder, &new, folder, to)
        })();
        match written {
            Ok(()) => Ok(made),
            Err(errno) => {
                let _ = file::unlink(folder, &new);
                Err(errno)
            }
        }
    }
}

/// The name under which the file of `entry` shows; none when it does not.
fn shown_as(library: BorrowedFd<'_>, entry: &Entry) -> Result<Option<Vec<u8>>> {
    let Some(path) = entry.path() else {
        return Ok(None);
    };
    let Some((above, asked)) = path.split_last() else {
        return Ok(None);
    };
    let folder = match file::open_beneath(library, above.as_bytes(), Purpose::Folder, false) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
        opened => opened?,
    };
    if is_it(folder.as_fd(), asked, &entry.upload.shows) {
        return Ok(Some(asked.to_vec()));
    }
    // It got another name, if it has any.
    for name in names(folder.as_fd())?.into_iter().take(MOST_BESIDE) {
        if is_it(folder.as_fd(), &name, &entry.upload.shows) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn is_it(folder: BorrowedFd<'_>, name: &[u8], shows: &Shows) -> bool {
    let there =
        |facts: &Facts| facts.kind == Kind::File && facts.identity() == (shows.device, shows.inode);
    if !file::facts_at(folder, name).is_ok_and(|facts| there(&facts)) {
        return false;
    }
    let Ok(found) = file::open_beneath(folder, name, Purpose::Look, true) else {
        return false;
    };
    let born = file::born(found.as_fd()).ok().flatten();
    let born = born.map(|stamp| (stamp.seconds, stamp.nanos));
    file::facts(found.as_fd()).is_ok_and(|facts| there(&facts)) && born == shows.born
}

fn names(folder: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(file::open_beneath(folder, b"", Purpose::Folder, true)?)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn sorted(folder: BorrowedFd<'_>) -> Result<Vec<JobName>> {
    let names = names(folder)?.into_iter();
    let parse = |name: Vec<u8>| JobName::parse(std::str::from_utf8(&name).ok()?);
    let mut names: Vec<_> = names.filter_map(parse).collect();
    names.sort();
    Ok(names)
}

fn read_at(folder: BorrowedFd<'_>, job: &JobName) -> Option<Entry> {
    let name = job.to_string().into_bytes();
    let file = file::open_beneath(folder, &name, Purpose::Read, true).ok()?;
    read(file.as_fd())
}

fn read(file: BorrowedFd<'_>) -> Option<Entry> {
    let mut bytes = vec![0; LONGEST];
    let mut filled = 0;
    while filled < bytes.len() {
        match file::read_at(file, &mut bytes[filled..], filled as u64).ok()? {
            0 => break,
            got => filled += got,
        }
    }
    serde_json::from_slice(&bytes[..filled]).ok()
}

#[cfg(test)]
mod tests;
