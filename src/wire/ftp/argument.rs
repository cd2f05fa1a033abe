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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_table() {
        assert_eq!(offset(b"0"), Some(0));
        assert_eq!(offset(b"9223372036854775808"), Some(1 << 63));
        for bad in [
            &b""[..],
            b"-1",
            b"+1",
            b" 1",
            b"1 ",
            b"0x10",
            b"1.5",
            b"18446744073709551616",
            b"\xd9\xa1",
        ] {
            assert_eq!(offset(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        for (argument, bytes) in [
            ("500000", Some(500_000)),
            ("500000 R 80", Some(500_000)),
            ("500000 r 80", Some(500_000)),
            ("", None),
            ("R 80", None),
            ("1 80", None),
            ("1 R", None),
            ("1 R x", None),
            ("-1", None),
        ] {
            assert_eq!(allo(argument.as_bytes()), bytes, "{argument}");
        }
        assert_eq!(range(b"0 99"), Some((0, 99)));
        assert_eq!(range(b"1 0"), Some((1, 0)));
        for bad in ["", "1", "1 ", "1  2", "1 2 3", "1-2"] {
            assert_eq!(range(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn types_table() {
        for ascii in ["A", "a", "A N", "a n", "A T", "AN"] {
            assert_eq!(
                transfer_type(ascii.as_bytes()),
                Some(Type::Ascii),
                "{ascii}"
            );
        }
        for image in ["I", "i", "L 8", "l 8", "L8"] {
            assert_eq!(
                transfer_type(image.as_bytes()),
                Some(Type::Image),
                "{image}"
            );
        }
        for other in [
            "", "E", "A C", "L", "L 7", "L 36", "I N", "A  N", "X", "A N ",
        ] {
            assert_eq!(transfer_type(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn stamps_table() {
        for (text, moment) in [
            ("19700101000000", (0, 0)),
            // RFC 3659, section 2.3.1 and 7.
            ("19980615100045.014", (897_904_845, 14_000_000)),
            ("19990929003355.237", (938_565_235, 237_000_000)),
            ("20000229235959", (951_868_799, 0)),
            ("20161231235960", (1_483_228_800, 0)),
            ("00000101000000", (-62_167_219_200, 0)),
            ("99991231235959", (253_402_300_799, 0)),
            ("20260501134507.1234567899", (1_777_643_107, 123_456_789)),
        ] {
            assert_eq!(stamp(text.as_bytes()), Some(moment), "{text}");
        }
        for bad in [
            "",
            "2026",
            "2026050113450",
            "202605011345070",
            "20260501134507.",
            "20260501134507.x",
            "20260501134507.1.2",
            "20261301000000",
            "20260001000000",
            "20260100000000",
            "20260132000000",
            "20260431000000",
            "20260229000000",
            "19000229000000",
            "20260501240000",
            "20260501136000",
            "20260501134560",
            "2026050113450x",
            "+2026050113450",
            "-2026050113450",
        ] {
            assert_eq!(stamp(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn setting_times_table() {
        let moment = (1_777_643_107, 0);
        assert_eq!(
            mdtm_argument(b"20260501134507 a b"),
            Mdtm::Set(moment, b"a b")
        );
        for file in [
            &b"a b"[..],
            b"20260501134507",
            b"20260501134507 ",
            b"20261301000000 a",
            b"",
        ] {
            assert_eq!(mdtm_argument(file), Mdtm::Show(file));
        }
        assert_eq!(mfmt(b"20260501134507 a b"), Some((moment, &b"a b"[..])));
        assert_eq!(
            mfmt(b"20260501134507.5 a"),
            Some(((moment.0, 500_000_000), &b"a"[..]))
        );
        assert_eq!(mfmt(b"20260501134507"), None);
        assert_eq!(mfmt(b"a 20260501134507"), None);
        for (argument, path) in [
            (&b"20260501134507 a b"[..], &b"a b"[..]),
            (
                b"a b 20200101000000 20260501134507 20210101000000 UTC",
                b"a b",
            ),
            (
                b"20200101000000 20200101000000 20260501134507 20210101000000 UTC",
                b"20200101000000",
            ),
        ] {
            assert_eq!(utime(argument), Some((moment, path)));
        }
        assert_eq!(
            utime(b"202605011345 a"),
            Some((moment.0 - 7, &b"a"[..])).map(|(s, p)| ((s, 0), p))
        );
        for bad in [
            &b"a"[..],
            b"20260501134507",
            b"20260501 a",
            b"a 20200101000000 20260501134507 UTC",
            b"a 20200101000000 20260501134507 20210101000000 CET",
            b" 20200101000000 20260501134507 20210101000000 UTC",
        ] {
            assert_eq!(utime(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn lists_table() {
        for (argument, flags, path) in [
            ("", "", ""),
            ("a b ", "", "a b "),
            ("-a", "", ""),
            ("-la", "", ""),
            ("-l -a", "", ""),
            ("-la  a b", "", "a b"),
            ("-lR", "R", ""),
            ("-R -1 /a", "R1", "/a"),
            ("-1t", "1", ""),
            ("-d /a", "d", "/a"),
            ("-x", "", "-x"),
            ("-la-x", "", "-la-x"),
            ("-report.txt", "", "-report.txt"),
            ("-", "", "-"),
            ("-- -la", "", "-la"),
            ("-l --  a", "", " a"),
            ("--", "", ""),
            ("--help", "", "--help"),
            ("a -l", "", "a -l"),
        ] {
            let expected = List {
                recursive: flags.contains('R'),
                one_per_line: flags.contains('1'),
                itself: flags.contains('d'),
                path: path.as_bytes(),
            };
            assert_eq!(list_argument(argument.as_bytes()), expected, "{argument}");
        }
    }

    #[test]
    fn checksums_table() {
        for (argument, path, from, to) in [
            ("a b", "a b", 0, None),
            ("\"a b\"", "a b", 0, None),
            ("\"a\" 5", "a", 5, None),
            ("\"a\" 5 9", "a", 5, Some(9)),
            ("\"a\"b\" 5 9", "a\"b", 5, Some(9)),
            ("\"a", "\"a", 0, None),
            ("\"a\" x", "\"a\" x", 0, None),
            ("a 5 9", "a 5 9", 0, None),
        ] {
            let expected = Checksum {
                path: path.as_bytes(),
                from,
                to,
            };
            assert_eq!(
                checksum_argument(argument.as_bytes()),
                expected,
                "{argument}"
            );
        }
    }

    proptest! {
        #[test]
        fn stamps_there_and_back(seconds in -62_167_219_200i64..=253_402_300_799) {
            prop_assert_eq!(stamp(time::stamp(seconds).as_bytes()), Some((seconds, 0)));
        }
    }
}
