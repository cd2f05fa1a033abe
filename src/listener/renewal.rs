//! The certificate, renewed while clients are served: the listener notices that its files are others, the broker reads them, and new
//! children get the new chain. What is broken changes nothing, and is said once.

use super::reload::{Service, secured};
use crate::broker::Control;
use crate::config::Tls;
use crate::log::{self, Level};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How often the files are looked at, in milliseconds.
pub(super) const INTERVAL: u16 = 2000;

/// By what a file is known: device, inode, length, and when it was changed. None when it is not there.
type Mark = Option<(u64, u64, u64, i64, i64)>;

/// The two files, as they were at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    certificate: Mark,
    key: Mark,
}

impl Marks {
    fn of(tls: &Tls) -> Marks {
        Marks {
            certificate: mark(&tls.certificate),
            key: mark(&tls.key),
        }
    }
}

fn mark(path: &Path) -> Mark {
    let facts = std::fs::metadata(path).ok()?;
    Some((
        facts.dev(),
        facts.ino(),
        facts.size(),
        facts.mtime(),
        facts.mtime_nsec(),
    ))
}

/// What the files were when they were last read, and when last looked at.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    read: Option<Marks>,
    seen: Option<Marks>,
    /// When they are looked at next, on the monotonic clock, in milliseconds.
    due: u64,
}

impl Renewal {
    /// Begins anew: the files were read just now, for another reason.
    pub(super) fn begin(&mut self, tls: Option<&Tls>) {
        self.read = tls.map(Marks::of);
        self.seen = self.read;
    }

    /// True while there is something to look at.
    pub(super) fn is_on(&self) -> bool {
        self.read.is_some()
    }

    /// True when the files are others than those that were read, and stayed so since the last look: whoever writes two of them is
    /// not read between the one and the other.
    fn is_due(&mut self, tls: &Tls, now: u64) -> bool {
        if now < self.due {
            return false;
        }
        self.due = now + u64::from(INTERVAL);
        let marks = Some(Marks::of(tls));
        let settled = self.seen == marks;
        self.seen = marks;
        if !settled || self.read == marks {
            return false;
        }
        // Broken or not: what was tried once is not tried again until it changes.
        self.read = marks;
        true
    }

    /// Looks, if it is time, and takes what is new into `service`. True when children made before are of the past.
    pub(super) fn look(&mut self, service: &mut Service, broker: &Control, now: u64) -> bool {
        let Some(tls) = &service.config.tls else {
            return false;
        };
        if !self.is_on() || !self.is_due(tls, now) {
            return false;
        }
        match broker.renew().and_then(secured) {
            Ok(renewed) => {
                service.tls = renewed;
                log::event(Level::Info, "certificate renewed", &[]);
                true
            }
            Err(problems) => {
                for problem in problems {
                    log::event(
                        Level::Error,
                        "certificate not renewed, the old one stays",
                        &[("problem", &problem)],
                    );
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_again_once_they_have_settled() {
        let folder = tempfile::tempdir().expect("folder");
        let tls = Tls {
            certificate: folder.path().join("crt"),
            key: folder.path().join("key"),
        };
        std::fs::write(&tls.certificate, "one").expect("write");
        let mut renewal = Renewal::default();
        renewal.begin(Some(&tls));
        let step = u64::from(INTERVAL);
        assert!(!renewal.is_due(&tls, step), "nothing changed");
        std::fs::write(&tls.certificate, "another").expect("write");
        assert!(!renewal.is_due(&tls, step + 1), "too soon to look");
        assert!(!renewal.is_due(&tls, 2 * step), "just written");
        std::fs::write(&tls.key, "key").expect("write");
        assert!(!renewal.is_due(&tls, 3 * step), "the other one, too");
        assert!(renewal.is_due(&tls, 4 * step));
        assert!(!renewal.is_due(&tls, 5 * step), "tried already");
        std::fs::remove_file(&tls.certificate).expect("remove");
        assert!(!renewal.is_due(&tls, 6 * step));
        assert!(renewal.is_due(&tls, 7 * step), "one that is gone is said");
    }
}
