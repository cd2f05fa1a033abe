//! Which part of a file a request brings: `Content-Range` of a PUT (RFC 9110, sections 14.4 and 14.5). Pure.

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// Offset of its first byte.
    pub first: u64,
    /// Offset of its last byte.
    pub last: u64,
    /// Bytes of the whole file.
    pub total: u64,
}

/// Most digits of a number: below 2^63, which every program can count.
const MOST_DIGITS: usize = 18;

impl ContentRange {
    /// Reads `bytes FIRST-LAST/TOTAL`. None for anything else, and for what cannot be: nothing here counts in other units, and nobody
    /// sends a part of a file without knowing how long it is.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<ContentRange> {
        let (unit, rest) = value.split_at_checked(b"bytes ".len())?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let (range, total) = split(rest, b'/')?;
        let (first, last) = split(range, b'-')?;
        let range = ContentRange {
            first: number(first)?,
            last: number(last)?,
            total: number(total)?,
        };
        (range.first <= range.last && range.last < range.total).then_some(range)
    }

    /// Bytes of it: at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// True when the file ends with it.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.last + 1 == self.total
    }
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let found = memchr::memchr(at, text)?;
    Some((&text[..found], &text[found + 1..]))
}

fn number(digits: &[u8]) -> Option<u64> {
    let fits = (1..=MOST_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| fits)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_files_are_read() {
        let part = |text: &str| ContentRange::parse(text.as_bytes());
        let whole = part("bytes 0-0/1").expect("one byte");
        assert!(whole.is_end() && whole.len() == 1);
        let middle = part("Bytes 10-19/999999999999999999").expect("middle");
        assert!(!middle.is_end() && middle.len() == 10 && middle.first == 10);
        assert_eq!(middle.total, 999_999_999_999_999_999);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "bytes",
            "bytes ",
            "bytes */10",
            "bytes 0-9/*",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes 0-9/10 ",
            "bytes  0-9/10",
            "bytes=0-9/10",
            "bytes +0-9/10",
            "bytes 0-9",
            "bytes -9/10",
            "bytes 0-/10",
            "bytes 0-9/",
            "bytes 0-9-9/10",
            "bytes 0-9/10/10",
            "bytes 0x0-9/10",
            "bytes 0-9/1000000000000000000",
            "lines 0-9/10",
        ] {
            assert_eq!(ContentRange::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(ContentRange::parse(b"bytes 0-\xff/10"), None);
    }
}
