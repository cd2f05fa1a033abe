//! Patterns of names in LIST and NLST: `*` and `?`, and nothing else. Run by children that serve FTP, once for each name of a
//! folder, with a pattern that a stranger wrote: it takes no memory, and time of at most the product of the two lengths.

use crate::wire::path::MAX_NAME;

/// The folder and the pattern, where the last component of `path` is one. Patterns in folders are not looked for, and one
/// longer than a name is none. The folder is as it stands: empty when there is no slash, with the slash when it is the root.
#[must_use]
pub fn is_pattern(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let (folder, last) = match memchr::memrchr(b'/', path) {
        Some(0) => (&path[..1], &path[1..]),
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&b""[..], path),
    };
    let is = last.len() <= MAX_NAME && memchr::memchr2(b'*', b'?', last).is_some();
    is.then_some((folder, last))
}

/// True when `name` is one that `pattern` describes: `*` is any text, none too, `?` one character (of UTF-8, or a byte that
/// begins none).
#[must_use]
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last star was, and how much of the name it was last tried to leave to what follows it. An earlier star
    // need never take more: whatever it could give up, the later one can take.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = character(&name[n..]);
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(b'?') => {
                (p, n) = (p + 1, n + step);
                continue;
            }
            Some(_) if pattern[p..].starts_with(&name[n..n + step]) => {
                (p, n) = (p + step, n + step);
                continue;
            }
            _ => (),
        }
        let Some((after, from)) = star else {
            return false;
        };
        let from = from + character(&name[from..]);
        star = Some((after, from));
        (p, n) = (after, from);
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// Bytes of the first character; 1 for what is no UTF-8.
fn character(bytes: &[u8]) -> usize {
    let length = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    let whole = bytes
        .get(1..length)
        .is_some_and(|rest| rest.iter().all(|b| b & 0xc0 == 0x80));
    if whole { length } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_table() {
        for (path, expected) in [
            ("*.txt", Some(("", "*.txt"))),
            ("a/b?", Some(("a", "b?"))),
            ("/a/b/*", Some(("/a/b", "*"))),
            ("/*", Some(("/", "*"))),
            ("", None),
            ("a", None),
            ("a*/b", None),
            ("a*/", None),
            ("a[b]", None),
        ] {
            let found = is_pattern(path.as_bytes());
            assert_eq!(
                found,
                expected.map(|(a, b)| (a.as_bytes(), b.as_bytes())),
                "{path}"
            );
        }
        assert_eq!(is_pattern(&[b'*'; MAX_NAME + 1]), None);
    }

    #[test]
    fn matches_table() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("?", "", false),
            ("?", "a", true),
            ("?", "ab", false),
            ("?", "ü", true),
            ("*?", "ü", true),
            ("??", "ü", false),
            ("a?c", "aüc", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("*a*b", "xaxbxaxb", true),
            ("*a*b", "xaxbxaxbx", false),
            ("a**b", "ab", true),
            ("***", "", true),
            ("a", "A", false),
            ("[a]", "a", false),
            ("[a]", "[a]", true),
            ("\\*", "\\x", true),
            ("*ü*", "grün.txt", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
        assert!(matches(b"?\xfc?", b"a\xfcb"), "latin names");
    }

    #[test]
    fn no_pattern_takes_long() {
        let name = [b'a'; MAX_NAME];
        let mut pattern = b"*a".repeat(MAX_NAME / 2);
        pattern.push(b'b');
        // One that tries all ways needs more years than there are; the worst here takes 2^16 steps.
        for _ in 0..100 {
            assert!(!matches(&pattern, &name));
        }
    }

    /// Tries all ways.
    fn model(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            (['*', rest @ ..], name) => (0..=name.len()).any(|n| model(rest, &name[n..])),
            (['?', p @ ..], [_, n @ ..]) => model(p, n),
            ([a, p @ ..], [b, n @ ..]) => a == b && model(p, n),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn as_the_model_has_it(pattern in "[ab*?ü]{0,8}", name in "[abü]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), model(&chars(&pattern), &chars(&name)));
        }

        #[test]
        fn any_bytes(pattern: Vec<u8>, name: Vec<u8>) {
            let _ = matches(&pattern, &name);
            let plain = !pattern.contains(&b'*') && !pattern.contains(&b'?');
            prop_assert!(!plain || matches(&pattern, &name) == (pattern == name));
            prop_assert!(matches(b"*", &name));
        }
    }
}
