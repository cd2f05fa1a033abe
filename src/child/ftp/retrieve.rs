//! RETR: a file to the client, as it is by sendfile, or as text. Run by a child.

use super::control::Control;
use super::data::{self, Connection, Direction, Stop};
use super::{Handled, Session};
use crate::child::deeds::{Deed, Doing};
use crate::child::guest::Guest;
use crate::error::{Code, Refusal};
use crate::ledger::Verb;
use crate::library::Download;
use crate::log::ftp::{self, Deed as Logged, Moved};
use crate::rights::Operation;
use crate::sys::file;
use crate::wire::ftp::ascii::Converter;
use crate::wire::ftp::command::{Type, offset};
use crate::wire::ftp::path::absolute;
use crate::wire::name;
use crate::wire::path::RelPath;
use std::ops::Range;
use std::time::Instant;

/// Up to here a file is read into memory.
const SMALL: u64 = 64 * 1024;
/// Read, converted and sent at once.
const TEXT: usize = 64 * 1024;

/// REST (RFC 3659, section 5): where the next transfer begins, in bytes of the file.
pub(super) fn rest(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let Some(at) = offset(argument) else {
        return session
            .line
            .control
            .say(501, "REST takes a number of bytes.");
    };
    if at > 0 && session.line.kind == Type::Ascii {
        let what = "A restart is counted in bytes: TYPE I comes first.";
        return session.line.control.say(501, what);
    }
    session.restart = Some(at);
    session
        .line
        .control
        .say(350, format!("The next transfer begins at {at}."))
}

/// RETR (RFC 959, section 4.1.3).
pub(super) fn handle(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let from = session.restart.take().unwrap_or(0);
    // RANG names the last byte; REST has no end.
    let range = session.range.take();
    let part = match range {
        Some((first, last)) => first..last.saturating_add(1),
        None => from..u64::MAX,
    };
    let path = match (range, session.line.kind) {
        (Some(_), Type::Ascii) => {
            let what = "a part is counted in bytes: TYPE I comes first";
            Err(Refusal::new(Code::Request, what))
        }
        _ => session.old_path(argument),
    };
    let resolved = session.guest.allow(Operation::Get, path);
    let path = match resolved {
        Ok(path) => path,
        Err(refusal) => {
            let shown = name::encode(argument);
            let deed = Deed::get(&shown, Doing::now());
            session.guest.record().done(&deed, Some(&refusal));
            return session.refuse(&refusal);
        }
    };
    let began = Instant::now();
    let (mut doing, mut sent) = (Doing::now(), 0);
    let outcome = session.retrieve(&path, part, &mut doing, &mut sent);
    let refusal = outcome.as_ref().err().map(data::refusal_of);
    let complete = outcome.is_ok();
    // The client goes on while this is written down.
    let told = match outcome {
        Ok(()) => session
            .line
            .control
            .say(226, format!("Sent: {sent} bytes.")),
        Err(stop) => data::tell(&mut session.line, stop),
    };
    session.line.look_ahead();
    let shown = name::encode(path.as_bytes());
    let deed = Deed {
        bytes: (complete || sent > 0).then_some(sent),
        ..Deed::get(&shown, doing)
    };
    session.guest.record().done(&deed, refusal.as_ref());
    ftp::moved(&Moved {
        deed: Logged::Download,
        user: session.guest.grant.user.as_deref(),
        peer: session.guest.peer.address(),
        path: &absolute(&path),
        bytes: sent,
        took: began.elapsed(),
        ascii: session.line.kind == Type::Ascii,
        complete,
    });
    told
}

impl Session<'_> {
    fn retrieve(
        &mut self,
        path: &RelPath,
        part: Range<u64>,
        doing: &mut Doing,
        sent: &mut u64,
    ) -> Result<(), Stop> {
        let library = self.guest.library;
        let file = library.open_file(path)?;
        let size = file.facts().size;
        let (from, to) = (part.start, part.end.min(size));
        if from > to {
            let what = format!("There are only {size} bytes.");
            return Err(Refusal::new(Code::Range, what).into());
        }
        let shown = name::encode(path.as_bytes());
        *doing = self
            .guest
            .record()
            .begin(Verb::Download, &shown, Some(to - from));
        let line = &mut self.line;
        let (mode, announced) = match line.kind {
            Type::Image => ("BINARY", format!(" ({} bytes)", to - from)),
            // How many it becomes is known when it has been read.
            Type::Ascii => ("ASCII", String::new()),
        };
        let begin = format!("Opening {mode} mode data connection{announced}.");
        let mut connection = line.open_data(Direction::ToClient, begin)?;
        let guest = &mut self.guest;
        match line.kind {
            Type::Image => send(
                guest,
                &mut connection,
                &mut line.control,
                &file,
                from..to,
                sent,
            )?,
            Type::Ascii => send_text(guest, &mut connection, &mut line.control, &file, sent)?,
        }
        file.unchanged()?;
        connection.finish(&mut line.control)
    }
}

fn send(
    guest: &mut Guest,
    connection: &mut Connection,
    control: &mut Control,
    file: &Download,
    part: Range<u64>,
    sent: &mut u64,
) -> Result<(), Stop> {
    let Range {
        start: mut from,
        end,
    } = part;
    let is_small = end - from <= SMALL;
    while from < end {
        let left = usize::try_from(end - from).unwrap_or(usize::MAX);
        let piece = guest.downloads.piece(left);
        pace(guest, control, piece)?;
        if is_small && piece == left {
            return send_small(connection, control, file, from..end, sent);
        }
        let went = connection.send_file(control, file.fd(), from, piece as u64)?;
        *sent += went;
        from += went;
        if went < piece as u64 {
            return Err(Refusal::from(Code::Changed).into());
        }
    }
    Ok(())
}

/// Waits until so many bytes more may go, and looks before at what the client says.
fn pace(guest: &mut Guest, control: &mut Control, bytes: usize) -> Result<(), Stop> {
    let wait = guest.downloads.take(bytes);
    if wait.is_due() {
        data::attend(control)?;
        wait.run(control.slot());
    }
    Ok(())
}

/// Read and sent in one piece each: for few bytes that costs less than sendfile's pipe.
fn send_small(
    connection: &mut Connection,
    control: &mut Control,
    file: &Download,
    part: Range<u64>,
    sent: &mut u64,
) -> Result<(), Stop> {
    let from = part.start;
    let mut bytes = vec![0; (part.end - from) as usize];
    let mut got = 0;
    while got < bytes.len() {
        match file::read_at(file.fd(), &mut bytes[got..], from + got as u64) {
            Ok(0) => return Err(Refusal::from(Code::Changed).into()),
            Ok(more) => got += more,
            Err(errno) => return Err(Refusal::from(errno).into()),
        }
    }
    connection.send_last(control, &bytes)?;
    *sent += got as u64;
    Ok(())
}

/// With the line ends of the network (RFC 959, section 3.1.1.1).
fn send_text(
    guest: &mut Guest,
    connection: &mut Connection,
    control: &mut Control,
    file: &Download,
    sent: &mut u64,
) -> Result<(), Stop> {
    let mut piece = vec![0; TEXT];
    let mut converter = Converter::new();
    let mut text = Vec::with_capacity(2 * TEXT);
    let mut at = 0;
    loop {
        let got = file::read_at(file.fd(), &mut piece, at).map_err(Refusal::from)?;
        if got == 0 {
            break;
        }
        at += got as u64;
        text.clear();
        converter.to_wire(&piece[..got], &mut text);
        let mut rest = &text[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(guest.downloads.piece(rest.len()));
            pace(guest, control, now.len())?;
            connection.send(control, now)?;
            *sent += now.len() as u64;
            rest = later;
        }
    }
    Ok(())
}
