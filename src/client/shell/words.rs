//! Command lines of the shell as words, and words as command lines. Pure. Names are bytes, so that every name can be typed.
//!
//! White space separates; `'...'` is taken as it stands, in `"..."` and outside a backslash takes the next character, and
//! `\xNN` is a byte. Listings show what cannot be printed in that same form.

use std::fmt::Write as _;

/// A line taken apart, with the last word as it stands so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// All words, the last included.
    pub(super) words: Vec<Vec<u8>>,
    /// Where the last word begins in the line; the line's end when it is not begun.
    pub(super) last_at: usize,
    /// The last word is still open: the line ends in it, or in its quotes.
    pub(super) in_word: bool,
    /// A quote was not closed.
    pub(super) unclosed: bool,
}

/// Takes `line` apart.
pub(super) fn split(line: &str) -> Split {
    let bytes = line.as_bytes();
    let (mut words, mut word, mut at) = (Vec::new(), Vec::new(), 0);
    let (mut in_word, mut quote, mut last_at) = (false, None, bytes.len());
    while let Some(&byte) = bytes.get(at) {
        let begins = at;
        at += 1;
        match (quote, byte) {
            (None, b' ' | b'\t') => {
                if in_word {
                    words.push(std::mem::take(&mut word));
                }
                in_word = false;
                continue;
            }
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None | Some(b'"'), b'\\') => match (
                bytes.get(at),
                bytes
                    .get(at + 1..at + 3)
                    .and_then(|two| hex::decode(two).ok()),
            ) {
                (Some(b'x'), Some(value)) => {
                    word.extend_from_slice(&value);
                    at += 3;
                }
                // The first byte of a longer character; the others follow by themselves.
                (Some(&next), _) => {
                    word.push(next);
                    at += 1;
                }
                (None, _) => {}
            },
            _ => word.push(byte),
        }
        if !in_word {
            in_word = true;
            last_at = begins;
        }
    }
    if in_word {
        words.push(word);
    } else {
        last_at = bytes.len();
    }
    Split {
        words,
        last_at,
        in_word,
        unclosed: quote.is_some(),
    }
}

/// `bytes` as one word, to be typed.
pub(super) fn quote(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Writing to a String cannot fail.
            let _ = match c {
                ' ' | '\'' | '"' | '\\' => write!(text, "\\{c}"),
                // What must not be printed goes byte by byte.
                c if crate::client::show::clean(c.encode_utf8(&mut [0; 4]).as_bytes()).len()
                    != c.len_utf8() =>
                {
                    c.encode_utf8(&mut [0; 4])
                        .bytes()
                        .try_for_each(|byte| write!(text, "\\x{byte:02x}"))
                }
                c => text.write_char(c),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (line, words, last_at) in [
            ("", &[][..], 0),
            ("  ", &[], 2),
            ("ls", &["ls"], 0),
            ("ls ", &["ls"], 3),
            (" get a\\ b 'c d'", &["get", "a b", "c d"], 10),
            ("get \"a \\\" b\"", &["get", "a \" b"], 4),
            ("get '' x", &["get", "", "x"], 7),
            ("get a'b'\"c\"d", &["get", "abcd"], 4),
            ("get 'a\\x41", &["get", "a\\x41"], 4),
            ("get a\\x41 \\ü\\", &["get", "aA", "ü"], 10),
        ] {
            let split = split(line);
            let found: Vec<_> = split
                .words
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            assert_eq!(
                (found, split.last_at),
                (words.iter().map(|w| (*w).to_owned()).collect(), last_at),
                "{line}"
            );
        }
        assert!(split("get 'a").unclosed);
        assert_eq!(quote(b"a b\xfc\x1b\\"), "a\\ b\\xfc\\x1b\\\\");
        assert_eq!(quote("grün\u{202e}".as_bytes()), "grün\\xe2\\x80\\xae");
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_one_word(bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
            let line = quote(&bytes);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert_eq!(split(&line).words, vec![bytes]);
        }

        #[test]
        fn any_line_splits(line: String) {
            let split = split(&line);
            prop_assert!(split.last_at <= line.len() && line.is_char_boundary(split.last_at));
        }
    }
}
