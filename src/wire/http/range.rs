//! Which part of a file a request asks for (RFC 9110, section 14). Pure; used by children.
//!
//! One part is sent as such. Who asks for several gets the whole, which the same section allows: putting parts together costs far more
//! than asking for them does.

use super::head::Head;
use std::ops::Range;

/// What of a file is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it: nothing else was asked for, or nothing that can be understood.
    Whole,
    /// These bytes, of which there is at least one.
    Only(Range<u64>),
    /// None: the file ends before the part begins.
    Beyond,
}

/// The part of a file of `size` bytes that `head` asks for. Whether the request is one that a part is ever sent for is looked at elsewhere.
#[must_use]
pub fn part(head: &Head, size: u64) -> Part {
    head.text("range")
        .and_then(spec)
        .map_or(Part::Whole, |spec| spec.of(size))
}

/// One member of a range set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

impl Spec {
    fn of(self, size: u64) -> Part {
        let (first, end) = match self {
            Spec::From(first) => (first, size),
            Spec::FromTo(first, last) => (first, last.saturating_add(1).min(size)),
            // The end of nothing is nothing, and no part can be.
            Spec::Last(count) if size == 0 && count > 0 => return Part::Whole,
            Spec::Last(count) => (size.saturating_sub(count), size),
        };
        if first < end {
            Part::Only(first..end)
        } else {
            Part::Beyond
        }
    }
}

/// The one range that `value` names, in bytes; None for several, and for what is none.
fn spec(value: &str) -> Option<Spec> {
    let (unit, set) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Members of a list may be empty (RFC 9110, section 5.6.1).
    let mut members = set
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty());
    let (first, last) = members.next()?.split_once('-')?;
    if members.next().is_some() {
        return None;
    }
    match (first, last) {
        ("", count) => Some(Spec::Last(number(count)?)),
        (first, "") => Some(Spec::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::FromTo(first, last))
        }
    }
}

/// Digits, as many as there are: what no file reaches is the largest number.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part_of(fields: &str, size: u64) -> Part {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let (head, _) = Head::parse(text.as_bytes()).expect("sound").expect("whole");
        part(&head, size)
    }

    #[test]
    fn one_part_is_sent() {
        let many = "9".repeat(400);
        for (value, first, end) in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-", 0, 100),
            ("bytes=99-", 99, 100),
            ("bytes=10-19", 10, 20),
            ("bytes=10-1000", 10, 100),
            (&format!("bytes=10-{many}"), 10, 100),
            ("bytes=-1", 99, 100),
            ("bytes=-100", 0, 100),
            (&format!("bytes=-{many}"), 0, 100),
            ("Bytes= , 007-9\t,", 7, 10),
        ] {
            let found = part_of(&format!("Range: {value}\r\n"), 100);
            assert_eq!(found, Part::Only(first..end), "{value}");
        }
    }

    #[test]
    fn what_is_beyond_the_end_is_told_from_what_is_no_range() {
        let many = "9".repeat(400);
        for value in [
            "bytes=100-",
            "bytes=100-100",
            "bytes=-0",
            &format!("bytes={many}-"),
        ] {
            let found = part_of(&format!("Range: {value}\r\n"), 100);
            assert_eq!(found, Part::Beyond, "{value}");
        }
        let bomb = format!("bytes={}", "0-,".repeat(4000));
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=,",
            "bytes=a-",
            "bytes=1-a",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=0x1-2",
            "bytes=20-10",
            "bytes=1",
            "bytes==1-2",
            "lines=1-2",
            "bytes =1-2",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=0-0,2-2",
            "bytes=0-0,junk",
            "bytes=-1,200-",
            &bomb,
        ] {
            let found = part_of(&format!("Range: {value}\r\n"), 100);
            assert_eq!(found, Part::Whole, "{value}");
        }
        assert_eq!(part_of("", 100), Part::Whole);
        let twice = "Range: bytes=0-1\r\nRange: bytes=0-1\r\n";
        assert_eq!(part_of(twice, 100), Part::Whole);
    }

    #[test]
    fn of_nothing_there_is_no_part() {
        for (value, found) in [
            ("bytes=0-", Part::Beyond),
            ("bytes=0-0", Part::Beyond),
            ("bytes=-5", Part::Whole),
            ("bytes=-0", Part::Beyond),
        ] {
            assert_eq!(part_of(&format!("Range: {value}\r\n"), 0), found, "{value}");
        }
        assert_eq!(
            part_of(&format!("Range: bytes={}-\r\n", u64::MAX - 1), u64::MAX),
            Part::Only(u64::MAX - 1..u64::MAX)
        );
    }
}
