//! PUT: a file from the client, whole or the next part of it, shown when it is whole and on the disk; and what is kept of an upload
//! that was cut. Run by a child.
//!
//! A body says where it ends, by its length or its last chunk: an upload whose connection ends before is cut, whatever else is said.
//! All that can be refused by the head alone is refused before the client is told to go on.

use super::Handled;
use super::body;
use super::exchange::Exchange;
use super::incoming::{self, Incoming, Stop, Stored};
use super::receipt;
use super::refusal;
use super::reply::Reply;
use crate::child::deeds::Doing;
use crate::child::guest::Guest;
use crate::digest::Value;
use crate::error::{Code, Refusal};
use crate::ledger::Verb;
use crate::library::{Expected, From as Begin, Streamed};
use crate::rights::Operation;
use crate::sys::file::Stamp;
use crate::wire::http::conditions::{Verdict, judge};
use crate::wire::http::content_range::ContentRange;
use crate::wire::http::digest;
use crate::wire::http::head::{Framing, Head, Target};
use crate::wire::name;
use crate::wire::path::RelPath;

/// A time of change that no file has: some 30,000 years from now, or before.
const FAR: i64 = 1 << 40;

/// What is asked of an upload.
struct Asked {
    streamed: Streamed,
    /// It is a part of the file.
    range: Option<ContentRange>,
    /// Bytes of the whole, if that is known.
    size: Option<u64>,
    /// The digest of the whole, as the client says.
    said: Option<Value>,
    /// Nothing may have the name.
    is_new: bool,
}

/// What came of it.
enum Done {
    Stored(Box<Stored>),
    /// So many bytes are kept until the rest comes.
    Kept(u64),
}

pub(super) fn put(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let (mut doing, mut came) = (Doing::now(), 0);
    let done = receive(exchange, guest, path, &mut doing, &mut came);
    let done = done.and_then(|done| {
        if let Done::Stored(stored) = &done {
            incoming::note(guest, doing, stored)?;
        }
        Ok(done)
    });
    match done {
        Ok(Done::Stored(stored)) => {
            let asked = path.split_last().map_or(&b""[..], |(_, name)| name);
            receipt::answer(exchange, &stored, asked)
        }
        Ok(Done::Kept(offset)) => {
            incoming::note_kept(guest, path, came, offset);
            let line = format!("kept: {offset} bytes");
            exchange.reply(Reply::text(202, &line).field("Upload-Offset", offset.to_string()))
        }
        Err(stop) => {
            incoming::note_stop(guest, path, doing, &stop, came);
            match stop {
                Stop::Over(end) => Err(end),
                Stop::Refused { status, refusal } => {
                    let mut reply = refusal::reply_as(exchange, status, &refusal);
                    if refusal.code == Code::Range {
                        let kept = guest.library.kept(path).to_string();
                        reply = reply.field("Upload-Offset", kept);
                    }
                    exchange.reply(reply)
                }
            }
        }
    }
}

/// HEAD with `?upload`: what is kept of the client's own cut upload.
pub(super) fn offset(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    match guest.allow(Operation::Put { overwrite: false }, Ok(path)) {
        Ok(path) => {
            let kept = guest.library.kept(path).to_string();
            let reply = Reply::new(204).field("Upload-Offset", kept);
            exchange.reply(reply.field("Cache-Control", "no-store"))
        }
        Err(refusal) => exchange.refuse(&refusal),
    }
}

/// DELETE with `?upload`: throws it away.
pub(super) fn forget(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let forgotten = guest
        .allow(Operation::Put { overwrite: false }, Ok(path))
        .and_then(|path| guest.library.forget(path));
    let shown = name::encode(path.as_bytes());
    guest.log("forget", &[("path", &shown)], forgotten.as_ref().err());
    match forgotten {
        Ok(()) => exchange.reply(Reply::new(204)),
        Err(refusal) => exchange.refuse(&refusal),
    }
}

fn receive(
    exchange: &mut Exchange<'_>,
    guest: &mut Guest,
    path: &RelPath,
    doing: &mut Doing,
    came: &mut u64,
) -> Result<Done, Stop> {
    guest.allow(Operation::Put { overwrite: false }, Ok(path))?;
    let asked = understand(exchange, guest, path)?;
    // Of a part that is kept nothing more is heard.
    if asked.range.is_none_or(|range| range.is_end()) {
        let shown = name::encode(path.as_bytes());
        *doing = guest.record().begin(Verb::Upload, &shown, asked.size);
    }
    let slot = exchange.connection.slot();
    let begun = Incoming::begin(guest, slot, path, asked.streamed, asked.size);
    let mut incoming = begun.map_err(|stop| asked.explain(stop, exchange))?;
    if let Err(stop) = body::receive(exchange, guest, &mut incoming, came) {
        return Err(incoming.end(guest, stop));
    }
    if asked.range.is_some_and(|range| !range.is_end()) {
        return Ok(Done::Kept(incoming.keep(guest)?));
    }
    let stored = incoming.store(guest, asked.said.as_ref());
    let stored = stored.map_err(|stop| asked.explain(stop, exchange))?;
    Ok(Done::Stored(Box::new(stored)))
}

/// What the head asks for.
fn understand(exchange: &Exchange<'_>, guest: &Guest, path: &RelPath) -> Result<Asked, Stop> {
    let head = &exchange.head;
    if let Target::Library {
        is_folder: true, ..
    } = head.target
    {
        return Err(Refusal::from(Code::IsFolder).into());
    }
    if let Some(coding) = head.one("content-encoding")
        && !coding.eq_ignore_ascii_case(b"identity")
    {
        let what = "files are stored as they are sent: without a Content-Encoding";
        return Err(Stop::refused(415, Refusal::new(Code::Request, what)));
    }
    let length = match head.framing {
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
        Framing::None => return Err(length_required()),
    };
    let range = range(head, length)?;
    let said = digest::parse(head.all("repr-digest"))
        .map_err(|_| Refusal::new(Code::Request, "Repr-Digest has no sha-256=:base64:"))?;
    let modified = modified(head)?;
    let expected = precondition(exchange, guest, path)?;
    let is_new = head.one("if-none-match") == Some(b"*");
    let terms = guest.terms(path);
    // Nothing that a client says lets it know what is in a drop box.
    let rename_taken = terms.is_blind || terms.rename_taken && expected.is_none() && !is_new;
    let streamed = Streamed {
        from: range.map_or(Begin::Start, |range| Begin::Kept(range.first)),
        size: range.map_or(length, |range| Some(range.total - range.first)),
        modified,
        // A part says nothing of the whole.
        digest: if range.is_none_or(|range| range.is_end()) {
            let receipt = exchange.world.config.receipt.kind();
            said.map(|value| value.kind()).or(receipt)
        } else {
            None
        },
        overwrite: terms.may_overwrite && !rename_taken && !is_new,
        expected,
        rename_taken,
        largest: terms.largest,
        parents: exchange.asks("parents") && terms.makes_folders,
    };
    Ok(Asked {
        streamed,
        range,
        size: range.map_or(length, |range| Some(range.total)),
        said,
        is_new,
    })
}

/// Nothing says where the body ends.
pub(super) fn length_required() -> Stop {
    let what = "a body says how long it is: by Content-Length, or in chunks";
    Stop::refused(411, Refusal::new(Code::Request, what))
}

/// The part of the file that comes; None where it is the whole.
fn range(head: &Head, length: Option<u64>) -> Result<Option<ContentRange>, Stop> {
    if head.all("content-range").next().is_none() {
        return Ok(None);
    }
    let range = head.one("content-range").and_then(ContentRange::parse);
    let Some(range) = range else {
        let what = "Content-Range: bytes FIRST-LAST/TOTAL";
        return Err(Refusal::new(Code::Request, what).into());
    };
    match length {
        None => Err(length_required()),
        Some(length) if length != range.len() => {
            let what = "Content-Range and Content-Length do not fit together";
            Err(Refusal::new(Code::Request, what).into())
        }
        Some(_) => Ok(Some(range)),
    }
}

/// The time of change that the file is to have.
fn modified(head: &Head) -> Result<Option<Stamp>, Refusal> {
    if head.all("x-oc-mtime").next().is_none() {
        return Ok(None);
    }
    let text = head.text("x-oc-mtime").unwrap_or("");
    match text.parse::<i64>() {
        Ok(seconds) if (-FAR..=FAR).contains(&seconds) => Ok(Some(Stamp { seconds, nanos: 0 })),
        _ => Err(Refusal::new(
            Code::Request,
            "X-OC-Mtime is a number of seconds since 1970",
        )),
    }
}

/// Sees whether the conditions of the request hold (RFC 9110, section 13.1). Returns what If-Match wants to be there still when
/// the act is done.
///
/// # Errors
/// 412 where they do not.
pub(super) fn precondition(
    exchange: &Exchange<'_>,
    guest: &Guest,
    path: &RelPath,
) -> Result<Option<Expected>, Stop> {
    let head = &exchange.head;
    let says = |field: &str| head.all(field).next().is_some();
    if !["if-match", "if-none-match", "if-unmodified-since"]
        .into_iter()
        .any(says)
    {
        return Ok(None);
    }
    if guest.terms(path).is_blind {
        // A new name is what every upload gets there; of anything else nothing is told.
        return match head.one("if-none-match") {
            Some(b"*") if !says("if-match") && !says("if-unmodified-since") => Ok(None),
            _ => Err(Refusal::from(Code::Denied).into()),
        };
    }
    let there = match guest.library.stat(path) {
        Ok(facts) => Some(facts),
        Err(refusal) if matches!(refusal.code, Code::NotFound | Code::NotFolder) => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let known = there.map(|facts| receipt::validators(&facts));
    if judge(head, known.as_ref()) == Verdict::Go {
        return Ok(there
            .filter(|_| says("if-match"))
            .map(|facts| match head.one("if-match") {
                Some(b"*") => Expected::File,
                _ => Expected::This(facts),
            }));
    }
    let code = match there {
        Some(_) if says("if-none-match") => Code::Exists,
        _ => Code::Changed,
    };
    let what = match there {
        Some(_) => "what has the name is not what the request was meant for",
        None => "nothing has the name, and the request was meant for something",
    };
    Err(Stop::refused(412, Refusal::new(code, what)))
}

impl Asked {
    /// A refusal in the words of HTTP, where it means something else by what was asked.
    fn explain(&self, stop: Stop, exchange: &Exchange<'_>) -> Stop {
        let Stop::Refused { status, refusal } = stop else {
            return stop;
        };
        match refusal.code {
            Code::Exists if self.is_new => Stop::refused(412, refusal),
            Code::Exists => {
                let what = "the name is taken, and you may not replace files";
                Stop::refused(status, Refusal::new(Code::Exists, what))
            }
            Code::NotFound if exchange.asks("parents") && !self.streamed.parents => {
                let what = "the folder is not there, and you may not make folders";
                Refusal::new(Code::Denied, what).into()
            }
            Code::NotFound => {
                let what = "the folder that it is to go to is not there: ?parents makes it";
                Stop::refused(status, Refusal::new(Code::NotFound, what))
            }
            _ => Stop::Refused { status, refusal },
        }
    }
}
