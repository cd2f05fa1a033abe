//! What the server's user sees of the library and its filesystem, gathered by one look, and whether they can get there at all.

use super::patient::Patient;
use super::report::Report;
use crate::library::{Features, Inspected, Left};
use crate::sys::machine::{self, Access, Room};
use crate::sys::{Errno, file};
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// What is looked at.
#[derive(Debug)]
pub(super) struct Look {
    library: PathBuf,
    partial_hours: u32,
    /// Other folders that are written to, with what for.
    places: Vec<(String, PathBuf)>,
}

/// What a file or folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owned {
    pub(super) owner: u32,
    pub(super) group: u32,
    pub(super) mode: u32,
}

impl From<file::Facts> for Owned {
    fn from(facts: file::Facts) -> Owned {
        Owned {
            owner: facts.owner,
            group: facts.group,
            mode: facts.mode,
        }
    }
}

/// What there is to see.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Why the library cannot be opened, if so.
    pub(super) shut: Option<String>,
    /// The first folder on the way there that cannot be passed through.
    pub(super) blocked: Option<PathBuf>,
    /// Where it is, without links.
    pub(super) real: Option<PathBuf>,
    pub(super) root: Option<Owned>,
    /// Why nothing can be made there, if so.
    pub(super) read_only: Option<String>,
    /// The private folder, if there is one.
    pub(super) private: Option<Owned>,
    pub(super) room: Option<Room>,
    pub(super) features: Option<Features>,
    /// What lies in the staging area; none where it cannot be read.
    pub(super) left: Option<Left>,
    /// The other folders: what for, which, and their room or why it is not known.
    pub(super) places: Vec<(String, PathBuf, Result<Room, String>)>,
}

impl Look {
    pub(super) fn at(patient: &Patient) -> Look {
        let config = &patient.config;
        let folder = |file: &PathBuf| file.parent().map(Path::to_owned);
        let files = [
            ("shares_file", &config.shares_file),
            ("ledger_file", &config.ledger_file),
            ("xferlog", &config.xferlog),
            ("vsftpd_log", &config.vsftpd_log),
        ];
        let spool = config.hooks.spool_folder.clone();
        let spool = spool.map(|folder| ("spool_folder".to_owned(), folder));
        let places = files
            .into_iter()
            .filter_map(|(key, file)| Some((key.to_owned(), file.as_ref().and_then(folder)?)))
            .chain(spool);
        Look {
            library: config.library.clone(),
            partial_hours: config.files.partial_hours,
            places: places.collect(),
        }
    }

    /// Looks, as the user this process is.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen {
            shut: None,
            blocked: None,
            real: self.library.canonicalize().ok(),
            root: None,
            read_only: None,
            private: None,
            room: None,
            features: None,
            left: None,
            places: Vec::new(),
        };
        for (key, folder) in &self.places {
            let opened = file::open_folder(folder);
            let room = opened.and_then(|folder| machine::room(folder.as_fd()));
            let room = room.map_err(|errno| errno.desc().to_owned());
            seen.places.push((key.clone(), folder.clone(), room));
        }
        let inspected = match Inspected::open(&self.library) {
            Ok(inspected) => inspected,
            Err(errno) => {
                seen.shut = Some(errno.desc().to_owned());
                if errno == Errno::EACCES {
                    seen.blocked = blocked(&self.library);
                }
                return seen;
            }
        };
        let writes = [Access::Pass, Access::Write];
        let refused = writes.map(|access| machine::may(&self.library, access));
        let refused = refused.into_iter().find_map(Result::err);
        seen.read_only = refused.map(|errno| errno.desc().to_owned());
        seen.root = inspected.facts().ok().map(Owned::from);
        seen.private = inspected.private_facts().ok().map(Owned::from);
        seen.room = inspected.room().ok();
        seen.left = inspected.left(self.partial_hours, file::now().seconds).ok();
        seen.features = Some(inspected.features());
        seen
    }
}

/// The first folder on the way to `path` that this user may not pass through.
fn blocked(path: &Path) -> Option<PathBuf> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let blocked = |folder: &&&Path| machine::may(folder, Access::Pass) == Err(Errno::EACCES);
    let found = above.iter().find(blocked)?;
    Some(found.to_path_buf())
}

/// Whether the server's user gets there.
pub(super) fn examine(patient: &Patient, seen: Result<&Seen, &String>, report: &mut Report) {
    let mut topic = report.topic("library");
    let library = patient.config.library.display();
    let seen = match seen {
        Ok(seen) => seen,
        Err(why) => {
            return topic.hint(
                format!("{library} and its filesystem were not looked at: {why}"),
                "sudo forkftpd doctor",
            );
        }
    };
    let uid = patient.serves;
    match (&seen.shut, &seen.blocked, &seen.root) {
        (Some(why), Some(folder), _) => {
            let folder = folder.display();
            topic.error(
                format!(
                    "{library}: {why}; the server's user (uid {uid}) does not get through {folder}"
                ),
                format!("chmod o+x {folder}"),
            );
        }
        (Some(why), None, _) => topic.error(
            format!("{library} cannot be opened by the server's user (uid {uid}): {why}"),
            format!("install -d -o {uid} -m 755 {library}"),
        ),
        (None, _, Some(root)) => topic.ok(format!(
            "{library} can be opened by uid {uid}; it belongs to uid {} with mode {:04o}",
            root.owner, root.mode
        )),
        (None, _, None) => topic.note(format!("{library}: the kernel does not say whose it is")),
    }
    if seen.shut.is_some() {
        topic.note(
            "so its filesystem, its disk, whose it is and its staging area were not looked at",
        );
    }
}
