//! Somebody who was let in, and what this child does for them in whatever protocol they speak: the policy is asked, room in a
//! quota is reserved, files are given away, and one line is logged for each request. Run by a child.

use super::ask::{Admitted, Broker};
use super::pace::Pace;
use crate::error::{Code, Refusal};
use crate::ipc::Grant;
use crate::library::Library;
use crate::log::{self, Level};
use crate::rights::Operation;
use crate::scoreboard::Slot;
use crate::sys::Errno;
use crate::sys::net::Peer;
use std::fmt::Display;
use std::os::fd::BorrowedFd;

/// One client, inside.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) peer: Peer,
    /// What they may do.
    pub(super) grant: Grant,
    pub(super) library: &'static Library,
    pub(super) broker: Broker,
    /// How fast the bytes of files may come, and go.
    pub(super) uploads: Pace,
    pub(super) downloads: Pace,
    /// Where it is counted what was done.
    slot: Slot<'static>,
}

impl Guest {
    /// Says on the scoreboard and in the log who it is, if they have a name.
    pub(super) fn new(
        peer: Peer,
        admitted: Admitted,
        broker: Broker,
        slot: Slot<'static>,
    ) -> Guest {
        let Admitted { grant, library } = admitted;
        if let Some(user) = &grant.user {
            slot.say_user(user);
            let fields: [(&str, &dyn Display); 2] = [("peer", &peer), ("user", user)];
            log::event(Level::Info, "logged in", &fields);
        }
        Guest {
            peer,
            uploads: Pace::new(grant.upload_rate),
            downloads: Pace::new(grant.download_rate),
            grant,
            // Lives as long as the process: a child leaves without dropping anything.
            library: Box::leak(Box::new(library)),
            broker,
            slot,
        }
    }

    /// # Errors
    /// `Denied`, whatever is or is not there.
    pub(super) fn allow(&self, operation: Operation) -> Result<(), Refusal> {
        self.grant.rights.allow(operation)
    }

    /// Has a file given to whom it is to belong, if that is not the server's user.
    pub(super) fn give(&self, file: BorrowedFd<'_>) -> Result<(), Refusal> {
        if !self.grant.gives {
            return Ok(());
        }
        let given = self.broker.ask_give(file);
        given.map_err(|_| Errno::EPERM.into())
    }

    /// One line for a folder that was listed, in so many bytes, or was not.
    pub(super) fn log_list(&self, path: &str, listed: &Result<u64, Refusal>) {
        let mut fields: Vec<(&str, &dyn Display)> = vec![("path", &path)];
        if let Ok(bytes) = listed {
            fields.push(("bytes", bytes));
        }
        self.log("list", &fields, listed.as_ref().err());
    }

    /// One line for a request with these `fields`, and why it was refused, if it was.
    pub(super) fn log(
        &self,
        verb: &str,
        about: &[(&str, &dyn Display)],
        refusal: Option<&Refusal>,
    ) {
        self.record().log(verb, about, refusal);
    }

    /// Whose requests are logged and counted.
    pub(super) fn record(&self) -> Record<'_> {
        Record {
            peer: self.peer,
            user: self.grant.user.as_deref(),
            slot: self.slot,
            tells: self.grant.tells.then_some(&self.broker),
            shared: false,
        }
    }

    /// The same for one who is sent a file.
    pub(super) fn sending(&mut self) -> Sending<'_> {
        Sending {
            record: Record {
                peer: self.peer,
                user: self.grant.user.as_deref(),
                slot: self.slot,
                tells: self.grant.tells.then_some(&self.broker),
                shared: false,
            },
            pace: &mut self.downloads,
        }
    }
}

/// Whose requests are logged and counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    peer: Peer,
    user: Option<&'a str>,
    slot: Slot<'static>,
    /// Who is told what was done, if anybody wants to know.
    pub(super) tells: Option<&'a Broker>,
    /// It is about a file that was lent by a share link.
    pub(super) shared: bool,
}

/// Who is sent a file, and how fast.
#[derive(Debug)]
pub(super) struct Sending<'a> {
    pub(super) record: Record<'a>,
    pub(super) pace: &'a mut Pace,
}

impl<'a> Sending<'a> {
    /// To somebody who has a share link, and was not let in for it.
    pub(super) fn to_stranger(
        peer: Peer,
        tells: Option<&'a Broker>,
        pace: &'a mut Pace,
        slot: Slot<'static>,
    ) -> Sending<'a> {
        let record = Record {
            peer,
            user: None,
            slot,
            tells,
            shared: true,
        };
        Sending { record, pace }
    }
}

impl Record<'_> {
    /// One line for a request with these `fields`, and why it was refused, if it was.
    pub(super) fn log(self, verb: &str, about: &[(&str, &dyn Display)], refusal: Option<&Refusal>) {
        let mut fields: Vec<(&str, &dyn Display)> = vec![("peer", &self.peer)];
        if let Some(user) = &self.user {
            fields.push(("user", user));
        }
        fields.extend_from_slice(about);
        let Some(refusal) = refusal else {
            let moved = about.iter().any(|(key, _)| *key == "bytes");
            match verb {
                _ if !moved => {}
                "get" => self.slot.downloaded(),
                "put" => self.slot.uploaded(),
                _ => {}
            }
            return log::event(Level::Info, verb, &fields);
        };
        let code = refusal.code.as_str();
        let errno = refusal.errno.map(|e| e.desc()).unwrap_or_default();
        fields.push(("refused", &code));
        let level = if refusal.code == Code::Io {
            fields.push(("error", &errno));
            Level::Error
        } else {
            Level::Info
        };
        log::event(level, verb, &fields);
    }
}
