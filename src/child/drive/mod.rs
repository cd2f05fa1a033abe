//! The drive protocol, server's side: one client's requests, in order, until it leaves. Run by a child.
//!
//! A table has one row for each letter. A handler refuses (the answer is `E`, the session goes on) or ends the session.

mod get;
mod handshake;
mod list;
mod manage;
mod put;
mod run;

use super::ask::Broker;
use super::guest::Guest;
use super::run::Exit;
use super::stream::{Input, Output, Stream, refusal_in};
use crate::error::{Code, Refusal};
use crate::ipc::Client;
use crate::log::{self, Level};
use crate::scoreboard::Phase;
use crate::sys::net::Peer;
use crate::wire::drive::{Fault, Nothing, letter};
use crate::wire::frame::{Broken, Header, Reader, Writer};
use put::Batch;
use serde::de::DeserializeOwned;
use std::io;

/// A connection before the handshake is over: there is no library here to do anything with.
struct Line {
    reader: Reader<Input>,
    writer: Writer<Output>,
    peer: Peer,
    /// The handshake is over: from now on deadlines are counted for each request.
    inside: bool,
}

/// One client's session, after the handshake.
struct Session {
    line: Line,
    guest: Guest,
    /// A command that was read before the session began.
    pending: Option<Header>,
    /// Uploads that are whole, waiting to be published together.
    batch: Batch,
    /// The rest of a refused upload is still on its way: it is skipped.
    skipping: bool,
}

/// Why a handler did not carry out its request.
enum Fail {
    /// Answered with `E`; the session goes on.
    Refuse(Refusal),
    /// Has been answered with `E` already; the session goes on.
    Told(Refusal),
    /// The session is over.
    End(End),
}

/// Why a session is over.
enum End {
    /// `Q`, or the client hung up between requests.
    Goodbye,
    /// The client is told why, and cut off.
    HangUp(Refusal),
    /// There is nobody left to tell.
    Lost(String),
}

type Handled = Result<(), Fail>;

impl From<Refusal> for Fail {
    fn from(refusal: Refusal) -> Fail {
        Fail::Refuse(refusal)
    }
}

impl From<Code> for Fail {
    fn from(code: Code) -> Fail {
        Fail::Refuse(code.into())
    }
}

impl From<io::Error> for Fail {
    fn from(error: io::Error) -> Fail {
        // Deadlines and the end of the service come as errors of the stream.
        let told = refusal_in(&error).cloned();
        Fail::End(told.map_or_else(|| End::Lost(error.to_string()), End::HangUp))
    }
}

impl From<Broken> for Fail {
    fn from(broken: Broken) -> Fail {
        match broken {
            Broken::Io(error) => error.into(),
            Broken::Truncated => Fail::End(End::Lost(broken.to_string())),
            Broken::NoFrame(_) | Broken::TooLong { .. } => Fail::hang_up(broken.to_string()),
        }
    }
}

impl Fail {
    fn hang_up(what: impl Into<String>) -> Fail {
        Fail::End(End::HangUp(Refusal::new(Code::Protocol, what)))
    }
}

/// What a letter asks for.
struct Row {
    letter: u8,
    handle: fn(&mut Session, Header) -> Handled,
    /// The answer of an upload waits for others, so that they reach the disk together; every other request is answered
    /// after those that came before it.
    joins_batch: bool,
}

const ROWS: [Row; 11] = [
    Row {
        letter: letter::LIST,
        handle: list::handle,
        joins_batch: false,
    },
    Row {
        letter: letter::GET,
        handle: get::handle,
        joins_batch: false,
    },
    Row {
        letter: letter::PUT,
        handle: put::handle,
        joins_batch: true,
    },
    Row {
        letter: letter::MAKE,
        handle: manage::handle_make,
        joins_batch: false,
    },
    Row {
        letter: letter::RENAME,
        handle: manage::handle_rename,
        joins_batch: false,
    },
    Row {
        letter: letter::REMOVE,
        handle: manage::handle_remove,
        joins_batch: false,
    },
    Row {
        letter: letter::STAT,
        handle: manage::handle_stat,
        joins_batch: false,
    },
    Row {
        letter: letter::TIME,
        handle: manage::handle_time,
        joins_batch: false,
    },
    Row {
        letter: letter::ECHO,
        handle: echo,
        joins_batch: false,
    },
    Row {
        letter: letter::QUIT,
        handle: quit,
        joins_batch: false,
    },
    Row {
        letter: letter::RUN,
        handle: run::handle,
        joins_batch: false,
    },
];

/// Serves the client at the other end of `stream` until it leaves.
pub(super) fn serve(stream: Stream, client: &Client, broker: Broker) -> Exit {
    let mut line = Line {
        reader: Reader::new(stream.input),
        writer: Writer::new(stream.output),
        peer: client.peer,
        inside: false,
    };
    let (admitted, pending) = match handshake::run(&mut line, client, &broker) {
        Ok(entered) => entered,
        // One attempt for each connection.
        Err(Fail::Refuse(refusal) | Fail::Told(refusal)) => {
            return line.close(End::HangUp(refusal));
        }
        Err(Fail::End(end)) => return line.close(end),
    };
    line.inside = true;
    let guest = Guest::new(line.peer, admitted, broker, line.reader.inner().slot());
    let mut session = Session {
        line,
        guest,
        pending,
        batch: Batch::default(),
        skipping: false,
    };
    let end = session.talk();
    // Whole uploads are published even if the client did not wait for the answer.
    let _ = session.commit();
    session.line.close(end)
}

impl Line {
    /// The request in a frame's payload.
    fn request<T: DeserializeOwned>(&mut self, header: Header) -> Result<T, Fail> {
        let payload = self.reader.control(header)?;
        // serde would take an array for a struct, field by field.
        let parsed = match payload.trim_ascii_start().first() {
            Some(b'{') => serde_json::from_slice(payload).map_err(|error| error.to_string()),
            _ => Err("a request is a JSON object".to_owned()),
        };
        if self.inside {
            self.reader.inner().enter(Phase::Busy);
        }
        let refuse = |what| Refusal::new(Code::Request, format!("malformed request: {what}"));
        parsed.map_err(|what| refuse(what).into())
    }

    /// Answers with `E`. Sent at once: a client that still sends should hear it.
    fn refuse(&mut self, refusal: &Refusal) -> io::Result<()> {
        self.writer.json(letter::ERROR, &Fault::from(refusal))?;
        self.writer.flush()
    }

    fn close(mut self, end: End) -> Exit {
        let peer = self.peer;
        let mut fields: Vec<(&str, &dyn std::fmt::Display)> = vec![("peer", &peer)];
        match end {
            End::Goodbye => {
                let _ = self.writer.flush();
                self.writer.sink().farewell();
                log::event(Level::Info, "left", &fields);
                Exit::Done
            }
            End::HangUp(refusal) => {
                let _ = self.refuse(&refusal);
                let code = refusal.code.as_str();
                fields.push(("code", &code));
                fields.push(("reason", &refusal.message));
                log::event(
                    if refusal.code == Code::Closing {
                        Level::Info
                    } else {
                        Level::Warn
                    },
                    "cut off",
                    &fields,
                );
                self.writer.sink().finish();
                self.reader.inner().linger();
                match refusal.code {
                    Code::Proof => Exit::Unproved,
                    Code::Timeout => Exit::Late,
                    Code::Closing => Exit::Done,
                    _ => Exit::Cut,
                }
            }
            End::Lost(reason) => {
                fields.push(("reason", &reason));
                log::event(Level::Info, "lost", &fields);
                Exit::Cut
            }
        }
    }
}

impl Session {
    fn talk(&mut self) -> End {
        loop {
            if let Err(Fail::End(end)) = self.turn() {
                return end;
            }
        }
    }

    /// One request and its answer.
    fn turn(&mut self) -> Handled {
        let more = self.line.reader.has_more()
            || (self.batch.is_open() && self.line.reader.inner().is_waiting());
        if !more {
            // The client waits for us now, or will soon.
            self.commit()?;
            self.line.writer.flush()?;
        }
        // A request has to be whole within the idle time, however its bytes come.
        let phase = if self.skipping {
            Phase::Busy
        } else {
            Phase::Idle
        };
        self.line.reader.inner().enter(phase);
        let header = match self.pending.take() {
            Some(header) => Some(header),
            None => self.line.reader.header()?,
        };
        let Some(header) = header else {
            return Err(Fail::End(End::Goodbye));
        };
        if self.skips(header)? {
            return Ok(());
        }
        let row = ROWS.iter().find(|row| row.letter == header.letter);
        if !row.is_some_and(|row| row.joins_batch) {
            self.commit()?;
        }
        let handled = match row {
            Some(row) => (row.handle)(self, header),
            None => self.unknown(header),
        };
        match handled {
            Ok(()) | Err(Fail::Told(_)) => {}
            Err(Fail::Refuse(refusal)) => self.line.refuse(&refusal)?,
            Err(end @ Fail::End(_)) => return Err(end),
        }
        if self.line.reader.inner().slot().asked_to_end() {
            Err(Fail::End(End::HangUp(Code::Closing.into())))
        } else {
            Ok(())
        }
    }

    /// Passes over the rest of a refused upload.
    fn skips(&mut self, header: Header) -> Result<bool, Fail> {
        if !self.skipping {
            return Ok(false);
        }
        match header.letter {
            letter::DATA => {}
            letter::END | letter::ERROR => self.skipping = false,
            // The client had not begun to send.
            _ => {
                self.skipping = false;
                return Ok(false);
            }
        }
        self.line.reader.skip(header)?;
        Ok(true)
    }

    fn unknown(&mut self, header: Header) -> Handled {
        let name = char::from(header.letter);
        if matches!(
            header.letter,
            letter::HELLO | letter::OK | letter::ERROR | letter::DATA | letter::END | letter::PROVE
        ) {
            return Err(Fail::hang_up(format!("{name} has no place here")));
        }
        self.line.reader.skip(header)?;
        if header.letter == letter::LOGIN {
            let what = "a login comes before the first command";
            return Err(Refusal::new(Code::Login, what).into());
        }
        Err(Refusal::new(Code::Letter, format!("this server has no command {name}")).into())
    }

    /// Publishes the uploads of the batch, and answers for each.
    fn commit(&mut self) -> Result<(), Fail> {
        let batch = std::mem::take(&mut self.batch);
        put::commit(self, batch)
    }
}

fn echo(session: &mut Session, header: Header) -> Handled {
    let payload = session.line.reader.control(header)?.to_vec();
    Ok(session.line.writer.bytes(letter::ECHO, &payload)?)
}

fn quit(session: &mut Session, header: Header) -> Handled {
    let Nothing {} = session.line.request(header)?;
    session.line.writer.json(letter::OK, &Nothing {})?;
    Err(Fail::End(End::Goodbye))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hello_lists_what_the_table_answers() {
        let letters: String = ROWS.iter().map(|row| char::from(row.letter)).collect();
        assert_eq!(letters, crate::wire::drive::COMMANDS);
    }
}
