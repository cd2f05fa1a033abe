//! A line of the control connection taken apart: verb and argument (RFC 959, section 5.3). Run by children that serve FTP.
//! What stands in the arguments is read in `argument` and `address`, named here too.

pub use super::address::{BadExtended, Epsv, epsv_argument, extended_port, host_port};
pub use super::argument::{
    Checksum, List, Mdtm, Type, allo, checksum_argument, list_argument, mdtm_argument, mfmt,
    offset, range, stamp, transfer_type, utime,
};

/// Longest verb, in bytes; the longest that anybody serves has seven.
pub const LONGEST_VERB: usize = 10;

/// What a client wants.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Upper case ASCII letters and digits, one to `LONGEST_VERB`.
    pub verb: String,
    /// All after the one space: names may begin and end with blanks. Empty when there is none.
    pub argument: Vec<u8>,
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
        argument: argument.to_vec(),
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
