//! Somebody who was let in, and what this child does for them in whatever protocol they speak: the policy is asked, room in a
//! quota is reserved, files are given away, and one line is logged for each request. Run by a child.

use super::ask::{Admitted, Broker};
use super::pace::Pace;
use crate::config::OnTaken;
use crate::error::{Code, Refusal};
use crate::ipc::Grant;
use crate::library::Library;
use crate::log::{self, Level};
use crate::rights::{Operation, Right};
use crate::scoreboard::Slot;
use crate::sys::Errno;
use crate::sys::net::Peer;
use crate::wire::path::RelPath;
use std::borrow::Borrow;
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

/// What holds for an upload to one path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// It may take the place of a file, where it gets no other name.
    pub(super) may_overwrite: bool,
    /// Where the name is taken, it gets another.
    pub(super) rename_taken: bool,
    /// The folders on the way may be made.
    pub(super) makes_folders: bool,
    /// Most bytes of it, besides what holds everywhere.
    pub(super) largest: Option<u64>,
    /// Its client learns nothing of what is there.
    pub(super) is_blind: bool,
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

    /// The `path`, if the operation may be carried out there.
    ///
    /// # Errors
    /// `Denied`, whatever is or is not there; what is wrong with the path is said to those alone who may do that anywhere.
    pub(super) fn allow<P: Borrow<RelPath>>(
        &self,
        operation: Operation,
        path: Result<P, Refusal>,
    ) -> Result<P, Refusal> {
        self.grant.policy.rights.allow(operation)?;
        let path = path?;
        self.grant.policy.allow(operation, path.borrow())?;
        Ok(path)
    }

    /// The same of the new name of something whose old one was allowed.
    pub(super) fn allow_rename<P: Borrow<RelPath>, Q: Borrow<RelPath>>(
        &self,
        overwrite: bool,
        from: Result<P, Refusal>,
        to: Result<Q, Refusal>,
    ) -> Result<(P, Q), Refusal> {
        let operation = Operation::Rename { overwrite };
        let from = self.allow(operation, from)?;
        Ok((from, self.allow(operation, to)?))
    }

    /// What holds for an upload to `path` that was allowed.
    pub(super) fn terms(&self, path: &RelPath) -> Terms {
        let policy = &self.grant.policy;
        let rights = policy.rights_at(path);
        let drop_box = policy.box_of(path).map(|(_, drop_box)| drop_box);
        let is_blind = drop_box.is_some_and(|drop_box| drop_box.closed);
        let rename_taken = is_blind || self.grant.on_taken == OnTaken::Rename;
        Terms {
            may_overwrite: rights.has(Right::Overwrite),
            rename_taken,
            makes_folders: rights.has(Right::Mkdir),
            largest: drop_box.and_then(|drop_box| drop_box.largest_file),
            is_blind,
        }
    }

    /// Has a file that goes to `path` given to whom it is to belong, and what permissions it is to have, where that is not as it was
    /// made.
    pub(super) fn give(&self, file: BorrowedFd<'_>, path: &RelPath) -> Result<(), Refusal> {
        let drop_box = self.grant.policy.box_of(path);
        let drop_box = drop_box.filter(|(_, drop_box)| drop_box.gives);
        if !self.grant.gives && drop_box.is_none() {
            return Ok(());
        }
        let given = self.broker.ask_give(file, drop_box.map(|(at, _)| at));
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
