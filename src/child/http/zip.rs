//! GET of a folder as a zip archive, which is made while it goes out, and never compressed. Run by a child.
//!
//! Before the first byte the folder is walked once, so that what cannot be had whole is refused while that can still be said. After it, the
//! end of the archive is sent only when every file in it was whole: otherwise the connection is cut, and so is the archive.

use super::exchange::Exchange;
use super::files::why_cut;
use super::reply::{Length, Reply};
use super::{End, Handled};
use crate::child::deeds::{Deed, Doing};
use crate::child::guest::Guest;
use crate::error::{Code, Refusal};
use crate::ledger::Verb;
use crate::rights::Operation;
use crate::scoreboard::Slot;
use crate::sys::file::{self, Kind};
use crate::wire::http::media::SANDBOX;
use crate::wire::http::zip::{Archive, entry_name, weight};
use crate::wire::http::{Method, disposition};
use crate::wire::name;
use crate::wire::path::RelPath;

/// Bytes that the directory of an archive may take, which is kept until the end: some half a million files with names as they are.
const LARGEST_DIRECTORY: u64 = 64 * 1024 * 1024;
/// So much is gathered for one chunk.
const CHUNK: usize = 256 * 1024;
/// After so many entries of a walk the scoreboard hears that this child is alive.
const SIGN: u64 = 256;

/// The folder `path`, with all below it.
pub(super) fn get(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let slot = exchange.connection.slot();
    let sound = guest
        .allow(Operation::List, Ok(path))
        .and_then(|path| guest.allow(Operation::Get, Ok(path)))
        .and_then(|path| survey(guest, path, slot));
    let expected = match sound {
        Ok(expected) => expected,
        Err(refusal) => {
            let shown = name::encode(path.as_bytes());
            let deed = Deed::zip(&shown, Doing::now());
            guest.record().done(&deed, Some(&refusal));
            return exchange.refuse(&refusal);
        }
    };
    let called = match path.split_last() {
        Some((_, name)) => [name, b".zip"].concat(),
        None => b"files.zip".to_vec(),
    };
    let reply = Reply::new(200)
        .field("Content-Type", "application/zip")
        .field("Content-Disposition", disposition::value(false, &called))
        .field("Content-Security-Policy", SANDBOX)
        .field("Cache-Control", "no-store");
    if !exchange.begin(reply, Length::Unknown)? {
        return Ok(());
    }
    let mut sending = Sending {
        archive: Archive::default(),
        chunk: vec![0; CHUNK],
        filled: 0,
        expected,
        files: 0,
        sent: 0,
    };
    let shown = name::encode(path.as_bytes());
    let doing = guest.record().begin(Verb::Download, &shown, None);
    let outcome = sending.run(exchange, guest, path);
    let Sending { files, sent, .. } = sending;
    let deed = Deed {
        bytes: Some(sent),
        more: &[("files", &files)],
        ..Deed::zip(&shown, doing)
    };
    guest.record().done(&deed, why_cut(&outcome).as_ref());
    outcome
}

/// True when it is that what the client asks for.
pub(super) fn is_asked_for(exchange: &Exchange<'_>) -> bool {
    matches!(exchange.head.method, Method::Get | Method::Head) && exchange.asks("zip")
}

/// Looks whether the folder can be had whole, and how many entries it has.
fn survey(guest: &Guest, path: &RelPath, slot: Slot<'_>) -> Result<u64, Refusal> {
    if guest.library.stat(path)?.kind != Kind::Folder {
        return Err(Code::NotFound.into());
    }
    let mut walk = guest.library.walk(path, true)?;
    let (mut weighs, mut entries) = (0, 0_u64);
    while let Some((below, _)) = walk.next_entry()? {
        entries += 1;
        if entries.is_multiple_of(SIGN) {
            slot.moved(1);
        }
        // With the slash of a folder.
        weighs += weight(&entry_name(&below)) + 1;
        if weighs > LARGEST_DIRECTORY {
            let what = "there is too much in that folder for one archive";
            return Err(Refusal::new(Code::TooLarge, what));
        }
    }
    match walk.unreadable() {
        0 => Ok(entries),
        _ => Err(Refusal::new(
            Code::Denied,
            "something in that folder cannot be read",
        )),
    }
}

struct Sending {
    archive: Archive,
    /// What is ready to go out: so many bytes.
    chunk: Vec<u8>,
    filled: usize,
    /// Entries that there were before: with fewer, something is missed.
    expected: u64,
    files: u64,
    sent: u64,
}

impl Sending {
    fn run(&mut self, exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
        let mut walk = guest.library.walk(path, true).map_err(End::HangUp)?;
        let (mut directory, mut entries) = (0, 0);
        while let Some((below, facts)) = walk.next_entry().map_err(End::HangUp)? {
            let name = entry_name(&below);
            directory += weight(&name) + 1;
            entries += 1;
            if directory > LARGEST_DIRECTORY || walk.unreadable() > 0 {
                return Err(End::HangUp(Code::Changed.into()));
            }
            match facts.kind {
                Kind::File => {
                    let below = beneath(path, &below).map_err(End::HangUp)?;
                    self.file(exchange, guest, &below, name)?;
                }
                _ => {
                    let head = self.archive.folder(&name, facts.modified.seconds);
                    self.put(exchange, guest, &head)?;
                }
            }
        }
        if entries < self.expected {
            return Err(End::HangUp(Code::Changed.into()));
        }
        let end = std::mem::take(&mut self.archive).finish();
        self.put(exchange, guest, &end)?;
        self.flush(exchange, guest)?;
        exchange.connection.end()
    }

    fn file(
        &mut self,
        exchange: &mut Exchange<'_>,
        guest: &mut Guest,
        path: &RelPath,
        name: String,
    ) -> Handled {
        let file = guest.library.open_file(path).map_err(End::HangUp)?;
        let facts = file.facts();
        let head = self.archive.file(name, facts.modified.seconds, facts.size);
        self.put(exchange, guest, &head)?;
        let mut at = 0;
        while at < facts.size {
            if self.filled == CHUNK {
                self.flush(exchange, guest)?;
            }
            let left = usize::try_from(facts.size - at).unwrap_or(usize::MAX);
            let end = self.filled.saturating_add(left).min(CHUNK);
            let room = &mut self.chunk[self.filled..end];
            let got = file::read_at(file.fd(), room, at);
            let got = got.map_err(|errno| End::HangUp(errno.into()))?;
            if got == 0 {
                return Err(End::HangUp(Code::Changed.into()));
            }
            self.archive.content(&room[..got]);
            self.filled += got;
            at += got as u64;
        }
        // Here the client does not have its end, and sees no archive if it is spoiled.
        file.unchanged().map_err(End::HangUp)?;
        let tail = self.archive.end_file();
        let tail = tail.map_err(|_| End::HangUp(Code::Changed.into()))?;
        self.files += 1;
        self.put(exchange, guest, &tail)
    }

    /// Adds what is the archive's own to what is ready.
    fn put(&mut self, exchange: &mut Exchange<'_>, guest: &mut Guest, mut bytes: &[u8]) -> Handled {
        while !bytes.is_empty() {
            if self.filled == CHUNK {
                self.flush(exchange, guest)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.filled));
            self.chunk[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
        }
        Ok(())
    }

    /// Sends what is ready, as fast as may be.
    fn flush(&mut self, exchange: &mut Exchange<'_>, guest: &mut Guest) -> Handled {
        let mut rest = &self.chunk[..self.filled];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(guest.downloads.piece(rest.len()));
            let wait = guest.downloads.take(now.len());
            wait.run(exchange.connection.slot());
            exchange.connection.write(now)?;
            self.sent += now.len() as u64;
            rest = later;
        }
        self.filled = 0;
        Ok(())
    }
}

/// What a walk of `folder` called that.
fn beneath(folder: &RelPath, below: &[u8]) -> Result<RelPath, Refusal> {
    let whole = if folder.is_root() {
        below.to_vec()
    } else {
        [folder.as_bytes(), b"/", below].concat()
    };
    RelPath::parse(&whole).map_err(|bad| bad.when_reading())
}
