//! Uploads shown, whatever the protocol they came by: each is given to whom it is to belong, and where a hook heeds it, it is noted before it
//! shows that the hook is to run. Whatever ends this process then, the runner sees what came of it. Run by a child.

use super::ask::Unanswered;
use super::guest::Guest;
use super::stored;
use crate::error::{Code, Refusal};
use crate::ipc::{self, Ask, Noted, Shown, Shows};
use crate::library::{Published, Ready};
use crate::sys::{Errno, file};
use crate::wire::name;
use crate::wire::path::RelPath;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// An upload that is to be shown.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) path: RelPath,
    /// What its receipt will be known by.
    pub(super) id: String,
    pub(super) ready: Ready,
}

/// What is said of one to the broker.
struct Told {
    path: RelPath,
    id: String,
    size: u64,
    digest: Option<(String, String)>,
}

type Outcome = Result<Published, Refusal>;

impl Guest {
    /// Shows them, many at once for little more than one. `judge` has a last look at each, by its place among them.
    pub(super) fn publish(
        &self,
        all: Vec<Whole>,
        judge: &dyn Fn(usize, BorrowedFd<'_>) -> Result<(), Refusal>,
    ) -> Vec<Outcome> {
        let (mut told, mut ready) = (Vec::new(), Vec::new());
        for whole in all {
            let digest = whole.ready.digest();
            told.push(Told {
                path: whole.path,
                id: whole.id,
                size: whole.ready.size(),
                digest: digest.map(|value| (value.kind().as_str().to_owned(), value.to_hex())),
            });
            ready.push(whole.ready);
        }
        let noted = RefCell::new(BTreeMap::new());
        let give = |at: usize, file: BorrowedFd<'_>| {
            judge(at, file)?;
            let Some(told) = told.get(at) else {
                return Err(Code::Io.into());
            };
            self.give(file, &told.path)?;
            if self.is_heeded(&told.path) {
                let shows = what_shows(file)?;
                noted
                    .borrow_mut()
                    .insert(at, (self.announce(told, shows)?, shows));
            }
            Ok(())
        };
        let outcomes = self.library.publish(ready, &give);
        let mut noted = noted.into_inner();
        let confirmed = outcomes.into_iter().zip(&told).enumerate();
        confirmed
            .map(|(at, (outcome, told))| match (outcome, noted.remove(&at)) {
                (Ok(published), Some((channel, shows))) => self
                    .confirm(told, &published, &channel, shows)
                    .map(|()| published),
                // Its channel closes, and the runner looks what shows.
                (outcome, _) => outcome,
            })
            .collect()
    }

    /// True where a hook hears of uploads to `path`.
    fn is_heeded(&self, path: &RelPath) -> bool {
        self.grant.heeded.iter().any(|folder| {
            let below = path.as_bytes().strip_prefix(&folder.0[..]);
            below.is_some_and(|rest| folder.0.is_empty() || rest.first() == Some(&b'/'))
        })
    }

    /// Has it noted that the hook is to run, if the upload shows: the channel by which it is told that it does.
    fn announce(&self, told: &Told, shows: Shows) -> Result<OwnedFd, Refusal> {
        let question = Ask::Announce {
            path: name::encode(told.path.as_bytes()),
            id: told.id.clone(),
            size: told.size,
            digest: told.digest.clone(),
            shows,
        };
        let channel = self
            .broker
            .ask_announce(&question)
            .map_err(|why| match why {
                Unanswered::Refused(refusal) => refusal,
                Unanswered::Gone(_) => unnoted(),
            })?;
        match ipc::receive::<Noted>(channel.as_fd(), true) {
            Ok(Some((Noted::Safe, _))) => Ok(channel),
            Ok(Some((Noted::Failed { code, message }, _))) => Err(Refusal::new(code, message)),
            Ok(None) | Err(_) => Err(unnoted()),
        }
    }

    /// Says that it shows. Where nobody hears that, somebody may have looked before it did: then it is noted anew, by another runner.
    fn confirm(
        &self,
        told: &Told,
        published: &Published,
        channel: &OwnedFd,
        shows: Shows,
    ) -> Result<(), Refusal> {
        let shown = Shown::As {
            name: name::encode(&published.name),
        };
        let say = |channel: &OwnedFd| ipc::send(channel.as_fd(), &shown, &[], true);
        if say(channel).is_ok() {
            return Ok(());
        }
        let again = Told {
            path: stored::path_of(&told.path, published),
            id: told.id.clone(),
            digest: told.digest.clone(),
            ..*told
        };
        let channel = self.announce(&again, shows)?;
        say(&channel).map_err(Refusal::from)
    }
}

fn what_shows(file: BorrowedFd<'_>) -> Result<Shows, Errno> {
    let facts = file::facts(file)?;
    let born = file::born(file)?;
    Ok(Shows {
        device: facts.device,
        inode: facts.inode,
        born: born.map(|stamp| (stamp.seconds, stamp.nanos)),
    })
}

fn unnoted() -> Refusal {
    let what = "the server cannot note that a hook is to run: try again in a moment";
    Refusal::new(Code::Io, what)
}
