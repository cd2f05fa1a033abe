//! SIZE, MDTM, MFMT, and SITE's CHMOD and UTIME: what is said about files, and what a client may set of it. Run by a child.

use super::{Handled, Session};
use crate::error::{Code, Refusal};
use crate::library::Library;
use crate::rights::Operation;
use crate::sys::file::{self, Kind, Stamp};
use crate::wire::ftp::ascii::Converter;
use crate::wire::ftp::command::{Mdtm, Type, chmod, mdtm_argument, mfmt, split_word, utime};
use crate::wire::ftp::{reply, time};
use crate::wire::path::RelPath;
use std::fmt::Display;

/// Largest file that is read to say what size it has as text, bytes: the answer costs as much as sending it.
const LARGEST_TEXT: u64 = 1024 * 1024;
/// Read and counted at once.
const PIECE: usize = 64 * 1024;

/// SIZE (RFC 3659, section 4): as many bytes as a transfer in the type that is set would have.
pub(super) fn size(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let path = session.old_path(argument);
    let found = match session.guest.allow(Operation::Stat, path.clone()) {
        Ok(path) => session.size_of(&path),
        // Whoever may only put learns of what is their own: where a cut upload goes on.
        Err(denied) => match (path, session.line.kind) {
            (Ok(path), Type::Image) => session.kept(&path).map(|facts| facts.size).ok_or(denied),
            _ => Err(denied),
        },
    };
    let shown = session.shown(argument);
    session
        .guest
        .log("stat", &[("path", &shown)], found.as_ref().err());
    match found {
        Ok(size) => session.line.control.say(213, size.to_string()),
        Err(refusal) => session.refuse(&refusal),
    }
}

impl Session<'_> {
    fn size_of(&self, path: &RelPath) -> Result<u64, Refusal> {
        match self.line.kind {
            Type::Ascii => as_text(self.guest.library, path),
            Type::Image => match self.look(path)? {
                facts if facts.kind == Kind::File => Ok(facts.size),
                _ => Err(Code::IsFolder.into()),
            },
        }
    }
}

/// The size of a file with the line ends of the network.
fn as_text(library: &Library, path: &RelPath) -> Result<u64, Refusal> {
    let file = library.open_file(path)?;
    if file.facts().size > LARGEST_TEXT {
        let what = "the size as text is not known before it is sent: TYPE I comes first";
        return Err(Refusal::new(Code::Denied, what));
    }
    let mut converter = Converter::new();
    let mut piece = vec![0; PIECE];
    let (mut at, mut size) = (0, 0);
    // A file that grows meanwhile is counted as it was.
    while at < file.facts().size {
        let got = file::read_at(file.fd(), &mut piece, at)?;
        if got == 0 {
            break;
        }
        size += converter.counted(&piece[..got]);
        at += got as u64;
    }
    file.unchanged()?;
    Ok(size)
}

/// MDTM (RFC 3659, section 3), and what it was used for before there was MFMT, where no file has such a name.
pub(super) fn mdtm(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let shown_as_name = match mdtm_argument(argument) {
        Mdtm::Show(_) => modified(session, argument),
        Mdtm::Set(moment, path) => match modified(session, argument) {
            Err(refusal) if refusal.code != Code::Io => {
                return match set_time(session, path, moment) {
                    Ok(_) => session.line.control.say(213, "The time is set."),
                    Err(refusal) => session.refuse(&refusal),
                };
            }
            found => found,
        },
    };
    let shown = session.shown(argument);
    session
        .guest
        .log("stat", &[("path", &shown)], shown_as_name.as_ref().err());
    match shown_as_name {
        Ok(seconds) => session.line.control.say(213, time::stamp(seconds)),
        Err(refusal) => session.refuse(&refusal),
    }
}

fn modified(session: &Session<'_>, argument: &[u8]) -> Result<i64, Refusal> {
    let path = session.old_path(argument);
    let path = session.guest.allow(Operation::Stat, path)?;
    let facts = session.guest.library.stat(&path)?;
    match facts.kind {
        Kind::File => Ok(facts.modified.seconds),
        _ => Err(Code::IsFolder.into()),
    }
}

/// MFMT (draft-somers-ftp-mfxx).
pub(super) fn modify(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let Some((moment, path)) = mfmt(argument) else {
        let what = "MFMT takes a time, YYYYMMDDHHMMSS in UTC, and a path.";
        return session.line.control.say(501, what);
    };
    match set_time(session, path, moment) {
        Ok(()) => {
            let mut text = format!("Modify={}; ", time::stamp(moment.0)).into_bytes();
            text.extend_from_slice(path);
            session.line.control.say(213, text)
        }
        Err(refusal) => session.refuse(&refusal),
    }
}

fn set_time(
    session: &mut Session<'_>,
    argument: &[u8],
    (seconds, nanos): (i64, u32),
) -> Result<(), Refusal> {
    let set = session
        .guest
        .allow(Operation::SetTime, session.old_path(argument))
        .and_then(|path| {
            let stamp = Stamp { seconds, nanos };
            session.guest.library.set_time(&path, stamp)
        });
    let shown = session.shown(argument);
    let fields: [(&str, &dyn Display); 2] = [("path", &shown), ("mtime", &seconds)];
    session.guest.log("set-time", &fields, set.as_ref().err());
    set
}

/// SITE: what other servers have there and clients look for.
pub(super) fn site(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let (verb, argument) = split_word(argument);
    match &verb.to_ascii_uppercase()[..] {
        b"CHMOD" => change_mode(session, argument),
        b"UTIME" => match utime(argument) {
            None => {
                let what = "SITE UTIME takes a time, YYYYMMDDHHMM[SS] in UTC, and a path.";
                session.line.control.say(501, what)
            }
            Some((moment, path)) => match set_time(session, path, moment) {
                Ok(()) => session.line.control.say(200, "The time is set."),
                Err(refusal) => session.refuse(&refusal),
            },
        },
        b"IDLE" => {
            let seconds = session.line.world.config.idle_seconds;
            let what = format!("Sessions may be idle for {seconds} seconds; the server decides.");
            let code = if argument.is_empty() { 200 } else { 504 };
            session.line.control.say(code, what)
        }
        b"HELP" => {
            let said = [
                "SITE has these commands:",
                "CHMOD MODE PATH: permissions, as 640",
                "UTIME YYYYMMDDHHMM[SS] PATH: when a file was changed last, in UTC",
                "IDLE: how long a session may be idle",
                "HELP: this",
                "End",
            ];
            session.line.control.send(&reply::lines(214, &said))
        }
        b"" => {
            let what = "SITE takes a command; SITE HELP names them.";
            session.line.control.say(501, what)
        }
        _ => {
            let what = "There is no such command of SITE; SITE HELP names those there are.";
            session.line.control.say(504, what)
        }
    }
}

fn change_mode(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let Some((mode, path)) = chmod(argument) else {
        let what = "SITE CHMOD takes a mode of octal digits, as 640, and a path.";
        return session.line.control.say(501, what);
    };
    let set = session
        .guest
        .allow(Operation::SetMode, session.old_path(path))
        .and_then(|path| session.guest.library.set_mode(&path, mode));
    let (shown, mode) = (session.shown(path), format!("{mode:03o}"));
    let fields: [(&str, &dyn Display); 2] = [("path", &shown), ("mode", &mode)];
    session.guest.log("set-mode", &fields, set.as_ref().err());
    match set {
        Ok(()) => session.line.control.say(200, "The permissions are set."),
        Err(refusal) => session.refuse(&refusal),
    }
}
