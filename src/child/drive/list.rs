//! `L`: the entries of a folder, as many as there are, in bounded memory. Run by a child.

use super::{Fail, Handled, Session};
use crate::error::Refusal;
use crate::library::Walk;
use crate::rights::Operation;
use crate::sys::file::Facts;
use crate::wire::drive::{List, Listed, letter};
use crate::wire::frame::Header;
use crate::wire::name::{self, Name};
use crate::wire::path::{Bad, RelPath};

/// A `D` frame is sent when its lines reach this many bytes.
const LINES: usize = 32 * 1024;

pub(super) fn handle(session: &mut Session, header: Header) -> Handled {
    let List {
        path: Name(path),
        recursive,
    } = session.line.request(header)?;
    let at = RelPath::parse(&path).map_err(Bad::when_reading);
    let walk = session
        .guest
        .allow(Operation::List, at)
        .and_then(|path| session.guest.library.walk(&path, recursive));
    let result = match walk {
        Ok(walk) => send(session, walk)?,
        Err(refusal) => Err(refusal),
    };
    session.guest.log_list(&name::encode(&path), &result);
    result.map(drop).map_err(Fail::from)
}

fn send(session: &mut Session, mut walk: Walk) -> Result<Result<u64, Refusal>, Fail> {
    let mut lines = Vec::with_capacity(LINES + 1024);
    let (mut entries, mut bytes) = (0, 0);
    loop {
        let next = match walk.next_entry() {
            Ok(next) => next,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some((path, facts)) = &next {
            write_line(&mut lines, path, facts);
            entries += 1;
        }
        if lines.len() >= LINES || (next.is_none() && !lines.is_empty()) {
            bytes += lines.len() as u64;
            session.line.writer.bytes(letter::DATA, &lines)?;
            lines.clear();
        }
        if next.is_none() {
            session.line.writer.json(
                letter::END,
                &Listed {
                    entries,
                    unreadable: walk.unreadable(),
                },
            )?;
            return Ok(Ok(bytes));
        }
    }
}

fn write_line(lines: &mut Vec<u8>, path: &[u8], facts: &Facts) {
    let entry = super::manage::entry(path.into(), facts);
    // Writing to memory, and no map has a key that is not a string: there is no error to meet.
    let _ = serde_json::to_writer(&mut *lines, &entry);
    lines.push(b'\n');
}
