//! Replies on the control connection (RFC 959, section 4.2). Run by children that serve FTP. No byte of a client's or of a
//! file's name ends a line here: control bytes are written as `?`, and Telnet's IAC is doubled.

use std::net::Ipv4Addr;

/// `CODE text`.
#[must_use]
pub fn reply(code: u16, text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.as_ref().len() + 8);
    head(&mut out, code, b' ');
    push_line(&mut out, text.as_ref());
    out
}

/// A reply of several lines: the first and the last carry the code, those between begin with a space, so that none can be
/// taken for the last (and as RFC 2389 and RFC 3659 want them). One line is a plain reply.
#[must_use]
pub fn lines<T: AsRef<[u8]>>(code: u16, text: &[T]) -> Vec<u8> {
    let Some(([first, between @ ..], last)) = text.split_last().map(|(last, rest)| (rest, last))
    else {
        return reply(code, text.first().map_or(&b""[..], AsRef::as_ref));
    };
    let mut out = begin(code, first);
    for line in between {
        out.push(b' ');
        push_line(&mut out, line.as_ref());
    }
    out.extend_from_slice(&reply(code, last));
    out
}

/// The first line of a reply whose other lines the caller writes, by `between` and at last `reply`.
#[must_use]
pub fn begin(code: u16, text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.as_ref().len() + 8);
    head(&mut out, code, b'-');
    push_line(&mut out, text.as_ref());
    out
}

/// Adds a line as it stands (STAT of a folder: clients read `ls -l` there). One that begins with a digit gets a space first.
pub fn between(out: &mut Vec<u8>, text: &[u8]) {
    if text.first().is_some_and(u8::is_ascii_digit) {
        out.push(b' ');
    }
    push_line(out, text);
}

/// A path in double quotes, those within doubled (RFC 959, appendix II): the text of 257 begins with it.
#[must_use]
pub fn quoted_path(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() + 2);
    out.push(b'"');
    for &byte in path {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
    out
}

/// 227, with the address where clients look for it: between parentheses (RFC 1123, section 4.1.2.6).
#[must_use]
pub fn passive(address: Ipv4Addr, port: u16) -> Vec<u8> {
    let [a, b, c, d] = address.octets();
    let [high, low] = port.to_be_bytes();
    reply(
        227,
        format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low})."),
    )
}

/// 229 (RFC 2428, section 3).
#[must_use]
pub fn extended(port: u16) -> Vec<u8> {
    reply(229, format!("Entering Extended Passive Mode (|||{port}|)"))
}

fn head(out: &mut Vec<u8>, code: u16, mark: u8) {
    super::digits::push_number(out, code.into(), 3, b'0');
    out.push(mark);
}

fn push_line(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            0xff => out.extend_from_slice(&[0xff, 0xff]),
            control if control.is_ascii_control() => out.push(b'?'),
            plain => out.push(plain),
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replies_table() {
        assert_eq!(reply(220, "ready"), b"220 ready\r\n");
        assert_eq!(
            reply(550, b"a\r\n220 b\0\x7f\t\xff\xfc"),
            b"550 a??220 b???\xff\xff\xfc\r\n"
        );
        assert_eq!(lines::<&str>(211, &[]), b"211 \r\n");
        assert_eq!(lines(211, &["one"]), b"211 one\r\n");
        assert_eq!(
            lines(211, &["Features:", "MDTM", "End"]),
            b"211-Features:\r\n MDTM\r\n211 End\r\n"
        );
        assert_eq!(
            lines(250, &["a\n250 b", "250 c", "d"]),
            b"250-a?250 b\r\n 250 c\r\n250 d\r\n"
        );
        let mut status = begin(213, "Status of /:");
        between(&mut status, b"-rw-r--r-- x");
        between(&mut status, b"213 forged");
        status.extend(reply(213, "End"));
        assert_eq!(
            status,
            b"213-Status of /:\r\n-rw-r--r-- x\r\n 213 forged\r\n213 End\r\n"
        );
    }

    #[test]
    fn addresses_and_paths() {
        assert_eq!(
            passive(Ipv4Addr::new(192, 0, 2, 1), 6275),
            b"227 Entering Passive Mode (192,0,2,1,24,131).\r\n"
        );
        // RFC 2428, section 3.
        assert_eq!(
            extended(6446),
            b"229 Entering Extended Passive Mode (|||6446|)\r\n"
        );
        // RFC 959, appendix II.
        assert_eq!(quoted_path(b"/usr/dm/\"/a"), b"\"/usr/dm/\"\"/a\"");
        assert_eq!(quoted_path(b"/"), b"\"/\"");
    }

    proptest! {
        #[test]
        fn nothing_forges_a_line(text: Vec<Vec<u8>>) {
            let all = lines(250, &text);
            let ends = all.windows(2).filter(|&two| two == b"\r\n").count();
            prop_assert_eq!(ends, text.len().max(1));
            prop_assert_eq!(all.iter().filter(|b| b.is_ascii_control()).count(), 2 * ends);
            let last = all.split(|&b| b == b'\n').filter(|line| line.starts_with(b"250 ")).count();
            prop_assert_eq!(last, 1);
        }
    }
}
