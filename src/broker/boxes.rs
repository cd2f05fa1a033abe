//! Drop boxes: the folders made at start, what each user is told of them, and the removal of files whose time is over. That is done by a
//! process of its own, which may take as long as it takes. Run by the broker.

use super::keys::Keys;
use super::ledger;
use super::quota;
use crate::config::{Account, DropBox};
use crate::ipc::{self, Policy};
use crate::ledger::append::Appender;
use crate::ledger::{Line, Outcome, Verb};
use crate::log::{self, Level};
use crate::sys::file::{self, Kind, Purpose};
use crate::sys::process::{self, Spawned, monotonic_millis};
use crate::sys::{Errno, Result};
use crate::wire::name::{self, Name};
use crate::wire::path::{RelPath, is_served_name};
use jiff::Timestamp;
use nix::dir::Dir;
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// How often it is looked for files whose time is over, in milliseconds.
const EVERY: u64 = 10 * 60 * 1000;
/// Deepest folder below a drop box that is looked into; each level holds two descriptors.
const DEEPEST: usize = 64;

/// What becomes of a file that is put into a drop box: permissions, and group.
pub(super) type Dress = (Option<u32>, Option<u32>);

impl Keys {
    /// What `user` may do, or somebody without a name, and where; and what becomes of files in the boxes that they can reach.
    pub(super) fn policy(&self, user: Option<&str>, account: &Account) -> (Policy, Vec<Dress>) {
        let (mut boxes, mut dresses) = (Vec::new(), Vec::new());
        for known in &self.config.drop_boxes {
            let Some(folder) = seen_from(&account.home, &known.path) else {
                continue;
            };
            let reads = |user: &str| known.readers.iter().any(|reader| reader == user);
            boxes.push(ipc::DropBox {
                folder: Name(folder.to_vec()),
                closed: !user.is_some_and(reads),
                largest_file: known.largest_file,
                gives: known.mode.is_some() || known.group.is_some(),
            });
            dresses.push((known.mode, known.group));
        }
        let rights = account.rights;
        (Policy { rights, boxes }, dresses)
    }

    /// Makes the folders that are missing, and says which readers there are not.
    ///
    /// # Errors
    /// A line for the operator.
    pub(super) fn make_boxes(&self) -> std::result::Result<(), String> {
        for known in &self.config.drop_boxes {
            let shown = name::encode(known.path.as_bytes());
            self.make_box(&known.path).map_err(|errno| {
                format!(
                    "drop box {shown}: the folder is not there, and cannot be made: {}",
                    errno.desc()
                )
            })?;
            for reader in &known.readers {
                if self.account(reader).is_none() {
                    let what = "a drop box has a reader who is no user";
                    let fields: [(&str, &dyn std::fmt::Display); 2] =
                        [("path", &shown), ("user", reader)];
                    log::event(Level::Warn, what, &fields);
                }
            }
        }
        Ok(())
    }

    fn make_box(&self, path: &RelPath) -> Result<()> {
        let library = self.library.root();
        let mut above = file::open_beneath(library, b"", Purpose::Folder, true)?;
        for part in path.as_bytes().split(|&byte| byte == b'/') {
            let made = match file::make_folder(above.as_fd(), part, 0o755) {
                Ok(()) => true,
                Err(Errno::EEXIST) => false,
                Err(other) => return Err(other),
            };
            above = file::open_beneath(above.as_fd(), part, Purpose::Folder, false)?;
            if let (true, Some(server)) = (made, self.config.identity) {
                file::give_to(above.as_fd(), server)?;
            }
        }
        Ok(())
    }
}

/// The path of a drop box, or of what a hook heeds, as it is called below `home`: empty where the home is in it. None where it is not to be seen from there.
pub(super) fn seen_from<'a>(home: &RelPath, path: &'a RelPath) -> Option<&'a [u8]> {
    let (home, path) = (home.as_bytes(), path.as_bytes());
    let below = |path: &[u8], folder: &[u8]| {
        let rest = path.strip_prefix(folder)?;
        (rest.is_empty() || rest.first() == Some(&b'/')).then_some(())
    };
    if home.is_empty() {
        Some(path)
    } else if below(home, path).is_some() {
        Some(b"")
    } else {
        below(path, home).map(|()| &path[home.len() + 1..])
    }
}

/// When files were looked for last whose time is over, and by whom.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// On the monotonic clock, in milliseconds; none for at once.
    next: Option<u64>,
    running: Option<Spawned>,
}

impl Expiry {
    /// When it is to be looked again; None where nothing ever expires.
    pub(super) fn due(&self, keys: &Keys) -> Option<u64> {
        let expires = |known: &DropBox| known.expire_hours.is_some();
        let some = keys.config.drop_boxes.iter().any(expires);
        some.then(|| self.next.unwrap_or_default())
    }

    /// Has it looked, if it is time, unless somebody is still at it.
    pub(super) fn run(&mut self, keys: &Keys) {
        let now = monotonic_millis();
        if self.due(keys).is_none_or(|due| now < due) {
            return;
        }
        self.next = Some(now + EVERY);
        let running = self.running.as_ref();
        if running.is_some_and(|looking| !process::has_ended(looking.pidfd.as_fd())) {
            return;
        }
        match process::spawn(|| expire_all(keys)) {
            Ok(spawned) => self.running = Some(spawned),
            Err(errno) => failed(b"", errno),
        }
    }
}

/// The life of the process that looks.
fn expire_all(keys: &Keys) -> Infallible {
    process::set_name(c"forkftpd:expire");
    if let Err(errno) = log::close_all_but(&[keys.library.root()]) {
        failed(b"", errno);
        process::exit(1)
    }
    let mut whole = true;
    let mut ledger = open_ledger(keys.config.ledger_file.as_deref());
    for known in &keys.config.drop_boxes {
        let Some(hours) = known.expire_hours else {
            continue;
        };
        let oldest = file::now().seconds - i64::from(hours) * 3600;
        let root = keys.library.root();
        let crossing = keys.config.files.one_filesystem;
        let opened = file::open_beneath(root, known.path.as_bytes(), Purpose::Folder, crossing);
        let mut run = Run {
            oldest,
            crossing,
            ledger: ledger.as_mut(),
            removed: 0,
        };
        let done = opened.and_then(|folder| run.folder(&folder, known.path.as_bytes(), 0));
        if let Err(errno) = done {
            failed(known.path.as_bytes(), errno);
            whole = false;
        }
        if run.removed > 0 {
            let sees = |home: &&RelPath| seen_from(home, &known.path).is_some();
            keys.homes()
                .filter(sees)
                .for_each(|home| quota::forget(keys, home));
        }
    }
    process::exit(i32::from(!whole))
}

fn open_ledger(path: Option<&Path>) -> Option<Appender> {
    match Appender::open(path?, ledger::MODE) {
        Ok(ledger) => Some(ledger),
        Err(why) => {
            let what = "what is removed from drop boxes is not in the ledger";
            log::event(Level::Error, what, &[("problem", &why)]);
            None
        }
    }
}

fn failed(path: &[u8], errno: Errno) {
    let path = name::encode(path);
    let what = "what is over in a drop box cannot be removed";
    let why = errno.desc();
    log::event(Level::Error, what, &[("path", &path), ("error", &why)]);
}

/// One drop box that is gone through.
struct Run<'a> {
    /// Seconds since 1970: what was touched before that is over.
    oldest: i64,
    /// As `open_beneath` has it.
    crossing: bool,
    /// Where it is written down that a file was removed.
    ledger: Option<&'a mut Appender>,
    removed: u64,
}

impl Run<'_> {
    /// Removes what is over in `folder`, which is at `path`, and below it. Folders stay.
    fn folder(&mut self, folder: &OwnedFd, path: &[u8], depth: usize) -> Result<()> {
        let entries = Dir::from_fd(file::open_beneath(
            folder.as_fd(),
            b"",
            Purpose::Folder,
            true,
        )?)?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            // Gone since, or not ours to look at.
            let Ok(facts) = file::facts_at(folder.as_fd(), name) else {
                continue;
            };
            if !is_served_name(name) {
                continue;
            }
            let path = [path, b"/", name].concat();
            match facts.kind {
                Kind::File if facts.changed.seconds < self.oldest => {
                    self.remove(folder.as_fd(), name, &path, facts.size);
                }
                Kind::Folder if depth < DEEPEST => {
                    let inner =
                        file::open_beneath(folder.as_fd(), name, Purpose::Folder, self.crossing);
                    if let Err(errno) =
                        inner.and_then(|inner| self.folder(&inner, &path, depth + 1))
                    {
                        failed(&path, errno);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn remove(&mut self, folder: BorrowedFd<'_>, called: &[u8], path: &[u8], size: u64) {
        match file::unlink(folder, called) {
            Ok(()) => {
                self.removed += 1;
                let path = name::encode(path);
                log::event(Level::Info, "expired", &[("path", &path), ("bytes", &size)]);
                self.write_down(path, size);
            }
            // Somebody was faster.
            Err(Errno::ENOENT) => {}
            Err(errno) => failed(path, errno),
        }
    }

    /// Without it, the file would seem to be missing to whoever compares the library with its receipts.
    fn write_down(&mut self, path: String, size: u64) {
        let Some(ledger) = &mut self.ledger else {
            return;
        };
        let line = Line {
            time: Timestamp::now(),
            deed: Verb::Delete,
            outcome: Outcome::Ok,
            id: None,
            session: None,
            user: None,
            face: None,
            address: None,
            share: None,
            path,
            to: None,
            size: Some(size),
            digest: None,
            millis: 0,
        }
        .to_bytes();
        let written = ledger.append(&line);
        if written.as_ref().is_ok_and(|written| *written == line.len()) {
            return;
        }
        let why = written
            .err()
            .map_or_else(|| "the disk is full".to_owned(), |error| error.to_string());
        let what = "a line of the ledger is lost";
        log::event(Level::Error, what, &[("error", &why)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_called_by_what_lies_below_the_home() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).expect("path");
        for (home, path_of_box, seen) in [
            ("", "in/box", Some("in/box")),
            ("in", "in/box", Some("box")),
            ("in/box", "in/box", Some("")),
            ("in/box/deep", "in/box", Some("")),
            ("in/bo", "in/box", None),
            ("in/boxes", "in/box", None),
            ("out", "in/box", None),
        ] {
            let path_of_box = path(path_of_box);
            let found = seen_from(&path(home), &path_of_box);
            assert_eq!(found, seen.map(str::as_bytes), "{home:?}");
        }
    }

    #[test]
    fn what_is_over_goes_and_all_else_stays() {
        let dir = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("deep/deeper")).expect("mkdir");
        for name in ["a", "deep/b", "deep/deeper/c", ".hidden"] {
            std::fs::write(at(name), name).expect("write");
        }
        std::os::unix::fs::symlink("a", at("link")).expect("link");
        let folder = file::open_folder(dir.path()).expect("open");
        let run = |oldest| {
            let mut run = Run {
                oldest,
                crossing: true,
                ledger: None,
                removed: 0,
            };
            run.folder(&folder, b"box", 0).expect("run");
            run.removed
        };
        let now = file::now().seconds;
        assert_eq!(run(now - 3600), 0, "nothing is so old");
        assert_eq!(run(now + 3600), 3);
        assert!(!at("a").exists() && !at("deep/deeper/c").exists());
        assert!(at("deep/deeper").is_dir() && at(".hidden").exists());
        assert!(at("link").is_symlink());
    }
}
