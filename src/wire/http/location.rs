//! Where a visitor may be sent on to: a place on this server, and nowhere else. Pure.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What cannot stand in a field as it is.
const ODD: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\');

/// `target`, if it is a path on this server, as it can stand in a field Location; None for what a browser could take for another
/// host's name. Browsers read a backslash as a slash, and pass over tabs and line ends (URL Standard, section 4.4).
#[must_use]
pub fn local(target: &str) -> Option<String> {
    let mut chars = target.chars();
    let begins = chars.next() == Some('/') && !matches!(chars.next(), Some('/' | '\\'));
    let odd = target.chars().any(char::is_control);
    (begins && !odd).then(|| utf8_percent_encode(target, ODD).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        let cases = [
            ("/", Some("/")),
            ("/a%20b/?x=1#y", Some("/a%20b/?x=1#y")),
            ("/a b/ü\"", Some("/a%20b/%C3%BC%22")),
            ("/a\\b", Some("/a%5Cb")),
            ("/a//b", Some("/a//b")),
            ("", None),
            ("a", None),
            ("//evil.example", None),
            ("/\\evil.example", None),
            ("\\/evil.example", None),
            ("/\t/evil.example", None),
            ("/\n/evil.example", None),
            ("https://evil.example", None),
            (" //evil.example", None),
        ];
        for (target, wanted) in cases {
            assert_eq!(local(target).as_deref(), wanted, "{target:?}");
        }
    }

    #[test]
    fn whatever_is_let_pass_stays_here_for_a_browser() {
        use crate::wire::dice::{Dice, rounds};
        let mut dice = Dice::new(b"//\\\t\r\n\0 .:@?#%\x7f\xc2\xa0");
        let mut passed = 0;
        for _ in rounds(20_000) {
            let target = String::from_utf8_lossy(&dice.bytes(12)).into_owned();
            let target = if dice.below(2) == 0 {
                format!("/{target}")
            } else {
                target
            };
            let Some(location) = local(&target) else {
                continue;
            };
            passed += 1;
            assert!(
                location.bytes().all(|b| b.is_ascii_graphic()),
                "{location:?}"
            );
            // As a browser reads it (URL Standard, section 4.4), from the text before and after.
            for text in [&target, &location] {
                let read: String = text
                    .trim_matches(|c| c <= ' ')
                    .chars()
                    .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
                    .map(|c| if c == '\\' { '/' } else { c })
                    .collect();
                assert!(
                    read.starts_with('/') && !read.starts_with("//"),
                    "{target:?}"
                );
            }
        }
        assert!(passed > 100);
    }
}
