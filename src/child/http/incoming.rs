//! A file on its way in, however its bytes come: room is reserved for it, it is staged, and shown when it is whole. Run by a child.

use super::{End, refusal};
use crate::child::ask::Unanswered;
use crate::child::deeds::Doing;
use crate::child::guest::Guest;
use crate::child::quota::{Reserved, Spending};
use crate::child::stored;
use crate::digest::Value;
use crate::error::{Code, Refusal};
use crate::library::{Published, Ready, Streamed, Upload};
use crate::scoreboard::Slot;
use crate::sys::file::{self, Facts};
use crate::wire::http::target::OWN;
use crate::wire::name;
use crate::wire::path::RelPath;
use std::cell::Cell;
use std::fmt::Display;

/// Why nothing is stored.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client is told, and the connection goes on.
    Refused { status: u16, refusal: Refusal },
    /// The connection does not.
    Over(End),
}

impl Stop {
    pub(super) fn refused(status: u16, refusal: Refusal) -> Stop {
        Stop::Refused { status, refusal }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        let status = match refusal.code {
            // The way there, and what is kept: the file itself need not be there.
            Code::NotFound | Code::Range => 409,
            // The client said what had to be there.
            Code::Changed => 412,
            _ => refusal::status_of(&refusal),
        };
        Stop::Refused { status, refusal }
    }
}

impl From<End> for Stop {
    fn from(end: End) -> Stop {
        Stop::Over(end)
    }
}

impl From<Unanswered> for Stop {
    fn from(why: Unanswered) -> Stop {
        match why {
            Unanswered::Refused(refusal) => refusal.into(),
            Unanswered::Gone(reason) => Stop::Over(End::Forsaken(reason)),
        }
    }
}

/// A file on its way in. It is stored, kept or dropped, and in each case what was reserved for it is given back.
#[derive(Debug)]
#[must_use]
pub(super) struct Incoming {
    path: RelPath,
    upload: Upload,
    reserved: Reserved,
}

/// A file that was stored.
#[derive(Debug)]
pub(super) struct Stored {
    /// Where: beside what was asked for, where that was taken and the file was to get another name.
    pub(super) path: RelPath,
    pub(super) published: Published,
    /// What it was when it was shown.
    pub(super) facts: Facts,
    /// What its receipt is known by.
    pub(super) id: String,
}

impl Incoming {
    /// Begins. `size` is that of the whole, if it is known.
    pub(super) fn begin(
        guest: &Guest,
        slot: Slot<'static>,
        path: &RelPath,
        streamed: Streamed,
        size: Option<u64>,
    ) -> Result<Incoming, Stop> {
        let library = guest.library;
        let mut upload = library.begin_streamed(path, streamed)?;
        let reserved = match guest.reserve(&upload, size) {
            Ok(reserved) => reserved,
            Err(why) => {
                // What was kept before stays; what is not worth it goes.
                upload.abandon(library);
                return Err(why.into());
            }
        };
        let taken_over = upload.take_over(|n| slot.moved(n));
        let incoming = Incoming {
            path: path.clone(),
            upload,
            reserved,
        };
        match taken_over {
            Ok(_) => Ok(incoming),
            Err(refusal) => {
                incoming.cut(guest)?;
                Err(refusal.into())
            }
        }
    }

    /// The next bytes.
    pub(super) fn write(&mut self, guest: &Guest, bytes: &[u8]) -> Result<(), Stop> {
        let end = self.upload.written().saturating_add(bytes.len() as u64);
        guest.ask_to_grow(&mut self.reserved, end)?;
        Ok(self.upload.write(bytes)?)
    }

    /// What it is written to.
    pub(super) fn upload(&mut self) -> &mut Upload {
        &mut self.upload
    }

    /// The whole has come: it is shown, if it is what its client `said`.
    pub(super) fn store(self, guest: &Guest, said: Option<&Value>) -> Result<Stored, Stop> {
        let Incoming {
            path,
            upload,
            reserved,
        } = self;
        let stored = upload
            .finish_whole(guest.library, said)
            .and_then(|ready| publish(guest, &path, ready));
        let mut spent = Spending::default();
        spent.release(reserved);
        if let Ok(stored) = &stored {
            spent.stored(stored.published.size, stored.published.replaced);
        }
        guest.spend(spent)?;
        Ok(stored?)
    }

    /// A part has come, and the rest will later. Returns how many bytes there are.
    pub(super) fn keep(self, guest: &Guest) -> Result<u64, Stop> {
        let kept = self.upload.keep(guest.library);
        give_back(guest, self.reserved)?;
        Ok(kept?)
    }

    /// The client is gone in the middle: what is worth it is kept.
    pub(super) fn cut(self, guest: &Guest) -> Result<(), Stop> {
        self.upload.abandon(guest.library);
        give_back(guest, self.reserved)
    }

    /// It is refused: kept, it would only take room.
    pub(super) fn drop(self, guest: &Guest) -> Result<(), Stop> {
        self.upload.discard(guest.library);
        give_back(guest, self.reserved)
    }

    /// After `stop`: one of the last two. Returns why nothing is stored.
    pub(super) fn end(self, guest: &Guest, stop: Stop) -> Stop {
        let ended = match &stop {
            Stop::Refused { .. } => self.drop(guest),
            Stop::Over(_) => self.cut(guest),
        };
        ended.err().unwrap_or(stop)
    }
}

fn give_back(guest: &Guest, reserved: Reserved) -> Result<(), Stop> {
    let mut spent = Spending::default();
    spent.release(reserved);
    Ok(guest.spend(spent)?)
}

fn publish(guest: &Guest, path: &RelPath, ready: Ready) -> Result<Stored, Refusal> {
    let id = stored::new_id()?;
    let facts = Cell::new(None);
    let give = |_, fd: std::os::fd::BorrowedFd<'_>| {
        facts.set(Some(file::facts(fd)?));
        guest.give(fd, path)
    };
    let outcome = guest.library.publish(vec![ready], &give).pop();
    let published = outcome.unwrap_or_else(|| Err(Code::Io.into()))?;
    Ok(Stored {
        path: stored::path_of(path, &published),
        facts: facts.get().ok_or(Code::Io)?,
        published,
        id,
    })
}

/// The path of `name` in `folder`.
pub(super) fn below(folder: &RelPath, name: &[u8]) -> Result<RelPath, Refusal> {
    let joined = match folder.is_root() {
        // What is there could never be asked for: below it is what is the server's own.
        true if name == OWN => {
            let what = "that name is the server's own";
            return Err(Refusal::new(Code::Name, what));
        }
        true => name.to_vec(),
        false => [folder.as_bytes(), b"/", name].concat(),
    };
    let path = RelPath::parse(&joined);
    path.map_err(crate::wire::path::Bad::when_writing)
}

/// It is written down that an upload was stored: its client may hear of it.
pub(super) fn note(guest: &Guest, doing: Doing, stored: &Stored) -> Result<(), Stop> {
    Ok(guest.has_stored(&stored.path, doing, &stored.published, &stored.id)?)
}

/// The same of one that was not, of which `came` bytes came.
pub(super) fn note_stop(guest: &Guest, path: &RelPath, doing: Doing, stop: &Stop, came: u64) {
    let refusal = match stop {
        Stop::Refused { refusal, .. } | Stop::Over(End::HangUp(refusal)) => refusal.clone(),
        Stop::Over(End::Lost(reason) | End::Forsaken(reason)) => {
            Refusal::new(Code::Cancelled, reason.clone())
        }
        Stop::Over(End::Goodbye) => Code::Cancelled.into(),
    };
    guest.has_not_stored(path, doing, came, &refusal);
}

/// One line for a part of an upload, of `came` bytes, that is kept until the rest comes.
pub(super) fn note_kept(guest: &Guest, path: &RelPath, came: u64, kept: u64) {
    let shown = name::encode(path.as_bytes());
    let fields: [(&str, &dyn Display); 3] = [("path", &shown), ("bytes", &came), ("kept", &kept)];
    guest.log("put-part", &fields, None);
}
