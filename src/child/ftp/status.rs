//! What a session is told about itself and the server once somebody is in: STAT, FEAT, OPTS, AVBL. Run by a child.

use super::checksums;
use super::line;
use super::{Handled, Session, list};
use crate::error::{Code, Refusal};
use crate::rights::Operation;
use crate::sys::file::Kind;
use crate::wire::ftp::command::{Type, split_word};
use crate::wire::ftp::facts::Facts;
use crate::wire::ftp::path::{absolute, resolve};
use crate::wire::ftp::{reply, time};
use crate::wire::path::Bad;

/// STAT (RFC 959, section 4.1.3): how the session is, or what is at a path.
pub(super) fn stat(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    if !argument.is_empty() {
        return list::stat(session, argument);
    }
    let line = &session.line;
    let user = session.guest.grant.user.as_deref();
    let kind = match line.kind {
        Type::Ascii => "A (text)",
        Type::Image => "I (bytes)",
    };
    let encrypted = |is: bool| if is { "encrypted" } else { "not encrypted" };
    let mut folder = b"Working folder: ".to_vec();
    folder.extend_from_slice(&absolute(&session.folder));
    let said = [
        b"Status:".to_vec(),
        format!("User: {}", user.unwrap_or("anonymous")).into_bytes(),
        format!("Client: {}", session.guest.peer).into_bytes(),
        format!("Since: {} UTC", time::stamp(session.since.seconds)).into_bytes(),
        folder,
        format!("Type: {kind}; structure: F; mode: S").into_bytes(),
        format!("Control connection: {}", encrypted(line.is_secure)).into_bytes(),
        format!("Data connections: {}", encrypted(line.protects)).into_bytes(),
        b"End".to_vec(),
    ];
    session.line.control.send(&reply::lines(211, &said))
}

/// FEAT, with what this session has chosen.
pub(super) fn feat(session: &mut Session<'_>, _: &[u8]) -> Handled {
    let (facts, hash) = (session.facts, session.hash);
    line::tell_features(&mut session.line, facts, hash)
}

/// OPTS (RFC 2389, section 4).
pub(super) fn opts(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let (what, value) = split_word(argument);
    match &what.to_ascii_uppercase()[..] {
        b"MLST" => {
            session.facts = Facts::parse(value);
            session.line.control.say(200, session.facts.chosen())
        }
        b"HASH" => checksums::choose(session, value),
        _ => line::opts(&mut session.line, argument),
    }
}

/// AVBL (draft-peterson-streamlined-ftp-command-extensions): bytes that there is room for.
pub(super) fn available(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let guest = &session.guest;
    let path = resolve(&session.folder, argument).map_err(Bad::when_reading);
    let room = guest
        .allow(Operation::Put { overwrite: false }, path)
        .and_then(|path| match guest.library.stat(&path) {
            Ok(facts) if facts.kind == Kind::Folder => Ok(()),
            _ => Err(Refusal::new(Code::NotFound, "there is no such folder")),
        })
        .and_then(|()| match guest.grant.quota {
            // What is left of it is decided when room is asked for; the disk's would be no promise.
            true => Err(Refusal::new(Code::Denied, "it is the quota that decides")),
            false => guest.library.room(),
        });
    match room {
        Ok(room) => session.line.control.say(213, room.to_string()),
        Err(refusal) => session.refuse(&refusal),
    }
}

/// USER, PASS and HOST are for who is nobody yet.
pub(super) fn already_in(session: &mut Session<'_>, _: &[u8]) -> Handled {
    session.line.control.say(503, "You are in already.")
}
