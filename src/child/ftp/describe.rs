//! How a file or a folder is shown to this client: a line of `ls -l`, a name, or facts, which say what the client may do with it
//! and not what the bits of its mode would let it do. Run by a child.

use super::{Handled, Session};
use crate::ipc::Policy;
use crate::rights::{Operation, Right, Rights};
use crate::sys::file::{self, Facts, Kind};
use crate::wire::ftp::facts::{Entry, Facts as Wanted, Listed};
use crate::wire::ftp::path::{absolute, resolve};
use crate::wire::ftp::{listing, reply};
use crate::wire::name;
use crate::wire::path::{Bad, RelPath};
use std::borrow::Cow;

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
    policy: Policy,
    /// The folder whose entries are shown.
    at: RelPath,
    /// What may be done with all that is in it, where there is no drop box in the way.
    file: String,
    folder: String,
    /// Seconds since 1970: what is older than half a year is shown with its year.
    now: i64,
}

impl Form {
    pub(super) fn new(style: Style, wanted: Wanted, policy: &Policy, at: &RelPath) -> Form {
        let plain = Policy {
            rights: policy.rights,
            boxes: Vec::new(),
        };
        // Anything but the root.
        let below = RelPath::parse(b"x").unwrap_or_default();
        Form {
            style,
            wanted,
            policy: policy.clone(),
            at: at.clone(),
            file: perm(&plain, Kind::File, &below),
            folder: perm(&plain, Kind::Folder, &below),
            now: file::now().seconds,
        }
    }

    /// Adds a line, with its end.
    pub(super) fn write(&self, out: &mut Vec<u8>, facts: &Facts, name: &[u8]) {
        match self.style {
            Style::Long => listing::write(out, self.now, &entry(facts, ""), name),
            Style::Names => listing::write_name(out, name),
            Style::Facts => {
                let perm = self.perm(facts.kind, name);
                self.wanted.write(out, &entry(facts, &perm), name);
            }
        }
    }

    /// Adds the line about the listed folder itself: the facts of RFC 3659, section 7.5.1.2; otherwise there is none.
    pub(super) fn write_itself(&self, out: &mut Vec<u8>, facts: &Facts) {
        if self.style == Style::Facts {
            let perm = perm(&self.policy, Kind::Folder, &self.at);
            let entry = entry(facts, &perm);
            self.wanted.write_listed(out, Listed::This, &entry, b".");
        }
    }

    /// What may be done with the entry `name`.
    fn perm(&self, kind: Kind, name: &[u8]) -> Cow<'_, str> {
        let known = match kind {
            Kind::Folder => &self.folder,
            _ => &self.file,
        };
        if self.policy.boxes.is_empty() {
            return known.into();
        }
        match resolve(&self.at, name) {
            Ok(path) => perm(&self.policy, kind, &path).into(),
            Err(_) => known.into(),
        }
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

/// What somebody may do with the file or folder `path`, in the letters of RFC 3659, section 7.5.5. The root stays where it is.
fn perm(policy: &Policy, kind: Kind, path: &RelPath) -> String {
    let may = |operation| policy.allow(operation, path).is_ok();
    let replaces = may(Operation::Put { overwrite: true });
    let moves = may(Operation::Rename { overwrite: false }) && !path.is_root();
    let goes = may(Operation::Remove) && !path.is_root();
    let inside = policy.rights_at(path);
    let letters: &[(char, bool)] = match kind {
        Kind::Folder => &[
            ('f', moves),
            ('l', may(Operation::List)),
            ('c', inside.has(Right::Put)),
            ('d', goes),
            ('m', inside.has(Right::Mkdir)),
            ('p', inside.has(Right::Delete)),
            ('e', policy.rights != Rights::NONE),
        ],
        _ => &[
            ('a', replaces),
            ('d', goes),
            ('f', moves),
            ('r', may(Operation::Get)),
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
        .allow(Operation::Stat, path)
        .and_then(|path| session.look(&path).map(|facts| (path, facts)));
    let shown = name::encode(argument);
    session
        .guest
        .log("stat", &[("path", &shown)], found.as_ref().err());
    let (path, facts) = match found {
        Ok(found) => found,
        Err(refusal) => return session.refuse(&refusal),
    };
    let perm = perm(&session.guest.grant.policy, facts.kind, &path);
    let line = session.facts.text(&entry(&facts, &perm), &absolute(&path));
    let said = [&b"Facts:"[..], &line, b"End"];
    session.line.control.send(&reply::lines(250, &said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_may_do_follows_the_rights() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).expect("path");
        let of = |rights: Rights, kind, at: &str| {
            let boxes = Vec::new();
            perm(&Policy { rights, boxes }, kind, &path(at))
        };
        assert_eq!(of(Rights::ALL, Kind::File, "x"), "adfrw");
        assert_eq!(of(Rights::ALL, Kind::Folder, "x"), "flcdmpe");
        assert_eq!(of(Rights::ALL, Kind::Folder, ""), "lcmpe");
        let only = |rights: &[Right]| {
            let rights = rights.iter().copied().collect();
            (of(rights, Kind::File, "x"), of(rights, Kind::Folder, "x"))
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
