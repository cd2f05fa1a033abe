//! The ledger, as the broker keeps it: lines are gathered for one round of questions and written in one piece, and put on the disk by a
//! process of their own once a second: the broker waits for no disk. So a power cut may take the lines of the last second, or of as long as the disk
//! takes, with it; the end of any process takes none that was told to be written.
//!
//! A line that cannot be written is counted, and the count is written as soon as anything can be.

use crate::ledger::append::Appender;
use crate::ledger::{Line, Lost};
use crate::log::{self, Level};
use crate::sys::file;
use crate::sys::process::{self, Spawned, monotonic_millis};
use jiff::Timestamp;
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Permissions of a new file: who may read the logs may read it, too.
pub(super) const MODE: u32 = 0o640;
/// Bytes of lines that are gathered at most.
const ROOM: usize = 64 * 1024;
/// How often lines are put on the disk at most, and how often it is tried to write where that did not work, in milliseconds.
const INTERVAL: u64 = 1000;
/// How often it is said in the log that lines are lost, in milliseconds.
const COMPLAINT: u64 = 60_000;

/// The file, and what is to be written to it.
#[derive(Debug)]
pub(super) struct Ledger {
    to: Appender,
    /// Whole lines, not written yet.
    gathered: Vec<u8>,
    missing: Option<Missing>,
    /// When it was last said that there are such.
    complained: Option<u64>,
    /// Lines were written that may not be on the disk yet: when they are put there.
    sync_at: Option<u64>,
    syncing: Option<Spawned>,
}

/// Lines that were lost.
#[derive(Debug)]
struct Missing {
    count: u64,
    since: Timestamp,
    retry_at: u64,
}

impl Ledger {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// A sentence with what is wrong and the remedy.
    pub(super) fn open(path: &Path) -> Result<Ledger, String> {
        Ok(Ledger {
            to: Appender::open(path, MODE).map_err(|why| format!("ledger_file {why}"))?,
            gathered: Vec::new(),
            missing: None,
            complained: None,
            sync_at: None,
            syncing: None,
        })
    }

    /// Takes over what `before`, which was opened for the same or for another file, has not brought to its end.
    pub(super) fn succeed(&mut self, mut before: Ledger) {
        before.flush();
        before.close();
        self.missing = before.missing;
        self.complained = before.complained;
    }

    /// One line more. It is in the file after the next `flush`.
    pub(super) fn add(&mut self, line: &Line) {
        let line = line.to_bytes();
        if self.gathered.len() + line.len() > ROOM {
            self.flush();
        }
        self.gathered.extend_from_slice(&line);
    }

    /// Writes what was gathered, or counts it as lost.
    pub(super) fn flush(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.gathered);
        let written = if self.find() { self.write(&lines) } else { 0 };
        let lost = count(&lines[written..]);
        if lost > 0 {
            self.miss(lost);
        }
        self.gathered = lines;
        self.gathered.clear();
    }

    /// Does what is due: lines are put on the disk, and the count of those that were lost is written.
    pub(super) fn tick(&mut self) {
        let now = monotonic_millis();
        if let Some(missing) = &mut self.missing
            && missing.retry_at <= now
        {
            missing.retry_at = now + INTERVAL;
            if self.find() {
                self.write(b"");
            }
        }
        if self.sync_at.is_some_and(|at| at <= now) {
            self.sync(now);
        }
    }

    /// When `tick` has something to do next, on the monotonic clock.
    pub(super) fn due(&self) -> Option<u64> {
        let retry = self.missing.as_ref().map(|missing| missing.retry_at);
        self.sync_at.into_iter().chain(retry).min()
    }

    /// It is not written to any more: what is there goes to the disk.
    pub(super) fn close(&mut self) {
        self.flush();
        if self.missing.is_some() && self.find() {
            self.write(b"");
        }
        if let Some(missing) = &self.missing {
            self.complain(missing.count, "the server ends");
        }
        if self.sync_at.take().is_some() {
            let _ = start_sync(self.to.fd());
        }
    }

    /// Sees to it that the file has a name still.
    fn find(&mut self) -> bool {
        if !self.to.is_gone() {
            return true;
        }
        match Appender::open(self.to.path(), MODE) {
            Ok(to) => {
                self.to = to;
                true
            }
            Err(why) => {
                self.complain_once(&why);
                false
            }
        }
    }

    /// Writes `lines`, behind the count of those that were lost if there is one. Returns how many of their bytes are in the file.
    fn write(&mut self, lines: &[u8]) -> usize {
        let before = self.missing.as_ref().map_or_else(Vec::new, |missing| {
            let lost = Lost {
                time: Timestamp::now(),
                count: missing.count,
                since: missing.since,
            };
            lost.to_bytes()
        });
        let written = match self.to.append(&[&before, lines].concat()) {
            Ok(written) => written,
            Err(error) => {
                self.complain_once(&error.to_string());
                return 0;
            }
        };
        if written > 0 {
            let soon = monotonic_millis() + INTERVAL;
            self.sync_at.get_or_insert(soon);
        }
        if written < before.len() + lines.len() {
            self.complain_once("the disk is full");
        }
        if written >= before.len()
            && let Some(missing) = self.missing.take()
        {
            let fields: [(&str, &dyn std::fmt::Display); 1] = [("lost", &missing.count)];
            let what = "the ledger is written again; lines that were lost are counted in it";
            log::event(Level::Warn, what, &fields);
            self.complained = None;
        }
        written.saturating_sub(before.len())
    }

    fn miss(&mut self, count: u64) {
        let retry_at = monotonic_millis() + INTERVAL;
        let missing = self.missing.get_or_insert_with(|| Missing {
            count: 0,
            since: Timestamp::now(),
            retry_at,
        });
        missing.count = missing.count.saturating_add(count);
    }

    fn complain_once(&mut self, why: &str) {
        let now = monotonic_millis();
        if self.complained.is_none_or(|last| now >= last + COMPLAINT) {
            self.complained = Some(now);
            let count = self.missing.as_ref().map_or(0, |missing| missing.count);
            self.complain(count, why);
        }
    }

    fn complain(&self, count: u64, why: &str) {
        let file = self.to.path().display();
        let fields: [(&str, &dyn std::fmt::Display); 3] =
            [("file", &file), ("error", &why), ("lost", &count)];
        let what = "the ledger cannot be written, and what is done is not in it";
        log::event(Level::Error, what, &fields);
    }

    /// Puts what was written on the disk, unless that is being done: then it is done again after it.
    fn sync(&mut self, now: u64) {
        let is_busy = |running: &Spawned| !process::has_ended(running.pidfd.as_fd());
        if self.syncing.as_ref().is_some_and(is_busy) {
            self.sync_at = Some(now + INTERVAL);
            return;
        }
        match start_sync(self.to.fd()) {
            Ok(started) => {
                self.syncing = Some(started);
                self.sync_at = None;
            }
            // No process can be made now.
            Err(_) => self.sync_at = Some(now + INTERVAL),
        }
    }
}

/// How many lines those are.
fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

fn start_sync(file: BorrowedFd<'_>) -> crate::sys::Result<Spawned> {
    process::spawn(|| sync(file))
}

/// The life of a process that waits for the disk.
fn sync(ledger: BorrowedFd<'_>) -> Infallible {
    process::set_name(c"forkftpd:sync");
    let synced = log::close_all_but(&[ledger]).and_then(|()| file::sync_data(ledger));
    if let Err(errno) = synced {
        let what = "the ledger may not be on the disk";
        log::event(Level::Error, what, &[("error", &errno.desc())]);
    }
    process::exit(i32::from(synced.is_err()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Outcome, Verb};
    use crate::wire::Protocol;

    fn line(path: &str) -> Line {
        Line {
            time: Timestamp::UNIX_EPOCH,
            deed: Verb::Download,
            outcome: Outcome::Ok,
            id: None,
            session: None,
            user: None,
            face: Some(Protocol::Drive),
            address: None,
            share: None,
            path: path.to_owned(),
            to: None,
            size: None,
            digest: None,
            millis: 0,
        }
    }

    #[test]
    fn lines_are_written_in_rounds_and_a_file_that_is_gone_is_made_again() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ledger");
        let text = || std::fs::read_to_string(&path).expect("read");
        let mut ledger = Ledger::open(&path).expect("open");
        ledger.add(&line("one"));
        assert_eq!(text(), "");
        assert_eq!(ledger.due(), None);
        ledger.flush();
        assert_eq!(text().lines().count(), 1);
        assert!(ledger.due().is_some());
        std::fs::remove_file(&path).expect("remove");
        ledger.add(&line("two"));
        ledger.flush();
        assert!(text().contains("two"));
        for _ in 0..2000 {
            ledger.add(&line("many"));
        }
        assert!(text().lines().count() > 1000, "gathered without an end");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said_later() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("sub/ledger");
        let sub = folder.path().join("sub");
        std::fs::create_dir(&sub).expect("folder");
        let mut ledger = Ledger::open(&path).expect("open");
        // No file, and no folder to make one in.
        std::fs::remove_dir_all(&sub).expect("remove");
        for name in ["a", "b", "c"] {
            ledger.add(&line(name));
            ledger.flush();
        }
        assert!(ledger.due().is_some());
        std::fs::create_dir(&sub).expect("folder");
        ledger.add(&line("d"));
        ledger.flush();
        let text = std::fs::read_to_string(&path).expect("read");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].contains("\"deed\":\"lost\",\"count\":3,"),
            "{text}"
        );
        assert!(lines[1].contains("\"path\":\"d\""), "{text}");
        assert!(ledger.missing.is_none());
    }
}
