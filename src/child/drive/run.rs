//! `X`: a command of the operator's, run by another process and passed on as it comes; and which ones there are. Run by a child, which
//! executes nothing: it asks the broker, and is lent the end of a pipe.

use super::{End, Fail, Handled, Session};
use crate::child::ask::Unanswered;
use crate::error::{Code, Refusal};
use crate::ipc::{self, Outcome};
use crate::sys::{Errno, hangup};
use crate::wire::drive::{Commands, Ended, Run, RunEnd, letter};
use crate::wire::frame::Header;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of output in one frame, at most: what a pipe holds.
const PIECE: usize = 64 * 1024;
/// How often a client whose command says nothing hears that it still runs, in milliseconds. The listener sees it too: a command may
/// take longer than a client may stall.
const TICK: u16 = 1000;

/// A command under way.
struct Command {
    output: OwnedFd,
    told: OwnedFd,
}

pub(super) fn handle(session: &mut Session, header: Header) -> Handled {
    let Run { name } = session.line.request(header)?;
    let Some(name) = name else {
        let commands = session.guest.broker.ask_commands().map_err(unanswered)?;
        return Ok(session
            .line
            .writer
            .json(letter::OK, &Commands { commands })?);
    };
    let begun = session.guest.broker.ask_run(name.clone());
    let begun = begun.map_err(unanswered);
    let (output, told) = match begun {
        Ok(lent) => lent,
        Err(fail) => {
            if let Fail::Refuse(refusal) = &fail {
                let about: [(&str, &dyn std::fmt::Display); 1] = [("command", &name)];
                session.guest.log("run", &about, Some(refusal));
            }
            return Err(fail);
        }
    };
    let end = match (Command { output, told }).pass_on(session)? {
        Outcome::Exit(code) => RunEnd::exit(code),
        Outcome::Signal(signal) => RunEnd::signal(signal),
        Outcome::Time => RunEnd::ended(Ended::Time),
        Outcome::Output => RunEnd::ended(Ended::Output),
        Outcome::Failed { code, message } => return Err(Refusal::new(code, message).into()),
        // That is for a client who has gone.
        Outcome::Gone => return Err(lost().into()),
    };
    Ok(session.line.writer.json(letter::END, &end)?)
}

fn unanswered(unanswered: Unanswered) -> Fail {
    match unanswered {
        Unanswered::Refused(refusal) => refusal.into(),
        Unanswered::Gone(why) => {
            let refusal = Refusal::new(Code::Io, "no command can be run now");
            crate::log::event(
                crate::log::Level::Error,
                "a command cannot be ordered",
                &[("reason", &why)],
            );
            refusal.into()
        }
    }
}

fn lost() -> Refusal {
    Refusal::new(
        Code::Io,
        "nobody knows how the command ended: the runner is gone",
    )
}

impl Command {
    /// Sends the output as it comes, until the command has ended. A client that hangs up meanwhile ends it: this process leaves, and with
    /// it the ends of the pipe and of the channel.
    fn pass_on(&self, session: &mut Session) -> Result<Outcome, Fail> {
        let mut piece = vec![0; PIECE];
        loop {
            wait(session, self.output.as_fd())?;
            match nix::unistd::read(&self.output, &mut piece) {
                Ok(0) => break,
                Ok(got) => {
                    session.line.writer.bytes(letter::DATA, &piece[..got])?;
                    session.line.writer.flush()?;
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Refusal::from(errno).into()),
            }
        }
        wait(session, self.told.as_fd())?;
        match ipc::receive(self.told.as_fd(), true) {
            Ok(Some((outcome, _))) => Ok(outcome),
            Ok(None) | Err(_) => Err(lost().into()),
        }
    }
}

/// Waits until there is something at `source`.
fn wait(session: &mut Session, source: BorrowedFd<'_>) -> Result<(), Fail> {
    loop {
        let client = session.line.reader.inner().fd();
        let seen = hangup::await_readable(source, client, TICK).map_err(Refusal::from)?;
        if seen.hung_up {
            let why = "the client hung up while its command ran";
            return Err(Fail::End(End::Lost(why.into())));
        }
        if seen.ready {
            return Ok(());
        }
        session.line.writer.bytes(letter::DATA, &[])?;
        session.line.writer.flush()?;
    }
}
