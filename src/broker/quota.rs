//! How much lies in a home that has a quota, and how much is about to: reservations of all sessions in one place, so that
//! uploads side by side cannot pass the limit together. What lies there is kept in `.forkftp/quota`, counted once and then
//! carried on; a state that cannot be read lets nobody in who has a quota there.
//!
//! Sessions tell what they store and remove. What others change in the folder is not seen until it is counted anew, which
//! removing the state does.

use super::keys::Keys;
use crate::config::Account;
use crate::error::{Code, Refusal};
use crate::library;
use crate::log::{self, Level};
use crate::sys::file;
use crate::sys::process::{self, Spawned};
use crate::wire::path::RelPath;
use nix::errno::Errno;
use std::collections::HashMap;
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How often a lock that somebody else holds is tried, a millisecond apart: a child that held it for ever would harm its
/// own home alone.
const LOCK_TRIES: u32 = 5;

/// A home with no more entries than this is counted while its user waits; a larger one by a process of its own.
const AT_ONCE: u64 = 2000;

/// Bytes and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Amount {
    pub(super) fn plus(self, more: Amount) -> Amount {
        Amount {
            bytes: self.bytes.saturating_add(more.bytes),
            files: self.files.saturating_add(more.files),
        }
    }

    /// None when there is less.
    pub(super) fn minus(self, less: Amount) -> Option<Amount> {
        Some(Amount {
            bytes: self.bytes.checked_sub(less.bytes)?,
            files: self.files.checked_sub(less.files)?,
        })
    }
}

/// What an account may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    bytes: Option<u64>,
    files: Option<u64>,
}

impl Limits {
    /// None when there is no quota.
    pub(super) fn of(account: &Account) -> Option<Limits> {
        let (bytes, files) = (account.quota, account.quota_files);
        (bytes.is_some() || files.is_some()).then_some(Limits { bytes, files })
    }

    fn hold(self, amount: Amount) -> bool {
        self.bytes.is_none_or(|most| amount.bytes <= most)
            && self.files.is_none_or(|most| amount.files <= most)
    }
}

/// Unfinished uploads of one user that may be kept: each is looked at before there is room for another.
const MOST_KEPT: u64 = 1000;

/// All homes that have a quota and were asked for.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    homes: HashMap<RelPath, Home>,
    /// Those that are being counted, and by whom.
    counting: HashMap<RelPath, Spawned>,
}

#[derive(Debug)]
struct Home {
    state: OwnedFd,
    reserved: Amount,
}

impl Quotas {
    /// Sees to it that what lies in `home` is known.
    ///
    /// # Errors
    /// `Busy` while it is counted, `Io` when its state is damaged.
    pub(super) fn open(&mut self, keys: &Keys, home: &RelPath) -> Result<(), Refusal> {
        if let Some(known) = self.homes.get(home) {
            if file::facts(known.state.as_fd())?.links > 0 {
                let state = read(known.state.as_fd());
                return state.map(drop).map_err(|what| damaged(home, &what));
            }
            // The operator removed it, to have it counted anew.
            self.homes.remove(home);
        }
        let folder = keys.library.private_folder(b"quota")?;
        let name = name_of(home);
        match file::open_beneath(folder.as_fd(), &name, file::Purpose::Write, true) {
            Ok(state) => {
                read(state.as_fd()).map_err(|what| damaged(home, &what))?;
                self.counting.remove(home);
                let reserved = Amount::default();
                self.homes.insert(home.clone(), Home { state, reserved });
                Ok(())
            }
            Err(Errno::ENOENT) => {
                if let Some(amount) = total(keys, home, Some(AT_ONCE))? {
                    write(folder.as_fd(), home, amount)?;
                    return self.open(keys, home);
                }
                self.count(keys, home, folder)?;
                let what = "what lies in your folder is being counted, try again in a moment";
                Err(Refusal::new(Code::Busy, what))
            }
            Err(other) => Err(damaged(home, other.desc())),
        }
    }

    /// Counts `home` in a process of its own, which may take as long as it takes.
    fn count(&mut self, keys: &Keys, home: &RelPath, folder: OwnedFd) -> Result<(), Refusal> {
        let running = self.counting.get(home);
        if running.is_some_and(|counter| !process::has_ended(counter.pidfd.as_fd())) {
            return Ok(());
        }
        let counter = process::spawn(|| count(keys, home, folder.as_fd()))?;
        self.counting.insert(home.clone(), counter);
        Ok(())
    }

    /// Reserves `wanted`, if it fits with what is there, what was reserved before and what `partials` keep.
    ///
    /// # Errors
    /// `Quota`; `Io` when the state is damaged.
    pub(super) fn reserve(
        &mut self,
        home: &RelPath,
        partials: Option<BorrowedFd<'_>>,
        limits: Limits,
        wanted: Amount,
    ) -> Result<(), Refusal> {
        let Some(known) = self.homes.get_mut(home) else {
            return Err(Code::Io.into());
        };
        let used = read(known.state.as_fd()).map_err(|what| damaged(home, &what))?;
        let (bytes, files) = partials.map_or(Ok((0, 0)), library::kept)?;
        if wanted.files > 0 && files >= MOST_KEPT {
            return Err(Code::Quota.into());
        }
        // A part of a new file is one, too; who replaces one needs no room for another.
        let files = if wanted.files > 0 { files } else { 0 };
        let kept = Amount { bytes, files };
        let all = used.plus(known.reserved).plus(kept).plus(wanted);
        if !limits.hold(all) {
            return Err(Code::Quota.into());
        }
        known.reserved = known.reserved.plus(wanted);
        Ok(())
    }

    /// Gives a reservation back, and notes what is there now.
    ///
    /// # Errors
    /// `Io` when the state is damaged or cannot be written.
    pub(super) fn spend(
        &mut self,
        home: &RelPath,
        reserved: Amount,
        bytes: i64,
        files: i64,
    ) -> Result<(), Refusal> {
        let Some(known) = self.homes.get_mut(home) else {
            return Err(Code::Io.into());
        };
        known.reserved = known.reserved.minus(reserved).unwrap_or_default();
        if (bytes, files) == (0, 0) {
            return Ok(());
        }
        // Other servers may share the library.
        let state = known.state.as_fd();
        lock(state)?;
        let changed = read(state).and_then(|used| {
            let now = Amount {
                bytes: used.bytes.saturating_add_signed(bytes),
                files: used.files.saturating_add_signed(files),
            };
            file::write_at(state, text(now).as_bytes(), 0).map_err(|errno| errno.desc().to_owned())
        });
        file::unlock(state);
        changed.map_err(|what| damaged(home, &what))
    }
}

/// Has what lies in `home` counted anew when somebody is let in there next: files went that nobody accounts for.
pub(super) fn forget(keys: &Keys, home: &RelPath) {
    if let Ok(folder) = keys.library.private_folder(b"quota") {
        let _ = file::unlink(folder.as_fd(), &name_of(home));
    }
}

fn lock(state: BorrowedFd<'_>) -> Result<(), Refusal> {
    for _ in 0..LOCK_TRIES {
        if file::try_lock(state)? {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(Code::InUse.into())
}

fn damaged(home: &RelPath, what: &str) -> Refusal {
    let home = String::from_utf8_lossy(home.as_bytes()).into_owned();
    let remedy = "remove its file in .forkftp/quota to have it counted again";
    log::event(
        Level::Error,
        "the state of a quota is damaged",
        &[("home", &home), ("problem", &what), ("remedy", &remedy)],
    );
    Refusal::new(Code::Io, "the state of your quota is damaged")
}

fn name_of(home: &RelPath) -> Vec<u8> {
    blake3::hash(home.as_bytes()).to_hex().as_bytes().to_vec()
}

/// The state as it is written: always of one length, so that one write replaces it whole.
fn text(amount: Amount) -> String {
    format!(
        "forkftp quota 1\nbytes {:020}\nfiles {:020}\n",
        amount.bytes, amount.files
    )
}

fn read(state: BorrowedFd<'_>) -> Result<Amount, String> {
    let mut bytes = [0; 128];
    let length = file::read_at(state, &mut bytes, 0).map_err(|errno| errno.desc().to_owned())?;
    parse(&bytes[..length]).ok_or_else(|| "not what was written there".to_owned())
}

fn parse(bytes: &[u8]) -> Option<Amount> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let mut number = |key: &str| lines.next()?.strip_prefix(key)?.parse::<u64>().ok();
    let _version = number("forkftp quota ").filter(|version| *version == 1)?;
    let amount = Amount {
        bytes: number("bytes ")?,
        files: number("files ")?,
    };
    // Exactly what is written, and nothing else.
    (text(amount).as_bytes() == bytes).then_some(amount)
}

/// The life of a counter: adds up what lies in `home`, and writes the state of it.
fn count(keys: &Keys, home: &RelPath, folder: BorrowedFd<'_>) -> Infallible {
    process::set_name(c"forkftpd:count");
    let counted = log::close_all_but(&[keys.library.root(), folder])
        .map_err(Refusal::from)
        .and_then(|()| total(keys, home, None))
        .and_then(|amount| Ok(write(folder, home, amount.unwrap_or_default())?));
    if let Err(refusal) = &counted {
        log::event(
            Level::Error,
            "a home cannot be counted",
            &[("error", &refusal.message)],
        );
    }
    process::exit(i32::from(counted.is_err()))
}

/// What lies in `home`; None when there are more than `most` entries.
fn total(keys: &Keys, home: &RelPath, most: Option<u64>) -> Result<Option<Amount>, Refusal> {
    let mut walk = keys.library.walk(home, true)?;
    let mut amount = Amount::default();
    let mut seen = 0;
    while let Some((_, facts)) = walk.next_entry()? {
        seen += 1;
        if most.is_some_and(|most| seen > most) {
            return Ok(None);
        }
        if facts.kind == file::Kind::File {
            let (bytes, files) = (facts.size, 1);
            amount = amount.plus(Amount { bytes, files });
        }
    }
    Ok(Some(amount))
}

fn write(folder: BorrowedFd<'_>, home: &RelPath, amount: Amount) -> nix::Result<()> {
    let name = name_of(home);
    let new = [&name[..], b".new"].concat();
    match file::unlink(folder, &new) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(other) => return Err(other),
    }
    let state = file::create_new(folder, &new)?;
    file::write_at(state.as_fd(), text(amount).as_bytes(), 0)?;
    file::sync_data(state.as_fd())?;
    file::rename(folder, &new, folder, &name)?;
    file::sync(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let amount = Amount {
            bytes: u64::MAX,
            files: 7,
        };
        let written = text(amount);
        assert_eq!(written.len(), text(Amount::default()).len());
        assert_eq!(parse(written.as_bytes()), Some(amount));
        for bad in [
            "",
            "forkftp quota 2\n",
            &written[..written.len() - 1],
            &format!("{written}\n"),
            &written.replace("files 0", "files -"),
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_limit_holds_for_each_of_both() {
        let limits = Limits {
            bytes: Some(10),
            files: Some(2),
        };
        let amount = |bytes, files| Amount { bytes, files };
        assert!(limits.hold(amount(10, 2)));
        assert!(!limits.hold(amount(11, 0)) && !limits.hold(amount(0, 3)));
    }
}
