//! `M`, `R`, `F`, `S`, `T`: folders made, names changed and freed, what is under a name, and its time. Run by a child.
//!
//! Each asks the policy before the library, so that whoever may not do a thing learns nothing from the refusal.

use super::{Handled, Session};
use crate::child::deeds::{Deed, Doing};
use crate::child::quota::Spending;
use crate::error::{Code, Refusal};
use crate::rights::Operation;
use crate::sys::file::{Facts, Kind, Stamp};
use crate::wire::drive::{Entry, Make, Nothing, Remove, Rename, SetTime, Stat, Type, letter};
use crate::wire::frame::Header;
use crate::wire::name::{self, Name};
use crate::wire::path::{Bad, RelPath};
use std::fmt::Display;

pub(super) fn handle_make(session: &mut Session, header: Header) -> Handled {
    let Make { path, parents } = session.line.request(header)?;
    let made = session
        .guest
        .allow(Operation::MakeFolder, new_path(&path))
        .and_then(|at| session.guest.library.make_folder(&at, parents));
    let (path, made) = (name::encode(&path.0), made.map(drop));
    session
        .guest
        .log("mkdir", &[("path", &path)], made.as_ref().err());
    session.answer(made)
}

pub(super) fn handle_rename(session: &mut Session, header: Header) -> Handled {
    let Rename {
        path,
        to,
        overwrite,
    } = session.line.request(header)?;
    let doing = Doing::now();
    let renamed = session
        .guest
        .allow_rename(overwrite, old_path(&path), new_path(&to))
        .and_then(|(from, to)| session.guest.library.rename(&from, &to, overwrite));
    if let Ok(Some(replaced)) = &renamed {
        session.guest.spend(Spending::of_removed(replaced))?;
    }
    let (path, to) = (name::encode(&path.0), name::encode(&to.0));
    let mut more: Vec<(&str, &dyn Display)> = Vec::new();
    if let Ok(Some(replaced)) = &renamed {
        more.push(("replaced", &replaced.size));
    }
    let deed = Deed {
        more: &more,
        ..Deed::rename(&path, &to, doing)
    };
    session.guest.record().done(&deed, renamed.as_ref().err());
    session.answer(renamed.map(drop))
}

pub(super) fn handle_remove(session: &mut Session, header: Header) -> Handled {
    let Remove { path } = session.line.request(header)?;
    let doing = Doing::now();
    let removed = session
        .guest
        .allow(Operation::Remove, old_path(&path))
        .and_then(|at| session.guest.library.remove(&at));
    if let Ok(gone) = &removed {
        session.guest.spend(Spending::of_removed(gone))?;
    }
    let path = name::encode(&path.0);
    let deed = Deed::remove(&path, doing).of(removed.as_ref().ok());
    session.guest.record().done(&deed, removed.as_ref().err());
    session.answer(removed.map(drop))
}

pub(super) fn handle_stat(session: &mut Session, header: Header) -> Handled {
    let Stat { path } = session.line.request(header)?;
    let found = session
        .guest
        .allow(Operation::Stat, old_path(&path))
        .and_then(|at| session.guest.library.stat(&at));
    let shown = name::encode(&path.0);
    session
        .guest
        .log("stat", &[("path", &shown)], found.as_ref().err());
    let entry = entry(path, &found?);
    Ok(session.line.writer.json(letter::OK, &entry)?)
}

pub(super) fn handle_time(session: &mut Session, header: Header) -> Handled {
    let SetTime { path, mtime, nsec } = session.line.request(header)?;
    if nsec >= 1_000_000_000 {
        return Err(Refusal::new(Code::Request, "nsec is below 1000000000").into());
    }
    let stamp = Stamp {
        seconds: mtime,
        nanos: nsec,
    };
    let set = session
        .guest
        .allow(Operation::SetTime, old_path(&path))
        .and_then(|at| session.guest.library.set_time(&at, stamp));
    let path = name::encode(&path.0);
    let fields: [(&str, &dyn Display); 2] = [("path", &path), ("mtime", &mtime)];
    session.guest.log("set-time", &fields, set.as_ref().err());
    session.answer(set)
}

impl Session {
    /// Answers with an empty `K`, or with why not.
    fn answer(&mut self, done: Result<(), Refusal>) -> Handled {
        done?;
        Ok(self.line.writer.json(letter::OK, &Nothing {})?)
    }
}

/// The path of something that is there.
fn old_path(path: &Name) -> Result<RelPath, Refusal> {
    RelPath::parse(&path.0).map_err(Bad::when_reading)
}

/// The path of something that is to be there.
fn new_path(path: &Name) -> Result<RelPath, Refusal> {
    RelPath::parse(&path.0).map_err(Bad::when_writing)
}

/// What a client is told of what `facts` describe.
pub(super) fn entry(name: Name, facts: &Facts) -> Entry {
    let is_folder = facts.kind == Kind::Folder;
    Entry {
        name,
        kind: if is_folder { Type::Folder } else { Type::File },
        size: if is_folder { 0 } else { facts.size },
        mtime: facts.modified.seconds,
        nsec: facts.modified.nanos,
    }
}
