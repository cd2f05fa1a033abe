//! What the broker says to questions about commands: which ones somebody may have run, and that one is to run. It executes nothing: the
//! runner does, and says to the child itself how it ended. Run by the broker.

use super::answer::{Dealing, Outcome, Reply};
use super::desk::{self, Desk};
use crate::config::{Command, Protocol};
use crate::error::{Code, Refusal};
use crate::ipc::{self, Answer, Ask, Client, Order};
use crate::log::{self, Level};
use crate::sys::{Errno, Result, channel};
use crate::wire::drive::Offer;
use nix::fcntl::OFlag;
use nix::sys::socket::{Shutdown, shutdown};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Bytes of commands in one answer.
const ROOM: usize = 6000;

/// The way to the runner, while there is one.
#[derive(Debug, Default)]
pub(super) struct Runner(Option<OwnedFd>);

impl Runner {
    /// From now on this is the way to it. The one before it hears that nothing more will be ordered.
    pub(super) fn renew(&mut self, channel: Option<OwnedFd>) {
        if let Some(old) = std::mem::replace(&mut self.0, channel) {
            let _ = shutdown(old.as_raw_fd(), Shutdown::Write);
        }
    }

    /// Orders something, and waits for nothing.
    ///
    /// # Errors
    /// EPIPE when there is none; EAGAIN when it is behind.
    pub(super) fn order(&self, order: &Order, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let channel = self.0.as_ref().ok_or(Errno::EPIPE)?;
        ipc::send(channel.as_fd(), order, descriptors, false)
    }
}

/// Whoever may not have a command run hears the same of one that there is not.
fn denied() -> Refusal {
    Refusal::new(Code::Denied, "no command of that name is for you")
}

impl Dealing {
    /// Any question about commands. They are for the drive protocol alone.
    pub(super) fn answer_commands(&self, desk: &Desk, client: &Client, question: Ask) -> Outcome {
        match question {
            _ if client.protocol != Protocol::Drive => {
                Outcome::CutOff("a command in another protocol")
            }
            Ask::Commands { after } => self.answer_list(desk, after.as_deref()),
            Ask::Run { name } => match self.order(desk, client, name) {
                Ok(descriptors) => Outcome::Say(Reply {
                    answer: Answer::Running,
                    descriptors,
                    delay: 0,
                }),
                Err(refusal) => Err(refusal).into(),
            },
            _ => Outcome::CutOff("a question out of its phase"),
        }
    }

    /// What this client may have run, as of now: who loses the right, loses it at once.
    fn allowed<'a>(&self, desk: &'a Desk) -> Vec<&'a Command> {
        let config = &desk.keys.config;
        let account = match self.user() {
            Some(name) => desk.keys.active(name),
            None => Some(&config.anonymous),
        };
        let names = account.map_or(&[][..], |account| &account.commands);
        let mut commands: Vec<_> = names
            .iter()
            .filter_map(|name| config.command(name))
            .collect();
        commands.sort_by_key(|command| &command.name);
        commands.dedup();
        commands
    }

    fn answer_list(&self, desk: &Desk, after: Option<&str>) -> Outcome {
        let all = self.allowed(desk).into_iter();
        let mut rest = all
            .filter(|command| after.is_none_or(|after| command.name.as_str() > after))
            .peekable();
        let (mut commands, mut taken) = (Vec::new(), 0);
        while let Some(command) = rest.next_if(|command| {
            // A description may be all quotes.
            taken += command.name.len() + 2 * command.description.len() + 40;
            taken <= ROOM
        }) {
            commands.push(Offer {
                name: command.name.clone(),
                description: command.description.clone(),
            });
        }
        let more = rest.peek().is_some();
        Reply::from(Answer::Commands { commands, more }).into()
    }

    /// Has the runner run a command: the child's ends of its output, and of what tells how it ended.
    fn order(
        &self,
        desk: &Desk,
        client: &Client,
        name: String,
    ) -> std::result::Result<Vec<OwnedFd>, Refusal> {
        if !self
            .allowed(desk)
            .iter()
            .any(|command| command.name == name)
        {
            return Err(denied());
        }
        let (output, into) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(Refusal::from)?;
        let (told, tell) = channel::pair().map_err(Refusal::from)?;
        let order = Order::Command {
            name,
            session: self.session,
            user: self.user().cloned(),
            address: desk::address(client),
            peer: client.peer.to_string(),
        };
        let ordered = desk.runner.order(&order, &[into.as_fd(), tell.as_fd()]);
        ordered.map_err(|errno| {
            let why = errno.desc();
            log::event(
                Level::Error,
                "the runner cannot be told",
                &[("error", &why)],
            );
            Refusal::new(Code::Io, "no command can be run now: try again in a moment")
        })?;
        Ok(vec![output, told])
    }
}
