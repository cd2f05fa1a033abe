//! HASH, RANG, XCRC, XMD5, XSHA256: what a file, or a part of it, comes to. Run by a child.
//!
//! A digest that is kept with the file is told unread. Otherwise the file is read, and the control connection is looked at in
//! between: ABOR ends it.

use super::data::{self, Stop};
use super::{Handled, Session};
use crate::digest::{Checksum, Kind};
use crate::error::{Code, Refusal};
use crate::library::{Download, Scratch};
use crate::rights::Operation;
use crate::wire::ftp::command::{self, checksum_argument};
use crate::wire::name;

/// Bytes read between two looks at the control connection.
const PIECE: u64 = 4 * 1024 * 1024;

/// The digests of HASH, as the IANA's registry of hash function names has them, where it does.
const NAMES: [(&str, Kind); 3] = [
    ("BLAKE3", Kind::Blake3),
    ("MD5", Kind::Md5),
    ("SHA-256", Kind::Sha256),
];

/// The digest of HASH as long as no other is chosen: the one that most clients know.
pub(super) const DEFAULT: Kind = Kind::Sha256;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sum {
    Digest(Kind),
    Crc32,
}

/// A part of a file: from which byte up to which, without it; its end where none is named.
type Part = (u64, Option<u64>);

pub(super) fn name_of(kind: Kind) -> &'static str {
    let found = NAMES.iter().find(|(_, known)| *known == kind);
    found.map_or(kind.as_str(), |(name, _)| name)
}

/// `HASH SHA-256*;MD5;BLAKE3` for FEAT: a star at the one that is chosen.
pub(super) fn feature(chosen: Kind) -> String {
    let list = NAMES.map(|(name, kind)| {
        let star = if kind == chosen { "*" } else { "" };
        format!("{name}{star}")
    });
    format!("HASH {}", list.join(";"))
}

/// OPTS HASH (draft-bryan-ftp-hash): which digest HASH gives from now on, or which it is.
pub(super) fn choose(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    if !argument.is_empty() {
        let found = NAMES
            .iter()
            .find(|(name, _)| argument.eq_ignore_ascii_case(name.as_bytes()));
        let Some((_, kind)) = found else {
            let what = "That is none of the digests that FEAT names; it stays as it is.";
            return session.line.control.say(501, what);
        };
        session.hash = *kind;
    }
    session.line.control.say(200, name_of(session.hash))
}

/// RANG (draft-bryan-ftp-range): the first and the last byte of what the next command is about. The last before the first takes
/// it back.
pub(super) fn range(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let Some((first, last)) = command::range(argument) else {
        let what = "RANG takes the offsets of the first byte and the last.";
        return session.line.control.say(501, what);
    };
    session.range = (first <= last).then_some((first, last));
    let what = match session.range {
        Some(_) => format!("The next command is about bytes {first} to {last}."),
        None => "The next command is about the whole file.".to_owned(),
    };
    session.line.control.say(350, what)
}

/// HASH (draft-bryan-ftp-hash).
pub(super) fn hash(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let part = match session.range.take() {
        Some((first, last)) => (first, last.checked_add(1)),
        None => (0, None),
    };
    let kind = session.hash;
    match session.sum(Sum::Digest(kind), argument, part) {
        Ok((hex, from, to)) => {
            let mut text = format!("{} {from}-{to} {hex} ", name_of(kind)).into_bytes();
            text.extend_from_slice(argument);
            session.line.control.say(213, text)
        }
        Err(stop) => data::tell(&mut session.line, stop),
    }
}

pub(super) fn crc(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.plain_sum(Sum::Crc32, argument)
}

pub(super) fn md5(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.plain_sum(Sum::Digest(Kind::Md5), argument)
}

pub(super) fn sha256(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.plain_sum(Sum::Digest(Kind::Sha256), argument)
}

impl Session<'_> {
    /// XCRC and its kind: a path, perhaps in quotes, and from where to where.
    fn plain_sum(&mut self, sum: Sum, argument: &[u8]) -> Handled {
        let asked = checksum_argument(argument);
        let path = unquoted(asked.path, argument);
        match self.sum(sum, &path, (asked.from, asked.to)) {
            Ok((hex, ..)) => self.line.control.say(250, hex),
            Err(stop) => data::tell(&mut self.line, stop),
        }
    }

    /// The sum in hexadecimal, and from where to where it goes.
    fn sum(&mut self, sum: Sum, path: &[u8], part: Part) -> Result<(String, u64, u64), Stop> {
        let opened = self
            .guest
            .allow(Operation::Get, self.old_path(path))
            .and_then(|path| self.guest.library.open_file(&path));
        let result = opened.map_err(Stop::from).and_then(|file| {
            let (from, to) = bounds(part, file.facts().size)?;
            Ok((self.compute(sum, &file, from, to)?, from, to))
        });
        let shown = name::encode(path);
        let refusal = result.as_ref().err().map(data::refusal_of);
        self.guest
            .log("hash", &[("path", &shown)], refusal.as_ref());
        result
    }

    fn compute(&mut self, sum: Sum, file: &Download, from: u64, to: u64) -> Result<String, Stop> {
        let whole = (from, to) == (0, file.facts().size);
        let mut sum = match sum {
            Sum::Digest(kind) => {
                if whole && let Some(kept) = file.kept_digest(kind) {
                    return Ok(kept.to_hex());
                }
                Checksum::digest(kind)
            }
            Sum::Crc32 => Checksum::crc32(),
        };
        let control = &mut self.line.control;
        let slot = control.slot();
        let mut scratch = Scratch::new();
        let mut at = from;
        while at < to {
            let end = at.saturating_add(PIECE).min(to);
            file.checksum(&mut sum, &mut scratch, at, end, |n| slot.moved(n))?;
            data::attend(control)?;
            at = end;
        }
        file.unchanged()?;
        if whole && let Checksum::Digest(hasher) = &sum {
            file.keep_digest(&hasher.finish());
        }
        Ok(sum.finish())
    }
}

/// # Errors
/// `Range` for what the file does not have.
fn bounds((from, to): Part, size: u64) -> Result<(u64, u64), Refusal> {
    let to = to.unwrap_or(size);
    if from > to || to > size {
        let what = format!("there are only {size} bytes");
        return Err(Refusal::new(Code::Range, what));
    }
    Ok((from, to))
}

/// A path out of its quotes, where it stood in some: those within are doubled (RFC 959, appendix II).
fn unquoted(path: &[u8], argument: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        out.push(byte);
        if byte == b'"' && path.len() < argument.len() {
            rest.next_if_eq(&b'"');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_digest_has_the_star() {
        assert_eq!(feature(Kind::Sha256), "HASH BLAKE3;MD5;SHA-256*");
        assert_eq!(feature(Kind::Md5), "HASH BLAKE3;MD5*;SHA-256");
        for kind in Kind::ALL {
            assert!(feature(kind).contains(&format!("{}*", name_of(kind))));
        }
    }

    #[test]
    fn parts_are_within_the_file() {
        for (part, size, expected) in [
            ((0, None), 0, Some((0, 0))),
            ((0, None), 5, Some((0, 5))),
            ((5, None), 5, Some((5, 5))),
            ((6, None), 5, None),
            ((1, Some(3)), 5, Some((1, 3))),
            ((3, Some(3)), 5, Some((3, 3))),
            ((3, Some(1)), 5, None),
            ((0, Some(6)), 5, None),
            ((u64::MAX, Some(u64::MAX)), 5, None),
        ] {
            assert_eq!(bounds(part, size).ok(), expected, "{part:?} of {size}");
        }
    }

    #[test]
    fn quotes_are_doubled_within_quotes_alone() {
        for (argument, path) in [
            (r#"a"#, r#"a"#),
            (r#"a""b"#, r#"a""b"#),
            (r#""a""#, r#"a"#),
            (r#""a ""b""""#, r#"a "b""#),
            (r#""a"b" 5"#, r#"a"b"#),
        ] {
            let asked = checksum_argument(argument.as_bytes());
            let found = unquoted(asked.path, argument.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), path, "{argument}");
        }
    }
}
