//! FTP, server's side (RFC 959, with RFC 1123, 2228, 2389, 2428, 3659, 4217, 7151): one client's commands, in order, until it
//! leaves. Run by a child.
//!
//! Two tables have a row for each command: those that need nobody to be logged in, and those about the library. A handler
//! answers itself; what it returns is only whether the session goes on.

mod attributes;
mod checksums;
mod control;
mod data;
mod describe;
mod entrance;
mod files;
mod line;
mod list;
mod opening;
mod receive;
mod retrieve;
mod status;
mod store;
mod tables;
mod ways;

use super::ask::Broker;
use super::dial::Dialer;
use super::guest::Guest;
use super::run::{Exit, World};
use super::stream::{Stream, refusal_in};
use crate::digest::Kind;
use crate::error::{Code, Refusal};
use crate::ipc::Client;
use crate::log::{self, Level};
use crate::scoreboard::Phase;
use crate::sys::file::{self, Stamp};
use crate::wire::ftp::command::{self, Command};
use crate::wire::ftp::facts::Facts;
use crate::wire::ftp::line::Line as Said;
use crate::wire::path::RelPath;
use control::{Control, code_of};
use line::Line;
use opening::Way;
use std::io;
use zeroize::Zeroize;

/// One client's session, after the login.
#[derive(Debug)]
struct Session<'a> {
    line: Line<'a>,
    guest: Guest,
    /// Of the login.
    since: Stamp,
    /// The working folder.
    folder: RelPath,
    /// REST: where the next transfer begins.
    restart: Option<u64>,
    /// ALLO: how much the next upload brings.
    announced: Option<u64>,
    /// RNFR: what the next RNTO renames.
    renamed: Option<RelPath>,
    /// RANG: what the next RETR or HASH is of, the last byte included.
    range: Option<(u64, u64)>,
    /// The digest that HASH gives.
    hash: Kind,
    /// The facts that MLSD and MLST give.
    facts: Facts,
}

/// Why a session is over.
#[derive(Debug)]
enum End {
    /// QUIT, or the client hung up between commands.
    Goodbye,
    /// The client is told why, and cut off.
    HangUp(Refusal),
    /// There is nobody left to tell.
    Lost(String),
    /// The broker is gone, and the client is there: it is told that there is no going on.
    Forsaken(String),
    /// All has been said and logged.
    Ended(Exit),
}

/// Whether the session goes on: what was wrong with a command is told to the client where it is found.
type Handled = Result<(), End>;

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        // Deadlines and the end of the service come as errors of the stream.
        let told = refusal_in(&error).cloned();
        told.map_or_else(|| End::Lost(error.to_string()), End::HangUp)
    }
}

/// Serves the client at the other end of `stream` until it leaves.
pub(super) fn serve(
    stream: Stream,
    world: World<'_>,
    client: &Client,
    broker: Broker,
    dialer: Option<Dialer>,
) -> Exit {
    let mut line = Line::new(Control::new(stream), world, client, broker, dialer);
    let admitted = match entrance::log_in(&mut line) {
        Ok(admitted) => admitted,
        Err(end) => return line.close(end),
    };
    let slot = line.control.slot();
    let guest = Guest::new(client.peer, admitted, line.broker.clone(), slot);
    let mut session = Session {
        line,
        guest,
        since: file::now(),
        folder: RelPath::root(),
        restart: None,
        announced: None,
        renamed: None,
        range: None,
        hash: checksums::DEFAULT,
        facts: Facts::default(),
    };
    let end = session.talk();
    session.line.close(end)
}

impl Session<'_> {
    fn talk(&mut self) -> End {
        loop {
            if let Err(end) = self.turn() {
                return end;
            }
        }
    }

    /// One command and its replies.
    fn turn(&mut self) -> Handled {
        self.line.control.enter(Phase::Idle);
        let Some(said) = self.line.control.line()? else {
            return Err(End::Goodbye);
        };
        self.line.control.enter(Phase::Busy);
        let Some(Command { verb, argument }) = self.line.understand(said)? else {
            return Ok(());
        };
        match tables::find(tables::INSIDE, &verb) {
            Some(row) => (row.handle)(self, &argument)?,
            None => match tables::find(tables::ANYWHERE, &verb) {
                Some(row) => (row.handle)(&mut self.line, &argument)?,
                None => self.line.unknown(&verb)?,
            },
        }
        // What REST, ALLO and RANG say is for the transfer that follows; RNTO comes right after RNFR or not at all.
        if !tables::keeps(&verb) {
            (self.restart, self.announced, self.range) = (None, None, None);
        }
        if verb != "RNFR" {
            self.renamed = None;
        }
        if tables::transfers(&verb) {
            self.line.way = Way::Unsaid;
        }
        self.line.look_ahead();
        if self.line.control.slot().asked_to_end() {
            Err(End::HangUp(Code::Closing.into()))
        } else {
            Ok(())
        }
    }

    /// Answers with why not; the session goes on.
    fn refuse(&mut self, refusal: &Refusal) -> Handled {
        self.line.refuse(refusal)
    }
}

impl Line<'_> {
    /// The command in what a client said; what is none is answered here.
    fn understand(&mut self, said: Said) -> Result<Option<Command>, End> {
        match said {
            Said::TooLong => {
                self.control.say(500, "That line is too long.")?;
                Ok(None)
            }
            Said::Command(mut line) => {
                let command = command::parse(&line);
                // It may have been a password; the command's own copy goes the same way.
                line.zeroize();
                if command.is_none() {
                    self.control.say(500, "That is no command.")?;
                }
                Ok(command)
            }
        }
    }

    fn unknown(&mut self, _verb: &str) -> Handled {
        self.control.say(502, "There is no such command here.")
    }

    /// Answers with why not; the session goes on.
    fn refuse(&mut self, refusal: &Refusal) -> Handled {
        self.control.say(code_of(refusal), &refusal.message)
    }

    fn close(mut self, end: End) -> Exit {
        let peer = self.client.peer;
        let mut fields: Vec<(&str, &dyn std::fmt::Display)> = vec![("peer", &peer)];
        match end {
            End::Goodbye => {
                self.control.output().farewell();
                log::event(Level::Info, "left", &fields);
                Exit::Done
            }
            End::HangUp(refusal) => {
                let _ = self.control.say(421, &refusal.message);
                let code = refusal.code.as_str();
                fields.push(("code", &code));
                fields.push(("reason", &refusal.message));
                let level = match refusal.code {
                    Code::Closing => Level::Info,
                    _ => Level::Warn,
                };
                log::event(level, "cut off", &fields);
                self.control.output().finish();
                self.control.input().linger();
                match refusal.code {
                    Code::Timeout => Exit::Late,
                    Code::Closing => Exit::Done,
                    _ => Exit::Cut,
                }
            }
            End::Ended(exit) => exit,
            End::Forsaken(reason) => {
                let what = "The server cannot go on with this session: connect again.";
                let _ = self.control.say(421, what);
                fields.push(("reason", &reason));
                log::event(Level::Error, "forsaken", &fields);
                self.control.output().finish();
                self.control.input().linger();
                Exit::Cut
            }
            End::Lost(reason) => {
                fields.push(("reason", &reason));
                log::event(Level::Info, "lost", &fields);
                Exit::Cut
            }
        }
    }
}
