//! The connection under HTTP: heads and bodies in, answers out, and whether it can be used for another request. Run by a child.

use super::reply::{Length, Reply};
use super::{End, Handled, refusal};
use crate::child::stream::Stream;
use crate::error::{Code, Refusal};
use crate::scoreboard::{Phase, Slot};
use crate::sys::Errno;
use crate::wire::frame::Sink;
use crate::wire::http::chunked::Chunked;
use crate::wire::http::head::{Broken, Framing, Head, LONGEST_HEAD};
use std::io::{self, Read};
use zeroize::Zeroize;

/// Of a body that nobody wanted, so much is read for the sake of the connection; for more it is closed.
const WASTE: u64 = 256 * 1024;
/// How long a client may go on with a body that is refused, before it is cut off, in milliseconds.
const LONG_LINGER: u64 = 5000;
/// Read at once where bytes are only looked at.
const PIECE: usize = 16 * 1024;

/// The connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// What came and is not used yet begins at `at`.
    buffer: Vec<u8>,
    at: usize,
    body: Body,
    /// The client waits for a word before it sends the body.
    word_due: bool,
    /// It ends after the answer under way.
    closes: bool,
    /// How far the request under way has come.
    turn: Turn,
    /// The request under way is of HTTP/1.0.
    is_old: bool,
    /// What is left to send of the answer is in chunks.
    chunks: bool,
}

/// Whose turn it is to say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The client's: for its next request.
    Asking,
    /// Ours: it has asked.
    Answering,
    /// An answer has begun, and nothing else can be said.
    Answered,
}

/// What is left of the body of the request under way.
#[derive(Debug)]
enum Body {
    Length(u64),
    Chunked(Chunked),
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Connection {
        Connection {
            stream,
            buffer: Vec::new(),
            at: 0,
            body: Body::Length(0),
            word_due: false,
            closes: false,
            turn: Turn::Asking,
            is_old: false,
            chunks: false,
        }
    }

    pub(super) fn slot(&self) -> Slot<'static> {
        self.stream.input.slot()
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.stream.input.enter(phase);
    }

    /// The head of the next request; None at the end of the connection.
    pub(super) fn head(&mut self) -> Result<Option<Result<Head, Broken>>, End> {
        self.turn = Turn::Asking;
        if self.closes {
            return Ok(None);
        }
        loop {
            match Head::parse(&self.buffer[self.at..]) {
                Err(broken) => return Ok(Some(Err(broken))),
                Ok(Some((head, length))) => {
                    self.at += length;
                    self.body = match head.framing {
                        Framing::None => Body::Length(0),
                        Framing::Length(length) => Body::Length(length),
                        Framing::Chunked => Body::Chunked(Chunked::default()),
                    };
                    self.word_due = head.expects_continue;
                    self.closes = !head.keep_alive;
                    self.is_old = !head.is_1_1;
                    self.turn = Turn::Answering;
                    return Ok(Some(Ok(head)));
                }
                Ok(None) => {}
            }
            if self.read()? == 0 {
                return match self.buffer.len() - self.at {
                    0 => Ok(None),
                    _ => Err(End::Lost(
                        "the client left in the middle of a request".into(),
                    )),
                };
            }
        }
    }

    /// Reads more into the buffer.
    fn read(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + LONGEST_HEAD, 0);
        let came = match self.stream.input.read(&mut self.buffer[filled..]) {
            Err(error) if error.raw_os_error() == Some(Errno::ECONNRESET as i32) => Ok(0),
            other => other,
        };
        self.buffer.truncate(filled + *came.as_ref().unwrap_or(&0));
        came
    }

    /// Bytes of the body that are to come, if that was said.
    pub(super) fn body_left(&self) -> Option<u64> {
        match &self.body {
            Body::Length(left) => Some(*left),
            Body::Chunked(_) => None,
        }
    }

    fn body_is_over(&self) -> bool {
        match &self.body {
            Body::Length(left) => *left == 0,
            Body::Chunked(chunked) => chunked.is_over(),
        }
    }

    /// Reads of the body; 0 at its end, which is where the client said it would be.
    ///
    /// # Errors
    /// `Lost` when the connection ends before.
    pub(super) fn read_body(&mut self, into: &mut [u8]) -> Result<usize, End> {
        if self.body_is_over() || into.is_empty() {
            return Ok(0);
        }
        if std::mem::take(&mut self.word_due) {
            self.stream
                .output
                .send(b"HTTP/1.1 100 Continue\r\n\r\n", false)?;
        }
        loop {
            let most = match &self.body {
                Body::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX).min(into.len()),
                Body::Chunked(_) => into.len(),
            };
            let waiting = &self.buffer[self.at..];
            let came = if waiting.is_empty() {
                match self.stream.input.read(&mut into[..most]) {
                    Err(error) if error.raw_os_error() == Some(Errno::ECONNRESET as i32) => 0,
                    other => other?,
                }
            } else {
                let came = waiting.len().min(most);
                into[..came].copy_from_slice(&waiting[..came]);
                self.at += came;
                came
            };
            if came == 0 {
                return Err(End::Lost("the client left in the middle of a body".into()));
            }
            match &mut self.body {
                Body::Length(left) => {
                    *left -= came as u64;
                    return Ok(came);
                }
                Body::Chunked(chunked) => {
                    let Ok((taken, data)) = chunked.decode(&mut into[..came]) else {
                        let what = "the body is not in chunks as it should be";
                        return Err(End::HangUp(Refusal::new(Code::Protocol, what)));
                    };
                    if taken < came {
                        // The next request: it goes back to where it is looked for.
                        self.buffer.drain(..self.at);
                        self.at = 0;
                        self.buffer.splice(..0, into[taken..came].iter().copied());
                    }
                    if data > 0 || chunked.is_over() {
                        return Ok(data);
                    }
                }
            }
        }
    }

    /// Overwrites what was read and is used: there was a password in it.
    pub(super) fn forget(&mut self) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.spare_capacity_mut().zeroize();
    }

    /// The connection ends after the answer under way.
    pub(super) fn close_after(&mut self) {
        self.closes = true;
    }

    /// The word that an answer ends the connection, if it does. What of a body is not read by then would have to be read away: where
    /// that is much, or will only be sent on a word, the connection is closed instead.
    fn is_last(&mut self) -> bool {
        let waste = self.body_left().unwrap_or(u64::MAX);
        if !self.body_is_over() && (self.word_due || waste > WASTE) {
            self.closes = true;
        }
        self.closes
    }

    /// One whole answer; `head_only` for what was asked for by HEAD.
    pub(super) fn send(&mut self, reply: &Reply, head_only: bool) -> Handled {
        let content = if head_only { &[][..] } else { reply.content() };
        let mut bytes = self.begin_bytes(reply, Length::Known(reply.content().len() as u64));
        bytes.extend_from_slice(content);
        Ok(self.stream.output.send(&bytes, false)?)
    }

    /// The head of an answer whose content follows; `head_only` for what was asked for by HEAD.
    pub(super) fn begin(&mut self, reply: &Reply, length: Length, head_only: bool) -> Handled {
        let bytes = self.begin_bytes(reply, length);
        let more = !head_only && length != Length::Known(0);
        Ok(self.stream.output.send(&bytes, more)?)
    }

    fn begin_bytes(&mut self, reply: &Reply, length: Length) -> Vec<u8> {
        self.chunks = length == Length::Unknown && !self.is_old;
        if length == Length::Unknown && self.is_old {
            self.closes = true;
        }
        self.turn = Turn::Answered;
        let last = self.is_last();
        reply.head(length, self.chunks, last, self.is_old)
    }

    /// Content that follows a head without a length.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Handled {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.chunks {
            return Ok(self.stream.output.send(bytes, false)?);
        }
        let output = &mut self.stream.output;
        output.send(format!("{:x}\r\n", bytes.len()).as_bytes(), true)?;
        output.send(bytes, true)?;
        Ok(output.send(b"\r\n", false)?)
    }

    /// The end of such content.
    pub(super) fn end(&mut self) -> Handled {
        if self.chunks {
            self.stream.output.send(b"0\r\n\r\n", false)?;
        }
        Ok(())
    }

    /// After an answer: reads away what is left of the body, or ends the connection.
    pub(super) fn settle(&mut self) -> Handled {
        if self.closes {
            return Err(End::Goodbye);
        }
        let mut waste = [0; PIECE];
        let mut left = WASTE;
        while left > 0 {
            match self.read_body(&mut waste)? {
                0 => return Ok(()),
                came => left = left.saturating_sub(came as u64),
            }
        }
        Err(End::Goodbye)
    }

    /// Tells a client that is cut off why, if it has asked for something and has had no answer yet.
    pub(super) fn say_why(&mut self, refusal: &Refusal) {
        // Said to nobody's question, it would be taken for the answer to the next one.
        let is_owed = match self.turn {
            Turn::Asking => self.at < self.buffer.len(),
            Turn::Answering => true,
            Turn::Answered => false,
        };
        if !is_owed {
            return;
        }
        self.closes = true;
        let status = match refusal.code {
            // Of the client's, that is.
            Code::Timeout => 408,
            _ => refusal::status_of(refusal),
        };
        let _ = self.send(&Reply::text(status, &refusal.message), false);
    }

    /// Takes leave: what was sent is heard, also by a client that still sends.
    pub(super) fn leave(&mut self) {
        self.stream.output.finish();
        if self.body_is_over() || self.word_due {
            self.stream.input.linger();
        } else {
            // Browsers look for an answer when they have sent all, or can send no more.
            self.stream.input.linger_for(LONG_LINGER);
        }
    }
}
