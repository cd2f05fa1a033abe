//! Content-Disposition (RFC 6266): whether content is shown or saved, and under which name. Pure; used by children.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a value of RFC 8187 (`attr-char`) besides letters and digits, but for a few that old clients trip over.
const OTHERS: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b'!');

/// The value of the field for a file of that name. Whatever stands in a name, the value is of printable ASCII, and the name does not
/// leave its quotation marks.
#[must_use]
pub fn value(inline: bool, name: &[u8]) -> String {
    let how = if inline { "inline" } else { "attachment" };
    let name: String = String::from_utf8_lossy(name)
        .chars()
        .map(|c| {
            if c == char::REPLACEMENT_CHARACTER || c.is_control() {
                '_'
            } else {
                c
            }
        })
        .collect();
    // An escaped quotation mark, and a percent sign, are taken by some clients for what they are not (RFC 6266, appendix D).
    let plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%');
    // Blanks at the ends of what is quoted are dropped by some, too.
    if name.chars().all(plain) && name.trim() == name {
        return format!("{how}; filename=\"{name}\"");
    }
    let fallback: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let exact = utf8_percent_encode(&name, &OTHERS);
    format!("{how}; filename=\"{fallback}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_quotation_marks() {
        for (name, told) in [
            (&b"a b.txt"[..], "filename=\"a b.txt\""),
            (b" a ", "filename=\" a \"; filename*=UTF-8''%20a%20"),
            (b"a;b=c'd", "filename=\"a;b=c'd\""),
            (
                "ü.txt".as_bytes(),
                "filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt",
            ),
            (b"a\"b\\c", "filename=\"a_b_c\"; filename*=UTF-8''a%22b%5Cc"),
            (b"100%", "filename=\"100_\"; filename*=UTF-8''100%25"),
            (b"a\r\nb", "filename=\"a__b\""),
            (b"a\xffb", "filename=\"a_b\""),
            (
                "€ 'x' (1)*".as_bytes(),
                "filename=\"_ 'x' (1)*\"; filename*=UTF-8''%E2%82%AC%20%27x%27%20%281%29%2A",
            ),
        ] {
            assert_eq!(value(true, name), format!("inline; {told}"));
            assert_eq!(value(false, name), format!("attachment; {told}"));
        }
    }

    #[test]
    fn any_bytes_make_a_value_of_printable_ascii() {
        for first in 0..=255_u8 {
            for name in [vec![first], vec![0xc2, first], vec![b'"', first, b';']] {
                let value = value(false, &name);
                assert!(
                    value.bytes().all(|b| (b' '..=b'~').contains(&b)),
                    "{name:?}"
                );
                assert_eq!(value.matches('"').count(), 2, "{name:?}");
            }
        }
    }
}
