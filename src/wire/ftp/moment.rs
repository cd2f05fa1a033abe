//! Moments as clients write them, in the arguments of MDTM, MFMT and SITE UTIME. Run by children that serve FTP. Paths in them
//! are as they came: `path` judges them.

use super::address::decimal;
use super::command::split_word;
use super::time;

/// What MDTM asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mdtm<'a> {
    /// When this file was changed last.
    Show(&'a [u8]),
    /// That it be said to have been changed at a moment (seconds since 1970 and nanoseconds): what was done before MFMT.
    Set((i64, u32), &'a [u8]),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn stamps_there_and_back(seconds in -62_167_219_200i64..=253_402_300_799) {
            prop_assert_eq!(stamp(time::stamp(seconds).as_bytes()), Some((seconds, 0)));
        }
    }
}
