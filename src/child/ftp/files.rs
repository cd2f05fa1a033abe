//! CWD, PWD, DELE, RMD, MKD, RNFR, RNTO: the working folder, and names that are made, changed and freed. Run by a child.
//!
//! Each asks the policy before the library, so that whoever may not do a thing learns nothing from the refusal.

use super::{End, Handled, Session};
use crate::child::ask::Unanswered;
use crate::child::deeds::{Deed, Doing};
use crate::child::quota::Spending;
use crate::error::{Code, Refusal};
use crate::log::ftp::{self, Deed as Logged, Moved};
use crate::rights::{Operation, Right, Rights};
use crate::sys::file::{Facts, Kind};
use crate::wire::ftp::command::Type;
use crate::wire::ftp::path::{absolute, resolve};
use crate::wire::ftp::reply::quoted_path;
use crate::wire::name;
use crate::wire::path::{Bad, RelPath};
use std::fmt::Display;
use std::time::Duration;

impl From<Unanswered> for End {
    fn from(why: Unanswered) -> End {
        match why {
            Unanswered::Refused(refusal) => End::HangUp(refusal),
            Unanswered::Gone(reason) => End::Forsaken(reason),
        }
    }
}

impl Session<'_> {
    /// The path of something that is there.
    pub(super) fn old_path(&self, argument: &[u8]) -> Result<RelPath, Refusal> {
        named(argument)?;
        resolve(&self.folder, argument).map_err(Bad::when_reading)
    }

    /// The path of something that is to be there.
    pub(super) fn new_path(&self, argument: &[u8]) -> Result<RelPath, Refusal> {
        named(argument)?;
        resolve(&self.folder, argument).map_err(Bad::when_writing)
    }

    /// What is under a name: what is published, or else what is kept of the client's own cut upload.
    pub(super) fn look(&self, path: &RelPath) -> Result<Facts, Refusal> {
        let library = self.guest.library;
        match library.stat(path) {
            Err(refusal) if refusal.code == Code::NotFound => self.kept(path).ok_or(refusal),
            found => found,
        }
    }

    /// What is kept of the client's cut upload to a name that nothing is published under.
    pub(super) fn kept(&self, path: &RelPath) -> Option<Facts> {
        let may = self
            .guest
            .allow(Operation::Put { overwrite: false }, Ok(path));
        // Where it gets another name, it goes on whatever has that one.
        let whatever = self.guest.terms(path).rename_taken;
        may.ok()
            .and_then(|path| self.guest.library.resumable(path, whatever))
    }
}

/// The working folder is a path for listings alone.
fn named(argument: &[u8]) -> Result<(), Refusal> {
    if argument.is_empty() {
        return Err(Refusal::new(Code::Request, "this takes a path"));
    }
    Ok(())
}

/// CWD (RFC 959, section 4.1.1). Whoever may do anything may go to where it is to be done, and learns no more than whether there
/// is a folder to go to.
pub(super) fn cwd(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let library = session.guest.library;
    let folder = match session.guest.grant.policy.rights {
        Rights::NONE => Err(Code::Denied.into()),
        _ => session.old_path(argument).and_then(|path| {
            let facts = library.stat(&path)?;
            match facts.kind {
                Kind::Folder => Ok(path),
                _ => Err(Code::NotFolder.into()),
            }
        }),
    };
    let folder = folder.map_err(|refusal| match refusal.code {
        Code::NotFound | Code::NotFolder => Refusal::new(Code::NotFound, "there is no such folder"),
        _ => refusal,
    });
    let shown = name::encode(argument);
    if let Err(refusal) = &folder {
        session
            .guest
            .log("stat", &[("path", &shown)], Some(refusal));
    }
    match folder {
        Ok(path) => {
            session.folder = path;
            session.line.control.say(250, "Here you are.")
        }
        Err(refusal) => session.refuse(&refusal),
    }
}

pub(super) fn cdup(session: &mut Session<'_>, _: &[u8]) -> Handled {
    cwd(session, b"..")
}

/// PWD (RFC 959, appendix II).
pub(super) fn pwd(session: &mut Session<'_>, _: &[u8]) -> Handled {
    let text = told(&session.folder, " is the working folder.");
    session.line.control.say(257, text)
}

/// A path in quotes, and what is to be said of it.
fn told(path: &RelPath, what: &str) -> Vec<u8> {
    let mut text = quoted_path(&absolute(path));
    text.extend_from_slice(what.as_bytes());
    text
}

/// MKD (RFC 959, appendix II).
pub(super) fn mkd(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let made = session
        .guest
        .allow(Operation::MakeFolder, session.new_path(argument))
        .and_then(|path| {
            session
                .guest
                .library
                .make_folder(&path, false)
                .map(|_| path)
        });
    let shown = session.shown(argument);
    session
        .guest
        .log("mkdir", &[("path", &shown)], made.as_ref().err());
    match made {
        Ok(path) => session.line.control.say(257, told(&path, " is made.")),
        Err(refusal) => session.refuse(&refusal),
    }
}

pub(super) fn dele(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.remove(argument, Kind::File)
}

pub(super) fn rmd(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.remove(argument, Kind::Folder)
}

/// RNFR: what RNTO, which has to come next, gives another name.
pub(super) fn rnfr(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    session.renamed = None;
    let found = session
        .guest
        .allow(
            Operation::Rename { overwrite: false },
            session.old_path(argument),
        )
        .and_then(|path| session.guest.library.stat(&path).map(|_| path));
    match found {
        Ok(path) => {
            session.renamed = Some(path);
            session.line.control.say(350, "And its new name?")
        }
        Err(refusal) => {
            let shown = session.shown(argument);
            let deed = Deed::rename(&shown, "", Doing::now());
            session.guest.record().done(&deed, Some(&refusal));
            session.refuse(&refusal)
        }
    }
}

/// RNTO: a file takes the place of another, as rename(2) has it, where the client may overwrite; nothing else is replaced.
pub(super) fn rnto(session: &mut Session<'_>, argument: &[u8]) -> Handled {
    let Some(from) = session.renamed.take() else {
        return session.line.control.say(503, "RNFR comes first.");
    };
    let doing = Doing::now();
    let overwrite = session.guest.grant.policy.rights.has(Right::Overwrite);
    let renamed = session
        .guest
        .allow_rename(overwrite, Ok(&from), session.new_path(argument))
        .and_then(|(from, to)| session.guest.library.rename(from, &to, overwrite));
    if let Ok(Some(replaced)) = &renamed {
        session.guest.spend(Spending::of_removed(replaced))?;
    }
    let (shown, to) = (name::encode(from.as_bytes()), session.shown(argument));
    let mut more: Vec<(&str, &dyn Display)> = Vec::new();
    if let Ok(Some(replaced)) = &renamed {
        more.push(("replaced", &replaced.size));
    }
    let deed = Deed {
        more: &more,
        ..Deed::rename(&shown, &to, doing)
    };
    session.guest.record().done(&deed, renamed.as_ref().err());
    match renamed {
        Ok(_) => session.line.control.say(250, "Renamed."),
        Err(refusal) if matches!(refusal.code, Code::Exists | Code::IsFolder) => {
            session.line.control.say(553, &refusal.message)
        }
        Err(refusal) => session.refuse(&refusal),
    }
}

impl Session<'_> {
    /// A path as the log shows it: from the root, if it is one.
    pub(super) fn shown(&self, argument: &[u8]) -> String {
        let path = resolve(&self.folder, argument);
        name::encode(path.as_ref().map_or(argument, RelPath::as_bytes))
    }

    fn remove(&mut self, argument: &[u8], kind: Kind) -> Handled {
        let doing = Doing::now();
        let removed = self
            .guest
            .allow(Operation::Remove, self.old_path(argument))
            .and_then(|path| self.guest.library.remove_only(&path, kind));
        if let Ok(gone) = &removed {
            self.guest.spend(Spending::of_removed(gone))?;
        }
        let shown = self.shown(argument);
        let deed = Deed::remove(&shown, doing).of(removed.as_ref().ok());
        self.guest.record().done(&deed, removed.as_ref().err());
        if kind == Kind::File {
            let path = resolve(&self.folder, argument);
            let path = path.as_ref().map_or_else(|_| argument.to_vec(), absolute);
            ftp::moved(&Moved {
                deed: Logged::Delete,
                user: self.guest.grant.user.as_deref(),
                peer: self.guest.peer.address(),
                path: &path,
                bytes: removed.as_ref().map_or(0, |gone| gone.size),
                took: Duration::ZERO,
                ascii: self.line.kind == Type::Ascii,
                complete: removed.is_ok(),
            });
        }
        match removed {
            Ok(_) => self.line.control.say(250, "Removed."),
            Err(refusal) => self.refuse(&refusal),
        }
    }
}
