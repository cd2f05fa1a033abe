//! STOR, APPE, STOU: a file from the client, shown when it is whole and on the disk. Run by a child.
//!
//! FTP does not say where a file ends: it ends when its data connection does, and that of a client which died ends just so. So an
//! upload counts as whole only with some evidence: TLS said goodbye on the data connection; or as much came as ALLO had
//! announced; or else the client was still there, on the control connection, when its bytes were on the disk. Without any, what
//! came is kept out of sight, for resuming, and an old file of that name stays.

use super::control::Control;
use super::data::{self, Stop};
use super::opening::Way;
use super::receive::{Evidence, Intake};
use super::{End, Handled, Session};
use crate::child::ask::Unanswered;
use crate::child::deeds::{Deed, Doing};
use crate::child::guest::Guest;
use crate::child::quota::Spending;
use crate::child::stored;
use crate::config::OnHangup;
use crate::error::{Code, Refusal};
use crate::ledger::Verb;
use crate::library::{From as Begin, Published, Ready, Streamed};
use crate::log::ftp::{self, Deed as Logged, Moved};
use crate::rights::Operation;
use crate::sys::process::monotonic_millis;
use crate::wire::ftp::command::{Type, allo};
use crate::wire::ftp::path::absolute;
use crate::wire::name;
use crate::wire::path::RelPath;
use std::cell::RefCell;
use std::time::Instant;

impl From<Unanswered> for Stop {
    fn from(why: Unanswered) -> Stop {
        match why {
            Unanswered::Refused(refusal) => Stop::Refused(refusal),
            Unanswered::Gone(reason) => Stop::Over(End::Forsaken(reason)),
        }
    }
}

/// ALLO (RFC 959, section 4.1.3): how many bytes come next. Devices insist on 200 where the RFC allows 202.
pub(super) fn announce(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    match allo(argument) {
        Some(bytes) => {
            session.announced = Some(bytes);
            session.line.control.say(200, "Noted.")
        }
        None => session
            .line
            .control
            .say(501, "ALLO takes a number of bytes."),
    }
}

/// ABOR between transfers.
pub(super) fn abort(session: &mut Session<'_>, _: &[u8]) -> Handled {
    session.line.way = Way::Unsaid;
    session.line.control.say(226, "There is nothing to abort.")
}

pub(super) fn stor(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let begin = match session.restart.take() {
        None | Some(0) => Begin::Start,
        Some(at) => Begin::Offset(at),
    };
    session.store(argument, begin, false)
}

pub(super) fn appe(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.restart = None;
    session.store(argument, Begin::End, false)
}

/// STOU (RFC 1123, section 4.1.2.9): under a name of its own, made from the one given if one is.
pub(super) fn stou(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.restart = None;
    match unique(argument) {
        Ok(argument) => session.store(&argument, Begin::Start, true),
        Err(refusal) => session.refuse(&refusal),
    }
}

/// A name that nobody has: random digits before the ending of `argument`.
fn unique(argument: &[u8]) -> Result<Vec<u8>, Refusal> {
    let id = stored::new_id()?;
    let argument = if argument.is_empty() {
        b"upload"
    } else {
        argument
    };
    let name = argument
        .iter()
        .rposition(|&b| b == b'/')
        .map_or(0, |at| at + 1);
    let dot = argument[name..].iter().rposition(|&b| b == b'.');
    let (stem, ending) = argument.split_at(dot.map_or(argument.len(), |at| name + at));
    Ok([stem, b"-", id.as_bytes(), ending].concat())
}

/// An upload that is to come.
struct Incoming<'a> {
    path: &'a RelPath,
    begin: Begin,
    unique: bool,
    announced: Option<u64>,
    /// What is said when the data connection is there.
    ready: &'a [u8],
}

/// An upload that was stored.
struct Stored {
    published: Published,
    id: String,
}

impl Session<'_> {
    fn store(&mut self, argument: &[u8], begin: Begin, unique: bool) -> Handled {
        let announced = self.announced.take();
        let path = self.new_path(argument);
        let resolved = self
            .guest
            .allow(Operation::Put { overwrite: false }, path)
            .and_then(|path| match self.range.take() {
                Some(_) => Err(Refusal::new(Code::Request, "RANG is for RETR and HASH")),
                None => Ok(path),
            });
        let path = match resolved {
            Ok(path) => path,
            Err(refusal) => {
                let shown = name::encode(argument);
                let deed = Deed::put(&shown, Doing::now());
                self.guest.record().done(&deed, Some(&refusal));
                return self.refuse(&refusal);
            }
        };
        let began = Instant::now();
        let mut came = 0;
        let begin_text = match (unique, self.line.kind) {
            (true, _) => [b"FILE: ", argument].concat(),
            (false, Type::Image) => b"Ready for BINARY data.".to_vec(),
            (false, Type::Ascii) => b"Ready for ASCII data.".to_vec(),
        };
        let what = Incoming {
            path: &path,
            begin,
            unique,
            announced,
            ready: &begin_text,
        };
        let shown = name::encode(path.as_bytes());
        let doing = self.guest.record().begin(Verb::Upload, &shown, announced);
        let outcome = self.receive(&what, &mut came);
        let asked = last(&path).to_vec();
        let stored_as = match &outcome {
            Ok(stored) => stored::path_of(&path, &stored.published),
            Err(_) => path,
        };
        let complete = outcome.is_ok();
        let outcome = self.note(&stored_as, doing, outcome, came);
        ftp::moved(&Moved {
            deed: Logged::Upload,
            user: self.guest.grant.user.as_deref(),
            peer: self.guest.peer.address(),
            path: &absolute(&stored_as),
            bytes: came,
            took: began.elapsed(),
            ascii: self.line.kind == Type::Ascii,
            complete,
        });
        match outcome {
            Ok(stored) => {
                let Stored { published, id } = &stored;
                let digest = stored::digest_word(published);
                let bytes = published.size;
                let named = if published.name != asked {
                    let mut named = b" FILE: ".to_vec();
                    named.extend_from_slice(&published.name);
                    named
                } else {
                    Vec::new()
                };
                let mut text = format!("Stored: {bytes} bytes{digest} id={id}").into_bytes();
                text.extend_from_slice(&named);
                self.line.control.say(226, text)
            }
            Err(stop) => data::tell(&mut self.line, stop),
        }
    }

    /// Has it written down what came of an upload. What is stored, and cannot be, its client does not hear of.
    fn note(
        &self,
        path: &RelPath,
        doing: Doing,
        outcome: Result<Stored, Stop>,
        came: u64,
    ) -> Result<Stored, Stop> {
        match outcome {
            Ok(stored) => {
                let Stored { published, id } = &stored;
                self.guest.has_stored(path, doing, published, id)?;
                Ok(stored)
            }
            Err(stop) => {
                let why = data::refusal_of(&stop);
                self.guest.has_not_stored(path, doing, came, &why);
                Err(stop)
            }
        }
    }

    fn receive(&mut self, what: &Incoming<'_>, came: &mut u64) -> Result<Stored, Stop> {
        let Incoming {
            path,
            begin,
            unique,
            announced,
            ready,
        } = *what;
        let guest = &mut self.guest;
        let library = guest.library;
        let terms = guest.terms(path);
        let rename_taken = unique || terms.rename_taken;
        let slot = self.line.control.slot();
        let mut upload = library.begin_streamed(
            path,
            Streamed {
                from: begin,
                size: announced,
                digest: self.line.world.config.receipt.kind(),
                overwrite: terms.may_overwrite && !rename_taken,
                rename_taken,
                largest: terms.largest,
                ..Streamed::default()
            },
        )?;
        let reserved = upload
            .take_over(|n| slot.moved(n))
            .map_err(Stop::from)
            .and_then(|at| {
                Ok((
                    at,
                    guest.reserve(&upload, announced.map(|more| at.saturating_add(more)))?,
                ))
            });
        let (_, mut reserved) = match reserved {
            Ok(begun) => begun,
            Err(stop) => {
                upload.abandon(library);
                return Err(stop);
            }
        };
        self.line.control.may_end = guest.grant.on_hangup == OnHangup::Publish;
        let intake = Intake {
            guest: &mut *guest,
            upload: &mut upload,
            reserved: &mut reserved,
            announced,
            came,
        };
        let received = intake.receive(&mut self.line, ready);
        self.line.control.may_end = false;
        let stored = match received {
            Ok(moment) => {
                let ready = upload.finish_streamed();
                publish(&mut self.line.control, guest, path, ready, moment)
            }
            Err(stop) => {
                match &stop {
                    // It does not fit: kept, it would only take the room that is missing.
                    Stop::Refused(_) => upload.discard(library),
                    _ => upload.abandon(library),
                }
                Err(stop)
            }
        };
        let mut spent = Spending::default();
        spent.release(reserved);
        if let Ok(stored) = &stored {
            spent.stored(stored.published.size, stored.published.replaced);
        }
        guest.spend(spent)?;
        stored
    }
}

/// The last part of a path.
fn last(path: &RelPath) -> &[u8] {
    path.split_last().map_or(&b""[..], |(_, name)| name)
}

/// Shows the upload, if at the last moment the client is there where that is what it rests on.
fn publish(
    control: &mut Control,
    guest: &Guest,
    path: &RelPath,
    ready: Ready,
    evidence: Evidence,
) -> Result<Stored, Stop> {
    let id = stored::new_id()?;
    let control = RefCell::new(control);
    // Its bytes are on the disk by now: the time that took is part of the moment.
    let give = |_, file: std::os::fd::BorrowedFd<'_>| {
        if let Evidence::PresentUntil(until) = evidence {
            let left = until.saturating_sub(monotonic_millis());
            if control.borrow_mut().hangs_up_within(left) {
                let what = "the client hung up at the end, and nothing says that it was the end";
                return Err(Refusal::new(Code::Cancelled, what));
            }
        }
        guest.give(file, path)
    };
    let outcome = guest.library.publish(vec![ready], &give).pop();
    let published = outcome.unwrap_or_else(|| Err(Code::Io.into()))?;
    Ok(Stored { published, id })
}
