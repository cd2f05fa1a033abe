//! The file that share links are kept in: read whole, and replaced whole, under a lock on itself.

use super::Share;
use crate::error::{Code, Refusal};
use crate::log::{self, Level};
use crate::proof::{self, read_private};
use crate::sys::file::{self, Stamp};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Largest file, bytes: 10,000 links with names longer than usual.
const MAX_FILE: usize = 16 << 20;
/// How often a lock that another server holds is tried, a millisecond apart.
const LOCK_TRIES: u32 = 20;

/// What links are signed with.
pub(super) type Key = Zeroizing<[u8; proof::NONCE]>;
/// What tells one state of the file from another: which it is, how long, and when it was changed.
pub(super) type Seen = ((u64, u64), u64, Stamp);

/// What stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// `proof::NONCE` bytes in hexadecimal.
    key: Zeroizing<String>,
    shares: Vec<Share>,
}

pub(super) fn say(path: &Path, error: &std::io::Error) -> String {
    format!("shares {}: {error}", path.display())
}

/// What is said in the log; clients hear that it did not work.
pub(super) fn damaged(what: &str) -> Refusal {
    log::event(
        Level::Error,
        "share links cannot be kept",
        &[("problem", &what)],
    );
    Code::Io.into()
}

pub(super) fn stamp(file: &File) -> std::io::Result<Seen> {
    let facts = file::facts(file.as_fd())?;
    Ok((facts.identity(), facts.size, facts.changed))
}

/// What the file held.
pub(super) struct Known {
    pub(super) key: Key,
    pub(super) shares: Vec<Share>,
}

pub(super) fn read(path: &Path) -> Result<Known, String> {
    let missing = "forkftpd makes it when it starts";
    let text = read_private(path, "shares", MAX_FILE, missing)?;
    let wrong = |what: &str| {
        let path = path.display();
        format!("shares {path}: {what}; take it back from a copy, or remove it: then all links end")
    };
    // The parser's words never hold a value.
    let content: Content = serde_json::from_slice(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        wrong(&format!("damaged at line {line}, column {column}"))
    })?;
    let mut key = Zeroizing::new([0; proof::NONCE]);
    hex::decode_to_slice(&*content.key, &mut key[..]).map_err(|_| wrong("its key is no key"))?;
    let shares = content.shares;
    Ok(Known { key, shares })
}

/// Makes the file, with a key of its own. Another server may do the same at the same time: then that one's stays.
pub(super) fn make(path: &Path) -> Result<(), String> {
    let key = proof::nonce().map_err(|error| format!("no randomness: {error}"))?;
    let (new, _) = beside(path, &Zeroizing::new(key), &[]).map_err(|error| {
        format!(
            "{}; its folder has to be there, and the server has to be able to write to it",
            say(path, &error)
        )
    })?;
    let linked = std::fs::hard_link(&new, path);
    let _ = std::fs::remove_file(&new);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(say(path, &error)),
        _ => sync_folder(path).map_err(|error| say(path, &error)),
    }
}

/// Puts other content in the place of the file.
pub(super) fn write(path: &Path, key: &Key, shares: &[Share]) -> std::io::Result<Seen> {
    let (new, file) = beside(path, key, shares)?;
    // Root changes the file of a server that is another user's.
    let given = File::open(path).and_then(|old| hand_on(&old, &file));
    if let Err(error) = given.and_then(|()| std::fs::rename(&new, path)) {
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    sync_folder(path)?;
    stamp(&file)
}

/// Gives `new` to whom `old` belongs.
fn hand_on(old: &File, new: &File) -> std::io::Result<()> {
    let (old, now) = (file::facts(old.as_fd())?, file::facts(new.as_fd())?);
    if (old.owner, old.group) == (now.owner, now.group) {
        return Ok(());
    }
    Ok(file::give(new.as_fd(), Some(old.owner), Some(old.group))?)
}

/// Writes a new file beside `path`, down to the disk.
fn beside(path: &Path, key: &Key, shares: &[Share]) -> std::io::Result<(PathBuf, File)> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let content = Content {
        key: Zeroizing::new(hex::encode(&key[..])),
        shares: shares.to_vec(),
    };
    let mut text = Zeroizing::new(serde_json::to_vec(&content)?);
    text.push(b'\n');
    if text.len() > MAX_FILE {
        // It could not be read again.
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    // What a server of that number left behind when it was killed.
    let _ = std::fs::remove_file(&new);
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok((new, file)),
        Err(error) => {
            let _ = std::fs::remove_file(&new);
            Err(error)
        }
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The file, locked, as long as it is returned.
pub(super) fn lock(path: &Path) -> Result<File, Refusal> {
    let broken = |error: std::io::Error| damaged(&say(path, &error));
    for _ in 0..LOCK_TRIES {
        let held = File::open(path).map_err(broken)?;
        if file::try_lock(held.as_fd())? {
            let there = File::open(path).and_then(|there| stamp(&there));
            if there.map_err(broken)?.0 == stamp(&held).map_err(broken)?.0 {
                return Ok(held);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let what = "another server is at the share links: try again";
    Err(Refusal::new(Code::Busy, what))
}
