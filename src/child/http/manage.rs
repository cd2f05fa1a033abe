//! DELETE, MKCOL, MOVE: names that are freed, made and changed (RFC 9110, section 9.3.5; RFC 4918, sections 9.3 and 9.9). Run by a child.
//!
//! Each asks the policy before the library, so that whoever may not do a thing learns nothing from the refusal.

use super::exchange::Exchange;
use super::incoming::Stop;
use super::reply::Reply;
use super::{Handled, put, refusal};
use crate::child::deeds::{Deed, Doing, partly};
use crate::child::guest::Guest;
use crate::child::quota::Spending;
use crate::error::{Code, Refusal};
use crate::library::Removed;
use crate::rights::Operation;
use crate::sys::file::Kind;
use crate::wire::http::head::{Framing, Head, Target, resolve};
use crate::wire::name;
use crate::wire::path::RelPath;
use std::fmt::Display;

/// The quota is told after so many files have gone, and at the end.
const TELL_EVERY: u64 = 1000;

type Result<T> = std::result::Result<T, Stop>;

pub(super) fn delete(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    if exchange.asks("upload") {
        return put::forget(exchange, guest, path);
    }
    let (doing, mut count) = (Doing::now(), 0);
    let removed = remove(exchange, guest, path, &mut count);
    let shown = name::encode(path.as_bytes());
    let deed = Deed::remove(&shown, doing).of(removed.as_ref().ok());
    let mut more = deed.more.to_vec();
    if count > 1 {
        more.push(("count", &count));
    }
    let deed = Deed {
        more: &more,
        ..deed
    };
    let refusal = partly(told(&removed), count > 0);
    guest.record().done(&deed, refusal.as_ref());
    match removed {
        Ok(_) => exchange.reply(Reply::new(204)),
        Err(stop) => answer(exchange, stop),
    }
}

fn remove(
    exchange: &Exchange<'_>,
    guest: &Guest,
    path: &RelPath,
    count: &mut u64,
) -> Result<Removed> {
    guest.allow(Operation::Remove, Ok(path))?;
    put::precondition(exchange, guest, path)?;
    let library = guest.library;
    let removed = if exchange.asks("recursive") {
        let slot = exchange.connection.slot();
        let (mut spent, mut lost) = (Spending::default(), Ok(()));
        let removed = library.remove_all(path, |gone| {
            // Nothing else moves meanwhile.
            slot.moved(1);
            *count += 1;
            spent.removed(gone);
            if count.is_multiple_of(TELL_EVERY) && lost.is_ok() {
                lost = guest.spend(std::mem::take(&mut spent));
            }
        });
        lost?;
        guest.spend(spent)?;
        removed
    } else {
        let removed = match exchange.head.target {
            Target::Library {
                is_folder: true, ..
            } => library.remove_only(path, Kind::Folder),
            _ => library.remove(path),
        };
        if let Ok(gone) = &removed {
            *count = 1;
            guest.spend(Spending::of_removed(gone))?;
        }
        removed
    };
    removed.map_err(plain)
}

pub(super) fn mkcol(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let made = make(exchange, guest, path);
    let shown = name::encode(path.as_bytes());
    guest.log("mkdir", &[("path", &shown)], told(&made).as_ref());
    match made {
        Ok(()) => exchange.reply(Reply::text(201, "made")),
        Err(stop) => answer(exchange, stop),
    }
}

fn make(exchange: &Exchange<'_>, guest: &Guest, path: &RelPath) -> Result<()> {
    guest.allow(Operation::MakeFolder, Ok(path))?;
    if !matches!(exchange.head.framing, Framing::None | Framing::Length(0)) {
        let what = "a folder is made without a body";
        return Err(Stop::refused(415, Refusal::new(Code::Request, what)));
    }
    let made = guest.library.make_folder(path, exchange.asks("parents"));
    match made {
        Ok(true) => Ok(()),
        // With all on the way there, and it is there itself.
        Ok(false) => Err(Stop::refused(405, Code::Exists.into())),
        Err(refusal) if refusal.code == Code::Exists => Err(Stop::refused(405, refusal)),
        Err(refusal) => Err(refusal.into()),
    }
}

pub(super) fn rename(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let doing = Doing::now();
    let to = destination(&exchange.head);
    let moved = change_name(exchange, guest, path, &to);
    let shown = name::encode(path.as_bytes());
    let shown_to = to.map_or_else(|_| String::new(), |(to, _)| name::encode(to.as_bytes()));
    let mut more: Vec<(&str, &dyn Display)> = Vec::new();
    if let Ok(Some(replaced)) = &moved {
        more.push(("replaced", &replaced.size));
    }
    let deed = Deed {
        more: &more,
        ..Deed::rename(&shown, &shown_to, doing)
    };
    guest.record().done(&deed, told(&moved).as_ref());
    match moved {
        Ok(None) => exchange.reply(Reply::text(201, "moved")),
        Ok(Some(_)) => exchange.reply(Reply::new(204)),
        Err(stop) => answer(exchange, stop),
    }
}

fn change_name(
    exchange: &Exchange<'_>,
    guest: &Guest,
    from: &RelPath,
    to: &std::result::Result<(RelPath, bool), Refusal>,
) -> Result<Option<Removed>> {
    let overwrite = match exchange.head.one("overwrite") {
        None | Some(b"F" | b"f") => false,
        Some(b"T" | b"t") => true,
        Some(_) => return Err(Refusal::new(Code::Request, "Overwrite is T or F").into()),
    };
    let to = to.as_ref().map_err(Refusal::clone);
    let to_folder = to.as_ref().is_ok_and(|(_, is_folder)| *is_folder);
    let to = to.map(|(to, _)| to);
    let (from, to) = guest.allow_rename(overwrite, Ok(from), to)?;
    put::precondition(exchange, guest, from)?;
    let library = guest.library;
    // What is missing: this, or the way there.
    let there = library.stat(from).map_err(plain)?;
    let from_folder = matches!(
        exchange.head.target,
        Target::Library {
            is_folder: true,
            ..
        }
    );
    if (from_folder || to_folder) && there.kind != Kind::Folder {
        return Err(plain(Code::NotFolder.into()));
    }
    let moved = library.rename(from, to, overwrite);
    if let Ok(Some(replaced)) = &moved {
        guest.spend(Spending::of_removed(replaced))?;
    }
    moved.map_err(|refusal| match refusal.code {
        Code::Exists => Stop::refused(412, refusal),
        _ => refusal.into(),
    })
}

/// Where something is to go, an absolute path or a URL of this host, and whether it is written as folders are.
fn destination(head: &Head) -> std::result::Result<(RelPath, bool), Refusal> {
    let wrong = |what: &str| Refusal::new(Code::Request, what);
    let said = head.text("destination").ok_or_else(|| {
        wrong("Destination says where it is to go: an absolute path, or a URL of this host")
    })?;
    let lower = said.get(..8).unwrap_or(said).to_ascii_lowercase();
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| lower.starts_with(scheme));
    let path = match scheme {
        None => said,
        Some(scheme) => {
            let rest = &said[scheme.len()..];
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !head
                .text("host")
                .is_some_and(|known| known.eq_ignore_ascii_case(host))
            {
                return Err(wrong("Destination is another server's"));
            }
            path
        }
    };
    let Some(below) = path
        .strip_prefix('/')
        .filter(|path| !path.contains(['?', '#']))
    else {
        return Err(wrong("Destination is an absolute path, without a query"));
    };
    match resolve(below) {
        Ok(Target::Library { path, is_folder }) => Ok((path, is_folder)),
        Ok(Target::Nowhere(bad)) => Err(bad.when_writing()),
        Ok(_) => Err(Refusal::new(Code::Name, "that name is the server's own")),
        Err(broken) => Err(wrong(broken.why)),
    }
}

/// A refusal as it is: what is missing is what the request is about.
fn plain(refusal: Refusal) -> Stop {
    Stop::refused(refusal::status_of(&refusal), refusal)
}

/// What stands in the log of a request that was not carried out.
fn told<T>(outcome: &Result<T>) -> Option<Refusal> {
    match outcome {
        Ok(_) => None,
        Err(Stop::Refused { refusal, .. }) => Some(refusal.clone()),
        Err(Stop::Over(_)) => Some(Code::Cancelled.into()),
    }
}

fn answer(exchange: &mut Exchange<'_>, stop: Stop) -> Handled {
    match stop {
        Stop::Refused { status, refusal } => exchange.refuse_as(status, &refusal),
        Stop::Over(end) => Err(end),
    }
}
