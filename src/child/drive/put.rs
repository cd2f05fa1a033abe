//! `P`: a file from the client, shown when it is whole and on the disk. Run by a child.
//!
//! Uploads that arrive one behind the other are published together: they share the waiting for the disk, and each is
//! answered after it is stored, in order.

use super::{Fail, Handled, Session};
use crate::child::deeds::{Deed, Doing};
use crate::child::quota::{Reserved, Spending};
use crate::child::stored;
use crate::digest::Value;
use crate::error::{Code, Refusal};
use crate::ipc::MOST_UNDER_WAY;
use crate::ledger::Verb;
use crate::library::{Announced, Ready, Upload};
use crate::rights::Operation;
use crate::sys::file::Stamp;
use crate::wire::drive::{Put, PutDone, PutEnd, PutStart, letter};
use crate::wire::frame::{Header, MAX_CONTROL};
use crate::wire::name::{self, Name};
use crate::wire::path::{Bad, RelPath};

/// Most uploads that wait for each other: each holds two descriptors.
const MOST: usize = 128;
/// Most bytes that wait for each other, so that no answer waits long.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
/// Read from the socket and written to the disk at once.
const PIECE: usize = 256 * 1024;

/// Uploads that are whole, and not shown yet.
#[derive(Default)]
pub(super) struct Batch {
    ready: Vec<(Named, Ready, Reserved)>,
    bytes: u64,
}

/// An upload, as it is to be known.
struct Named {
    path: RelPath,
    doing: Doing,
    id: String,
}

impl Batch {
    /// True while something waits, and more may join it.
    pub(super) fn is_open(&self) -> bool {
        !self.ready.is_empty()
    }

    fn is_full(&self) -> bool {
        self.ready.len() >= MOST || self.bytes >= MOST_BYTES
    }
}

pub(super) fn handle(session: &mut Session, header: Header) -> Handled {
    // If it is refused, its bytes are on their way all the same.
    session.skipping = true;
    let request: Put = match session.line.request(header) {
        Err(Fail::Refuse(refusal)) => {
            session.commit()?;
            return Err(refusal.into());
        }
        parsed => parsed?,
    };
    // A resumed upload waits to be told where to go on.
    session.skipping = !request.resume;
    let path = name::encode(&request.path.0);
    let mut doing = Doing::now();
    match receive(session, &request, &path, &mut doing) {
        Ok((named, ready, reserved)) => {
            session.batch.bytes += ready.size();
            session.batch.ready.push((named, ready, reserved));
            if session.batch.is_full() {
                session.commit()
            } else {
                Ok(())
            }
        }
        Err(Fail::Refuse(refusal)) => {
            // Those before it are answered first.
            session.commit()?;
            session
                .guest
                .record()
                .done(&Deed::put(&path, doing), Some(&refusal));
            Err(refusal.into())
        }
        Err(Fail::Told(refusal)) => {
            session
                .guest
                .record()
                .done(&Deed::put(&path, doing), Some(&refusal));
            Ok(())
        }
        Err(end) => {
            session
                .guest
                .record()
                .done(&Deed::put(&path, doing), Some(&Code::Cancelled.into()));
            Err(end)
        }
    }
}

/// Publishes a batch and answers for each of it.
pub(super) fn commit(session: &mut Session, batch: Batch) -> Result<(), Fail> {
    let mut spent = Spending::default();
    let (mut names, mut ready) = (Vec::new(), Vec::new());
    for (named, upload, reserved) in batch.ready {
        spent.release(reserved);
        names.push(named);
        ready.push(upload);
    }
    let durability = session.guest.library.options().durability.as_str();
    let outcomes = session
        .guest
        .library
        .publish(ready, &|at, file| session.guest.give(file, &names[at].path));
    for stored in outcomes.iter().flatten() {
        spent.stored(stored.size, stored.replaced);
    }
    session.guest.spend(spent)?;
    // Each with the path that it got.
    let outcomes: Vec<_> = names
        .iter()
        .zip(outcomes)
        .map(|(named, outcome)| {
            let stored = outcome?;
            let digest = stored.digest.ok_or(Code::Io)?;
            let path = stored::path_of(&named.path, &stored);
            Ok::<_, Refusal>((path, stored, digest))
        })
        .collect();
    // All are written down before anybody hears of one; to wait for the last is to wait for all.
    let last = outcomes.iter().rposition(Result::is_ok);
    for (at, (named, outcome)) in names.iter().zip(&outcomes).enumerate() {
        let record = session.guest.record();
        let path = outcome.as_ref().map_or(&named.path, |(path, ..)| path);
        let path = name::encode(path.as_bytes());
        let deed = Deed::put(&path, named.doing);
        match outcome {
            Ok((_, stored, digest)) => {
                let deed = Deed {
                    bytes: Some(stored.size),
                    digest: Some(*digest),
                    id: Some(&named.id),
                    ..deed
                };
                if last == Some(at) {
                    record.done_for_good(&deed, None)?;
                } else {
                    record.done(&deed, None);
                }
            }
            Err(refusal) => record.done(&deed, Some(refusal)),
        }
    }
    for (named, outcome) in names.into_iter().zip(outcomes) {
        match outcome {
            Ok((path, stored, digest)) => session.line.writer.json(
                letter::OK,
                &PutDone {
                    size: stored.size,
                    digest: digest.to_hex(),
                    durability: durability.into(),
                    name: (path != named.path).then_some(Name(stored.name)),
                    id: named.id,
                },
            )?,
            Err(refusal) => session.line.refuse(&refusal)?,
        }
    }
    Ok(())
}

/// The upload that was received whole, and how it is to be known.
fn receive(
    session: &mut Session,
    request: &Put,
    shown: &str,
    doing: &mut Doing,
) -> Result<(Named, Ready, Reserved), Fail> {
    let id = stored::new_id()?;
    let operation = Operation::Put {
        overwrite: request.overwrite,
    };
    let path = RelPath::parse(&request.path.0).map_err(Bad::when_writing);
    let path = session.guest.allow(operation, path)?;
    let terms = session.guest.terms(&path);
    if request.nsec >= 1_000_000_000 {
        return Err(Refusal::new(Code::Request, "nsec is below 1000000000").into());
    }
    let announced = Announced {
        size: request.size,
        modified: request.mtime.map(|seconds| Stamp {
            seconds,
            nanos: request.nsec,
        }),
        digest: Some(request.digest),
        overwrite: request.overwrite,
        // Elsewhere the client says what becomes of a name that is taken.
        rename_taken: terms.is_blind,
        largest: terms.largest,
        parents: request.parents && terms.makes_folders,
        resume: request.resume,
    };
    let record = session.guest.record();
    *doing = record.begin(Verb::Upload, shown, request.size);
    let library = session.guest.library;
    let upload = library
        .begin_upload(&path, announced)
        .map_err(|refusal| match refusal.code {
            Code::NotFound if request.parents && !announced.parents => {
                let what = "the folder is not there, and you may not make folders";
                Refusal::new(Code::Denied, what)
            }
            _ => refusal,
        })?;
    let mut reserved = match session.guest.reserve(&upload, request.size) {
        Ok(reserved) => reserved,
        Err(why) => {
            upload.abandon(library);
            return Err(why.into());
        }
    };
    let received = receive_whole(session, request, upload, &mut reserved);
    if received.is_err() {
        let mut spent = Spending::default();
        spent.release(reserved);
        session.guest.spend(spent)?;
    }
    let named = Named {
        path,
        doing: *doing,
        id,
    };
    Ok((named, received?, reserved))
}

/// From the first byte to the proof of the whole.
fn receive_whole(
    session: &mut Session,
    request: &Put,
    mut upload: Upload,
    reserved: &mut Reserved,
) -> Result<Ready, Fail> {
    let library = session.guest.library;
    if request.resume {
        session.commit()?;
        let slot = session.line.reader.inner().slot();
        let offset = upload.take_over(|n| slot.moved(n))?;
        let Some(digest) = upload.digest() else {
            return Err(Refusal::from(Code::Io).into());
        };
        session.line.writer.json(
            letter::OK,
            &PutStart {
                offset,
                digest: digest.to_hex(),
            },
        )?;
        session.line.writer.flush()?;
        session.skipping = true;
    }
    match receive_bytes(session, &mut upload, reserved) {
        Ok(end) => {
            let Some(digest) = Value::from_hex(request.digest, &end.digest) else {
                upload.discard(library);
                return Err(
                    Refusal::new(Code::Request, "the digest is not of the announced kind").into(),
                );
            };
            Ok(upload.finish(library, end.size, &digest)?)
        }
        Err(fail) => {
            match &fail {
                // The client gave up or is gone: it may come back for the rest.
                Fail::End(_) => upload.abandon(library),
                Fail::Refuse(refusal) | Fail::Told(refusal) if refusal.code == Code::Cancelled => {
                    upload.abandon(library);
                }
                // It does not fit: kept, it would only take the room that is missing.
                Fail::Refuse(_) | Fail::Told(_) => upload.discard(library),
            }
            Err(fail)
        }
    }
}

/// The run of `D`, up to its `Z`.
fn receive_bytes(
    session: &mut Session,
    upload: &mut Upload,
    reserved: &mut Reserved,
) -> Result<PutEnd, Fail> {
    let mut piece = Vec::new();
    loop {
        let Some(header) = session.line.reader.header()? else {
            return Err(Fail::End(super::End::Lost(
                "the client left in the middle of a put".into(),
            )));
        };
        match header.letter {
            letter::DATA => {
                let wanted = (header.length as usize).min(PIECE);
                if piece.len() < wanted {
                    piece.resize(wanted, 0);
                }
                receive_frame(session, header, &mut piece, upload, reserved)?;
            }
            letter::END => {
                session.skipping = false;
                return session.line.request(header);
            }
            letter::ERROR => {
                session.skipping = false;
                session.line.reader.control(header)?;
                return Err(Code::Cancelled.into());
            }
            other => {
                return Err(Fail::hang_up(format!(
                    "{} in the middle of a put",
                    char::from(other)
                )));
            }
        }
    }
}

fn receive_frame(
    session: &mut Session,
    header: Header,
    piece: &mut [u8],
    upload: &mut Upload,
    reserved: &mut Reserved,
) -> Handled {
    let mut left = header.length;
    while left > 0 {
        let most = session.guest.uploads.piece(piece.len());
        let got = session.line.reader.data(&mut left, &mut piece[..most])?;
        pace(session, got)?;
        let written = session
            .guest
            .grow(reserved, upload.written() + got as u64)
            .and_then(|()| upload.write(&piece[..got]));
        if let Err(refusal) = written {
            // Said before the rest of the frame is read away, so that the client can stop.
            session.commit()?;
            session.line.refuse(&refusal)?;
            while left > 0 {
                session.line.reader.data(&mut left, piece)?;
            }
            return Err(Fail::Told(refusal));
        }
    }
    Ok(())
}

/// Waits until more than these `bytes` may come. Nobody waits with it for the answer to an earlier upload.
fn pace(session: &mut Session, bytes: usize) -> Handled {
    let wait = session.guest.uploads.take(bytes);
    if wait.is_due() {
        session.commit()?;
        session.line.writer.flush()?;
        wait.run(session.line.reader.inner().slot());
    }
    Ok(())
}

const _: () = assert!(MOST < MOST_UNDER_WAY);
const _: () = assert!(
    PIECE > MAX_CONTROL,
    "small frames come by way of the reader's buffer"
);
