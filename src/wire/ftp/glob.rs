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
