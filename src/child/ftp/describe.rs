//! How a file or a folder is shown to this client: a line of `ls -l`, a name, or facts, which say what the client may do with it
//! and not what the bits of its mode would let it do. Run by a child.

use super::{Handled, Session};
use crate::rights::{Operation, Right, Rights};
use crate::sys::file::{self, Facts, Kind};
use crate::wire::ftp::facts::{Entry, Facts as Wanted, Listed};
use crate::wire::ftp::path::{absolute, resolve};
use crate::wire::ftp::{listing, reply};
use crate::wire::name;
use crate::wire::path::Bad;

/// What a line of a listing looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As `ls -l` has it (LIST).
    Long,
    /// The name alone (NLST).
    Names,
    /// Facts for programs (MLSD).
    Facts,
}

/// One way to show many entries.
#[derive(Debug)]
pub(super) struct Form {
    style: Style,
    wanted: Wanted,
    rights: Rights,
    file: String,
    folder: String,
    /// Seconds since 1970: what is older than half a year is shown with its year.
    now: i64,
}

impl Form {
    pub(super) fn new(style: Style, wanted: Wanted, rights: Rights) -> Form {
        Form {
            style,
            wanted,
            rights,
            file: perm(rights, Kind::File, false),
            folder: perm(rights, Kind::Folder, false),
            now: file::now().seconds,
        }
    }

    /// Adds a line, with its end.
    pub(super) fn write(&self, out: &mut Vec<u8>, facts: &Facts, name: &[u8]) {
        match self.style {
            Style::Long => listing::write(out, self.now, &self.entry(facts), name),
            Style::Names => listing::write_name(out, name),
            Style::Facts => self.wanted.write(out, &self.entry(facts), name),
        }
    }

    /// Adds the line about the listed folder itself: the facts of RFC 3659, section 7.5.1.2; otherwise there is none.
    pub(super) fn write_itself(&self, out: &mut Vec<u8>, facts: &Facts, is_root: bool) {
        if self.style == Style::Facts {
            let perm = perm(self.rights, Kind::Folder, is_root);
            let entry = entry(facts, &perm);
            self.wanted.write_listed(out, Listed::This, &entry, b".");
        }
    }

    fn entry(&self, facts: &Facts) -> Entry<'_> {
        entry(
            facts,
            match facts.kind {
                Kind::Folder => &self.folder,
                _ => &self.file,
            },
        )
    }
}

fn entry<'a>(facts: &Facts, perm: &'a str) -> Entry<'a> {
    let is_folder = facts.kind == Kind::Folder;
    Entry {
        is_folder,
        // What a folder takes on the disk tells nobody anything.
        size: if is_folder { 0 } else { facts.size },
        modified: (facts.modified.seconds, facts.modified.nanos),
        mode: facts.mode,
        links: facts.links,
        unique: facts.identity(),
        perm,
    }
}

/// What somebody with these rights may do with a file or folder, in the letters of RFC 3659, section 7.5.5. The root stays where
/// it is.
fn perm(rights: Rights, kind: Kind, is_root: bool) -> String {
    let replaces = rights.allow(Operation::Put { overwrite: true }).is_ok();
    let letters: &[(char, bool)] = match kind {
        Kind::Folder => &[
            ('f', rights.has(Right::Rename) && !is_root),
            ('l', rights.has(Right::List)),
            ('c', rights.has(Right::Put)),
            ('d', rights.has(Right::Delete) && !is_root),
            ('m', rights.has(Right::Mkdir)),
            ('p', rights.has(Right::Delete)),
            ('e', rights != Rights::NONE),
        ],
        _ => &[
            ('a', replaces),
            ('d', rights.has(Right::Delete)),
            ('f', rights.has(Right::Rename)),
            ('r', rights.has(Right::Get)),
            ('w', replaces),
        ],
    };
    letters
        .iter()
        .filter(|(_, may)| *may)
        .map(|(letter, _)| *letter)
        .collect()
}

/// MLST (RFC 3659, section 7): the facts of one thing, the working folder if none is named. What is left of the client's own cut
/// upload is a file.
pub(super) fn mlst(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let path = resolve(&session.folder, argument).map_err(Bad::when_reading);
    let found = session
        .guest
        .allow(Operation::Stat)
        .and(path)
        .and_then(|path| session.look(&path).map(|facts| (path, facts)));
    let shown = name::encode(argument);
    session
        .guest
        .log("stat", &[("path", &shown)], found.as_ref().err());
    let (path, facts) = match found {
        Ok(found) => found,
        Err(refusal) => return session.refuse(&refusal),
    };
    let perm = perm(session.guest.grant.rights, facts.kind, path.is_root());
    let line = session.facts.text(&entry(&facts, &perm), &absolute(&path));
    let said = [&b"Facts:"[..], &line, b"End"];
    session.line.control.send(&reply::lines(250, &said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_may_do_follows_the_rights() {
        let all = |kind, is_root| perm(Rights::ALL, kind, is_root);
        assert_eq!(all(Kind::File, false), "adfrw");
        assert_eq!(all(Kind::Folder, false), "flcdmpe");
        assert_eq!(all(Kind::Folder, true), "lcmpe");
        let only = |rights: &[Right]| {
            let rights = rights.iter().copied().collect();
            (
                perm(rights, Kind::File, false),
                perm(rights, Kind::Folder, false),
            )
        };
        for (rights, file, folder) in [
            (&[][..], "", ""),
            (&[Right::Put], "", "ce"),
            (&[Right::Overwrite], "", "e"),
            (&[Right::Put, Right::Overwrite], "aw", "ce"),
            (&[Right::Get], "r", "e"),
            (&[Right::List], "", "le"),
            (&[Right::Delete], "d", "dpe"),
            (&[Right::Rename], "f", "fe"),
            (&[Right::Mkdir], "", "me"),
        ] {
            assert_eq!(only(rights), (file.into(), folder.into()), "{rights:?}");
        }
    }
}
