//! Forms, queries, and what stands in fields, as nobody would write them; and names of all kinds as they are shown. Run by the tests alone.

use super::SPECIAL;
use crate::wire::dice::{Dice, rounds};
use crate::wire::http::content_range::ContentRange;
use crate::wire::http::head::{Head, Target, encode, resolve};
use crate::wire::http::multipart::{Multipart, Part, Step};
use crate::wire::http::range::{Part as Range, part};
use crate::wire::http::{basic::Basic, cookie, digest, disposition, form, location, media, zip};
use crate::wire::path::RelPath;

/// The parts of a form with their contents, and whether it came to its end.
type Parts = (Vec<(Part, Vec<u8>)>, bool);

/// What a form brings when it comes in pieces that `dice` throws; None where it is none.
fn parts(dice: &mut Dice, body: &[u8], most: usize) -> Option<Parts> {
    let mut multipart = Multipart::of(b"multipart/form-data; boundary=b-b").expect("a boundary");
    let (mut found, mut buffer, mut rest) = (Vec::<(Part, Vec<u8>)>::new(), Vec::new(), body);
    let mut whole = 0;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at((1 + dice.below(most)).min(rest.len()));
        buffer.extend_from_slice(piece);
        rest = later;
        loop {
            let (taken, step) = multipart.step(&buffer).ok()?;
            assert!(taken <= buffer.len());
            match step {
                Step::More => {
                    drop(buffer.drain(..taken));
                    break;
                }
                Step::Part(part) => found.push((part, Vec::new())),
                Step::Content(content) => {
                    assert!(!content.is_empty() && taken == content.len());
                    let (_, all) = found.last_mut().expect("a part");
                    all.extend_from_slice(content);
                }
                Step::PartEnd => whole += 1,
                Step::Over => {}
            }
            buffer.drain(..taken);
            if multipart.is_over() {
                assert_eq!(whole, found.len(), "each is whole");
                return Some((found, true));
            }
        }
        assert!(buffer.len() <= 9000, "it is kept for ever");
    }
    Some((found, false))
}

#[test]
fn a_form_with_files_is_the_same_however_it_comes() {
    const NEAR: &[u8] = b"\r\n--b-\r\r\n--b-x\r\n-\n--b-b";
    let mut dice = Dice::new(b"\r\n-b;=\"\\%:/.\0\xff");
    let mut sound = 0;
    for _ in rounds(1_000) {
        let (mut body, mut wanted) = (b"--b-b".to_vec(), Vec::new());
        for number in 0..1 + dice.below(4) {
            let mut content = dice.bytes(200);
            if dice.below(3) == 0 {
                content.extend_from_slice(&NEAR[..dice.below(NEAR.len())]);
            }
            // The delimiter itself stands in no content.
            if memchr::memmem::find(&content, b"\r\n--b-b").is_some() {
                content.clear();
            }
            let name = format!("n{number}");
            body.extend(format!("\r\nX: y\r\ncontent-disposition: form-data; name={name}; filename=\"f\\\"%22;\"\r\n\r\n").bytes());
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n--b-b");
            let filename = Some(b"f\"\";".to_vec());
            let name = name.into_bytes();
            wanted.push((Part { name, filename }, content));
        }
        body.extend_from_slice(b"--\r\nafter");
        let whole = Some((wanted, true));
        for most in [1, 9, 300, 100_000] {
            assert_eq!(parts(&mut dice, &body, most), whole);
        }
        dice.spoil(&mut body);
        let whole = parts(&mut dice, &body, usize::MAX >> 1);
        sound += u64::from(whole.is_some());
        for most in [1, 9, 300] {
            let again = parts(&mut dice, &body, most);
            assert_eq!(again, whole, "{}", body.escape_ascii());
        }
    }
    assert!(sound > 100, "{sound}");
}

/// The values of fields that are read, one of each kind.
const VALUES: &[(&str, &[u8])] = &[
    ("range", b"bytes=0-5"),
    ("range", b"bytes=, 9223372036854775808-"),
    ("range", b"bytes=-18446744073709551615"),
    ("content-range", b"bytes 0-9/10"),
    (
        "content-range",
        b"bytes 999999999999999998-999999999999999998/999999999999999999",
    ),
    (
        "cookie",
        b"x=y; forkftp=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; z",
    ),
    ("authorization", b"Basic YWxsOnBlbmNpbDp4"),
    (
        "repr-digest",
        b"md5=::, sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:;x",
    ),
    ("to", b"/\\evil.example/%0d%0a?x#y"),
    ("query", b"a=b&&c=%ff+%zz&=&%3d=%26"),
];

#[test]
fn values_as_nobody_would_write_them() {
    let mut dice = Dice::new(SPECIAL);
    for _ in rounds(20_000) {
        let (name, value) = dice.one_of(VALUES);
        let mut value = value.to_vec();
        dice.spoil(&mut value);
        let size = [0, 1, 5, 1 << 40, u64::MAX][dice.below(5)];
        if let Some(range) = ContentRange::parse(&value) {
            assert!(range.first <= range.last && range.last < range.total);
            assert_eq!(range.is_end(), range.first + range.len() == range.total);
        }
        let _ = (
            digest::parse([&value[..]].into_iter()),
            Basic::parse(&value),
        );
        if let Ok(text) = std::str::from_utf8(&value) {
            if let Some(place) = location::local(text) {
                assert!(place.starts_with('/') && !place.starts_with("//"));
                assert!(place.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'));
            }
            for (name, value) in form::pairs(text) {
                // What is no UTF-8 is three bytes long for each.
                assert!(name.len() + value.len() <= 3 * text.len());
                let again = form::pairs(&format!("x={}", form::encode(&value)));
                assert_eq!(again, [("x".to_owned(), value)]);
            }
        }
        let request = [
            b"GET / HTTP/1.1\r\nHost: h\r\n",
            name.as_bytes(),
            b": ",
            &value,
            b"\r\n\r\n",
        ]
        .concat();
        let Ok(Some((head, _))) = Head::parse(&request) else {
            continue;
        };
        if let Range::Only(range) = part(&head, size) {
            assert!(range.start < range.end && range.end <= size, "{range:?}");
        }
        for secure in [false, true] {
            if let Some(token) = cookie::presented(&head, secure).filter(|t| cookie::is_token(t)) {
                assert_eq!(hex::decode(token).map(|bytes| bytes.len()), Ok(32));
            }
        }
    }
}

/// Names on the disk can be of any bytes.
#[test]
fn names_stand_nowhere_as_anything_but_names() {
    let mut dice = Dice::new(b"\"\\%;/:.-\r\n\0<>&' =\x7f\xff\xc3\xbcC~$*");
    for _ in rounds(20_000) {
        let name = dice.bytes(30);
        for inline in [false, true] {
            let value = disposition::value(inline, &name);
            assert!(value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
            assert_eq!(value.matches('"').count(), 2, "{value}");
            assert!(!value.contains('\\'));
        }
        let library = media::of_library(&name).kind.to_owned();
        for kind in [library, media::of_site(&name)] {
            assert!(kind.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
        }
        let Ok(path) = RelPath::parse(&name) else {
            continue;
        };
        let text = encode(&path);
        assert!(text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'));
        let own = name.split(|&b| b == b'/').next() == Some(&b"-"[..]);
        match resolve(&text[1..]) {
            Ok(Target::Library { path: same, .. }) => assert_eq!(same, path),
            Ok(Target::Own(_)) => assert!(own, "{text}"),
            other => panic!("{other:?} of {text}"),
        }
        if !path.is_root() {
            let entry = zip::entry_name(path.as_bytes());
            let bad = |part: &str| matches!(part, "" | "." | "..");
            assert!(!entry.contains(['\\', '\0']) && !entry.split('/').any(bad));
            let is_disk = matches!(entry.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z', b':', ..]);
            assert!(!is_disk, "{entry}");
        }
    }
}
