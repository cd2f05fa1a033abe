//! The spool, as the operator sees it. Used by `forkftpd hooks`.

use super::{Entry, JobName, Spool};
use crate::sys::privs::{self, Identity};
use crate::sys::{Errno, file};
use std::os::fd::AsFd;
use std::path::Path;

/// A spool that is there.
#[derive(Debug)]
pub struct Spooled(Spool);

/// What a hook is to be run for, or was given up for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it is called.
    pub name: String,
    /// It was given up.
    pub failed: bool,
    /// Which hook.
    pub hook: String,
    /// For which file, from the library's root, in the letters of `wire::name`.
    pub path: String,
    /// Tries so far.
    pub tries: u32,
    /// When it is tried next, in seconds since 1970; 0 for as soon as may be.
    pub again: u64,
    /// How the last try ended; empty when there was none.
    pub outcome: String,
    /// The last of what it wrote.
    pub output: String,
}

impl Spooled {
    /// Opens the spool at `path`. Root becomes, for good, the user whose spool it is: what is written there has to be that user's still.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(path: &Path) -> Result<Spooled, String> {
        if !path.is_dir() {
            return Err(format!(
                "there is no spool at {}: a server with a hook makes it",
                path.display()
            ));
        }
        become_owner(path).map_err(|errno| {
            let shown = path.display();
            format!(
                "spool_folder {shown}: its user cannot be become: {}",
                errno.desc()
            )
        })?;
        Spool::open(path, true).map(Spooled)
    }

    /// What waits, in its order, and then what was given up.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn jobs(&self) -> Result<Vec<Job>, String> {
        let waiting = self.0.waiting().map_err(unread)?;
        let failed = self.0.failed().map_err(unread)?;
        let waiting = waiting
            .iter()
            .filter_map(|name| Some(job(name, self.0.job(name)?, false)));
        let failed = failed
            .iter()
            .filter_map(|name| Some(job(name, self.0.failed_job(name)?, true)));
        Ok(waiting.chain(failed).collect())
    }

    /// Has it tried again, from the beginning.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn retry(&self, job: &str) -> Result<(), String> {
        self.change(job, |name| match self.0.retry(name) {
            Err(Errno::ENOENT) => self.0.hasten(name),
            done => done,
        })
    }

    /// Has it not tried any more.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn drop(&self, job: &str) -> Result<(), String> {
        self.change(job, |name| match self.0.drop_failed(name) {
            Err(Errno::ENOENT) => self.0.done(name),
            done => done,
        })
    }

    fn change(
        &self,
        job: &str,
        change: impl FnOnce(&JobName) -> crate::sys::Result<()>,
    ) -> Result<(), String> {
        let absent = || {
            let shown = crate::log::quoted(job);
            format!("there is no job {shown}: forkftpd hooks shows them")
        };
        let name = JobName::parse(job).ok_or_else(absent)?;
        change(&name).map_err(|errno| match errno {
            Errno::ENOENT => absent(),
            other => format!("{job}: {}", other.desc()),
        })
    }
}

/// A server that was not started as root has a spool of its own user, which root's files would be shut to.
fn become_owner(spool: &Path) -> crate::sys::Result<()> {
    if !privs::is_root() {
        return Ok(());
    }
    let facts = file::facts(file::open_folder(spool)?.as_fd())?;
    if facts.owner == 0 {
        return Ok(());
    }
    privs::become_user(Identity {
        uid: facts.owner,
        gid: facts.group,
    })
}

fn unread(errno: Errno) -> String {
    format!("the spool cannot be read: {}", errno.desc())
}

fn job(name: &JobName, entry: Entry, failed: bool) -> Job {
    Job {
        name: name.to_string(),
        failed,
        hook: name.hook.clone(),
        path: entry.upload.path,
        tries: entry.tries,
        again: entry.again,
        outcome: entry.outcome,
        output: entry.output,
    }
}
