//! A line of the control connection taken apart: verb and argument (RFC 959, section 5.3). Run by children that serve FTP.
//! What stands in the arguments is read in `address`, `argument` and `moment`, named here too.

pub use super::address::{BadExtended, Epsv, epsv_argument, extended_port, host_port};
pub use super::argument::{
    Checksum, List, Type, allo, checksum_argument, chmod, list_argument, offset, range,
    transfer_type,
};
pub use super::moment::{Mdtm, mdtm_argument, mfmt, stamp, utime};
use zeroize::Zeroizing;

/// Longest verb, in bytes; the longest that anybody serves has seven.
pub const LONGEST_VERB: usize = 10;

/// What a client wants.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Upper case ASCII letters and digits, one to `LONGEST_VERB`.
    pub verb: String,
    /// All after the one space: names may begin and end with blanks. Empty when there is none.
    pub argument: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Command {
    // No argument: it may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.verb, self.argument.len())
    }
}

/// Takes a line apart; None when it begins with no verb.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Command> {
    // What is left of Telnet's interrupt before ABOR, where the kernel kept one of its bytes as urgent data.
    let stray = line.iter().take_while(|&&b| b >= 0xf0).count();
    let (verb, argument) = split_word(&line[stray..]);
    let fits = (1..=LONGEST_VERB).contains(&verb.len());
    let verb = std::str::from_utf8(verb).ok()?;
    (fits && verb.bytes().all(|b| b.is_ascii_alphanumeric())).then(|| Command {
        verb: verb.to_ascii_uppercase(),
        argument: argument.to_vec().into(),
    })
}

/// The first word and what follows the one space after it: the sub-verbs of SITE and OPTS, and their arguments.
#[must_use]
pub fn split_word(argument: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', argument) {
        Some(space) => (&argument[..space], &argument[space + 1..]),
        None => (argument, b""),
    }
}

/// True for the first line of an HTTP request: a browser, made by some page to talk to this port. No verb of FTP's is one of
/// HTTP's methods.
#[must_use]
pub fn is_http(line: &[u8]) -> bool {
    let (method, rest) = split_word(line);
    let known: [&[u8]; 10] = [
        b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"DELETE",
        b"PRI",
    ];
    let (target, version) = split_word(rest);
    known.contains(&method)
        && (version.starts_with(b"HTTP/")
            || target.starts_with(b"/")
            || target == b"*"
            || target.starts_with(b"http://")
            || target.starts_with(b"https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_table() {
        for (line, verb, argument) in [
            (&b"NOOP"[..], "NOOP", &b""[..]),
            (b"noop", "NOOP", b""),
            (b"NOOP ", "NOOP", b""),
            (b"RETR a b ", "RETR", b"a b "),
            (b"RETR  a", "RETR", b" a"),
            (b"xsha256 a", "XSHA256", b"a"),
            (b"RETR \xfc\xff", "RETR", b"\xfc\xff"),
            (b"\xf2ABOR", "ABOR", b""),
            (b"\xf4\xff\xf2ABOR", "ABOR", b""),
            (b"ABCDEFGHIJ", "ABCDEFGHIJ", b""),
        ] {
            let command = parse(line).expect("a command");
            assert_eq!(
                (command.verb.as_str(), command.argument.as_slice()),
                (verb, argument)
            );
        }
        for line in [
            &b""[..],
            b" ",
            b" NOOP",
            b"ABCDEFGHIJK",
            b"NO-OP",
            b"NO\tOP",
            b"N\xc3\x96OP",
            b"RETR\ta",
            b"\xff",
        ] {
            assert_eq!(parse(line), None, "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(
            split_word(b"CHMOD 644 a b"),
            (&b"CHMOD"[..], &b"644 a b"[..])
        );
        let shown = format!("{:?}", parse(b"PASS secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn browsers_are_known() {
        for line in [
            &b"GET / HTTP/1.1"[..],
            b"GET /",
            b"POST /x HTTP/1.0",
            b"PUT /x HTTP/1.1",
            b"OPTIONS * HTTP/1.1",
            b"CONNECT example.org:443 HTTP/1.1",
            b"DELETE /x HTTP/1.1",
            b"GET http://example.org/ HTTP/1.1",
            b"PRI * HTTP/2.0",
        ] {
            assert!(is_http(line), "{}", String::from_utf8_lossy(line));
        }
        for line in [
            &b"RETR / HTTP/1.1"[..],
            b"OPTS UTF8 ON",
            b"DELE /x",
            b"GET",
            b"get /",
            b"GET file",
            b"STAT /",
            b"HEAD x",
        ] {
            assert!(!is_http(line), "{}", String::from_utf8_lossy(line));
        }
    }
}
