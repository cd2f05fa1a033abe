//! What a child asks the broker about share links: one function each. Run by children of HTTP clients.

use super::ask::{Broker, Unanswered, unexpected};
use crate::ipc::{self, Answer, Ask, Share};
use crate::library::Download;
use crate::sys::{Errno, privs};
use std::os::fd::AsFd;

/// A file that a share link stands for.
#[derive(Debug)]
pub(super) struct Lent {
    /// Where its user has it, in the letters of `wire::name`.
    pub(super) path: String,
    pub(super) file: Download,
    /// Bytes a second.
    pub(super) rate: Option<u64>,
    /// What becomes of it is told to the broker.
    pub(super) tells: bool,
    /// Nothing else will be answered, and nothing can be opened any more.
    pub(super) is_last: bool,
}

impl Broker {
    /// A link to the file `path`.
    pub(super) fn ask_share_new(
        &self,
        path: String,
        seconds: u64,
        count: Option<u32>,
    ) -> Result<Share, Unanswered> {
        let question = Ask::ShareNew {
            path,
            seconds,
            count,
        };
        match ipc::call(&self.0, &question, &[])? {
            (Answer::Shared(share), _) => Ok(share),
            (other, _) => unexpected(other),
        }
    }

    /// All links of the user, in as many answers as that takes.
    pub(super) fn ask_shares(&self) -> Result<Vec<Share>, Unanswered> {
        let mut all: Vec<Share> = Vec::new();
        loop {
            let after = all.last().map(|share| share.id.clone());
            match ipc::call(&self.0, &Ask::Shares { after }, &[])? {
                (Answer::Shares { shares, more }, _) => {
                    let ended = !more || shares.is_empty();
                    all.extend(shares);
                    if ended {
                        return Ok(all);
                    }
                }
                (other, _) => return unexpected(other),
            }
        }
    }

    /// One of the user's links ends.
    pub(super) fn ask_share_end(&self, id: String) -> Result<(), Unanswered> {
        self.note(&Ask::ShareEnd { id }, &[])
    }

    /// The file of a link: its content if that is wanted (`reads`), or what tells of it.
    pub(super) fn ask_share_open(&self, token: String, reads: bool) -> Result<Lent, Unanswered> {
        match ipc::call(&self.0, &Ask::ShareOpen { token, reads }, &[])? {
            (
                Answer::Lent {
                    path,
                    rate,
                    alone,
                    tells,
                    is_last,
                },
                mut given,
            ) => {
                if alone {
                    let ruleset = given.pop().ok_or(Errno::EPROTO)?;
                    privs::restrict_files(ruleset.as_fd())?;
                }
                let file = given.pop().ok_or(Errno::EPROTO)?;
                let file = Download::from_descriptor(file).map_err(Unanswered::Refused)?;
                Ok(Lent {
                    path,
                    file,
                    rate,
                    tells,
                    is_last,
                })
            }
            (other, _) => unexpected(other),
        }
    }
}
