//! Arguments of commands: numbers, types, times, and what people type after LIST. Run by children that serve FTP. Paths in
//! them are as they came: `path` judges them.

use super::address::decimal;
use super::command::split_word;
use super::time;

/// How the bytes of a file travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Type {
    /// As text: lines end with CR LF on the wire.
    #[default]
    Ascii,
    /// As they are.
    Image,
}

/// What MDTM asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mdtm<'a> {
    /// When this file was changed last.
    Show(&'a [u8]),
    /// That it be said to have been changed at a moment (seconds since 1970 and nanoseconds): what was done before MFMT.
    Set((i64, u32), &'a [u8]),
}

/// What LIST and NLST ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct List<'a> {
    /// `-R`: the folders below, too.
    pub recursive: bool,
    /// `-1`: names alone.
    pub one_per_line: bool,
    /// `-d`: the folder, in place of what is in it.
    pub itself: bool,
    /// Of what; empty for the working folder.
    pub path: &'a [u8],
}

/// What XCRC and its kind ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum<'a> {
    /// Of which file.
    pub path: &'a [u8],
    /// From which byte.
    pub from: u64,
    /// Up to which, without it; the end of the file when none.
    pub to: Option<u64>,
}

/// Flags of `ls` that people type. Those that mean nothing here do no harm; a word with any other letter is a path.
const FLAGS: &[u8] = b"aAlLhFnrtSR1d";

/// REST's argument (RFC 3659, section 5.3): digits alone, below 2^64.
#[must_use]
pub fn offset(argument: &[u8]) -> Option<u64> {
    decimal(argument)
}

/// ALLO's `n` or `n R m` (RFC 959): the bytes of the file to come.
#[must_use]
pub fn allo(argument: &[u8]) -> Option<u64> {
    let (bytes, records) = split_word(argument);
    let (mark, record) = split_word(records);
    let valid =
        records.is_empty() || (mark.eq_ignore_ascii_case(b"R") && decimal(record).is_some());
    decimal(bytes).filter(|_| valid)
}

/// RANG's two offsets, first and last byte. The last may be below the first: `1 0` takes a range back
/// (draft-bryan-ftp-range).
#[must_use]
pub fn range(argument: &[u8]) -> Option<(u64, u64)> {
    let (first, last) = split_word(argument);
    Some((decimal(first)?, decimal(last)?))
}

/// TYPE's argument: `A`, `A N`, `A T` (there is no paper here that could tell them apart), `I`, `L 8`; some devices leave
/// out the space. None for what is not served (504).
#[must_use]
pub fn transfer_type(argument: &[u8]) -> Option<Type> {
    match argument.to_ascii_uppercase().as_slice() {
        b"A" | b"A N" | b"AN" | b"A T" | b"AT" => Some(Type::Ascii),
        b"I" | b"L 8" | b"L8" => Some(Type::Image),
        _ => None,
    }
}

/// A moment, `YYYYMMDDHHMMSS` in UTC with a fraction if need be (RFC 3659, section 2.3): seconds since 1970 and nanoseconds.
#[must_use]
pub fn stamp(text: &[u8]) -> Option<(i64, u32)> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (&text[..point], Some(&text[point + 1..])),
        None => (text, None),
    };
    let nanos = fraction.map_or(Some(0), |digits| {
        let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let nine = digits
            .iter()
            .copied()
            .chain(std::iter::repeat(b'0'))
            .take(9);
        valid.then(|| nine.fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
    })?;
    if whole.len() != 14 {
        return None;
    }
    let number = |from: usize, to: usize| decimal(&whole[from..to]);
    let day = time::days_from_civil(number(0, 4)?, number(4, 6)?, number(6, 8)?)?;
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    // The second 60 is a leap second; in the seconds since 1970 it is the first of the next day.
    let leap = (hour, minute, second) == (23, 59, 60);
    let valid = hour < 24 && minute < 60 && (second < 60 || leap);
    let seconds = i64::try_from(hour * 3600 + minute * 60 + second).ok()?;
    valid.then_some((day * 86_400 + seconds, nanos))
}

/// MDTM's argument: a file, or what it is to be set to and the file.
#[must_use]
pub fn mdtm_argument(argument: &[u8]) -> Mdtm<'_> {
    match mfmt(argument) {
        Some((moment, path)) => Mdtm::Set(moment, path),
        None => Mdtm::Show(argument),
    }
}

/// MFMT's `YYYYMMDDHHMMSS path` (draft-somers-ftp-mfxx).
#[must_use]
pub fn mfmt(argument: &[u8]) -> Option<((i64, u32), &[u8])> {
    let (moment, path) = split_word(argument);
    stamp(moment)
        .filter(|_| !path.is_empty())
        .map(|moment| (moment, path))
}

/// SITE UTIME's two forms: `YYYYMMDDhhmm[ss] path`, and `path atime mtime ctime UTC`, of which only the second time counts.
#[must_use]
pub fn utime(argument: &[u8]) -> Option<((i64, u32), &[u8])> {
    three_times(argument).or_else(|| {
        let (moment, path) = split_word(argument);
        let mut whole = moment.to_vec();
        if whole.len() == 12 {
            whole.extend_from_slice(b"00");
        }
        stamp(&whole)
            .filter(|_| !path.is_empty())
            .map(|moment| (moment, path))
    })
}

fn three_times(argument: &[u8]) -> Option<((i64, u32), &[u8])> {
    let mut words = argument.rsplitn(5, |&b| b == b' ');
    let zone = words.next()?;
    let (_changed, modified, _read) = (
        stamp(words.next()?)?,
        stamp(words.next()?)?,
        stamp(words.next()?)?,
    );
    let path = words.next().filter(|path| !path.is_empty())?;
    zone.eq_ignore_ascii_case(b"UTC")
        .then_some((modified, path))
}

/// What was typed after LIST or NLST: flags of `ls`, then a path. `--` ends the flags; a path that begins with a dash is one
/// without it, too, when it could be no flags.
#[must_use]
pub fn list_argument(argument: &[u8]) -> List<'_> {
    let mut list = List {
        path: argument,
        ..List::default()
    };
    loop {
        let (word, rest) = split_word(list.path);
        match word {
            b"--" => {
                list.path = rest;
                return list;
            }
            [b'-', flags @ ..]
                if !flags.is_empty() && flags.iter().all(|flag| FLAGS.contains(flag)) =>
            {
                list.recursive |= flags.contains(&b'R');
                list.one_per_line |= flags.contains(&b'1');
                list.itself |= flags.contains(&b'd');
                let blanks = rest.iter().take_while(|&&b| b == b' ').count();
                list.path = &rest[blanks..];
            }
            _ => return list,
        }
    }
}

/// XCRC's, XMD5's and XSHA256's argument: a path, or a path in double quotes and perhaps from where to where.
#[must_use]
pub fn checksum_argument(argument: &[u8]) -> Checksum<'_> {
    quoted(argument).unwrap_or(Checksum {
        path: argument,
        from: 0,
        to: None,
    })
}

fn quoted(argument: &[u8]) -> Option<Checksum<'_>> {
    let inner = argument.strip_prefix(b"\"")?;
    let close = memchr::memrchr(b'"', inner)?;
    let (path, rest) = (&inner[..close], &inner[close + 1..]);
    if rest.is_empty() {
        return Some(Checksum {
            path,
            from: 0,
            to: None,
        });
    }
    let (from, to) = split_word(rest.strip_prefix(b" ")?);
    let to = if to.is_empty() {
        None
    } else {
        Some(decimal(to)?)
    };
    Some(Checksum {
        path,
        from: decimal(from)?,
        to,
    })
}
