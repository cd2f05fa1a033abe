//! Requests as nobody would write them, through everything that reads a client's bytes. Run by the tests alone; how long, and how to
//! repeat what failed, stands in `wire::dice`.

mod values;

use super::chunked::{BadChunk, Chunked};
use super::head::{self, Framing, Head, LONGEST_HEAD, LONGEST_TARGET, Target};
use crate::wire::dice::{Dice, rounds};
use crate::wire::path::is_served_name;

/// What is mutated: a head of each kind.
const HEADS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /a%20b/%C3%BC?json&q=%2e%2E HTTP/1.1\r\nHost: h:8080\r\nAccept: text/html, */*;q=0.1\r\nRange: bytes=0-5\r\n\r\n",
    b"\r\nPUT /a/b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"PUT /%2d/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close, x\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /-/login?to=/ HTTP/1.1\r\nHost: h\r\nCookie: forkftp=aa\r\nOrigin: null\r\nContent-Length: 0\r\n\r\n",
    b"GET http://other:81/x/../y HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    b"MOVE /a HTTP/1.1\r\nHost: h\r\nDestination: http://h/%c0%ae%c0%ae/b\r\nOverwrite: T\r\n\r\n",
    b"TRACE /%2e%2e/\\..\\x//.forkftp HTTP/1.1\r\nHost: \r\nX: a\tb\xff\r\nX:\r\n\r\n",
    b"SOMETHINGLONGER /%00%0d%0a HTTP/1.1\r\nhost: h\r\nContent-Length: 18446744073709551616\r\n\r\n",
];

const TARGETS: &[&[u8]] = &[
    b"a/b/c",
    b"%2e%2e/%2E./.%2e/etc",
    b"a%2fb%5cc",
    b"-/login",
    b"%2D/%2d/../-",
    b"%c0%ae%c0%ae/%e0%80%ae/x",
    b"a//b/./c/",
    b".forkftp/%2eforkftp",
    b"%252e%252e/%00%7f",
];

/// Bytes that mean something to somebody.
const SPECIAL: &[u8] = b"\r\n\0 \t:;,%/\\.?#-*+=\"0159afAF\x7f\x80\xff\xc3\xbc";

#[test]
fn heads_as_nobody_would_write_them() {
    let mut dice = Dice::new(SPECIAL);
    let (mut accepted, mut refused) = (0, 0);
    for _ in rounds(20_000) {
        let mut bytes = match dice.below(20) {
            0 => dice.bytes(200),
            1 => long(&mut dice),
            _ => dice.one_of(HEADS).to_vec(),
        };
        dice.spoil(&mut bytes);
        match Head::parse(&bytes) {
            Ok(None) => assert!(bytes.len() < LONGEST_HEAD + 2, "it may grow for ever"),
            Ok(Some((head, length))) => {
                accepted += 1;
                // However it comes, it is waited for to its end, and nothing after that is looked at.
                for _ in 0..4 {
                    let part = &bytes[..dice.below(length)];
                    assert_eq!(Head::parse(part), Ok(None), "{}", part.escape_ascii());
                }
                assert_eq!(
                    Head::parse(&bytes[..length]),
                    Ok(Some((head.clone(), length)))
                );
                check(&head);
            }
            Err(broken) => {
                refused += 1;
                assert!((400..600).contains(&broken.status));
                // Nothing that follows makes it better.
                bytes.extend(dice.bytes(20));
                bytes.extend_from_slice(b"\r\n\r\n");
                assert!(Head::parse(&bytes).is_err(), "{}", bytes.escape_ascii());
            }
        }
    }
    assert!(
        accepted > refused / 20 && refused > accepted / 20,
        "{accepted} and {refused}: only one of the two is looked at"
    );
}

/// Around one of the bounds.
fn long(dice: &mut Dice) -> Vec<u8> {
    let method = "M".repeat(1 + dice.below(40));
    let target = "t".repeat(LONGEST_TARGET - 30 + dice.below(40));
    let field = "f".repeat(LONGEST_HEAD - LONGEST_TARGET - 100 + dice.below(120));
    format!("{method} /{target} HTTP/1.1\r\nHost: h\r\nX: {field}\r\n\r\n").into_bytes()
}

/// What holds for every head.
fn check(head: &Head) {
    leads_down(&head.target);
    let said = |name| head.all(name).count();
    let lengths = said("content-length") + said("transfer-encoding");
    assert_eq!(lengths, usize::from(head.framing != Framing::None));
    if let Framing::Length(length) = head.framing {
        assert!(i64::try_from(length).is_ok());
    }
    let (mut query, mut fields) = (String::new(), Vec::new());
    if !head.query.is_empty() {
        query = format!("?{}", head.query);
    }
    for (name, value) in &head.fields {
        assert!(name.bytes().all(|b| b.is_ascii_graphic() && b != b':'));
        assert!(!value.iter().any(|b| b"\r\n\0".contains(b)));
        fields.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    let again = [
        format!(
            "{} {}{query} HTTP/1.{}\r\n",
            head.method.as_str(),
            head.written,
            u8::from(head.is_1_1)
        )
        .as_bytes(),
        &fields,
        b"\r\n",
    ]
    .concat();
    match Head::parse(&again) {
        Ok(Some((same, length))) => {
            assert_eq!(length, again.len());
            assert_eq!(&same, head);
        }
        // A blank before each value makes it longer.
        Err(broken) if broken.status == 431 => {}
        other => panic!("{other:?} of {}", again.escape_ascii()),
    }
}

fn leads_down(target: &Target) {
    if let Target::Library { path, .. } = target {
        let mut parts = path.as_bytes().split(|&b| b == b'/');
        assert!(path.is_root() || parts.all(is_served_name), "{path:?}");
        let first = path.as_bytes().split(|&b| b == b'/').next();
        assert_ne!(first, Some(&b"-"[..]), "the server's own");
    }
}

#[test]
fn targets_lead_down_or_nowhere() {
    let mut dice = Dice::new(SPECIAL);
    let mut led = 0;
    for _ in rounds(20_000) {
        let mut bytes = match dice.below(4) {
            0 => dice.bytes(40),
            _ => dice.one_of(TARGETS).to_vec(),
        };
        dice.spoil(&mut bytes);
        let whole = percent_encoding::percent_encode(&bytes, percent_encoding::NON_ALPHANUMERIC);
        let whole = whole.to_string();
        assert_eq!(head::decode(whole.as_bytes()), Some(bytes.clone()));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for text in [text, whole] {
            let Ok(target) = head::resolve(&text) else {
                continue;
            };
            leads_down(&target);
            // Written another way it leads to the same place.
            if let Target::Library { path, is_folder } = &target {
                led += 1;
                let slash = if *is_folder && !path.is_root() {
                    "/"
                } else {
                    ""
                };
                let parts: Vec<_> = path
                    .as_bytes()
                    .split(|&b| b == b'/')
                    .map(|part| {
                        percent_encoding::percent_encode(part, percent_encoding::NON_ALPHANUMERIC)
                            .to_string()
                    })
                    .collect();
                let again = format!("{}{slash}", parts.join("/"));
                assert_eq!(head::resolve(&again).as_ref(), Ok(&target), "{text:?}");
            }
        }
    }
    assert!(led > 1000, "{led}");
}

/// What a body brings when it comes in pieces that `dice` throws, and how much of it was taken; None where it is none.
fn chunks(dice: &mut Dice, body: &[u8], most: usize) -> Option<(Vec<u8>, usize, bool)> {
    let (mut chunked, mut data, mut taken) = (Chunked::default(), Vec::new(), 0);
    while taken < body.len() && !chunked.is_over() {
        let piece = (1 + dice.below(most)).min(body.len() - taken);
        let mut piece = body[taken..taken + piece].to_vec();
        match chunked.decode(&mut piece) {
            Ok((took, out)) => {
                assert!(took == piece.len() || chunked.is_over());
                assert!(out <= took, "more than came");
                data.extend_from_slice(&piece[..out]);
                taken += took;
            }
            Err(BadChunk) => return None,
        }
    }
    Some((data, taken, chunked.is_over()))
}

#[test]
fn a_body_in_chunks_is_the_same_however_it_comes() {
    let mut dice = Dice::new(SPECIAL);
    let mut sound = 0;
    for _ in rounds(10_000) {
        let (mut body, mut data) = (Vec::new(), Vec::new());
        for _ in 0..dice.below(4) {
            let chunk = [b"x".to_vec(), dice.bytes(300)].concat();
            let zeros = "0".repeat(dice.below(3));
            let extension = ["", ";a", " ", ";a=\"b;c\"\t"][dice.below(4)].trim_start();
            body.extend(format!("{zeros}{:x}{extension}\r\n", chunk.len()).into_bytes());
            body.extend_from_slice(&chunk);
            body.extend_from_slice(b"\r\n");
            data.extend_from_slice(&chunk);
        }
        body.extend_from_slice([&b"0\r\n\r\n"[..], b"000;x\r\nX: y\r\nZ:\r\n\r\n"][dice.below(2)]);
        let length = body.len();
        body.extend(dice.bytes(40));
        assert_eq!(
            chunks(&mut dice, &body, 40),
            Some((data, length, true)),
            "{}",
            body.escape_ascii()
        );
        // Spoiled it is refused, or the same all the same, however it comes.
        dice.spoil(&mut body);
        let whole = chunks(&mut dice, &body, usize::MAX >> 1);
        sound += u64::from(whole.is_some());
        for most in [1, 7, 100] {
            let parts = chunks(&mut dice, &body, most);
            assert_eq!(parts, whole, "{}", body.escape_ascii());
        }
    }
    assert!(sound > 1000, "{sound}");
}
