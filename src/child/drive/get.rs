//! `G`: a file or a part of it, with a digest. Run by a child.
//!
//! Three ways, by what is cheapest: a small file goes through the output buffer with its neighbours; a file whose digest is
//! kept goes by sendfile unread; any other goes by sendfile too, and each piece is read for the digest after it was sent,
//! while the client is busy with it.

use super::{Fail, Handled, Session, Transfer};
use crate::digest::{Hasher, Value};
use crate::error::{Code, Refusal};
use crate::library::Download;
use crate::sys::file;
use crate::wire::drive::{Cover, Get, GetEnd, GetStart, letter};
use crate::wire::frame::{DATA_CHUNK, Header};
use crate::wire::name;
use crate::wire::path::{Bad, RelPath};

/// Up to here a file is read into the output buffer.
const SMALL: u64 = 64 * 1024;
/// Bytes sent between two reads for the digest: they are still in the processor's cache when they are read.
const PIECE: usize = 256 * 1024;

pub(super) fn handle(session: &mut Session<'_>, header: Header) -> Handled {
    let request: Get = session.request(header)?;
    let opened = RelPath::parse(&request.path.0)
        .map_err(Bad::when_reading)
        .and_then(|path| session.library.open_file(&path));
    let result = match opened {
        Ok(file) => send(session, &request, &file)?,
        Err(refusal) => Err(refusal),
    };
    session.log_request("get", &name::encode(&request.path.0), &result);
    result.map(drop).map_err(Fail::from)
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
    session: &mut Session<'_>,
    request: &Get,
    file: &Download,
) -> Result<Result<Transfer, Refusal>, Fail> {
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
    session.writer.json(letter::OK, &start)?;
    let mut hasher = if plan.known.is_some() {
        None
    } else {
        Some(Hasher::new(request.digest))
    };
    let sent = send_bytes(session, request, file, &plan, &mut hasher)?;
    let digest = match sent.and_then(|()| file.unchanged()) {
        Ok(()) => plan.known.or_else(|| hasher.map(|hasher| hasher.finish())),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(digest) = digest else {
        return Ok(Err(Code::Io.into()));
    };
    if plan.known.is_none() && plan.whole {
        file.keep_digest(&digest);
    }
    let digest_text = digest.to_hex();
    session.writer.json(
        letter::END,
        &GetEnd {
            digest: digest_text.clone(),
        },
    )?;
    Ok(Ok(Transfer {
        bytes: length,
        digest_kind: request.digest.as_str(),
        digest: Some(digest_text),
    }))
}

/// The `D` frames, and the digest of what it is to cover. The inner refusal is the file's; the frames are whole all the same.
fn send_bytes(
    session: &mut Session<'_>,
    request: &Get,
    file: &Download,
    plan: &Plan,
    hasher: &mut Option<Hasher>,
) -> Result<Result<(), Refusal>, Fail> {
    let slot = session.reader.inner().slot();
    let size = file.facts().size;
    if let (Some(hasher), Cover::File) = (&mut *hasher, request.cover)
        && let Err(refusal) = file.hash(hasher, 0, plan.from, |n| slot.moved(n))
    {
        return Ok(Err(refusal));
    }
    let mut at = plan.from;
    while at < plan.to {
        let chunk = (plan.to - at).min(DATA_CHUNK as u64) as usize;
        let sent = if plan.to - plan.from <= SMALL {
            send_small(session, file, at, chunk, hasher)?
        } else {
            send_chunk(session, file, at, chunk, hasher)?
        };
        if sent.is_err() {
            return Ok(sent);
        }
        at += chunk as u64;
    }
    if let (Some(hasher), Cover::File) = (hasher, request.cover)
        && let Err(refusal) = file.hash(hasher, plan.to, size, |n| slot.moved(n))
    {
        return Ok(Err(refusal));
    }
    Ok(Ok(()))
}

fn send_small(
    session: &mut Session<'_>,
    file: &Download,
    at: u64,
    chunk: usize,
    hasher: &mut Option<Hasher>,
) -> Result<Result<(), Refusal>, Fail> {
    let filled = session.writer.fill(chunk, |into| {
        let mut got = 0;
        while got < into.len() {
            match file::read_at(file.fd(), &mut into[got..], at + got as u64)? {
                0 => break,
                n => got += n,
            }
        }
        if let Some(hasher) = hasher {
            hasher.update(&into[..got]);
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
    session: &mut Session<'_>,
    file: &Download,
    at: u64,
    chunk: usize,
    hasher: &mut Option<Hasher>,
) -> Result<Result<(), Refusal>, Fail> {
    let output = session.writer.open_data(chunk)?;
    let mut done = 0;
    while done < chunk {
        let piece = if hasher.is_some() {
            PIECE.min(chunk - done)
        } else {
            chunk - done
        };
        let from = at + done as u64;
        let sent = output.send_file(file.fd(), from, piece)?;
        let got = *sent.as_ref().unwrap_or(&0);
        done += got;
        let hashed = match hasher {
            Some(hasher) => file.hash(hasher, from, from + got as u64, |_| ()),
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
