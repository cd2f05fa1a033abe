//! STOR, APPE, STOU: a file from the client, shown when it is whole and on the disk. Run by a child.
//!
//! FTP does not say where a file ends: it ends when its data connection does, and that of a client which died ends just so. So an
//! upload counts as whole only with some evidence: TLS said goodbye on the data connection; or as much came as ALLO had
//! announced; or else the client was still there, on the control connection, when its bytes were on the disk. Without any, what
//! came is kept out of sight, for resuming, and an old file of that name stays.

use super::control::Control;
use super::data::{self, Connection, Direction, Farewell, Stop};
use super::line::Line;
use super::opening::Way;
use super::{End, Handled, Session};
use crate::child::ask::Unanswered;
use crate::child::guest::Guest;
use crate::child::quota::{Reserved, Spending};
use crate::config::{Goodbye, OnHangup, OnTaken};
use crate::error::{Code, Refusal};
use crate::library::{From as Begin, Published, Ready, Streamed, Upload};
use crate::log::ftp::{self, Deed, Moved};
use crate::rights::{Operation, Right};
use crate::sys::process::monotonic_millis;
use crate::sys::{net, random};
use crate::wire::ftp::ascii::Converter;
use crate::wire::ftp::command::{Type, allo};
use crate::wire::ftp::path::{absolute, resolve};
use crate::wire::name;
use crate::wire::path::RelPath;
use std::cell::RefCell;
use std::time::Instant;

/// Read from the socket and written to the disk at once.
const PIECE: usize = 256 * 1024;
/// What a client that dies has its connections closed within of each other, beyond two round trips, in milliseconds; and the
/// longest that is waited for it. Of 200 clients that were killed the second end was there within a quarter of a millisecond.
const MOMENT: u64 = 2;
const LONGEST_MOMENT: u64 = 50;
/// How long it is waited for the rest of what a client sent that has gone, in milliseconds.
const REST: u64 = 1000;

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
    let id = id()?;
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
        let resolved = self
            .guest
            .allow(Operation::Put { overwrite: false })
            .and_then(|()| self.new_path(argument))
            .and_then(|path| match self.range.take() {
                Some(_) => Err(Refusal::new(Code::Request, "RANG is for RETR and HASH")),
                None => Ok(path),
            });
        let path = match resolved {
            Ok(path) => path,
            Err(refusal) => {
                let shown = name::encode(argument);
                self.guest
                    .log_transfer("put", &shown, &Err(refusal.clone()));
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
        let outcome = self.receive(&what, &mut came);
        let asked = last(&path).to_vec();
        let stored_as = match &outcome {
            Ok(stored) => beside(&path, &stored.published.name),
            Err(_) => path,
        };
        self.log(&stored_as, &outcome, came, began);
        match outcome {
            Ok(stored) => {
                let Stored { published, id } = &stored;
                let digest = published
                    .digest
                    .as_ref()
                    .map_or_else(String::new, |digest| {
                        format!(" {}={}", digest.kind().as_str(), digest.to_hex())
                    });
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

    fn log(&self, path: &RelPath, outcome: &Result<Stored, Stop>, came: u64, began: Instant) {
        let shown = name::encode(path.as_bytes());
        match outcome {
            Ok(Stored { published, id }) => {
                let digest = published.digest.as_ref();
                let hex = digest.map(|digest| digest.to_hex()).unwrap_or_default();
                let mut fields: Vec<(&str, &dyn std::fmt::Display)> =
                    vec![("path", &shown), ("bytes", &published.size), ("id", id)];
                if let Some(digest) = digest {
                    fields.push((digest.kind().as_str(), &hex));
                }
                self.guest.log("put", &fields, None);
            }
            Err(stop) => {
                let refusal = data::refusal_of(stop);
                let fields: [(&str, &dyn std::fmt::Display); 3] = [
                    ("path", &shown),
                    ("bytes", &came),
                    ("reason", &refusal.message),
                ];
                self.guest.log("put", &fields, Some(&refusal));
            }
        }
        ftp::moved(&Moved {
            deed: Deed::Upload,
            user: self.guest.grant.user.as_deref(),
            peer: self.guest.peer.address(),
            path: &absolute(path),
            bytes: came,
            took: began.elapsed(),
            ascii: self.line.kind == Type::Ascii,
            complete: outcome.is_ok(),
        });
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
        let rename_taken = unique || guest.grant.on_taken == OnTaken::Rename;
        let slot = self.line.control.slot();
        let mut upload = library.begin_streamed(
            path,
            Streamed {
                from: begin,
                size: announced,
                digest: self.line.world.config.receipt.kind(),
                overwrite: guest.grant.rights.has(Right::Overwrite) && !rename_taken,
                rename_taken,
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
        let received = receive_bytes(
            &mut self.line,
            guest,
            &mut upload,
            &mut reserved,
            (announced, ready),
            came,
        );
        self.line.control.may_end = false;
        let stored = match received {
            Ok(moment) => {
                let ready = upload.finish_streamed();
                publish(&mut self.line.control, guest, ready, moment)
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

/// The path of `name` in the folder of `path`.
fn beside(path: &RelPath, name: &[u8]) -> RelPath {
    let Some((above, _)) = path.split_last() else {
        return path.clone();
    };
    resolve(&above, name).unwrap_or_else(|_| path.clone())
}

/// What the end of an upload leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// It is whole.
    Whole,
    /// It is whole if the client is still there at that moment, on the monotonic clock, in milliseconds.
    PresentUntil(u64),
}

/// From the data connection to what can be said about its end.
fn receive_bytes(
    line: &mut Line<'_>,
    guest: &mut Guest,
    upload: &mut Upload,
    reserved: &mut Reserved,
    (announced, ready): (Option<u64>, &[u8]),
    came: &mut u64,
) -> Result<Evidence, Stop> {
    let mut connection = line.open_data(Direction::FromClient, ready)?;
    let control = &mut line.control;
    let mut text = Text::new(line.kind);
    let mut piece = vec![0; PIECE];
    loop {
        let most = guest.uploads.piece(piece.len());
        let (filled, stop) = fill(&mut connection, control, &mut piece[..most]);
        *came += filled as u64;
        guest.uploads.take(filled).run(control.slot());
        write(guest, upload, reserved, text.of(&piece[..filled]))?;
        let stop = match stop {
            // Its bytes may come without a pause: nobody has looked meanwhile.
            None if filled == most => data::attend(control).err(),
            stop => stop,
        };
        match stop {
            None if filled < most => break,
            None => {}
            Some(stop) => {
                if let Stop::Over(End::Lost(_)) = stop {
                    // It is gone, but not all that it has sent: the more is kept, the less it has to send again.
                    let until = monotonic_millis() + REST;
                    while monotonic_millis() < until
                        && let Some(got) = connection.receive_rest(&mut piece)
                    {
                        *came += got as u64;
                        write(guest, upload, reserved, text.of(&piece[..got]))?;
                    }
                }
                return Err(stop);
            }
        }
    }
    write(guest, upload, reserved, text.end())?;
    let farewell = connection.farewell();
    // Some wait for ours before they close, others have gone: they have nothing to hear (RFC 5246, section 7.2.1).
    let _ = connection.finish(control);
    if announced.is_some_and(|announced| *came < announced) {
        let what = format!("{came} bytes came, and ALLO announced more");
        return Err(Stop::Broken(what));
    }
    match farewell {
        Some(Farewell::Said) => return Ok(Evidence::Whole),
        Some(Farewell::Torn) => {
            let what = "TLS was cut in the middle of a record".to_owned();
            return Err(Stop::Broken(what));
        }
        Some(Farewell::Missing) if line.world.listen.ftp.goodbye == Goodbye::Require => {
            let what = "TLS did not say that this was the end (close_notify)".to_owned();
            return Err(Stop::Broken(what));
        }
        _ => {}
    }
    if announced == Some(*came) || guest.grant.on_hangup == OnHangup::Publish {
        return Ok(Evidence::Whole);
    }
    // Of the control connection: that of the other is as long as what stood in its buffers.
    let round_trip = net::round_trip(line.control.fd())
        .unwrap_or(0)
        .div_ceil(1000);
    let moment = (2 * round_trip + MOMENT).min(LONGEST_MOMENT);
    Ok(Evidence::PresentUntil(monotonic_millis() + moment))
}

/// What comes, as it is to be stored.
enum Text {
    Bytes,
    Lines(Converter, Vec<u8>),
}

impl Text {
    fn new(kind: Type) -> Text {
        match kind {
            Type::Image => Text::Bytes,
            Type::Ascii => Text::Lines(Converter::new(), Vec::new()),
        }
    }

    fn of<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        match self {
            Text::Bytes => bytes,
            Text::Lines(converter, converted) => {
                converted.clear();
                converter.from_wire(bytes, converted);
                converted
            }
        }
    }

    /// What was held back for what might have followed.
    fn end(&mut self) -> &[u8] {
        match self {
            Text::Bytes => b"",
            Text::Lines(converter, converted) => {
                converted.clear();
                converter.finish(converted);
                converted
            }
        }
    }
}

/// Reads until `into` is full: whole pieces cost the disk's cache less. How many bytes there are, fewer at the end; and why there
/// are no more, if that is not the end.
fn fill(
    connection: &mut Connection,
    control: &mut Control,
    into: &mut [u8],
) -> (usize, Option<Stop>) {
    let mut filled = 0;
    while filled < into.len() {
        match connection.receive(control, &mut into[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(stop) => return (filled, Some(stop)),
        }
    }
    (filled, None)
}

fn write(
    guest: &Guest,
    upload: &mut Upload,
    reserved: &mut Reserved,
    bytes: &[u8],
) -> Result<(), Stop> {
    guest.grow(reserved, upload.written() + bytes.len() as u64)?;
    Ok(upload.write(bytes)?)
}

/// Shows the upload, if at the last moment the client is there where that is what it rests on.
fn publish(
    control: &mut Control,
    guest: &Guest,
    ready: Ready,
    evidence: Evidence,
) -> Result<Stored, Stop> {
    let id = id()?;
    let control = RefCell::new(control);
    // Its bytes are on the disk by now: the time that took is part of the moment.
    let give = |file: std::os::fd::BorrowedFd<'_>| {
        if let Evidence::PresentUntil(until) = evidence {
            let left = until.saturating_sub(monotonic_millis());
            if control.borrow_mut().hangs_up_within(left) {
                let what = "the client hung up at the end, and nothing says that it was the end";
                return Err(Refusal::new(Code::Cancelled, what));
            }
        }
        guest.give(file)
    };
    let outcome = guest.library.publish(vec![ready], &give).pop();
    let published = outcome.unwrap_or_else(|| Err(Code::Io.into()))?;
    Ok(Stored { published, id })
}

/// What the receipt of an upload is known by.
fn id() -> Result<String, Refusal> {
    let mut bytes = [0; 8];
    random::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}
