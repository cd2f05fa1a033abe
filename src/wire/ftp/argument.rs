//! Arguments of commands: numbers, types, and what people type after LIST. Run by children that serve FTP. Paths in them are
//! as they came: `path` judges them.

use super::address::decimal;
use super::command::split_word;

/// How the bytes of a file travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Type {
    /// As text: lines end with CR LF on the wire.
    #[default]
    Ascii,
    /// As they are.
    Image,
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

/// SITE CHMOD's `MODE path`: the mode in octal, three or four digits.
#[must_use]
pub fn chmod(argument: &[u8]) -> Option<(u32, &[u8])> {
    let (mode, path) = split_word(argument);
    if !(3..=4).contains(&mode.len()) || path.is_empty() {
        return None;
    }
    let octal = mode.iter().try_fold(0, |value, &digit| {
        matches!(digit, b'0'..=b'7').then(|| value * 8 + u32::from(digit - b'0'))
    });
    octal.map(|mode| (mode, path))
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
    fn modes_table() {
        assert_eq!(chmod(b"644 a b"), Some((0o644, &b"a b"[..])));
        assert_eq!(chmod(b"4755 a"), Some((0o4755, &b"a"[..])));
        for bad in [
            "",
            "644",
            "644 ",
            "64 a",
            "00644 a",
            "648 a",
            "u+x a",
            "77777777777777 a",
        ] {
            assert_eq!(chmod(bad.as_bytes()), None, "{bad}");
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
}
