//! POST of a form to a folder: every file in it is stored there (RFC 7578). Run by a child.
//!
//! Nothing of a file is held in memory. Each is stored when the boundary behind it has come, the last one when the body is whole: what a
//! connection is cut in is not.

use super::body;
use super::exchange::Exchange;
use super::incoming::{self, Incoming, Stop, Stored};
use super::reply::Reply;
use super::{Handled, put, receipt, refusal};
use crate::child::deeds::Doing;
use crate::child::guest::Guest;
use crate::child::pieces::PIECE;
use crate::error::{Code, Refusal};
use crate::ledger::Verb;
use crate::library::Streamed;
use crate::log::quoted;
use crate::rights::Operation;
use crate::sys::file::Kind;
use crate::wire::http::head::{Framing, encode};
use crate::wire::http::multipart::{BadForm, Multipart, Step};
use crate::wire::name;
use crate::wire::path::RelPath;

/// Most bytes of all fields that are no files, and of what follows a form.
const MOST_BESIDE: usize = 64 * 1024;

/// A form as it comes.
struct Form<'a> {
    folder: &'a RelPath,
    multipart: Multipart,
    part: Part,
    /// Bytes that are no file's.
    beside: usize,
    stored: Vec<Stored>,
}

/// What comes just now.
enum Part {
    Nothing,
    /// A field that is no file.
    Field,
    /// What a browser sends where no file was chosen; nothing is in it.
    Unchosen,
    File(Box<Coming>),
}

/// A file of a form, as it comes.
struct Coming {
    path: RelPath,
    doing: Doing,
    incoming: Incoming,
    came: u64,
}

pub(super) fn post(exchange: &mut Exchange<'_>, guest: &mut Guest, path: &RelPath) -> Handled {
    let begun = begin(exchange, guest, path);
    let stored = begun.and_then(|mut form| {
        let received = receive(exchange, guest, &mut form);
        let received = received.map_err(|stop| form.give_up(guest, stop));
        received.map(|()| form.stored)
    });
    match stored {
        Ok(stored) => answer(exchange, path, &stored),
        Err(Stop::Refused { status, refusal }) => exchange.refuse_as(status, &refusal),
        Err(Stop::Over(end)) => Err(end),
    }
}

/// What the head alone tells.
fn begin<'a>(
    exchange: &Exchange<'_>,
    guest: &Guest,
    folder: &'a RelPath,
) -> Result<Form<'a>, Stop> {
    guest.allow(Operation::Put { overwrite: false }, Ok(folder))?;
    let there = guest.library.stat(folder);
    // It is what the request is about.
    let there = there.map_err(|refusal| Stop::refused(refusal::status_of(&refusal), refusal))?;
    if there.kind != Kind::Folder {
        return Err(Refusal::from(Code::NotFolder).into());
    }
    let kind = exchange.head.one("content-type").unwrap_or_default();
    let Some(multipart) = Multipart::of(kind) else {
        let what = "files come in a form, as multipart/form-data; or each by a PUT";
        return Err(Stop::refused(415, Refusal::new(Code::Request, what)));
    };
    match exchange.head.framing {
        Framing::None => return Err(put::length_required()),
        Framing::Length(length) if length > guest.library.room()? => {
            return Err(Refusal::from(Code::NoSpace).into());
        }
        _ => {}
    }
    Ok(Form {
        folder,
        multipart,
        part: Part::Nothing,
        beside: 0,
        stored: Vec::new(),
    })
}

fn receive(
    exchange: &mut Exchange<'_>,
    guest: &mut Guest,
    form: &mut Form<'_>,
) -> Result<(), Stop> {
    let mut piece = vec![0; PIECE];
    // What is not taken yet stands before this, at the beginning.
    let mut waiting = 0;
    while !form.multipart.is_over() {
        let (filled, end) = body::fill(exchange, guest, &mut piece[waiting..]);
        waiting += filled;
        let taken = form.take(exchange, guest, &piece[..waiting])?;
        if let Some(end) = end {
            return Err(end.into());
        }
        if filled == 0 && !form.multipart.is_over() {
            return Err(bad_form(BadForm("the form has no end")));
        }
        piece.copy_within(taken..waiting, 0);
        waiting -= taken;
    }
    if form.stored.is_empty() {
        return Err(bad_form(BadForm("there is no file in the form")));
    }
    Ok(())
}

fn bad_form(BadForm(why): BadForm) -> Stop {
    Refusal::new(Code::Request, why).into()
}

impl Form<'_> {
    /// Takes of `bytes` what can be taken, and returns how many.
    fn take(
        &mut self,
        exchange: &mut Exchange<'_>,
        guest: &mut Guest,
        bytes: &[u8],
    ) -> Result<usize, Stop> {
        let mut at = 0;
        loop {
            let (taken, step) = self.multipart.step(&bytes[at..]).map_err(bad_form)?;
            at += taken;
            match step {
                Step::More => return Ok(at),
                Step::Part(part) => self.part = self.part_of(exchange, guest, &part)?,
                Step::Content(content) => self.write(guest, content)?,
                Step::PartEnd => {
                    if self.multipart.is_over() {
                        finish(exchange, bytes.len() - at)?;
                    }
                    self.store(guest)?;
                    // A piece may hold thousands of files, each of which waits for the disk.
                    exchange.connection.slot().moved(1);
                    if self.multipart.is_over() {
                        return Ok(bytes.len());
                    }
                }
                Step::Over => {
                    finish(exchange, bytes.len() - at)?;
                    return Ok(bytes.len());
                }
            }
        }
    }

    /// A part begins.
    fn part_of(
        &self,
        exchange: &Exchange<'_>,
        guest: &Guest,
        part: &crate::wire::http::multipart::Part,
    ) -> Result<Part, Stop> {
        let name = match part.last_component() {
            None => return Ok(Part::Field),
            Some(b"") => return Ok(Part::Unchosen),
            Some(name) => name,
        };
        let path = incoming::below(self.folder, name)
            .and_then(|path| guest.allow(Operation::Put { overwrite: false }, Ok(path)))
            .map_err(|refusal| self.explain(name, refusal.into()))?;
        let terms = guest.terms(&path);
        let streamed = Streamed {
            digest: exchange.world.config.receipt.kind(),
            overwrite: terms.may_overwrite && !terms.rename_taken,
            rename_taken: terms.rename_taken,
            largest: terms.largest,
            ..Streamed::default()
        };
        let slot = exchange.connection.slot();
        let shown = name::encode(path.as_bytes());
        let doing = guest.record().begin(Verb::Upload, &shown, None);
        match Incoming::begin(guest, slot, &path, streamed, None) {
            Ok(incoming) => Ok(Part::File(Box::new(Coming {
                path,
                doing,
                incoming,
                came: 0,
            }))),
            Err(stop) => {
                incoming::note_stop(guest, &path, doing, &stop, 0);
                Err(self.explain(name, stop))
            }
        }
    }

    fn write(&mut self, guest: &Guest, content: &[u8]) -> Result<(), Stop> {
        match &mut self.part {
            Part::Nothing => Ok(()),
            Part::Field => {
                self.beside += content.len();
                if self.beside > MOST_BESIDE {
                    let what = "there is too much in the form that is no file";
                    return Err(Refusal::new(Code::TooLarge, what).into());
                }
                Ok(())
            }
            Part::Unchosen => {
                let what = "a file in the form has no name";
                Err(Refusal::new(Code::Name, what).into())
            }
            Part::File(coming) => {
                coming.came += content.len() as u64;
                coming.incoming.write(guest, content)
            }
        }
    }

    /// The file that comes just now, if one does, which is the form's no more.
    fn take_file(&mut self) -> Option<Coming> {
        match std::mem::replace(&mut self.part, Part::Nothing) {
            Part::File(coming) => Some(*coming),
            _ => None,
        }
    }

    /// A part is whole.
    fn store(&mut self, guest: &Guest) -> Result<(), Stop> {
        let Some(coming) = self.take_file() else {
            return Ok(());
        };
        let Coming {
            path, doing, came, ..
        } = coming;
        let stored = coming.incoming.store(guest, None).and_then(|stored| {
            incoming::note(guest, doing, &stored)?;
            Ok(stored)
        });
        if let Err(stop) = &stored {
            incoming::note_stop(guest, &path, doing, stop, came);
        }
        let name = path.split_last().map_or(&b""[..], |(_, name)| name);
        self.stored
            .push(stored.map_err(|stop| self.explain(name, stop))?);
        Ok(())
    }

    /// Ends the file that comes just now, if one does. Returns what the client is told.
    fn give_up(&mut self, guest: &Guest, stop: Stop) -> Stop {
        let Some(coming) = self.take_file() else {
            return stop;
        };
        let Coming {
            path, doing, came, ..
        } = coming;
        let stop = coming.incoming.end(guest, stop);
        incoming::note_stop(guest, &path, doing, &stop, came);
        let name = path.split_last().map_or(&b""[..], |(_, name)| name);
        self.explain(name, stop)
    }

    /// With the name of the file, and what is stored already.
    fn explain(&self, name: &[u8], stop: Stop) -> Stop {
        let Stop::Refused { status, refusal } = stop else {
            return stop;
        };
        let name = quoted(&String::from_utf8_lossy(name));
        let before = match self.stored.len() {
            0 => String::new(),
            count => format!(" (stored before it: {count})"),
        };
        let message = format!("{name}: {}{before}", refusal.message);
        Stop::refused(status, Refusal { message, ..refusal })
    }
}

/// The form is over: the body has to be, too, or nothing says that it is whole. `more` bytes are there behind the form.
fn finish(exchange: &mut Exchange<'_>, more: usize) -> Result<(), Stop> {
    let mut waste = [0; 4096];
    let mut beside = more;
    while beside <= MOST_BESIDE {
        match exchange.connection.read_body(&mut waste)? {
            0 => return Ok(()),
            came => beside += came,
        }
    }
    Err(bad_form(BadForm("too much follows the form")))
}

fn answer(exchange: &mut Exchange<'_>, folder: &RelPath, stored: &[Stored]) -> Handled {
    let reply = if exchange.wants("application/json") {
        let receipts = stored.iter().map(receipt::as_json).collect();
        Reply::json(201, &serde_json::Value::Array(receipts))
    } else if exchange.wants("text/html") {
        let mut back = encode(folder);
        if !back.ends_with('/') {
            back.push('/');
        }
        Reply::text(303, "stored").field("Location", back)
    } else {
        let lines: Vec<_> = stored
            .iter()
            .map(|stored| receipt::as_line(stored, true))
            .collect();
        Reply::text(201, &lines.join("\n"))
    };
    exchange.reply(reply)
}
