//! What forms and queries say (application/x-www-form-urlencoded, URL Standard, section 5). Pure.
//!
//! There are as many pairs as the text has, and none is longer than it was written: whoever reads the text bounds both.

use super::head::Head;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::{Zeroize, Zeroizing};

/// The type of a form's body.
pub const TYPE: &str = "application/x-www-form-urlencoded";

/// What stands for itself in a value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// The names and values of a query or a form, in their order. What is no UTF-8 has U+FFFD in it, and a `%` that is none of an escape
/// stands for itself.
#[must_use]
pub fn pairs(query: &str) -> Vec<(String, String)> {
    parts(query)
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// The same of a form with a password in it: values are overwritten when they are dropped.
#[must_use]
pub fn secret_pairs(form: &str) -> Vec<(String, Zeroizing<String>)> {
    parts(form)
        .map(|(name, value)| (text(name), Zeroizing::new(text(value))))
        .collect()
}

/// The value of the first pair of that name.
pub fn value<'a, V: AsRef<str>>(pairs: &'a [(String, V)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_ref())
}

/// True when the body of the request is said to be a form.
#[must_use]
pub fn is_one(head: &Head) -> bool {
    head.text("content-type").is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case(TYPE)
    })
}

/// A value as it can stand in a query.
#[must_use]
pub fn encode(value: &str) -> String {
    utf8_percent_encode(value, PLAIN).to_string()
}

fn parts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Decoded, and nothing left behind of it elsewhere: it may be a password.
fn text(written: &str) -> String {
    let written = written.as_bytes();
    let mut bytes = Vec::with_capacity(written.len());
    let mut at = 0;
    while at < written.len() {
        let digit = |at: usize| {
            let digit = written.get(at).map(|&byte| char::from(byte));
            digit.and_then(|digit| digit.to_digit(16))
        };
        match (written[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => bytes.push(b' '),
            (byte, ..) => bytes.push(byte),
        }
        at += 1;
    }
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut bytes = error.into_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        bytes.zeroize();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_taken_apart_and_decoded() {
        let cases: [(&str, &[(&str, &str)]); 8] = [
            ("", &[]),
            ("&&", &[]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("json", &[("json", "")]),
            ("a=1=2&a=3", &[("a", "1=2"), ("a", "3")]),
            ("q=a+b%20c%2Bd&%66=%26", &[("q", "a b c+d"), ("f", "&")]),
            ("a=%C3%BC%ff", &[("a", "ü\u{fffd}")]),
            ("a=%&b=%2&c=%zz", &[("a", "%"), ("b", "%2"), ("c", "%zz")]),
        ];
        for (query, wanted) in cases {
            let found = pairs(query);
            let found: Vec<_> = found.iter().map(|(n, v)| (&n[..], &v[..])).collect();
            assert_eq!(found, wanted, "{query}");
            let secret = secret_pairs(query);
            let secret: Vec<_> = secret.iter().map(|(n, v)| (&n[..], v.as_str())).collect();
            assert_eq!(secret, wanted, "{query}");
        }
        let found = pairs("a=1&b=2&a=3");
        assert_eq!((value(&found, "a"), value(&found, "c")), (Some("1"), None));
    }

    #[test]
    fn forms_as_nobody_would_write_them() {
        use crate::wire::dice::{Dice, rounds};
        let mut dice = Dice::new(b"%%&&==++09afAF\x80\xff\xc3\xbc");
        for _ in rounds(20_000) {
            let bytes = dice.bytes(60);
            let text = String::from_utf8_lossy(&bytes);
            let found = pairs(&text);
            assert!(found.len() <= 1 + memchr::memchr_iter(b'&', text.as_bytes()).count());
            let written: Vec<String> = found
                .iter()
                .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
                .collect();
            assert_eq!(pairs(&written.join("&")), found, "{text:?}");
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for text in ["/a b/ü?x=1&y=%", "//", "\r\n+"] {
            let written = encode(text);
            assert!(written.bytes().all(|b| b.is_ascii_graphic() && b != b'&'));
            assert_eq!(
                pairs(&format!("to={written}")),
                [("to".into(), text.into())]
            );
        }
    }

    #[test]
    fn a_form_is_known_by_its_type() {
        let is_one = |kind: &str| {
            let text = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\n\r\n");
            let head = Head::parse(text.as_bytes()).expect("head").expect("whole");
            super::is_one(&head.0)
        };
        assert!(is_one(TYPE) && is_one("Application/X-WWW-Form-Urlencoded ; charset=utf-8"));
        assert!(!is_one("application/json") && !is_one(""));
    }
}
