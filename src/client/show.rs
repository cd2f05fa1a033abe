//! How things look on a terminal: names and messages from outside made harmless, sizes, times. Pure. Nothing that came from a
//! server or a disk is printed without passing through `clean`.

use crate::sys::Errno;
use std::fmt::Write as _;

/// Text for a terminal from any bytes: control characters (C0, C1, delete), characters that turn the direction of writing
/// or cannot be seen, and bytes that are no UTF-8 are written as escapes. `\n` is an escape too: the result is one line.
#[must_use]
pub fn clean(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Writing to a String cannot fail.
            let _ = match c {
                '\n' => text.write_str("\\n"),
                '\t' => text.write_str("\\t"),
                '\r' => text.write_str("\\r"),
                c if c.is_ascii_control() => write!(text, "\\x{:02x}", c as u32),
                c if c.is_control() || misleads(c) => write!(text, "\\u{{{:x}}}", c as u32),
                c => text.write_char(c),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Characters that reorder or hide their neighbours (Unicode TR 36, 2.5 and TR 9): bidirectional marks, embeddings and
/// isolates, line separators, zero-width and tag characters. Joiners stay: ordinary words of some scripts need them.
fn misleads(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The kernel's reason in small letters, to stand in a sentence.
#[must_use]
pub fn reason(errno: Errno) -> String {
    let text = errno.desc();
    let mut letters = text.chars();
    match letters.next() {
        // `I/O error` keeps its capitals.
        Some(first) if !text.starts_with("I/O") => {
            first.to_lowercase().collect::<String>() + letters.as_str()
        }
        _ => text.to_owned(),
    }
}

/// A number of bytes for people: `937 B`, `1.4 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A moment in the local time zone: `2026-05-01 13:45:07`. What the calendar does not hold is shown as seconds.
#[must_use]
pub fn time(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(moment) => moment
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => format!("@{seconds}"),
    }
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_table() {
        for (bytes, shown) in [
            (&b"plain name.txt"[..], "plain name.txt"),
            ("grün 文件 🦀".as_bytes(), "grün 文件 🦀"),
            (b"a\x1b[31mred\x07", "a\\x1b[31mred\\x07"),
            (b"two\nlines\tand\rback", "two\\nlines\\tand\\rback"),
            (b"\x7f\0", "\\x7f\\x00"),
            ("c1 \u{9b}31m".as_bytes(), "c1 \\u{9b}31m"),
            (b"latin-1 \xfc", "latin-1 \\xfc"),
            ("exe\u{202e}fdp.".as_bytes(), "exe\\u{202e}fdp."),
            (
                "\u{2066}a\u{2069}\u{200f}".as_bytes(),
                "\\u{2066}a\\u{2069}\\u{200f}",
            ),
            (
                "\u{feff}\u{200b}\u{ad}".as_bytes(),
                "\\u{feff}\\u{200b}\\u{ad}",
            ),
            ("\u{2028}\u{e0041}".as_bytes(), "\\u{2028}\\u{e0041}"),
            ("می‌خواهم".as_bytes(), "می\u{200c}خواهم"),
        ] {
            assert_eq!(clean(bytes), shown);
            assert!(!clean(bytes).chars().any(|c| c.is_control() || misleads(c)));
        }
    }

    #[test]
    fn sizes_and_times() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
        assert_eq!(size((1 << 20) - 1), "1.0 MiB", "never 1024.0 KiB");
        assert_eq!(time(i64::MAX), format!("@{}", i64::MAX));
        assert_eq!(reason(Errno::ENOENT), "no such file or directory");
    }
}
