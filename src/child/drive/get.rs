//! `G`: a file or a part of it, with a digest. Run by a child.
//!
//! By what is cheapest: a small file goes through the output buffer with its neighbours; a file whose digest is kept goes by
//! sendfile unread; any other goes by sendfile too, and each piece is read for the digest after it was sent. For a large
//! one a second thread does that, a little behind, so that the digest costs no time where there is a second processor.

use super::{Fail, Handled, Session};
use crate::child::deeds::{Deed, Doing};
use crate::digest::{Hasher, Kind, Value};
use crate::error::{Code, Refusal};
use crate::ledger::Verb;
use crate::library::{Download, Scratch};
use crate::rights::Operation;
use crate::sys::file;
use crate::wire::drive::{Cover, Get, GetEnd, GetStart, letter};
use crate::wire::frame::Header;
use crate::wire::name;
use crate::wire::path::{Bad, RelPath};
use std::io;
use std::sync::mpsc::sync_channel;

/// Up to here a file is read into the output buffer.
const SMALL: u64 = 64 * 1024;
/// Bytes sent between two reads for the digest.
const PIECE: usize = 1024 * 1024;
/// From here on it is worth a thread to compute the digest beside the sending.
const LARGE: u64 = 4 * 1024 * 1024;
/// Frames that may be sent before they are in the digest.
const BEHIND: usize = 4;
/// All that thread does is read and hash.
const HASHING_STACK: usize = 256 * 1024;

pub(super) fn handle(session: &mut Session, header: Header) -> Handled {
    let request: Get = session.line.request(header)?;
    let at = RelPath::parse(&request.path.0).map_err(Bad::when_reading);
    let opened = session
        .guest
        .allow(Operation::Get, at)
        .and_then(|path| session.guest.library.open_file(&path));
    let path = name::encode(&request.path.0);
    let (mut doing, mut moved) = (Doing::now(), Moved::default());
    let result = match opened {
        Ok(file) => {
            let record = session.guest.record();
            doing = record.begin(Verb::Download, &path, Some(file.facts().size));
            send(session, &request, &file, &mut moved)
        }
        Err(refusal) => Ok(Err(refusal)),
    };
    let (handled, refusal) = match result {
        Ok(Ok(())) => (Ok(()), None),
        Ok(Err(refusal)) => (Err(Fail::Refuse(refusal.clone())), Some(refusal)),
        Err(end) => (Err(end), Some(Code::Cancelled.into())),
    };
    let deed = Deed {
        bytes: moved.bytes,
        digest: moved.digest,
        is_part: moved.is_part,
        ..Deed::get(&path, doing)
    };
    session.guest.record().done(&deed, refusal.as_ref());
    handled
}

/// What became of a file on its way.
#[derive(Debug, Default)]
struct Moved {
    /// None where nothing was sent.
    bytes: Option<u64>,
    digest: Option<Value>,
    is_part: bool,
}

/// A digest in the making.
struct Sum {
    hasher: Hasher,
    /// Only for files that are not read into the output buffer anyway.
    scratch: Option<Scratch>,
}

impl Sum {
    fn new(kind: Kind) -> Sum {
        let hasher = Hasher::new(kind);
        Sum {
            hasher,
            scratch: None,
        }
    }

    /// Takes bytes `from` to `to` of the file in.
    fn add(
        &mut self,
        file: &Download,
        from: u64,
        to: u64,
        moved: impl FnMut(u64),
    ) -> Result<(), Refusal> {
        let scratch = self.scratch.get_or_insert_with(Scratch::new);
        file.hash(&mut self.hasher, scratch, from, to, moved)
    }
}

/// What is to be sent, and what is to be known at the end.
struct Plan {
    from: u64,
    to: u64,
    /// The digest, if it is known already.
    known: Option<Value>,
    /// It is that of the whole file, and may be kept.
    whole: bool,
}

fn plan(request: &Get, file: &Download) -> Result<Plan, Refusal> {
    let size = file.facts().size;
    if request.offset > size {
        return Err(Code::Range.into());
    }
    let to = request.length.map_or(size, |length| {
        request.offset.saturating_add(length).min(size)
    });
    let whole = request.cover == Cover::File || (request.offset == 0 && to == size);
    let known = if whole {
        file.kept_digest(request.digest)
    } else {
        None
    };
    Ok(Plan {
        from: request.offset,
        to,
        known,
        whole,
    })
}

fn send(
    session: &mut Session,
    request: &Get,
    file: &Download,
    moved: &mut Moved,
) -> Result<Result<(), Refusal>, Fail> {
    let plan = match plan(request, file) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let facts = file.facts();
    let length = plan.to - plan.from;
    let start = GetStart {
        size: facts.size,
        offset: plan.from,
        length,
        mtime: facts.modified.seconds,
        nsec: facts.modified.nanos,
    };
    session.line.writer.json(letter::OK, &start)?;
    let mut sum = plan.known.is_none().then(|| Sum::new(request.digest));
    let before = session.line.writer.sink().sent();
    let sent = send_bytes(session, request, file, &plan, &mut sum);
    // Not all that was sent was the file's.
    let went = session.line.writer.sink().sent() - before;
    moved.bytes = Some(went.min(length));
    let digest = match sent?.and_then(|()| file.unchanged()) {
        Ok(()) => plan.known.or_else(|| sum.map(|sum| sum.hasher.finish())),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(digest) = digest else {
        return Ok(Err(Code::Io.into()));
    };
    if plan.known.is_none() && plan.whole {
        file.keep_digest(&digest);
    }
    session.line.writer.json(
        letter::END,
        &GetEnd {
            digest: digest.to_hex(),
        },
    )?;
    *moved = Moved {
        bytes: Some(length),
        digest: Some(digest),
        is_part: !plan.whole || length < facts.size,
    };
    Ok(Ok(()))
}

/// The `D` frames, and the digest of what it is to cover. The inner refusal is the file's; the frames are whole all the same.
fn send_bytes(
    session: &mut Session,
    request: &Get,
    file: &Download,
    plan: &Plan,
    sum: &mut Option<Sum>,
) -> Result<Result<(), Refusal>, Fail> {
    let slot = session.line.reader.inner().slot();
    let size = file.facts().size;
    if let (Some(sum), Cover::File) = (&mut *sum, request.cover)
        && let Err(refusal) = sum.add(file, 0, plan.from, |n| slot.moved(n))
    {
        return Ok(Err(refusal));
    }
    let is_large = plan.to - plan.from >= LARGE;
    let sent = match &mut *sum {
        Some(sum) if is_large => send_beside(session, file, plan, sum)?,
        _ => send_along(session, file, plan, sum)?,
    };
    if sent.is_err() {
        return Ok(sent);
    }
    if let (Some(sum), Cover::File) = (sum, request.cover)
        && let Err(refusal) = sum.add(file, plan.to, size, |n| slot.moved(n))
    {
        return Ok(Err(refusal));
    }
    Ok(Ok(()))
}

/// Sends, and takes each piece into the digest after it was sent.
fn send_along(
    session: &mut Session,
    file: &Download,
    plan: &Plan,
    sum: &mut Option<Sum>,
) -> Result<Result<(), Refusal>, Fail> {
    for (at, chunk) in chunks(plan, session.guest.downloads.frame()) {
        let fits = plan.to - plan.from <= SMALL && session.guest.downloads.piece(chunk) == chunk;
        let sent = if fits {
            send_small(session, file, at, chunk, sum)?
        } else {
            send_chunk(session, file, at, chunk, sum)?
        };
        if sent.is_err() {
            return Ok(sent);
        }
    }
    Ok(Ok(()))
}

/// Sends, while another thread takes into the digest what was sent. It is never far behind: a client does not wait long
/// for the digest after the last byte.
fn send_beside(
    session: &mut Session,
    file: &Download,
    plan: &Plan,
    sum: &mut Sum,
) -> Result<Result<(), Refusal>, Fail> {
    let slot = session.line.reader.inner().slot();
    let (to_hash, sent_ranges) = sync_channel::<(u64, u64)>(BEHIND);
    std::thread::scope(|scope| {
        let hash = move || {
            let mut ranges = sent_ranges.into_iter();
            ranges.try_for_each(|(from, to)| sum.add(file, from, to, |n| slot.moved(n)))
        };
        let hashing = std::thread::Builder::new().stack_size(HASHING_STACK);
        let hashing = hashing.spawn_scoped(scope, hash)?;
        let mut sent = Ok(Ok(()));
        for (at, chunk) in chunks(plan, session.guest.downloads.frame()) {
            sent = send_chunk(session, file, at, chunk, &mut None);
            // The other end is gone when the file could not be read.
            if !matches!(sent, Ok(Ok(()))) || to_hash.send((at, at + chunk as u64)).is_err() {
                break;
            }
        }
        drop(to_hash);
        let hashed = hashing.join().unwrap_or_else(|_| Err(Code::Io.into()));
        sent.map(|sent| sent.and(hashed))
    })
}

/// The frames of a plan, of at most `longest` bytes: where each begins, and its bytes.
fn chunks(plan: &Plan, longest: usize) -> impl Iterator<Item = (u64, usize)> + use<> {
    let to = plan.to;
    let starts = (plan.from..to).step_by(longest);
    starts.map(move |at| (at, (to - at).min(longest as u64) as usize))
}

/// Waits until `bytes` more may go to the client, which has all that was gathered for it before.
fn pace(session: &mut Session, bytes: usize) -> io::Result<()> {
    let wait = session.guest.downloads.take(bytes);
    if wait.is_due() {
        session.line.writer.flush()?;
        wait.run(session.line.reader.inner().slot());
    }
    Ok(())
}

fn send_small(
    session: &mut Session,
    file: &Download,
    at: u64,
    chunk: usize,
    sum: &mut Option<Sum>,
) -> Result<Result<(), Refusal>, Fail> {
    pace(session, chunk)?;
    let filled = session.line.writer.fill(chunk, |into| {
        let mut got = 0;
        while got < into.len() {
            match file::read_at(file.fd(), &mut into[got..], at + got as u64)? {
                0 => break,
                n => got += n,
            }
        }
        if let Some(sum) = sum {
            sum.hasher.update(&into[..got]);
        }
        Ok::<usize, Refusal>(got)
    })?;
    Ok(filled.and_then(|got| {
        if got == chunk {
            Ok(())
        } else {
            Err(Code::Changed.into())
        }
    }))
}

fn send_chunk(
    session: &mut Session,
    file: &Download,
    at: u64,
    chunk: usize,
    sum: &mut Option<Sum>,
) -> Result<Result<(), Refusal>, Fail> {
    session.line.writer.open_data(chunk)?;
    let mut done = 0;
    while done < chunk {
        let piece = if sum.is_some() {
            PIECE.min(chunk - done)
        } else {
            chunk - done
        };
        let piece = session.guest.downloads.piece(piece);
        pace(session, piece)?;
        let output = session.line.writer.sink();
        let from = at + done as u64;
        let sent = output.send_file(file.fd(), from, piece)?;
        let got = *sent.as_ref().unwrap_or(&0);
        done += got;
        let hashed = match sum {
            Some(sum) => sum.add(file, from, from + got as u64, |_| ()),
            None => Ok(()),
        };
        let short = if got < piece {
            Err(Refusal::from(Code::Changed))
        } else {
            Ok(())
        };
        if let Err(refusal) = sent.map_err(Refusal::from).and(hashed).and(short) {
            output.send_zeros(chunk - done)?;
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(()))
}
