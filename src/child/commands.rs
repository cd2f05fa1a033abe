//! What a child asks the broker about commands: one function each. Run by children of drive clients.

use super::ask::{Broker, Unanswered, unexpected};
use crate::ipc::{self, Answer, Ask};
use crate::wire::drive::Offer;
use std::os::fd::OwnedFd;

impl Broker {
    /// All commands that this client may have run, in as many answers as that takes.
    pub(super) fn ask_commands(&self) -> Result<Vec<Offer>, Unanswered> {
        let mut all: Vec<Offer> = Vec::new();
        loop {
            let after = all.last().map(|offer| offer.name.clone());
            match ipc::call(&self.0, &Ask::Commands { after }, &[])? {
                (Answer::Commands { commands, more }, _) => {
                    let ended = !more || commands.is_empty();
                    all.extend(commands);
                    if ended {
                        return Ok(all);
                    }
                }
                (other, _) => return unexpected(other),
            }
        }
    }

    /// Has the command run: the pipe by which its output comes, and the channel by which it is told how it ended.
    pub(super) fn ask_run(&self, name: String) -> Result<(OwnedFd, OwnedFd), Unanswered> {
        match ipc::call(&self.0, &Ask::Run { name }, &[])? {
            (Answer::Running, given) => {
                let [output, told] = <[OwnedFd; 2]>::try_from(given)
                    .map_err(|_| Unanswered::Gone("the broker gave no ends of a command".into()))?;
                Ok((output, told))
            }
            (other, _) => unexpected(other),
        }
    }
}
