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
