//! GET and HEAD of a file: whole or in part, as it is, by sendfile. Run by a child.

use super::exchange::Exchange;
use super::reply::{Length, Reply};
use super::{End, Handled, refusal};
use crate::child::deeds::{Deed, Doing};
use crate::child::guest::{Guest, Record, Sending};
use crate::digest::Kind;
use crate::error::{Code, Refusal};
use crate::ledger::Verb;
use crate::library::Download;
use crate::rights::Operation;
use crate::sys::file;
use crate::wire::http::conditions::{Validators, Verdict, judge, part_fits};
use crate::wire::http::disposition;
use crate::wire::http::head::{Method, Target, encode};
use crate::wire::http::media::{self, SANDBOX};
use crate::wire::http::range::{Part, part};
use crate::wire::name;
use crate::wire::path::RelPath;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ops::Range;
use std::time::SystemTime;

/// Up to here a file is read into memory, and goes out together with the head.
const SMALL: usize = 64 * 1024;
/// So much of a larger file is sent only after another look at it: whoever changed it meanwhile spoils it for the client, which has to see that.
const TAIL: u64 = 16 * 1024;

/// How a file is answered, besides what is the same for all.
#[derive(Debug)]
pub(super) struct Shown {
    /// 200, or what is said by means of a file. Conditions and ranges are for 200 alone.
    pub(super) status: u16,
    /// Content-Type.
    pub(super) kind: String,
    /// What users stored, and not the operator: it stands in a sandbox, and has a Content-Disposition.
    pub(super) disposition: Option<String>,
    /// Cache-Control.
    pub(super) cache: Option<&'static str>,
}

/// A file of the library.
pub(super) fn get(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let opened = guest
        .allow(Operation::Get, Ok(path))
        .and_then(|path| guest.library.open_file(path));
    let is_folder = matches!(
        exchange.head.target,
        Target::Library {
            is_folder: true,
            ..
        }
    );
    let file = match opened {
        Ok(file) if !is_folder => file,
        Err(refusal) if refusal.code == Code::IsFolder && !is_folder => {
            return to_folder(exchange, path);
        }
        // Where others may see names, they are sent on as well.
        Err(refusal)
            if refusal.code == Code::Denied && !is_folder && is_listed_folder(guest, path) =>
        {
            return to_folder(exchange, path);
        }
        Ok(_) => return refuse(exchange, guest.record(), path, &Code::NotFound.into()),
        // Below a file there is nothing.
        Err(refusal) if refusal.code == Code::NotFolder => {
            return refuse(exchange, guest.record(), path, &Code::NotFound.into());
        }
        Err(refusal) => return refuse(exchange, guest.record(), path, &refusal),
    };
    let shown = of_library(exchange, guest, path);
    send(exchange, guest, path, &file, &shown)
}

/// True for a folder, for who may see what is there.
fn is_listed_folder(guest: &Guest, path: &RelPath) -> bool {
    let facts = guest
        .allow(Operation::List, Ok(path))
        .and_then(|path| guest.library.stat(path));
    facts.is_ok_and(|facts| facts.kind == file::Kind::Folder)
}

/// Sends the client on to the same with a slash, below which names in a folder are relative to it.
pub(super) fn to_folder(exchange: &mut Exchange<'_>, path: &RelPath) -> Handled {
    let mut location = encode(path);
    location.push('/');
    if !exchange.head.query.is_empty() {
        location.push('?');
        location.push_str(&exchange.head.query);
    }
    let reply = Reply::text(308, "that is a folder: its name ends with a slash");
    exchange.reply(reply.field("Location", location))
}

/// How a file is shown that users stored.
pub(super) fn of_library(exchange: &Exchange<'_>, guest: &Guest, path: &RelPath) -> Shown {
    let (_, name) = path.split_last().unwrap_or((RelPath::root(), b""));
    let media = media::of_library(name);
    let to_save = exchange.asks("download");
    Shown {
        status: 200,
        kind: media.kind.to_owned(),
        disposition: Some(disposition::value(media.inline && !to_save, name)),
        cache: Some(match guest.grant.user {
            Some(_) => "private, no-cache",
            None => "no-cache",
        }),
    }
}

fn refuse(
    exchange: &mut Exchange<'_>,
    record: Record<'_>,
    path: &RelPath,
    refusal: &Refusal,
) -> Handled {
    let shown = name::encode(path.as_bytes());
    match exchange.head.method {
        Method::Head => record.log("head", &[("path", &shown)], Some(refusal)),
        _ => record.done(&Deed::get(&shown, Doing::now()), Some(refusal)),
    }
    exchange.refuse(refusal)
}

fn verb(exchange: &Exchange<'_>) -> &'static str {
    match exchange.head.method {
        Method::Head => "head",
        _ => "get",
    }
}

/// Answers with the open file, which is at `path`, or the part of it that is asked for, if it is asked for at all.
pub(super) fn send(
    exchange: &mut Exchange<'_>,
    guest: &mut Guest,
    path: &RelPath,
    file: &Download,
    shown: &Shown,
) -> Handled {
    send_open(exchange, &mut guest.sending(), path, file, shown)
}

/// The same to somebody who need not have been let in.
pub(super) fn send_open(
    exchange: &mut Exchange<'_>,
    sending: &mut Sending<'_>,
    path: &RelPath,
    file: &Download,
    shown: &Shown,
) -> Handled {
    let record = sending.record;
    let now = SystemTime::now();
    let facts = file.facts();
    let (inode, size, modified) = (facts.inode, facts.size, facts.modified);
    let validators = Validators::new(inode, size, modified.seconds, modified.nanos, now);
    let identified = |reply: Reply| {
        if shown.status != 200 {
            return reply;
        }
        let reply = match shown.cache {
            Some(cache) => reply.field("Cache-Control", cache),
            None => reply,
        };
        reply.field("ETag", validators.etag.as_str())
    };
    let mut wanted = 0..size;
    let mut status = shown.status;
    if status == 200 {
        let short = match judge(&exchange.head, Some(&validators)) {
            Verdict::Go => None,
            Verdict::NotModified => Some(Reply::new(304)),
            Verdict::Failed => {
                let refusal = Refusal::new(Code::Changed, "that is not what is there");
                Some(refusal::reply_as(exchange, 412, &refusal))
            }
        };
        if let Some(reply) = short {
            let shown = name::encode(path.as_bytes());
            let status = reply.status();
            record.log(
                verb(exchange),
                &[("path", &shown), ("status", &status)],
                None,
            );
            return exchange.reply(identified(reply));
        }
        if exchange.head.method == Method::Get && part_fits(&exchange.head, &validators, now) {
            match part(&exchange.head, size) {
                Part::Whole => {}
                Part::Only(range) => (status, wanted) = (206, range),
                Part::Beyond => return beyond(exchange, record, path, size),
            }
        }
    }
    let mut reply = identified(Reply::new(status)).field("Content-Type", shown.kind.as_str());
    if shown.status == 200 {
        reply = reply.field("Accept-Ranges", "bytes");
        if let Some(date) = validators.last_modified() {
            reply = reply.field("Last-Modified", date);
        }
    }
    if let Some(disposition) = &shown.disposition {
        reply = reply
            .field("Content-Disposition", disposition.as_str())
            .field("Content-Security-Policy", SANDBOX);
    }
    if let Some(digest) = file.kept_digest(Kind::Sha256) {
        let digest = STANDARD.encode(digest.as_bytes());
        reply = reply.field("Repr-Digest", format!("sha-256=:{digest}:"));
    }
    if status == 206 {
        let (first, last) = (wanted.start, wanted.end.saturating_sub(1));
        reply = reply.field("Content-Range", format!("bytes {first}-{last}/{size}"));
    }
    if exchange.head.method == Method::Head {
        exchange.begin(reply, Length::Known(size))?;
        return Ok(());
    }
    let from = wanted.start;
    let shown_path = name::encode(path.as_bytes());
    let doing = record.begin(Verb::Download, &shown_path, Some(wanted.end - from));
    let is_part = wanted != (0..size);
    let mut sent = 0;
    let outcome = match small(sending, file, &wanted) {
        Some(Ok(content)) => {
            let wait = sending.pace.take(content.len());
            wait.run(exchange.connection.slot());
            sent = content.len() as u64;
            exchange.reply(reply.containing(content))
        }
        Some(Err(refusal)) => return refuse(exchange, record, path, &refusal),
        None => send_large(exchange, sending, file, wanted, reply, &mut sent),
    };
    if shown.status == 200 {
        let deed = Deed {
            bytes: Some(sent),
            is_part,
            more: if from > 0 { &[("from", &from)] } else { &[] },
            ..Deed::get(&shown_path, doing)
        };
        record.done(&deed, why_cut(&outcome).as_ref());
    }
    outcome
}

/// The bytes of a small part, which may go at once; None for a large one.
fn small(
    sending: &mut Sending<'_>,
    file: &Download,
    wanted: &Range<u64>,
) -> Option<Result<Vec<u8>, Refusal>> {
    let length = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
    let fits = length <= SMALL && sending.pace.piece(length) == length;
    fits.then(|| read(file, wanted.start, length))
}

/// RFC 9110, section 15.5.17.
fn beyond(exchange: &mut Exchange<'_>, record: Record<'_>, path: &RelPath, size: u64) -> Handled {
    let refusal = Refusal::new(Code::Range, format!("there are only {size} bytes"));
    let shown = name::encode(path.as_bytes());
    record.done(&Deed::get(&shown, Doing::now()), Some(&refusal));
    let reply = refusal::reply(exchange, &refusal);
    exchange.reply(reply.field("Content-Range", format!("bytes */{size}")))
}

/// The head, and the bytes by sendfile. `sent` says how many of these went, also when they were not all.
fn send_large(
    exchange: &mut Exchange<'_>,
    sending: &mut Sending<'_>,
    file: &Download,
    wanted: Range<u64>,
    reply: Reply,
    sent: &mut u64,
) -> Handled {
    let length = wanted.end - wanted.start;
    exchange.begin(reply, Length::Known(length))?;
    let mut at = wanted.start;
    while at < wanted.end {
        let left = wanted.end - at;
        let now = if left > TAIL {
            left - TAIL
        } else {
            file.unchanged().map_err(End::HangUp)?;
            left
        };
        let piece = sending
            .pace
            .piece(usize::try_from(now).unwrap_or(usize::MAX));
        sending.pace.take(piece).run(exchange.connection.slot());
        let output = &mut exchange.connection.stream.output;
        let before = output.sent();
        let went = output.send_file(file.fd(), at, piece);
        if !matches!(went, Ok(Ok(_))) {
            // What sealing added is not known apart.
            *sent += (output.sent() - before).min(piece as u64);
        }
        // An answer cannot be taken back: the client sees by its length that it is not whole.
        let went = went?.map_err(|errno| End::HangUp(errno.into()))?;
        at += went as u64;
        *sent += went as u64;
        if went < piece {
            return Err(End::HangUp(Code::Changed.into()));
        }
    }
    Ok(())
}

/// So many bytes of a file.
fn read(file: &Download, from: u64, count: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = vec![0; count];
    let mut got = 0;
    while got < count {
        match file::read_at(file.fd(), &mut bytes[got..], from + got as u64)? {
            0 => return Err(Code::Changed.into()),
            more => got += more,
        }
    }
    Ok(bytes)
}

/// Why content did not come to its end, for the log.
pub(super) fn why_cut(outcome: &Handled) -> Option<Refusal> {
    match outcome {
        Ok(()) => None,
        Err(End::HangUp(refusal)) => Some(refusal.clone()),
        Err(End::Goodbye | End::Lost(_) | End::Forsaken(_)) => Some(Code::Cancelled.into()),
    }
}
