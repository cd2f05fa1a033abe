//! RETR: a file to the client, as it is by sendfile, or as text. Run by a child.

use super::data::{self, Connection, Direction, Stop};
use super::{Handled, Session};
use crate::child::guest::{Guest, Transfer};
use crate::error::{Code, Refusal};
use crate::library::Download;
use crate::log::ftp::{self, Deed, Moved};
use crate::rights::Operation;
use crate::sys::file;
use crate::wire::ftp::ascii::Converter;
use crate::wire::ftp::command::{Type, offset};
use crate::wire::ftp::path::absolute;
use crate::wire::name;
use crate::wire::path::RelPath;
use std::time::Instant;

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
    let restart = session.restart.take().unwrap_or(0);
    let part = match session.range.take() {
        Some((first, last)) => (first, last.saturating_add(1)),
        None => (restart, u64::MAX),
    };
    let allowed = session.guest.allow(Operation::Get);
    let resolved = allowed.and_then(|()| session.old_path(argument));
    let path = match resolved {
        Ok(path) => path,
        Err(refusal) => {
            let shown = name::encode(argument);
            session
                .guest
                .log_transfer("get", &shown, &Err(refusal.clone()));
            return session.refuse(&refusal);
        }
    };
    let began = Instant::now();
    let mut sent = 0;
    let outcome = session.retrieve(&path, part, &mut sent);
    let result = match &outcome {
        Ok(()) => Ok(Transfer {
            bytes: sent,
            digest_kind: "",
            digest: None,
        }),
        Err(stop) => Err(data::refusal_of(stop)),
    };
    session
        .guest
        .log_transfer("get", &name::encode(path.as_bytes()), &result);
    ftp::moved(&Moved {
        deed: Deed::Download,
        user: session.guest.grant.user.as_deref(),
        peer: session.guest.peer.address(),
        path: &absolute(&path),
        bytes: sent,
        took: began.elapsed(),
        ascii: session.line.kind == Type::Ascii,
        complete: outcome.is_ok(),
    });
    match outcome {
        Ok(()) => session
            .line
            .control
            .say(226, format!("Sent: {sent} bytes.")),
        Err(stop) => data::tell(&mut session.line, stop),
    }
}

impl Session<'_> {
    /// Sends the bytes of `path` from the first on, up to the second or the end of the file.
    fn retrieve(
        &mut self,
        path: &RelPath,
        (from, to): (u64, u64),
        sent: &mut u64,
    ) -> Result<(), Stop> {
        let library = self.guest.library;
        let file = library.open_file(path)?;
        let size = file.facts().size;
        if from > size {
            let what = format!("There are only {size} bytes.");
            return Err(Refusal::new(Code::Range, what).into());
        }
        let to = to.min(size);
        let line = &mut self.line;
        if (from, to) != (0, size) && line.kind == Type::Ascii {
            let what = "A part is counted in bytes: TYPE I comes first.";
            return Err(Refusal::new(Code::Request, what).into());
        }
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
                (from, to),
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
    control: &mut super::Control,
    file: &Download,
    (mut from, to): (u64, u64),
    sent: &mut u64,
) -> Result<(), Stop> {
    while from < to {
        let left = usize::try_from(to - from).unwrap_or(usize::MAX);
        let piece = guest.downloads.piece(left);
        guest.downloads.take(piece).run(control.slot());
        data::attend(control)?;
        let went = connection.send_file(control, file.fd(), from, piece as u64)?;
        *sent += went;
        from += went;
        if went < piece as u64 {
            return Err(Refusal::from(Code::Changed).into());
        }
    }
    Ok(())
}

/// With the line ends of the network (RFC 959, section 3.1.1.1).
fn send_text(
    guest: &mut Guest,
    connection: &mut Connection,
    control: &mut super::Control,
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
            guest.downloads.take(now.len()).run(control.slot());
            connection.send(control, now)?;
            *sent += now.len() as u64;
            rest = later;
        }
    }
    Ok(())
}
