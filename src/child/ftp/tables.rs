//! Which commands there are, and where each is carried out. Run by a child.

use super::line::{self, Line};
use super::{
    Handled, Session, attributes, checksums, describe, files, list, retrieve, status, store, ways,
};

/// A command: `T` is what its handler works on.
pub(super) struct Row<T: ?Sized> {
    pub(super) verb: &'static str,
    pub(super) handle: T,
}

/// Of commands that need nobody to be logged in.
pub(super) type Anywhere = Row<fn(&mut Line<'_>, &[u8]) -> Handled>;
/// Of those about the library, and about who is in.
pub(super) type Inside = Row<fn(&mut Session<'_>, &[u8]) -> Handled>;

const fn row<T>(verb: &'static str, handle: T) -> Row<T> {
    Row { verb, handle }
}

pub(super) const ANYWHERE: &[Anywhere] = &[
    row("ACCT", line::acct),
    row("AUTH", line::auth),
    row("CCC", line::ccc),
    row("CLNT", line::clnt),
    row("FEAT", line::feat),
    row("HELP", line::help),
    row("HOST", line::host),
    row("LANG", line::lang),
    row("MODE", line::mode),
    row("NOOP", line::noop),
    row("OPTS", line::opts),
    row("PBSZ", line::pbsz),
    row("PROT", line::prot),
    row("QUIT", line::quit),
    row("STRU", line::stru),
    row("SYST", line::syst),
    row("TYPE", line::transfer_kind),
];

pub(super) const INSIDE: &[Inside] = &[
    row("ABOR", store::abort),
    row("ALLO", store::announce),
    row("APPE", store::appe),
    row("REST", retrieve::rest),
    row("RETR", retrieve::handle),
    row("STOR", store::stor),
    row("STOU", store::stou),
    row("EPRT", |session, argument| {
        ways::eprt(&mut session.line, argument)
    }),
    row("EPSV", |session, argument| {
        ways::epsv(&mut session.line, argument)
    }),
    row("PASV", |session, argument| {
        ways::pasv(&mut session.line, argument)
    }),
    row("PORT", |session, argument| {
        ways::port(&mut session.line, argument)
    }),
    row("AUTH", |session, argument| {
        line::auth_too_late(&mut session.line, argument)
    }),
    row("AVBL", status::available),
    row("CDUP", files::cdup),
    row("CWD", files::cwd),
    row("DELE", files::dele),
    row("FEAT", status::feat),
    row("HASH", checksums::hash),
    row("HOST", status::already_in),
    row("LIST", list::list),
    row("MDTM", attributes::mdtm),
    row("MFMT", attributes::modify),
    row("MKD", files::mkd),
    row("MLSD", list::mlsd),
    row("MLST", describe::mlst),
    row("NLST", list::nlst),
    row("OPTS", status::opts),
    row("PASS", status::already_in),
    row("PWD", files::pwd),
    row("RANG", checksums::range),
    row("RMD", files::rmd),
    row("RNFR", files::rnfr),
    row("RNTO", files::rnto),
    row("SITE", attributes::site),
    row("SIZE", attributes::size),
    row("STAT", status::stat),
    row("USER", status::already_in),
    row("XCRC", checksums::crc),
    row("XCUP", files::cdup),
    row("XCWD", files::cwd),
    row("XMD5", checksums::md5),
    row("XMKD", files::mkd),
    row("XPWD", files::pwd),
    row("XRMD", files::rmd),
    row("XSHA256", checksums::sha256),
];

/// What the entrance carries out itself.
const ENTRANCE: [&str; 2] = ["PASS", "USER"];

/// The row of a command, if there is one.
pub(super) fn find<T>(rows: &'static [Row<T>], verb: &str) -> Option<&'static Row<T>> {
    rows.iter().find(|row| row.verb == verb)
}

/// All commands, in alphabetical order.
pub(super) fn verbs() -> impl Iterator<Item = &'static str> {
    let mut verbs: Vec<_> = ANYWHERE
        .iter()
        .map(|row| row.verb)
        .chain(INSIDE.iter().map(|row| row.verb))
        .chain(ENTRANCE)
        .collect();
    verbs.sort_unstable();
    verbs.dedup();
    verbs.into_iter()
}

/// True for a command that is served, now or after the login.
pub(super) fn is_known(verb: &str) -> bool {
    ENTRANCE.contains(&verb) || find(ANYWHERE, verb).is_some() || find(INSIDE, verb).is_some()
}

/// True for a command after which what REST, ALLO and RANG said still holds.
pub(super) fn keeps(verb: &str) -> bool {
    matches!(
        verb,
        "REST"
            | "RNFR"
            | "ALLO"
            | "RANG"
            | "PASV"
            | "EPSV"
            | "PORT"
            | "EPRT"
            | "TYPE"
            | "NOOP"
            | "STAT"
            | "PROT"
            | "PBSZ"
            | "MODE"
            | "STRU"
            | "OPTS"
            | "SIZE"
    )
}

/// True for a command that uses up a data connection, refused or not: what the client has opened for it is closed.
pub(super) fn transfers(verb: &str) -> bool {
    matches!(
        verb,
        "APPE" | "LIST" | "MLSD" | "NLST" | "RETR" | "STOR" | "STOU"
    )
}
